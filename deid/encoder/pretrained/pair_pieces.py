"""A BERT checkpoint's own pieces under our words, and (text, description) pairs laid out for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from deid.encoder.pretrained.folder import CheckpointFolder
from deid.encoder.windows import Batch, Window
from deid.encoder.words import WORD, IntArray, Words
from deid.errors import InputOutputError, IntegrityError

_TOKENIZER, _VOCABULARY = "tokenizer.json", "vocab.txt"
_LONGEST_WORD = 100  # letters; a longer one is an unknown piece, as in BERT


@dataclass(frozen=True, slots=True)
class Pair:
    """A window of a text with a description, or alone.

    Args:
        window: The window.
        description: Vocabulary ids; None for the text alone.
    """

    window: Window
    description: IntArray | None

    @property
    def length(self) -> int:
        """Pieces of the sequence, special ones included."""
        return self.window.pieces + (1 if self.description is None else len(self.description) + 3)


class PairPieces:
    """Cuts text with the checkpoint's tokenizer, whatever files it lies in.

    Args:
        folder: Holds ``tokenizer.json``, or ``vocab.txt`` and perhaps ``tokenizer_config.json``. Without the
            latter, case counts.

    Raises:
        InputOutputError: if there is neither.
        IntegrityError: if a special piece is missing.
    """

    def __init__(self, folder: CheckpointFolder) -> None:
        self._tokenizer = _tokenizer(folder)
        self.cls, self.sep, self.pad = (
            _special(self._tokenizer, piece, folder) for piece in ("[CLS]", "[SEP]", "[PAD]")
        )

    @property
    def size(self) -> int:
        """Entries of the vocabulary."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def ids(self, text: str) -> IntArray:
        """Return the vocabulary ids of a text, all of them."""
        return np.asarray(self._tokenizer.encode(text, add_special_tokens=False).ids, dtype=np.int32)

    def split(self, text: str) -> Words:
        """Cut a text into our words; one whose letters lie in a piece of the word before joins that word."""
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        spans = [match.span() for match in WORD.finditer(text)] if encoded.ids else []
        if not spans:
            nothing = np.zeros(0, dtype=np.int32)
            return Words(nothing, nothing, nothing, nothing, np.zeros(1, dtype=np.int32))
        starts, ends = np.asarray(spans, dtype=np.int32).T
        pieces = np.asarray(encoded.ids, dtype=np.int32)
        first = np.searchsorted([begin for begin, _ in encoded.offsets], starts)
        first[0] = 0
        own = np.flatnonzero(np.diff(first, append=len(pieces)))
        last = np.append(own[1:], len(starts)) - 1
        return Words(
            starts=starts[own],
            ends=ends[last],
            shapes=np.zeros(len(own), dtype=np.int32),
            pieces=pieces,
            first_piece=np.append(first[own], len(pieces)).astype(np.int32),
        )


def _special(tokenizer: Tokenizer, piece: str, folder: CheckpointFolder) -> int:
    number = tokenizer.token_to_id(piece)
    if number is None:
        raise IntegrityError(f"model folder {folder.path}: the vocabulary lacks {piece}")
    return number


def _tokenizer(folder: CheckpointFolder) -> Tokenizer:
    whole, vocabulary = folder.path / _TOKENIZER, folder.path / _VOCABULARY
    if whole.is_file():
        tokenizer = Tokenizer.from_file(str(whole))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        # "[SEP]" in a note is text.
        tokenizer.encode_special_tokens = True
        return tokenizer
    if not vocabulary.is_file():
        raise InputOutputError(f"model folder {folder.path}: missing {_TOKENIZER} or {_VOCABULARY}")
    lower = bool(folder.json("tokenizer_config.json").get("do_lower_case", False))
    entries = vocabulary.read_text(encoding="utf-8").split("\n")
    ids = {piece: number for number, piece in enumerate(entries) if piece}
    tokenizer = Tokenizer(WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=_LONGEST_WORD))
    tokenizer.normalizer = BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=lower
    )
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


def lay_out_pairs(
    pairs: Sequence[Pair], texts: Sequence[Words], pieces: PairPieces, *, most: int, multiple: int = 16
) -> Batch:
    """Lay pairs out as ``[CLS] text [SEP] description [SEP]``, texts alone as ``[CLS] text``.

    Args:
        pairs: What to lay out.
        texts: The texts that the windows' ``text_index`` points into.
        pieces: Gives the special pieces.
        most: Longest sequence that the model reads.
        multiple: Lengths are rounded up to it, so that few distinct shapes occur.

    Returns:
        A batch whose ``shapes`` are token types: 0 up to the text's end, 1 from the first ``[SEP]`` on.
    """
    longest = max(pair.length for pair in pairs)
    widest = max(pair.window.last_word - pair.window.first_word for pair in pairs)
    length, width = (-(-size // multiple) * multiple for size in (longest, widest))
    length = min(length, most)
    ids = np.full((len(pairs), length), pieces.pad, dtype=np.int32)
    kinds = np.zeros((len(pairs), length), dtype=np.int32)
    mask = np.zeros((len(pairs), length), dtype=np.float32)
    pool = np.zeros((len(pairs), width, length), dtype=np.float32)
    for row, (pair, window) in enumerate((pair, pair.window) for pair in pairs):
        words, end = texts[window.text_index], window.pieces + 1
        bounds = words.first_piece[window.first_word : window.last_word + 1]
        ids[row, 0] = pieces.cls
        ids[row, 1:end] = words.pieces[bounds[0] : bounds[0] + window.pieces]
        if pair.description is not None:
            ids[row, end : pair.length] = [pieces.sep, *pair.description, pieces.sep]
            kinds[row, end : pair.length] = 1
        mask[row, : pair.length] = 1
        counts = np.diff(np.minimum(bounds - bounds[0], window.pieces))
        of_word = np.repeat(np.arange(len(counts)), counts)
        pool[row, of_word, np.arange(1, end)] = np.repeat(1 / np.maximum(counts, 1), counts)
    return Batch(ids, kinds, mask, pool)
