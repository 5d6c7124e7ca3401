"""Checkpoints of OpenBioNER and SMXM: each type's description is read together with the text, a pass a type.

The architecture is that of Aly, Vlachos and McDonald (2021), in the format in which the models of OpenBioNER
(Cocchieri et al. 2025) are published; how long texts, words and thresholds are dealt with is our own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deid.encoder.bert_names import TOKEN_TYPES, trunk_weights
from deid.encoder.config import EncoderConfig
from deid.encoder.decode import Mention, decode, merge_windows
from deid.encoder.describe import Described, render
from deid.encoder.interface import UNCALIBRATED_THRESHOLD, DescribedTypes, uncalibrated
from deid.encoder.openvino_runtime import Graph, Inference, native_precision
from deid.encoder.pretrained.folder import WEIGHTS, CheckpointFolder
from deid.encoder.pretrained.pair_pieces import Pair, PairPieces, lay_out_pairs
from deid.encoder.windows import FloatArray, Window, fade, split_windows
from deid.encoder.words import IntArray, Words
from deid.errors import IntegrityError, UsageError

CONVERSION = (
    "import torch, safetensors.torch as st; "
    "st.save_file({k: v.clone() for k, v in torch.load('pytorch_model.bin', weights_only=True).items()}, "
    "'model.safetensors')"
)
_HEADS = ("linear", "linear_zero2", "linear_zero3")
_CLASS, _NONE_BESIDE, _NONE_ALONE = range(3)
_TRAINED_WINDOW = 300  # pieces of text in training
_OVERLAP = 32
_SURE = 1e-7  # keeps log-odds finite
_EXPECTED = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "layer_norm_eps": 1e-12,
}


@dataclass(frozen=True, slots=True)
class PairedTypes(DescribedTypes):
    """Descriptions of T types, cut into pieces.

    Args:
        descriptions: Vocabulary ids of each type's description.
        window: Pieces of text that fit beside the longest of them.
    """

    descriptions: tuple[IntArray, ...]
    window: int


class CrossEncoder:
    """Reads a text once for each type, together with the type's description, and once alone.

    Args:
        folder: A checkpoint: ``config.json``, ``model.safetensors``, the tokenizer's files.
        precision: ``bf16`` or ``f32``; what the processor has when None.
        streams: Batches computed side by side.
        batch_pieces: About how many pieces a batch holds.

    Raises:
        InputOutputError: if files are missing, or the weights are a pickle.
        IntegrityError: if they do not fit one another, or the architecture is another one.
    """

    def __init__(
        self, folder: Path, *, precision: str | None = None, streams: int = 1, batch_pieces: int = 2048
    ) -> None:
        opened = CheckpointFolder.open(folder, conversion=CONVERSION)
        self.digest = opened.digest
        self._pieces = PairPieces(opened)
        self.config = _config(opened, self._pieces.size)
        self._precision = precision or native_precision()
        weights = _weights(opened, self.config)
        graph = Graph(self.config, weights).pairs()
        self._inference = Inference(graph, precision=self._precision, streams=streams)
        self._batch_pieces = batch_pieces

    @property
    def runtime(self) -> str:
        """Name and precision of the runtime, for the manifest."""
        return f"openvino-{self._precision}"

    @property
    def facts(self) -> Mapping[str, Any]:
        """Sizes and settings."""
        sizes = {
            key: value for key, value in asdict(self.config).items() if key not in ("projection", "shapes")
        }
        return {**sizes, "uncalibrated_threshold": UNCALIBRATED_THRESHOLD}

    def describe(
        self, types: Mapping[str, Described], *, thresholds: Mapping[str, float] | None = None
    ) -> PairedTypes:
        """Cut the descriptions of types into pieces; each is read as its sentence and its examples.

        Args:
            types: Descriptions by type name.
            thresholds: Set by hand for some types; the others take `UNCALIBRATED_THRESHOLD`.

        Raises:
            UsageError: if a description leaves too little room for text beside it.
        """
        texts = {name: render(kind.description, examples=kind.examples) for name, kind in types.items()}
        descriptions = {name: self._pieces.ids(text) for name, text in texts.items()}
        room = self.config.positions - 3
        most = room - self.config.positions // 4
        for name, ids in descriptions.items():
            if len(ids) > most:
                raise UsageError(
                    f"type {name}: its description and examples have {len(ids)} pieces, and this model"
                    f" reads at most {most}; shorten them"
                )
        longest = max(map(len, descriptions.values()), default=0)
        plain = uncalibrated(tuple(types), thresholds)
        return PairedTypes(
            plain.names,
            plain.thresholds,
            plain.first,
            tuple(descriptions.values()),
            min(self.config.window, room - longest),
        )

    def find(self, texts: Sequence[str], types: PairedTypes) -> list[tuple[Mention, ...]]:
        """Find mentions in each text.

        Args:
            texts: Notes of any length.
            types: From `describe`.
        """
        if not types.names:
            return [()] * len(texts)
        words = [self._pieces.split(text) for text in texts]
        return [
            decode(text, split, both, types.thresholds)
            for text, split, both in zip(texts, words, self.scores(words, types), strict=True)
        ]

    def split(self, text: str) -> Words:
        """Cut a text into the words that `scores` speaks of."""
        return self._pieces.split(text)

    def scores(self, words: Sequence[Words], types: PairedTypes) -> list[tuple[FloatArray, FloatArray]]:
        """Return for each text the inside and begin probabilities, each [W, T]; nothing is known of begins.

        Args:
            words: Texts cut by `split`.
            types: From `describe`.
        """
        overlap = min(self.config.overlap, types.window // 4)
        windows = [
            window
            for index, text in enumerate(words)
            for window in split_windows(text, index, window=types.window, overlap=overlap)
        ]
        parts: list[list[tuple[slice, FloatArray, FloatArray]]] = [[] for _ in words]
        for window, logits in zip(windows, self._logits(windows, words, types), strict=True):
            where = slice(window.first_word, window.last_word)
            weights = fade(window, len(words[window.text_index]), overlap // 2)
            parts[window.text_index].append((where, weights, _log_odds(logits)))
        shapes = [(len(text), len(types.names)) for text in words]
        nothing = [np.zeros(shape, dtype=np.float32) for shape in shapes]
        inside = [
            merge_windows(part, shape) if part else empty
            for part, shape, empty in zip(parts, shapes, nothing, strict=True)
        ]
        return list(zip(inside, nothing, strict=True))

    def _logits(
        self, windows: Sequence[Window], words: Sequence[Words], types: PairedTypes
    ) -> list[FloatArray]:
        """Return [w, 1 + T] logits for each window, "no type" first."""
        alone_or_beside = (None, *types.descriptions)
        keys = [(index, column) for index in range(len(windows)) for column in range(len(alone_or_beside))]
        pairs = {(i, column): Pair(windows[i], alone_or_beside[column]) for i, column in keys}
        batches = list(self._batches(sorted(keys, key=lambda key: (pairs[key].length, key)), pairs))
        laid_out = (
            lay_out_pairs([pairs[key] for key in batch], words, self._pieces, most=self.config.positions)
            for batch in batches
        )
        inputs = (
            {"ids": each.ids, "shapes": each.shapes, "mask": each.mask, "pool": each.pool}
            for each in laid_out
        )
        result = [
            np.full((each.last_word - each.first_word, len(alone_or_beside)), -np.inf, dtype=np.float32)
            for each in windows
        ]
        for batch, heads in zip(batches, self._inference.run(inputs), strict=True):
            for (index, column), of_words in zip(batch, heads, strict=True):
                logits = result[index]
                own = of_words[: len(logits)]
                if column:
                    logits[:, column] = own[:, _CLASS]
                none = own[:, _NONE_BESIDE if column else _NONE_ALONE]
                np.maximum(logits[:, 0], none, out=logits[:, 0])
        return result

    def _batches(
        self, keys: Sequence[tuple[int, int]], pairs: Mapping[tuple[int, int], Pair]
    ) -> Iterator[list[tuple[int, int]]]:
        """Cut length-sorted pairs into batches of about equal work."""
        batch: list[tuple[int, int]] = []
        for key in keys:
            if batch and (len(batch) + 1) * pairs[key].length > self._batch_pieces:
                yield batch
                batch = []
            batch.append(key)
        if batch:
            yield batch


def _log_odds(logits: FloatArray) -> FloatArray:
    """Turn [W, 1 + T] logits into the [W, T] log-odds of each type against all else."""
    shares = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    probabilities = (shares / shares.sum(1, keepdims=True))[:, 1:].clip(_SURE, 1 - _SURE)
    return np.asarray(np.log(probabilities) - np.log1p(-probabilities), dtype=np.float32)


def _config(folder: CheckpointFolder, vocabulary: int) -> EncoderConfig:
    values = folder.json("config.json")
    for key, expected in _EXPECTED.items():
        if values.get(key, expected) != expected:
            raise IntegrityError(
                f"model folder {folder.path}: config.json has {key} {values[key]!r}, read are models with"
                f" {expected!r}"
            )
    try:
        positions = values["max_position_embeddings"]
        return EncoderConfig(
            vocabulary=max(values["vocab_size"], vocabulary),
            hidden=values["hidden_size"],
            layers=values["num_hidden_layers"],
            heads=values["num_attention_heads"],
            intermediate=values["intermediate_size"],
            positions=positions,
            shapes=values.get("type_vocab_size", 2),
            window=min(_TRAINED_WINDOW, positions - 3),
            overlap=min(_OVERLAP, positions // 8),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"model folder {folder.path}: config.json is not that of a BERT model"
        ) from error


def _weights(folder: CheckpointFolder, config: EncoderConfig) -> dict[str, FloatArray]:
    """Return the parameters under our names, shapes checked."""
    source = folder.weights()
    found = trunk_weights(source, layers=tuple(range(config.layers)), prefix="bert.")
    found["shape_embedding.weight"] = source.get(f"bert.{TOKEN_TYPES}")
    for part in ("weight", "bias"):
        heads = [source[name] for head in _HEADS if (name := f"{head}.{part}") in source]
        found[f"heads.{part}"] = np.concatenate(heads) if len(heads) == len(_HEADS) else None
    if missing := sorted(name for name, value in found.items() if value is None):
        raise IntegrityError(
            f"model folder {folder.path}: {WEIGHTS} is not that of an OpenBioNER or SMXM model: it lacks what"
            f" becomes {missing[0]}" + (f" and {len(missing) - 1} more" if missing[1:] else "")
        )
    weights = {name: np.ascontiguousarray(value) for name, value in found.items() if value is not None}
    for name, expected in _shapes(config).items():
        if (received := weights[name].shape) != expected:
            raise IntegrityError(
                f"model folder {folder.path}: {WEIGHTS}: {name} needs shape {expected}, got {received}"
            )
    return weights


def _shapes(config: EncoderConfig) -> dict[str, tuple[int, ...]]:
    wide, hidden = config.intermediate, config.hidden
    shapes: dict[str, tuple[int, ...]] = {
        "word_embedding.weight": (config.vocabulary, hidden),
        "position_embedding.weight": (config.positions, hidden),
        "shape_embedding.weight": (config.shapes, hidden),
        "heads.weight": (len(_HEADS), hidden),
        "heads.bias": (len(_HEADS),),
    }
    for layer in range(config.layers):
        shapes[f"layers.{layer}.query_key_value.weight"] = (3 * hidden, hidden)
        shapes[f"layers.{layer}.attended.weight"] = (hidden, hidden)
        shapes[f"layers.{layer}.widen.weight"] = (wide, hidden)
        shapes[f"layers.{layer}.narrow.weight"] = (hidden, wide)
    return shapes
