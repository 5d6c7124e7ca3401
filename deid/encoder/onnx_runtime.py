"""An exported model on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from deid.encoder.config import EncoderConfig
from deid.encoder.exported import DESCRIPTION_GRAPH, TEXT_GRAPH
from deid.encoder.streams import Streams
from deid.encoder.windows import Batch, FloatArray
from deid.errors import UsageError

_ERRORS = 3  # log level: warnings are about how the graph is rearranged
_EIGHT_BIT_DOT_PRODUCTS = ("avx512_vnni", "avx_vnni")


class OnnxRuntime:
    """Runs the two graphs of an exported model.

    Args:
        folder: The model folder, checked.
        config: Sizes.
        precision: That of the text graph.
        streams: Batches computed at the same time, each by one thread: results do not depend on how many.

    Raises:
        UsageError: if ONNX Runtime is not installed.
    """

    name = "onnxruntime"

    def __init__(self, folder: Path, config: EncoderConfig, *, precision: str, streams: int = 1) -> None:
        self.precision = precision
        self._folder = folder
        self._streams = Streams(streams)
        self._no_types = np.zeros((0, 2, config.projection), dtype=np.float32)
        options = {} if exact_products(Path("/proc/cpuinfo")) else {"session.x64quantprecision": "1"}
        self._reading = _session(folder / TEXT_GRAPH, threads=1, options=options)

    def describe(self, batches: Iterable[Batch]) -> list[FloatArray]:
        """Return [D, 2, P] unit type vectors for each batch of D descriptions, in order."""
        return [self._describing.run(["vectors"], _inputs(batch))[0] for batch in batches]

    @cached_property
    def _describing(self) -> Any:
        # Read once a policy: by all cores, and from the mapped file instead of a rearranged copy.
        return _session(
            self._folder / DESCRIPTION_GRAPH,
            threads=0,
            options={"session.disable_prepacking": "1", "session.intra_op.allow_spinning": "0"},
        )

    def read(self, batches: Iterable[Batch]) -> Iterator[FloatArray]:
        """Yield [B, W, 2, P] unit word vectors (inside, begin) for each batch, in order."""
        return self._streams.map(self._read, batches)

    def _read(self, batch: Batch) -> FloatArray:
        # The vectors of words are compared with types outside, where they can be kept for other policies.
        inputs = {**_inputs(batch), "pool": batch.pool, "types": self._no_types}
        words: FloatArray = self._reading.run(["words"], inputs)[0]
        return words


def _inputs(batch: Batch) -> dict[str, Any]:
    return {"ids": batch.ids, "shapes": batch.shapes, "mask": batch.mask}


def exact_products(processor: Path) -> bool:
    """Say whether fast 8-bit products are exact: x86 without dot products adds up in 16 bits, and overflows.

    Args:
        processor: Linux's description of the processor; elsewhere nothing is known, and the answer is no.
    """
    try:
        words = frozenset(processor.read_text(encoding="utf-8").split())
    except OSError:
        return False
    return not words.isdisjoint(_EIGHT_BIT_DOT_PRODUCTS)


def _session(path: Path, *, threads: int, options: Mapping[str, str]) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UsageError(
            "an exported model runs on ONNX Runtime; install it: pip install 'clinical-deid[onnx]'"
        ) from error
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = _ERRORS
    for key, value in options.items():
        settings.add_session_config_entry(key, value)
    return onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
