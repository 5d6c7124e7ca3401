"""GLiNER models through the package ``gliner``: a type's description is the label asked for."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from deid.encoder.decode import Mention
from deid.encoder.describe import Described
from deid.encoder.interface import UNCALIBRATED_THRESHOLD, DescribedTypes, uncalibrated
from deid.encoder.pretrained.folder import CheckpointFolder
from deid.encoder.windows import Window, split_windows
from deid.encoder.words import Words
from deid.errors import InputOutputError, IntegrityError, UsageError
from deid.lean import admit_training_libraries

CONFIG = "gliner_config.json"
CONVERSION = (
    "from gliner import GLiNER; GLiNER.from_pretrained(NAME).save_pretrained(DIR, safe_serialization=True)"
)
_NEEDED = (CONFIG, "tokenizer_config.json")
_OTHER_TASKS = ("labels_decoder", "relations_layer")  # such models write labels or relations as well
_POSITIONS = 512  # where neither tokenizer nor encoder says how much they read
_NO_LIMIT = 100_000  # tokenizers without a limit state an astronomic one
_BATCH = 8


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels that are asked for in one pass.

    Args:
        texts: Type index by label; of types that are described alike, the first.
        threshold: Least score.
        window: Pieces of text that fit beside the labels.
    """

    texts: Mapping[str, int]
    threshold: float
    window: int


@dataclass(frozen=True, slots=True)
class LabelledTypes(DescribedTypes):
    """Descriptions of T types as labels.

    Args:
        passes: The labels of each pass over a text.
    """

    passes: tuple[Labels, ...]


class GlinerEncoder:
    """Asks a GLiNER model for the descriptions, as many in one pass as leave room for text.

    Args:
        folder: A model saved with `CONVERSION`.

    Raises:
        UsageError: if the package is not installed.
        InputOutputError: if files are missing or the package cannot load them.
        IntegrityError: if the model is none that only finds mentions.
    """

    def __init__(self, folder: Path) -> None:
        opened = CheckpointFolder.open(folder, conversion=CONVERSION)
        _check(opened)
        self.digest = opened.digest
        self._model = _load(folder)
        self._tokenizer = self._model.data_processor.transformer_tokenizer
        self._splitter = self._model.data_processor.words_splitter
        self._positions = _positions(self._model)

    @property
    def runtime(self) -> str:
        """The package, its version and the device, for the manifest."""
        return f"gliner-{version('gliner')}-{self._model.device.type}"

    @property
    def facts(self) -> Mapping[str, Any]:
        """Sizes and settings."""
        config = self._model.config
        return {
            "base": Path(str(config.model_name)).name,
            "positions": self._positions,
            "longest_text_in_words": config.max_len,
            "longest_mention_in_words": config.max_width,
            "types_in_a_pass": config.max_types,
            "uncalibrated_threshold": UNCALIBRATED_THRESHOLD,
        }

    def describe(
        self, types: Mapping[str, Described], *, thresholds: Mapping[str, float] | None = None
    ) -> LabelledTypes:
        """Pack the descriptions of types into passes.

        Args:
            types: Descriptions by type name.
            thresholds: Set by hand for some types; the others take `UNCALIBRATED_THRESHOLD`.

        Raises:
            UsageError: if a description leaves too little room for text beside it.
        """
        plain = uncalibrated(tuple(types), thresholds)
        passes: list[Labels] = []
        # In one pass the strongest label takes a word, so labels with different thresholds must not meet.
        for threshold in np.unique(plain.thresholds):
            chosen = {
                " ".join(types[name].description.split()): at
                for at, name in reversed(list(enumerate(plain.names)))
                if plain.thresholds[at] == threshold
            }
            names = dict(sorted(chosen.items(), key=lambda pair: pair[1]))
            passes += self._packed(names, float(threshold), plain.names)
        return LabelledTypes(plain.names, plain.thresholds, plain.first, tuple(passes))

    def _packed(self, labels: Mapping[str, int], threshold: float, names: Sequence[str]) -> Iterator[Labels]:
        """Fill half of what the model reads with labels, the other half stays for text."""
        config = self._model.config
        fixed = self._size(config.sep_token) + self._tokenizer.num_special_tokens_to_add()
        most = self._positions // 2 - fixed
        group: dict[str, int] = {}
        size = 0
        for label, at in labels.items():
            pieces = self._size(config.ent_token, label)
            if pieces > most:
                raise UsageError(
                    f"type {names[at]}: its description has {pieces} pieces, and this model reads at most"
                    f" {most}; shorten it"
                )
            if group and (size + pieces > most or len(group) == config.max_types):
                yield Labels(group, threshold, min(config.max_len, self._positions - fixed - size))
                group, size = {}, 0
            group[label] = at
            size += pieces
        if group:
            yield Labels(group, threshold, min(config.max_len, self._positions - fixed - size))

    def _encoded(self, words: Sequence[str]) -> Any:
        return self._tokenizer(list(words), is_split_into_words=True, add_special_tokens=False)

    def _size(self, *words: str) -> int:
        return len(self._encoded(words)["input_ids"])

    def find(self, texts: Sequence[str], types: LabelledTypes) -> list[tuple[Mention, ...]]:
        """Find mentions in each text; where windows or passes disagree, all that they found.

        Args:
            texts: Notes of any length.
            types: From `describe`.
        """
        words = [self._words(text) for text in texts] if types.passes else []
        found: list[dict[tuple[int, int, int], float]] = [{} for _ in texts]
        for labels in types.passes:
            windows = [
                window
                for index, split in enumerate(words)
                for window in split_windows(
                    split, index, window=labels.window, overlap=max(labels.window // 8, 1)
                )
            ]
            for window, start, entities in self._pass(texts, words, windows, labels):
                mentions = found[window.text_index]
                for each in entities:
                    key = (start + each["start"], start + each["end"], labels.texts[each["label"]])
                    mentions[key] = max(mentions.get(key, 0.0), round(float(each["score"]), 3))
        return [tuple(sorted(Mention(*key, score) for key, score in mentions.items())) for mentions in found]

    def _pass(
        self, texts: Sequence[str], words: Sequence[Words], windows: Sequence[Window], labels: Labels
    ) -> Iterator[tuple[Window, int, list[dict[str, Any]]]]:
        """Yield for each window its first code point and what the model found in it."""
        windows = sorted(windows, key=lambda each: (each.pieces, each.text_index, each.first_word))
        starts = [int(words[each.text_index].starts[each.first_word]) for each in windows]
        ends = [int(words[each.text_index].ends[each.last_word - 1]) for each in windows]
        cut = [
            texts[each.text_index][start:end] for each, start, end in zip(windows, starts, ends, strict=True)
        ]
        if not cut:
            return
        with warnings.catch_warnings():
            # The package warns when it leaves out what it does not read; windows are cut so that it need not.
            warnings.filterwarnings("error", message=".*truncated")
            found = self._model.inference(
                cut, list(labels.texts), threshold=labels.threshold, flat_ner=True, batch_size=_BATCH
            )
        yield from zip(windows, starts, found, strict=True)

    def _words(self, text: str) -> Words:
        """Cut a text as the model will, and count each word's pieces."""
        split = list(self._splitter(text))
        if not split:
            nothing = np.zeros(0, dtype=np.int32)
            return Words(nothing, nothing, nothing, nothing, np.zeros(1, dtype=np.int32))
        encoded = self._encoded([word for word, _, _ in split])
        of_word = [word for word in encoded.word_ids() if word is not None]
        counts = np.maximum(np.bincount(of_word, minlength=len(split)), 1)
        return Words(
            starts=np.asarray([start for _, start, _ in split], dtype=np.int32),
            ends=np.asarray([end for _, _, end in split], dtype=np.int32),
            shapes=np.zeros(len(split), dtype=np.int32),
            pieces=np.zeros(counts.sum(), dtype=np.int32),
            first_piece=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        )


def _check(folder: CheckpointFolder) -> None:
    if missing := [name for name in _NEEDED if not (folder.path / name).is_file()]:
        raise InputOutputError(f"model folder {folder.path}: missing {', '.join(missing)}")
    config = folder.json(CONFIG)
    if not isinstance(config.get("encoder_config"), dict):
        raise InputOutputError(
            f"model folder {folder.path}: {CONFIG} names its base model only, which would have to be fetched;"
            f" save it anew where there is a network, in Python: {CONVERSION}"
        )
    if other := [key for key in _OTHER_TASKS if config.get(key)]:
        raise IntegrityError(
            f"model folder {folder.path}: {CONFIG} has {other[0]}; read are models that only find mentions"
        )


def _load(folder: Path) -> Any:
    admit_training_libraries()
    try:
        import torch
        from gliner import GLiNER
    except ImportError as error:
        raise UsageError(
            f"model folder {folder} is a GLiNER model; install 'clinical-deid[gliner]' to use it"
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return GLiNER.from_pretrained(str(folder), local_files_only=True, map_location=device).eval()
    except Exception as error:
        raise InputOutputError(
            f"model folder {folder}: the package gliner {version('gliner')} cannot load it"
            f" ({type(error).__name__})"
        ) from error


def _positions(model: Any) -> int:
    """Return how many pieces the model reads: where its tokenizer cuts, or what its encoder was made for."""
    tokenizer = model.data_processor.transformer_tokenizer
    stated = (
        tokenizer.model_max_length,
        getattr(model.config.encoder_config, "max_position_embeddings", None),
    )
    return min((size for size in stated if size and 0 < size < _NO_LIMIT), default=_POSITIONS)
