"""Words, their pieces and their shapes: an offset-preserving clinical pre-tokenizer over two vocabularies."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer
from tokenizers.models import Unigram, WordPiece
from tokenizers.normalizers import BertNormalizer

IntArray = npt.NDArray[np.int32]

# A run of letters, a run of digits, or one other visible sign: splits `Smith,MD` and `DOB:3/4/79`.
WORD = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")

_LETTER_SHAPES = 6
_DIGIT_SHAPES = 6
_CLASSES = 1 + _LETTER_SHAPES + _DIGIT_SHAPES + 1
_GLUED, _SPACE, _LINE, _PARAGRAPH = range(4)
SHAPE_COUNT = _CLASSES * 4
_CACHE_LIMIT = 400_000
_LONGEST_WORD = 64  # letters; what is longer is one unknown piece
_BEHIND_SPACE = "\u2581"  # as in SentencePiece


def _shape_class(word: str) -> int:
    """Return the class of a word's form: 0 is kept for special pieces."""
    if word[0].isdigit():
        length = len(word)
        return 1 + _LETTER_SHAPES + (length - 1 if length <= 4 else 4 if length <= 6 else 5)
    if not word[0].isalpha():
        return _CLASSES - 1
    if word.islower():
        return 1
    if word.upper() == word.lower():
        return 6
    if word.isupper():
        return 4 if len(word) == 1 else 3
    return 2 if word[1:].islower() else 5


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text and the pieces they consist of.

    Args:
        starts: [W] first code point of each word.
        ends: [W] one past its last code point.
        shapes: [W] shape class, in ``0..SHAPE_COUNT``.
        pieces: [P] vocabulary ids.
        first_piece: [W + 1] index of each word's first piece; the last entry is P.
    """

    starts: IntArray
    ends: IntArray
    shapes: IntArray
    pieces: IntArray
    first_piece: IntArray

    def __len__(self) -> int:
        return len(self.starts)


class WordPieces:
    """Cuts text into words and pieces; pieces of a word do not depend on its neighbors, so they are cached.

    Args:
        vocabulary: One piece a line. Lower-case pieces as in BERT's vocab.txt; or pieces in their own case,
            each with a tab and its log probability behind it, where words behind white space begin with
            U+2581, as in SentencePiece (Kudo 2018).
    """

    def __init__(self, vocabulary: Path) -> None:
        lines = vocabulary.read_text(encoding="utf-8").split("\n")
        entries = [line.partition("\t") for line in lines]
        ids = {piece: number for number, (piece, _, _) in enumerate(entries) if piece}
        self.cls, self.sep, self.pad, self._unk = (ids[f"[{name}]"] for name in ("CLS", "SEP", "PAD", "UNK"))
        self._cased = bool(entries[0][1])
        if self._cased:
            scored = [(piece, float(score)) for piece, _, score in entries if piece]
            self._tokenizer = Tokenizer(Unigram(scored, unk_id=self._unk, byte_fallback=False))
        else:
            longest = {"max_input_chars_per_word": _LONGEST_WORD}
            self._tokenizer = Tokenizer(WordPiece(ids, unk_token="[UNK]", **longest))
            self._tokenizer.normalizer = BertNormalizer(
                clean_text=True, handle_chinese_chars=False, strip_accents=True, lowercase=True
            )
        self._cache: dict[str, tuple[tuple[int, ...], int]] = {}

    def _look_up(self, word: str, spaced: bool) -> tuple[tuple[int, ...], int]:
        key = _BEHIND_SPACE + word if spaced and self._cased else word
        found = self._cache.get(key)
        if found is None:
            found = (self._cut(key), _shape_class(word))
            if len(self._cache) >= _CACHE_LIMIT:
                self._cache.clear()
            self._cache[key] = found
        return found

    def _cut(self, key: str) -> tuple[int, ...]:
        if self._cased and len(key) > _LONGEST_WORD:
            return (self._unk,)
        ids = self._tokenizer.encode(key, add_special_tokens=False).ids
        if self._cased and self._unk in ids:
            plain = "".join(
                each for each in unicodedata.normalize("NFKD", key) if not unicodedata.combining(each)
            )
            ids = self._tokenizer.encode(plain, add_special_tokens=False).ids
        return tuple(ids) or (self._unk,)

    def split(self, text: str) -> Words:
        """Cut a text into words and pieces; nothing is left out but white space."""
        starts: list[int] = []
        ends: list[int] = []
        shapes: list[int] = []
        pieces: list[int] = []
        first_piece = [0]
        previous = 0
        look_up = self._look_up
        for match in WORD.finditer(text):
            start, end = match.span()
            if start == previous and start:
                gap = _GLUED
            else:
                breaks = text.count("\n", previous, start) if start else 1
                gap = _SPACE if not breaks else _LINE if breaks == 1 else _PARAGRAPH
            word_pieces, shape = look_up(match[0], gap != _GLUED)
            starts.append(start)
            ends.append(end)
            shapes.append(shape * 4 + gap)
            pieces += word_pieces
            first_piece.append(len(pieces))
            previous = end
        return Words(
            *(np.asarray(column, dtype=np.int32) for column in (starts, ends, shapes, pieces, first_piece))
        )
