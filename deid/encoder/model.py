"""The description-conditioned encoder: types by description in, mentions out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from deid.encoder.config import EncoderConfig
from deid.encoder.decode import Mention, decode, merge_windows
from deid.encoder.describe import Described, wordings
from deid.encoder.interface import LEAST_THRESHOLD, DescribedTypes
from deid.encoder.weights import Calibration, ModelFolder, default_folder
from deid.encoder.windows import Batch, FloatArray, Window, fade, lay_out, split_windows
from deid.encoder.words import WordPieces, Words
from deid.registry import Registry


class Runtime(Protocol):
    """What carries out the network's sums."""

    name: str
    precision: str

    def __init__(
        self,
        config: EncoderConfig,
        weights: Mapping[str, FloatArray],
        *,
        streams: int = 1,
        precision: str | None = None,
    ) -> None:
        """Load the weights."""

    def describe(self, batches: Iterable[Batch]) -> list[FloatArray]:
        """Return [D, 2, P] unit type vectors for each batch of D descriptions, in order."""

    def score(self, batches: Iterable[Batch], types: FloatArray) -> list[FloatArray]:
        """Return [2, B, W, T] logits for each batch, in order; batches are drawn as they are needed."""


RUNTIMES: Registry[type[Runtime]] = Registry(
    "runtime",
    {
        "openvino": "deid.encoder.openvino_runtime:OpenVinoRuntime",
        "torch": "deid.encoder.torch_runtime:TorchRuntime",
    },
)


@dataclass(frozen=True, slots=True)
class TypeVectors(DescribedTypes):
    """Descriptions of T types, encoded once.

    Args:
        vectors: [T, 2, P] inside and begin vectors, the mean of each type's wordings.
    """

    vectors: FloatArray


class DescriptionEncoder:
    """Finds mentions of described types in texts, all types in one pass.

    Args:
        folder: A model folder; the one that ships with the package when None.
        runtime: Name of a runtime.
        precision: ``bf16`` or ``f32``; the runtime's choice when None.
        streams: Batches computed side by side.
        batch_pieces: About how many pieces a batch holds.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        runtime: str = "openvino",
        precision: str | None = None,
        streams: int = 1,
        batch_pieces: int = 2048,
    ) -> None:
        self.folder = ModelFolder.open(folder or default_folder())
        self.config = self.folder.config()
        self.calibration = self.folder.calibration()
        self._pieces = WordPieces(self.folder.vocabulary())
        self._runtime = RUNTIMES.get(runtime)(
            self.config, self.folder.weights(), streams=streams, precision=precision
        )
        self._batch_pieces = batch_pieces

    @classmethod
    def shared(
        cls, folder: Path | None = None, *, runtime: str = "openvino", streams: int = 1
    ) -> DescriptionEncoder:
        """Return the encoder of a folder; this process loads it once, for all policies.

        Args:
            folder: A model folder; the one that ships with the package when None.
            runtime: Name of a runtime.
            streams: Batches computed side by side.
        """
        found = ModelFolder.open(folder or default_folder())
        return _loaded(found.path.resolve(), found.digest, runtime, streams)

    @property
    def digest(self) -> str:
        """Digest of the model folder, for the manifest."""
        return self.folder.digest

    @property
    def runtime(self) -> str:
        """Name and precision of the runtime, for the manifest."""
        return f"{self._runtime.name}-{self._runtime.precision}"

    @property
    def facts(self) -> Mapping[str, Any]:
        """Sizes and calibration."""
        return {
            **asdict(self.config),
            "calibrated_recall": self.calibration.recall,
            "calibrated_types": len(self.calibration.thresholds),
            "pooled_threshold": self.calibration.pooled,
        }

    def describe(
        self, types: Mapping[str, Described], *, thresholds: Mapping[str, float] | None = None
    ) -> TypeVectors:
        """Encode the descriptions of types.

        Args:
            types: Descriptions by type name.
            thresholds: Set by hand for some types; the others take the calibrated value, or the pooled
                one where the type's description is not the one calibrated.
        """
        given = thresholds or {}
        views = {name: wordings(kind) for name, kind in types.items()}
        texts = [view for group in views.values() for view in group]
        encoded = self._describe_texts(texts)
        vectors, position = [], 0
        for group in views.values():
            mean = encoded[position : position + len(group)].mean(0)
            vectors.append(mean / np.maximum(np.linalg.norm(mean, axis=-1, keepdims=True), 1e-12))
            position += len(group)
        limits = [
            given.get(name, calibrated_threshold(self.calibration, name, types[name])) for name in types
        ]
        empty = np.zeros((0, 2, self.config.projection), dtype=np.float32)
        return TypeVectors(
            tuple(types),
            np.maximum(np.asarray(limits, dtype=np.float32), LEAST_THRESHOLD),
            np.asarray(
                [not is_calibrated(self.calibration, name, types[name]) for name in types], dtype=bool
            ),
            np.stack(vectors).astype(np.float32) if vectors else empty,
        )

    def _describe_texts(self, texts: Sequence[str]) -> FloatArray:
        """Encode wordings of any length: [D, 2, P]; long ones are the mean over their windows."""
        words = [self._pieces.split(text) for text in texts]
        windows = [window for index, text in enumerate(words) for window in self._windows(text, index)]
        total = np.zeros((len(texts), 2, self.config.projection), dtype=np.float32)
        groups = self._batches(sorted(windows, key=lambda window: (window.pieces, window.text_index)))
        batches = (lay_out(group, words, self._pieces) for group in groups)
        for group, parts in zip(groups, self._runtime.describe(batches), strict=True):
            sizes = np.asarray([window.pieces for window in group], dtype=np.float32)
            np.add.at(total, [window.text_index for window in group], parts * sizes[:, None, None])
        norms = np.maximum(np.linalg.norm(total, axis=-1, keepdims=True), 1e-12)
        return np.asarray(total / norms, dtype=np.float32)

    def _windows(self, words: Words, index: int) -> list[Window]:
        return split_windows(words, index, window=self.config.window, overlap=self.config.overlap)

    def find(self, texts: Sequence[str], types: TypeVectors) -> list[tuple[Mention, ...]]:
        """Find mentions in each text.

        Args:
            texts: Notes of any length.
            types: From `describe`.
        """
        words = [self._pieces.split(text) for text in texts]
        scores = self.scores(words, types)
        return [
            decode(text, split, both, types.thresholds, first=types.unseen)
            for text, split, both in zip(texts, words, scores, strict=True)
        ]

    def split(self, text: str) -> Words:
        """Cut a text into the words that `scores` speaks of."""
        return self._pieces.split(text)

    def scores(self, words: Sequence[Words], types: TypeVectors) -> list[tuple[FloatArray, FloatArray]]:
        """Return for each text the inside and begin probabilities, each [W, T].

        Args:
            words: Texts cut by `split`.
            types: From `describe`.
        """
        windows = [window for index, text in enumerate(words) for window in self._windows(text, index)]
        order = sorted(windows, key=lambda window: (window.pieces, window.text_index, window.first_word))
        groups = self._batches(order)
        batches = (lay_out(group, words, self._pieces) for group in groups)
        parts: list[list[tuple[slice, FloatArray, FloatArray]]] = [[] for _ in words]
        for group, logits in zip(groups, self._runtime.score(batches, types.vectors), strict=True):
            for row, window in enumerate(group):
                size = window.last_word - window.first_word
                weights = fade(window, len(words[window.text_index]), self.config.overlap // 2)
                where = slice(window.first_word, window.last_word)
                parts[window.text_index].append((where, weights, logits[:, row, :size]))
        return [self._joined(part, len(text)) for part, text in zip(parts, words, strict=True)]

    def _joined(
        self, parts: list[tuple[slice, FloatArray, FloatArray]], count: int
    ) -> tuple[FloatArray, FloatArray]:
        if not parts:
            return np.zeros((0, 0), dtype=np.float32), np.zeros((0, 0), dtype=np.float32)
        shape = (count, parts[0][2].shape[-1])
        heads = ([(where, weights, logits[head]) for where, weights, logits in parts] for head in (0, 1))
        inside, begin = (merge_windows(head, shape) for head in heads)
        return inside, begin

    def _batches(self, windows: list[Window]) -> list[list[Window]]:
        """Cut length-sorted windows into batches of about equal work."""
        batches: list[list[Window]] = []
        for window in windows:
            size = len(batches[-1]) + 1 if batches else 0
            if not batches or size * window.pieces > self._batch_pieces:
                batches.append([])
            batches[-1].append(window)
        return batches


@cache
def _loaded(path: Path, digest: str, runtime: str, streams: int) -> DescriptionEncoder:
    del digest  # another digest is another model under the same path
    return DescriptionEncoder(path, runtime=runtime, streams=streams)


def description_digest(kind: Described) -> str:
    """Return a short digest of everything the encoder reads of a type."""
    return hashlib.sha256("\n".join(wordings(kind)).encode()).hexdigest()[:16]


def calibrated_threshold(calibration: Calibration, name: str, kind: Described) -> float:
    """Return a type's calibrated threshold; the pooled one if its description has changed since."""
    if is_calibrated(calibration, name, kind):
        return float(calibration.thresholds[name])
    return calibration.pooled


def is_calibrated(calibration: Calibration, name: str, kind: Described) -> bool:
    """Say whether a model was calibrated on a type, worded as it is."""
    return calibration.descriptions.get(name) == description_digest(kind)
