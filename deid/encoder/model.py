"""The description-conditioned encoder: types by description in, mentions out."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from deid.encoder.config import EncoderConfig
from deid.encoder.decode import Mention, decode, merge_windows
from deid.encoder.describe import Described, wordings
from deid.encoder.interface import LEAST_THRESHOLD, DescribedTypes
from deid.encoder.kept import Kept
from deid.encoder.weights import Calibration, ModelFolder, default_folder
from deid.encoder.windows import Batch, FloatArray, Window, fade, lay_out, padded, split_windows
from deid.encoder.wordings import read_wordings, wording_key, write_wordings
from deid.encoder.words import WordPieces, Words
from deid.errors import UsageError
from deid.registry import Registry


class Runtime(Protocol):
    """What carries out the network's sums."""

    name: str
    precision: str

    def describe(self, batches: Iterable[Batch]) -> list[FloatArray]:
        """Return [D, 2, P] unit type vectors for each batch of D descriptions, in order."""

    def read(self, batches: Iterable[Batch]) -> Iterator[FloatArray]:
        """Yield [B, W, 2, P] unit word vectors for each batch, in order; batches are drawn as needed."""


class RuntimeOfWeights(Runtime, Protocol):
    """A runtime that begins with a network's weights."""

    def __init__(
        self,
        config: EncoderConfig,
        weights: Mapping[str, FloatArray],
        *,
        streams: int = 1,
        precision: str | None = None,
    ) -> None:
        """Load the weights."""


RUNTIMES: Registry[type[RuntimeOfWeights]] = Registry(
    "runtime",
    {
        "openvino": "deid.encoder.openvino_runtime:OpenVinoRuntime",
        "torch": "deid.encoder.torch_runtime:TorchRuntime",
    },
)

_WORDING_BYTES = 16_000_000  # about eight thousand wordings
_SCORE_BYTES = 32_000_000  # about a thousand windows under a policy of 29 types


@dataclass(frozen=True, slots=True)
class TypeVectors(DescribedTypes):
    """Descriptions of T types, encoded once.

    Args:
        vectors: [T, 2, P] inside and begin vectors, the mean of each type's wordings.
    """

    vectors: FloatArray


class DescriptionEncoder:
    """Finds mentions of described types in texts, all types in one pass.

    The network reads a text without knowing the types, and a wording without knowing the texts. What it has
    read of a wording is kept; what it has read of a text can be, for whoever tries types on the same texts.
    Windows that read the same are scored once while there is room for their scores, in memory only, under a
    hash whose key this object has drawn.

    Args:
        folder: A model folder, opened or not; the one that ships with the package when None.
        runtime: Name of a runtime; an exported model has one of its own.
        precision: ``int8``, ``bf16`` or ``f32``; the runtime's choice when None.
        streams: Batches computed side by side.
        batch_pieces: About how many pieces a batch holds.
    """

    def __init__(
        self,
        folder: Path | ModelFolder | None = None,
        *,
        runtime: str = "openvino",
        precision: str | None = None,
        streams: int = 1,
        batch_pieces: int = 2048,
    ) -> None:
        self.folder = (
            folder if isinstance(folder, ModelFolder) else ModelFolder.open(folder or default_folder())
        )
        self.config = self.folder.config()
        self.calibration = self.folder.calibration()
        self._pieces = WordPieces(self.folder.vocabulary())
        self._scale, self._bias = (each.reshape(2, 1, 1) for each in self.folder.scale_and_bias())
        self._runtime = _runtime(self.folder, runtime, streams=streams, precision=precision)
        self._batch_pieces = batch_pieces
        self._stored = read_wordings(self.folder)
        self._wordings: Kept[str] = Kept(_WORDING_BYTES)
        self._windows_read: Kept[bytes] = Kept(0)
        self._scored: Kept[Hashable] = Kept(_SCORE_BYTES)
        self._key = secrets.token_bytes(32)

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
        return _loaded(ModelFolder(found.path.resolve(), found.digest), runtime, streams)

    def keep_texts(self, most_bytes: int) -> None:
        """Keep what is read of texts from now on, so that other types can be tried on them at once.

        Args:
            most_bytes: Memory for it; about 2 kB a word.
        """
        self._windows_read.most_bytes = most_bytes

    def keep_scores(self, most_bytes: int) -> None:
        """Forget the scores of windows, and keep those of so many from now on; results do not depend on it.

        Args:
            most_bytes: Memory for it, 8 bytes for each word and type; with 0 every window is read.
        """
        self._scored = Kept(most_bytes)

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
        exported = self.folder.exported()
        return {
            **({"exported_from": exported.source} if exported else {}),
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
            np.asarray([comes_first(self.calibration, name, types[name]) for name in types], dtype=bool),
            np.stack(vectors).astype(np.float32) if vectors else empty,
        )

    def _describe_texts(self, texts: Sequence[str]) -> FloatArray:
        """Encode wordings: [D, 2, P]; those of an earlier call are kept, some lie beside the weights."""
        known = {text: self._known(text) for text in texts}
        new = [text for text, vectors in known.items() if vectors is None]
        # Without new ones the graph that reads them is not even compiled.
        for text, vectors in zip(new, self._encode(new) if new else (), strict=True):
            known[text] = vectors
            self._wordings.put(text, vectors)
        found = [vectors for text in texts if (vectors := known[text]) is not None]
        return np.stack(found) if found else np.zeros((0, 2, self.config.projection), dtype=np.float32)

    def _known(self, text: str) -> FloatArray | None:
        kept = self._wordings.get(text)
        return self._stored.get(wording_key(text)) if kept is None else kept

    def store_wordings(self, kinds: Iterable[Described]) -> ModelFolder:
        """Write what the network reads of descriptions into its folder, for all who load it from now on.

        Args:
            kinds: Types as they stand in policies.
        """
        texts = sorted({text for kind in kinds for text in wordings(kind)})
        stored = zip(map(wording_key, texts), self._encode(texts), strict=True)
        return write_wordings(self.folder, dict(stored))

    def _encode(self, texts: Sequence[str]) -> FloatArray:
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
            decode(text, split, both, types.thresholds, first=types.first)
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
        parts: list[list[tuple[slice, FloatArray, FloatArray]]] = [[] for _ in words]
        for window, logits in self._logits(words, types.vectors):
            weights = fade(window, len(words[window.text_index]), self.config.overlap // 2)
            where = slice(window.first_word, window.last_word)
            parts[window.text_index].append((where, weights, logits))
        return [self._joined(part, len(text)) for part, text in zip(parts, words, strict=True)]

    def _logits(self, words: Sequence[Words], vectors: FloatArray) -> Iterator[tuple[Window, FloatArray]]:
        """Yield every window with its [2, w, T] logits; those that read the same are computed once."""
        windows = [window for index, text in enumerate(words) for window in self._windows(text, index)]
        keeps = self._scored.most_bytes > 0 and len(vectors) > 0
        begun = hashlib.blake2b(vectors.tobytes(), key=self._key, digest_size=16)
        alike: dict[Hashable, list[Window]] = {}
        for window in windows:
            own: Hashable = _window_digest(words, window, begun) if keeps else window
            alike.setdefault(own, []).append(window)
        new: dict[Window, Hashable] = {}
        for key, group in alike.items():
            if (logits := self._scored.get(key)) is None:
                new[group[0]] = key
            else:
                yield from ((window, logits) for window in group)
        across = np.ascontiguousarray(vectors.transpose(1, 2, 0))  # [2, P, T]
        for window, of_words in self._read(words, list(new)):
            logits = of_words.transpose(1, 0, 2) @ across * self._scale + self._bias
            if keeps:
                self._scored.put(new[window], logits)
            yield from ((each, logits) for each in alike[new[window]])

    def _read(self, words: Sequence[Words], windows: Sequence[Window]) -> Iterator[tuple[Window, FloatArray]]:
        """Yield windows with the [w, 2, P] vectors of their words; kept ones are not read again."""
        keys: dict[Window, bytes] = {}
        if self._windows_read.most_bytes:
            begun = hashlib.blake2b(key=self._key, digest_size=16)
            keys = {window: _window_digest(words, window, begun) for window in windows}
        new = []
        for window in windows:
            vectors = self._windows_read.get(keys[window]) if keys else None
            if vectors is None:
                new.append(window)
            else:
                yield window, vectors
        order = sorted(new, key=lambda window: (window.pieces, window.text_index, window.first_word))
        groups = self._batches(order)
        batches = (lay_out(group, words, self._pieces) for group in groups)
        for group, read in zip(groups, self._runtime.read(batches), strict=True):
            for window, of_words in zip(group, read, strict=True):
                vectors = of_words[: window.last_word - window.first_word]
                if keys:
                    self._windows_read.put(keys[window], vectors)
                yield window, vectors

    def _joined(
        self, parts: list[tuple[slice, FloatArray, FloatArray]], count: int
    ) -> tuple[FloatArray, FloatArray]:
        if not parts:
            return np.zeros((0, 0), dtype=np.float32), np.zeros((0, 0), dtype=np.float32)
        shape = (count, parts[0][2].shape[-1])
        # Sums of three or more must not depend on which window was read first.
        parts = sorted(parts, key=lambda part: part[0].start)
        heads = ([(where, weights, logits[head]) for where, weights, logits in parts] for head in (0, 1))
        inside, begin = (merge_windows(head, shape) for head in heads)
        return inside, begin

    def _batches(self, windows: list[Window]) -> list[list[Window]]:
        """Cut length-sorted windows into batches of about equal work, and of windows padded alike.

        So a window is always read at the same length, whatever else there is to read.
        """
        batches: list[list[Window]] = []
        for window in windows:
            last = batches[-1] if batches else []
            full = (len(last) + 1) * window.pieces > self._batch_pieces
            if not last or full or padded(last[0].pieces) != padded(window.pieces):
                batches.append([])
            batches[-1].append(window)
        return batches


def _runtime(folder: ModelFolder, name: str, *, streams: int, precision: str | None) -> Runtime:
    exported = folder.exported()
    if exported is None:
        return RUNTIMES.get(name)(folder.config(), folder.weights(), streams=streams, precision=precision)
    if precision not in (None, exported.precision):
        raise UsageError(f"model folder {folder.path} was exported in {exported.precision}, not {precision}")
    from deid.encoder.onnx_runtime import OnnxRuntime

    return OnnxRuntime(folder.path, folder.config(), precision=exported.precision, streams=streams)


@cache
def _loaded(folder: ModelFolder, runtime: str, streams: int) -> DescriptionEncoder:
    # Another digest is another model under the same path.
    return DescriptionEncoder(folder, runtime=runtime, streams=streams)


def _window_digest(texts: Sequence[Words], window: Window, begun: hashlib.blake2b) -> bytes:
    """Return a digest of all that the network reads of a window, after what was digested before."""
    words = texts[window.text_index]
    bounds = words.first_piece[window.first_word : window.last_word + 1]
    pieces = words.pieces[bounds[0] : bounds[0] + window.pieces]
    shapes = words.shapes[window.first_word : window.last_word]
    digest = begun.copy()
    digest.update(np.int64(len(shapes)).tobytes())
    for column in (bounds - bounds[0], shapes, pieces):
        digest.update(column.tobytes())
    return digest.digest()


def description_digest(kind: Described) -> str:
    """Return a short digest of everything the encoder reads of a type."""
    return hashlib.sha256("\n".join(wordings(kind)).encode()).hexdigest()[:16]


def calibrated_threshold(calibration: Calibration, name: str, kind: Described) -> float:
    """Return a type's calibrated threshold; the pooled one if its description has changed since."""
    if is_calibrated(calibration, name, kind):
        return float(calibration.thresholds[name])
    return calibration.pooled


def comes_first(calibration: Calibration, name: str, kind: Described) -> bool:
    """Say whether a type is one that somebody has added to those that a model was made for."""
    return name in calibration.added or not is_calibrated(calibration, name, kind)


def is_calibrated(calibration: Calibration, name: str, kind: Described) -> bool:
    """Say whether a model was calibrated on a type, worded as it is."""
    return calibration.descriptions.get(name) == description_digest(kind)
