"""Writes the network as ONNX graphs of standard operations; mirrors `deid.encoder.network` line by line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from deid.encoder.config import EncoderConfig
from deid.encoder.exported import TENSORS
from deid.encoder.windows import FloatArray

OPSET = 20  # the first with Gelu
_IR = 9  # the format of that time
_EPS = 1e-12
_APART = 1024  # bytes from which a tensor lies in the common file
_PAGE = 4096  # so that it can be mapped into memory
_INPUTS = {
    "ids": (TensorProto.INT32, ["batch", "length"]),
    "shapes": (TensorProto.INT32, ["batch", "length"]),
    "mask": (TensorProto.FLOAT, ["batch", "length"]),
    "pool": (TensorProto.FLOAT, ["batch", "words", "length"]),
}


class Tensors:
    """Large tensors of several graphs, each once, in one file beside them.

    Args:
        stream: The file, empty.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._placed: dict[str, TensorProto] = {}

    def place(self, name: str, values: npt.NDArray[Any]) -> TensorProto:
        """Write a tensor, unless a graph has done so already, and say where it lies.

        Args:
            name: The same for the same values.
            values: The tensor.
        """
        if name not in self._placed:
            proto = numpy_helper.from_array(values, name)
            if values.nbytes >= _APART:
                offset = -(-self._stream.tell() // _PAGE) * _PAGE
                self._stream.write(bytes(offset - self._stream.tell()) + proto.raw_data)
                place = {"location": TENSORS, "offset": offset, "length": len(proto.raw_data)}
                proto.ClearField("raw_data")
                proto.data_location = TensorProto.EXTERNAL
                for key, value in place.items():
                    proto.external_data.add(key=key, value=str(value))
            self._placed[name] = proto
        return self._placed[name]


class Graph:
    """One graph on its way; every operation returns the name of its output.

    Args:
        config: Sizes.
        weights: Parameters by their torch names, float32.
        tensors: Takes the large ones.
        quantized: Multiply texts in 8 bits, over the ranges that the weights have learned to bear.
    """

    def __init__(
        self, config: EncoderConfig, weights: Mapping[str, FloatArray], tensors: Tensors, *, quantized: bool
    ) -> None:
        self._config, self._weights, self._tensors = config, weights, tensors
        self._quantized = quantized
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}

    def reading(self) -> ModelProto:
        """Build ids, shapes, mask, pool, types -> words [B, W, 2, P] unit vectors, logits [2, B, W, T]."""
        words = self._project(self._do("MatMul", "pool", self._trunk()), "word_head", output="words")
        of_heads = self._do("Transpose", words, perm=[2, 0, 1, 3])
        types = self._do("Unsqueeze", self._do("Transpose", "types", perm=[1, 2, 0]), self._axes(1))
        scale, bias = (
            self._constant(name, self._weights[name].reshape(2, 1, 1, 1)) for name in ("scale", "bias")
        )
        cosine = self._do("MatMul", of_heads, types)
        self._do("Add", self._do("Mul", cosine, scale), bias, output="logits")
        width = self._config.projection
        inputs = [helper.make_tensor_value_info(name, *facts) for name, facts in _INPUTS.items()]
        inputs.append(_floats("types", ["types", 2, width]))
        outputs = [
            _floats("words", ["batch", "words", 2, width]),
            _floats("logits", [2, "batch", "words", "types"]),
        ]
        return self._model("text", inputs, outputs)

    def describing(self) -> ModelProto:
        """Build ids, shapes, mask -> vectors [D, 2, P], unit vectors of descriptions."""
        mask = self._do("Unsqueeze", "mask", self._axes(2))
        total = self._do("ReduceSum", self._do("Mul", self._trunk(), mask), self._axes(1), keepdims=0)
        mean = self._do("Div", total, self._do("ReduceSum", mask, self._axes(1), keepdims=0))
        self._project(mean, "type_head", output="vectors", rank=2)
        inputs = [helper.make_tensor_value_info(name, *_INPUTS[name]) for name in ("ids", "shapes", "mask")]
        return self._model(
            "descriptions", inputs, [_floats("vectors", ["batch", 2, self._config.projection])]
        )

    def _trunk(self) -> str:
        """Read ids, shapes and mask: [B, L, H]."""
        # The folder holds half precision, so that nothing is lost in a table of half the size.
        table = self._constant(
            "word_embedding.weight", self._weights["word_embedding.weight"].astype(np.float16)
        )
        hidden = self._do("Cast", self._do("Gather", table, "ids"), to=TensorProto.FLOAT)
        length = self._do("Shape", "ids", start=1, end=2)
        positions = self._do(
            "Slice", self._weight("position_embedding.weight"), self._axes(0), length, self._axes(0)
        )
        hidden = self._do("Add", hidden, positions)
        hidden = self._do("Add", hidden, self._do("Gather", self._weight("shape_embedding.weight"), "shapes"))
        hidden = self._norm(hidden, "embedding_norm")
        absent = self._do("Mul", self._do("Sub", "mask", self._number("one", 1)), self._number("far", 1e4))
        bias = self._do("Unsqueeze", absent, self._axes(1, 2))
        for index in range(self._config.layers):
            hidden = self._layer(hidden, bias, f"layers.{index}")
        return hidden

    def _layer(self, hidden: str, bias: str, name: str) -> str:
        heads, size = self._config.heads, self._config.hidden // self._config.heads
        joint = self._linear(hidden, f"{name}.query_key_value")
        apart = [self._shape(part, 0, 0, heads, size) for part in self._split(joint, 3)]
        query, value = (self._do("Transpose", apart[at], perm=[0, 2, 1, 3]) for at in (0, 2))
        key = self._do("Transpose", apart[1], perm=[0, 2, 3, 1])
        scaled = self._do("Mul", query, self._number("root", size**-0.5))
        scores = self._do("Add", self._do("MatMul", scaled, key), bias)
        mixed = self._do("MatMul", self._do("Softmax", scores, axis=-1), value)
        flat = self._shape(self._do("Transpose", mixed, perm=[0, 2, 1, 3]), 0, 0, self._config.hidden)
        attended = self._linear(flat, f"{name}.attended")
        hidden = self._norm(self._do("Add", hidden, attended), f"{name}.attention_norm")
        wide = self._do("Gelu", self._linear(hidden, f"{name}.widen"))
        narrow = self._linear(wide, f"{name}.narrow")
        return self._norm(self._do("Add", hidden, narrow), f"{name}.output_norm")

    def _linear(self, node: str, name: str) -> str:
        if self._quantized and f"{name}.range" in self._weights:
            product = self._eight_bit_product(node, name)
        else:
            weight = np.ascontiguousarray(self._weights[f"{name}.weight"].T)
            product = self._do("MatMul", node, self._constant(f"{name}.weight", weight))
        return self._do("Add", product, self._weight(f"{name}.bias"))

    def _eight_bit_product(self, node: str, name: str) -> str:
        """Round as `deid.encoder.network.Linear` does, but that 0 is one of the 256 levels."""
        low, high = (float(bound) for bound in self._weights[f"{name}.range"])
        low, high = min(low, 0), max(high, 0)
        step = max(high - low, 1e-6) / 255
        zero = np.uint8(round(-low / step))
        of_input = (
            self._number(f"{name}.input_scale", step),
            self._constant(f"{name}.input_zero", np.array(zero)),
        )
        rounded = self._do("DequantizeLinear", self._do("QuantizeLinear", node, *of_input), *of_input)
        weight = self._weights[f"{name}.weight"].T
        peak = np.maximum(np.abs(weight).max(0), 1e-8) / 127
        levels = self._constant(
            f"{name}.weight_levels", np.ascontiguousarray((weight / peak).round().astype(np.int8))
        )
        of_weight = (
            self._constant(f"{name}.weight_scale", peak),
            self._constant(f"{name}.weight_zero", np.zeros(len(peak), np.int8)),
        )
        return self._do("MatMul", rounded, self._do("DequantizeLinear", levels, *of_weight, axis=1))

    def _norm(self, node: str, name: str) -> str:
        weight, bias = self._weight(f"{name}.weight"), self._weight(f"{name}.bias")
        return self._do("LayerNormalization", node, weight, bias, axis=-1, epsilon=_EPS)

    def _project(self, node: str, name: str, *, output: str, rank: int = 3) -> str:
        """Map [..., H] to unit vectors [..., 2, P]."""
        apart = self._shape(self._linear(node, name), *[0] * (rank - 1), 2, self._config.projection)
        return self._do("LpNormalization", apart, axis=-1, p=2, output=output)

    def _split(self, node: str, parts: int) -> list[str]:
        outputs = [f"{node}_{part}" for part in range(parts)]
        self._nodes.append(helper.make_node("Split", [node], outputs, outputs[0], axis=-1, num_outputs=parts))
        return outputs

    def _do(self, operation: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = output or f"{operation.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operation, inputs, [name], name, **attributes))
        return name

    def _weight(self, name: str) -> str:
        return self._constant(name, self._weights[name])

    def _number(self, name: str, value: float) -> str:
        return self._constant(name, np.array(value, dtype=np.float32))

    def _axes(self, *axes: int) -> str:
        return self._constant(f"axes_{'_'.join(map(str, axes))}", np.array(axes, dtype=np.int64))

    def _shape(self, node: str, *sizes: int) -> str:
        """Reshape; 0 leaves a size as it is."""
        shape = self._constant(f"shape_{'_'.join(map(str, sizes))}", np.array(sizes, dtype=np.int64))
        return self._do("Reshape", node, shape)

    def _constant(self, name: str, values: npt.NDArray[Any]) -> str:
        self._constants[name] = self._tensors.place(name, values)
        return name

    def _model(self, name: str, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto]) -> ModelProto:
        graph = helper.make_graph(self._nodes, name, inputs, outputs, list(self._constants.values()))
        versions = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, producer_name="deid", opset_imports=versions, ir_version=_IR)


def _floats(name: str, shape: list[int | str]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
