"""Half precision for weights, four bits where nothing is lost by it.

A base whose embeddings were published in blocks of 32 four-bit numbers with a common factor (Q4_0 of
llama.cpp), and stay as they are in training, takes a quarter of the room so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from deid.encoder.windows import FloatArray

Array = npt.NDArray[Any]

_BLOCK = 32
_NIBBLES, _FACTORS = ".nibbles", ".factors"
_TOLERANCE = 0.01  # of a factor: a hundred times less than a step, more than half precision rounds


def pack(weights: Mapping[str, FloatArray]) -> dict[str, Array]:
    """Return weights as they are stored.

    Args:
        weights: Parameters by name, float32.
    """
    stored: dict[str, Array] = {}
    for name, value in weights.items():
        blocks = _blocks(value)
        if blocks is None:
            stored[name] = np.ascontiguousarray(value, dtype=np.float16)
        else:
            stored[name + _NIBBLES], stored[name + _FACTORS] = blocks
    return stored


def unpack(stored: Mapping[str, Array]) -> dict[str, FloatArray]:
    """Return weights as the network takes them; undoes `pack`.

    Args:
        stored: What `pack` returned.
    """
    weights: dict[str, FloatArray] = {}
    for name, value in stored.items():
        if name.endswith(_NIBBLES):
            weights[name.removesuffix(_NIBBLES)] = _numbers(
                value, stored[name.removesuffix(_NIBBLES) + _FACTORS]
            )
        elif not name.endswith(_FACTORS):
            weights[name] = np.asarray(value, dtype=np.float32)
    return weights


def count(shapes: Mapping[str, Sequence[int]]) -> int:
    """Return how many numbers stored weights stand for.

    Args:
        shapes: Shapes of what is stored, by name.
    """
    sizes = {name: math.prod(shape) for name, shape in shapes.items() if not name.endswith(_FACTORS)}
    return sum(2 * size if name.endswith(_NIBBLES) else size for name, size in sizes.items())


def _blocks(value: FloatArray) -> tuple[Array, Array] | None:
    """Return [N, H / 2] pairs of four-bit numbers and [N, H / 32] factors; None where something is lost."""
    if value.ndim != 2 or value.shape[1] % _BLOCK or not value.any():
        return None
    parts = value.reshape(len(value), -1, _BLOCK)
    largest = np.take_along_axis(parts, np.abs(parts).argmax(-1, keepdims=True), -1)
    factors = (largest / -8).astype(np.float16)
    steps = np.where(factors, parts / np.where(factors, factors, 1).astype(np.float32), 0)
    whole = steps.round().clip(-8, 7)
    if np.abs(steps - whole).max() > _TOLERANCE:
        return None
    numbers = (whole + 8).astype(np.uint8).reshape(value.shape)
    return numbers[:, ::2] | numbers[:, 1::2] << 4, np.ascontiguousarray(factors[..., 0])


def _numbers(nibbles: Array, factors: Array) -> FloatArray:
    whole = np.empty((len(nibbles), nibbles.shape[1] * 2), dtype=np.float32)
    whole[:, ::2], whole[:, 1::2] = nibbles & 15, nibbles >> 4
    scaled = (whole - 8).reshape(len(nibbles), -1, _BLOCK) * factors.astype(np.float32)[..., None]
    # As every other weight, exact in half precision.
    return scaled.reshape(whole.shape).astype(np.float16).astype(np.float32)
