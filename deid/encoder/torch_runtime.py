"""The network in torch: the reference for other runtimes, and CUDA where there is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy

import numpy as np
import torch

from deid.encoder.config import EncoderConfig
from deid.encoder.network import Network
from deid.encoder.windows import Batch, FloatArray


class TorchRuntime:
    """Runs the network as it was trained.

    Args:
        config: Sizes.
        weights: Parameters by their torch names, float32.
        streams: Accepted for symmetry; torch uses its own threads.
        precision: ``f32`` (default), ``bf16``, or ``int8``, which rounds as 8-bit arithmetic does.
    """

    name = "torch"

    def __init__(
        self,
        config: EncoderConfig,
        weights: Mapping[str, FloatArray],
        *,
        streams: int = 1,
        precision: str | None = None,
    ) -> None:
        del streams
        self.precision = precision or "f32"
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = Network(config).eval().to(self._device)
        self._network.load(weights)
        # Descriptions are read in full precision, as in other runtimes.
        half = self.precision == "bf16"
        self._reading = deepcopy(self._network).to(torch.bfloat16) if half else self._network

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(array).to(self._device)
        return tensor.long() if tensor.dtype == torch.int32 else tensor

    @torch.inference_mode()
    def describe(self, batches: Iterable[Batch]) -> list[FloatArray]:
        """Return [D, 2, P] unit type vectors for each batch of D descriptions, in order."""
        inputs = ((batch.ids, batch.shapes, batch.mask) for batch in batches)
        described = (self._network.describe(*map(self._tensor, arrays)) for arrays in inputs)
        return [vectors.float().cpu().numpy() for vectors in described]

    @torch.inference_mode()
    def read(self, batches: Iterable[Batch]) -> Iterator[FloatArray]:
        """Yield [B, W, 2, P] unit word vectors (inside, begin) for each batch, in order."""
        for batch in batches:
            arguments = (self._tensor(array) for array in (batch.ids, batch.shapes, batch.mask))
            hidden = self._reading.trunk(*arguments, quantized=self.precision == "int8")
            yield self._reading.read(hidden, self._tensor(batch.pool)).cpu().numpy()
