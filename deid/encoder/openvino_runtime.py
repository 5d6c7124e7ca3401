"""The network on OpenVINO: the same weights, several times the speed of torch on a CPU."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from queue import SimpleQueue
from typing import Any

import numpy as np

from deid.encoder.config import EncoderConfig
from deid.encoder.streams import Streams
from deid.encoder.weights import has_ranges
from deid.encoder.windows import Batch, FloatArray

# On import OpenVINO writes an id into the home folder and reports to an analytics service. It goes without
# where the package that does so cannot be imported.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino as ov  # noqa: E402
from openvino import opset13 as ops  # noqa: E402

_EPS = 1e-12


class Inference:
    """A compiled graph and one request a stream.

    One thread a request: results do not depend on how many there are, and batches run side by side.

    Args:
        graph: Takes its inputs by name and has one output.
        precision: ``int8``, ``bf16`` or ``f32``; 8-bit products stand between layers in bf16.
        streams: Batches computed at the same time.
    """

    def __init__(self, graph: ov.Model, *, precision: str, streams: int = 1) -> None:
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32" if precision == "f32" else "bf16",
            "NUM_STREAMS": str(streams),
            "INFERENCE_NUM_THREADS": streams,
            # Several workers would otherwise all be pinned to the first core.
            "ENABLE_CPU_PINNING": False,
        }
        compiled = _kept(ov.Core().compile_model(graph, "CPU", options))
        self._requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(streams):
            self._requests.put(compiled.create_infer_request())
        self._streams = Streams(streams)

    def run(self, inputs: Iterable[Mapping[str, Any]]) -> Iterator[FloatArray]:
        """Yield the output for each batch of inputs, in order; batches are drawn as they are needed."""
        return self._streams.map(self._infer, inputs)

    def _infer(self, inputs: Mapping[str, Any]) -> FloatArray:
        request = self._requests.get()
        try:
            request.infer(inputs)
            return np.array(request.get_output_tensor(0).data, dtype=np.float32)
        finally:
            self._requests.put(request)


def native_precision() -> str:
    """Return ``bf16`` where the processor has 16-bit products, else ``f32``."""
    capabilities = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in capabilities else "f32"


class OpenVinoRuntime:
    """Runs the trunk and the heads as two compiled graphs.

    Args:
        config: Sizes.
        weights: Parameters by their torch names, float32.
        streams: Batches computed at the same time.
        precision: ``int8``, ``bf16`` or ``f32``; None takes the first that the weights bear and the processor
            has.
    """

    name = "openvino"

    def __init__(
        self,
        config: EncoderConfig,
        weights: Mapping[str, FloatArray],
        *,
        streams: int = 1,
        precision: str | None = None,
    ) -> None:
        native = native_precision()
        best = "int8" if native == "bf16" and has_ranges(weights) else native
        self.precision = precision or best
        self._graph = Graph(config, weights)
        self._reading = Inference(
            self._graph.reading(self.precision == "int8"), precision=self.precision, streams=streams
        )

    def describe(self, batches: Iterable[Batch]) -> list[FloatArray]:
        """Return [D, 2, P] unit type vectors for each batch of D descriptions, in order."""
        request = self._describing.create_infer_request()  # threads must not share one
        inputs = ({"ids": batch.ids, "shapes": batch.shapes, "mask": batch.mask} for batch in batches)
        return [np.array(request.infer(each)[0], dtype=np.float32) for each in inputs]

    @cached_property
    def _describing(self) -> Any:
        # Read once a policy, so in full precision and by all cores.
        options = {"INFERENCE_PRECISION_HINT": "f32"}
        return _kept(ov.Core().compile_model(self._graph.describing(), "CPU", options))

    def read(self, batches: Iterable[Batch]) -> Iterator[FloatArray]:
        """Yield [B, W, 2, P] unit word vectors (inside, begin) for each batch, in order."""
        return self._reading.run(
            {"ids": batch.ids, "shapes": batch.shapes, "mask": batch.mask, "pool": batch.pool}
            for batch in batches
        )


def _kept(model: Any) -> Any:
    """Keep a compiled model until the process ends.

    Taking one down can wait for good for its own threads, also in the middle of a garbage collection
    (openvino pull request 37073; ultralytics issue 25923). `DescriptionEncoder.shared` loads each but once.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(model))
    return model


class Graph:
    """Writes the network down in OpenVINO's operations; mirrors `deid.encoder.network` line by line."""

    def __init__(self, config: EncoderConfig, weights: Mapping[str, FloatArray]) -> None:
        self._config, self._weights = config, weights
        self._quantized = False

    def _constant(self, name: str) -> ov.Node:
        return ops.constant(self._weights[name], shared_memory=True)

    def _linear(self, node: ov.Node, name: str) -> ov.Node:
        weight = self._constant(f"{name}.weight")
        if self._quantized and f"{name}.range" in self._weights:
            low, high = self._weights[f"{name}.range"]
            node = _rounded(node, low, high, levels=256)
            peak = np.maximum(np.abs(self._weights[f"{name}.weight"]).max(1, keepdims=True), 1e-8)
            weight = _rounded(weight, -peak, peak, levels=255)
        return ops.add(ops.matmul(node, weight, False, True), self._constant(f"{name}.bias"))

    def _norm(self, node: ov.Node, name: str) -> ov.Node:
        scaled = ops.mvn(node, np.array([-1], dtype=np.int64), True, _EPS, "inside_sqrt")
        return ops.add(ops.multiply(scaled, self._constant(f"{name}.weight")), self._constant(f"{name}.bias"))

    def _embed(self, ids: ov.Node, name: str) -> ov.Node:
        return ops.gather(self._constant(f"{name}.weight"), ids, ops.constant(0, ov.Type.i32))

    def _trunk(self, ids: ov.Node, shapes: ov.Node, mask: ov.Node) -> ov.Node:
        length = ops.gather(
            ops.shape_of(ids, "i32"), ops.constant(1, ov.Type.i32), ops.constant(0, ov.Type.i32)
        )
        positions = ops.range(ops.constant(0, ov.Type.i32), length, ops.constant(1, ov.Type.i32), "i32")
        hidden = ops.add(self._embed(ids, "word_embedding"), self._embed(positions, "position_embedding"))
        hidden = self._norm(ops.add(hidden, self._embed(shapes, "shape_embedding")), "embedding_norm")
        absent = ops.multiply(ops.subtract(mask, ops.constant(np.float32(1))), ops.constant(np.float32(1e4)))
        bias = ops.unsqueeze(absent, np.array([1, 2], dtype=np.int64))
        for index in range(self._config.layers):
            hidden = self._layer(hidden, bias, f"layers.{index}")
        return hidden

    def _layer(self, hidden: ov.Node, bias: ov.Node, name: str) -> ov.Node:
        size = self._config.hidden // self._config.heads
        joint = self._linear(hidden, f"{name}.query_key_value")
        split = ops.reshape(joint, np.array([0, 0, 3 * self._config.heads, size], dtype=np.int64), True)
        swapped = ops.transpose(split, np.array([0, 2, 1, 3], dtype=np.int64))
        query, key, value = ops.split(swapped, ops.constant(1, ov.Type.i32), 3).outputs()
        mixed = ops.scaled_dot_product_attention(query, key, value, bias)
        back = ops.transpose(mixed, np.array([0, 2, 1, 3], dtype=np.int64))
        flat = ops.reshape(back, np.array([0, 0, self._config.hidden], dtype=np.int64), True)
        attended = self._linear(flat, f"{name}.attended")
        hidden = self._norm(ops.add(hidden, attended), f"{name}.attention_norm")
        wide = ops.gelu(self._linear(hidden, f"{name}.widen"), "erf")
        return self._norm(ops.add(hidden, self._linear(wide, f"{name}.narrow")), f"{name}.output_norm")

    def _project(self, node: ov.Node, name: str) -> ov.Node:
        """Map [..., H] to unit vectors [..., 2, P]."""
        joint = self._linear(node, name)
        rank = len(joint.get_output_partial_shape(0))
        pattern = [0] * (rank - 1) + [2, self._config.projection]
        split = ops.reshape(joint, np.array(pattern, dtype=np.int64), True)
        return ops.normalize_l2(split, np.array([-1], dtype=np.int64), _EPS, "max")

    def _inputs(self) -> dict[str, Any]:
        integers = {name: ops.parameter([-1, -1], ov.Type.i32, name) for name in ("ids", "shapes")}
        return {**integers, "mask": ops.parameter([-1, -1], ov.Type.f32, "mask")}

    def reading(self, quantized: bool) -> ov.Model:
        """Build ids, shapes, mask, pool -> [B, W, 2, P] unit vectors."""
        self._quantized = quantized
        inputs = self._inputs()
        inputs["pool"] = ops.parameter([-1, -1, -1], ov.Type.f32, "pool")
        hidden = self._trunk(inputs["ids"], inputs["shapes"], inputs["mask"])
        return _model(self._project(ops.matmul(inputs["pool"], hidden, False, False), "word_head"), inputs)

    def pairs(self) -> ov.Model:
        """Build ids, shapes, mask, pool -> [B, W, N] outputs of N linear heads at the words.

        For checkpoints that read a text together with a description: the shapes are then token types.
        """
        inputs = self._inputs()
        inputs["pool"] = ops.parameter([-1, -1, -1], ov.Type.f32, "pool")
        hidden = self._trunk(inputs["ids"], inputs["shapes"], inputs["mask"])
        words = ops.matmul(inputs["pool"], hidden, False, False)
        return _model(self._linear(words, "heads"), inputs)

    def describing(self) -> ov.Model:
        """Build ids, shapes, mask -> [D, 2, P] unit vectors."""
        self._quantized = False
        inputs = self._inputs()
        hidden = self._trunk(inputs["ids"], inputs["shapes"], inputs["mask"])
        mask = ops.unsqueeze(inputs["mask"], 2)
        axis = ops.constant(1, ov.Type.i32)
        total = ops.reduce_sum(ops.multiply(hidden, mask), axis)
        mean = ops.divide(total, ops.reduce_sum(mask, axis))
        return _model(self._project(mean, "type_head"), inputs)


def _rounded(node: ov.Node, low: Any, high: Any, *, levels: int) -> ov.Node:
    """Round to levels between two bounds; the runtime turns products of such into 8-bit ones."""
    bounds = [ops.constant(np.asarray(bound, dtype=np.float32)) for bound in (low, high)]
    return ops.fake_quantize(node, *bounds, *bounds, levels)


def _model(result: ov.Node, inputs: Mapping[str, Any]) -> ov.Model:
    for name, node in inputs.items():
        node.output(0).set_names({name})
    return ov.Model([ops.result(result)], list(inputs.values()), "deid")
