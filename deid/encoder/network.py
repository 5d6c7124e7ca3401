"""The network in torch: a BERT-like trunk that reads notes and descriptions, and the heads where they meet.

The trunk reads a window of the note once. Descriptions go through the same trunk, once for each policy,
and become two unit vectors a type: one that points at words inside a mention, one at the word that begins it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.encoder.config import EncoderConfig
from deid.encoder.windows import FloatArray

LAYER_NORM_EPS = 1e-12  # as in BERT


class Linear(nn.Linear):
    """A linear layer that can learn to bear 8-bit inputs and weights (Jacob et al. 2018).

    ``range`` holds the least and largest input seen while it did; both are 0 before. Inputs are rounded to
    256 levels over that range, weights to 255 levels over each output's largest.
    """

    range: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.register_buffer("range", torch.zeros(2))

    def forward(self, input: Tensor, quantized: bool = False) -> Tensor:
        """Multiply and add.

        Args:
            input: [..., inputs].
            quantized: Round inputs and weights as 8-bit arithmetic will; gradients pass straight through.
        """
        if not quantized:
            return super().forward(input)
        if self.training:
            self._widen(input.detach())
        low, high = self.range.float()
        step = (high - low).clamp(min=1e-6) / 255
        rounded = ((input.float().clamp(low, high) - low) / step).round() * step + low
        peak = self.weight.detach().abs().amax(1, keepdim=True).clamp(min=1e-8) / 127
        weight = (self.weight.detach() / peak).round() * peak
        return F.linear(
            input + (rounded - input).detach().to(input.dtype),
            self.weight + (weight - self.weight).detach(),
            self.bias,
        )

    def _widen(self, input: Tensor) -> None:
        """Follow the extremes of the inputs, slowly; at once where there are none yet."""
        seen = torch.stack((input.amin(), input.amax())).float().to(self.range.device)
        # No branch on a value: a compiled layer would fall into pieces at it.
        share = torch.where(self.range.any(), 0.02, 1.0)
        self.range.lerp_(seen, share)


class Layer(nn.Module):
    """One post-norm transformer layer (Devlin et al. 2019)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query_key_value = Linear(config.hidden, 3 * config.hidden)
        self.attended = Linear(config.hidden, config.hidden)
        self.attention_norm = nn.LayerNorm(config.hidden, eps=LAYER_NORM_EPS)
        self.widen = Linear(config.hidden, config.intermediate)
        self.narrow = Linear(config.intermediate, config.hidden)
        self.output_norm = nn.LayerNorm(config.hidden, eps=LAYER_NORM_EPS)

    def forward(self, hidden: Tensor, bias: Tensor, quantized: bool = False) -> Tensor:
        """Attend and transform.

        Args:
            hidden: [B, L, H].
            bias: [B, 1, 1, L], 0 for pieces and a large negative number for padding.
            quantized: Round as 8-bit arithmetic will.

        Returns:
            [B, L, H].
        """
        batch, length, width = hidden.shape
        parts = self.query_key_value(hidden, quantized).view(
            batch, length, 3, self.heads, width // self.heads
        )
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        # Written out: on CPU the fused kernel's backward pass is the slower one by far.
        scores = query @ key.transpose(-1, -2) * (width // self.heads) ** -0.5 + bias
        # Autocast would copy the scores to 32 bits and back.
        with torch.autocast(hidden.device.type, enabled=False):
            weights = scores.softmax(-1)
        mixed = (weights @ value).transpose(1, 2).reshape(batch, length, width)
        hidden = self.attention_norm(hidden + self.attended(mixed, quantized))
        wide = F.gelu(self.widen(hidden, quantized))
        return self.output_norm(hidden + self.narrow(wide, quantized))  # type: ignore[no-any-return]


class Network(nn.Module):
    """Scores every word of a note against every described type."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.word_embedding = nn.Embedding(config.vocabulary, config.hidden)
        self.position_embedding = nn.Embedding(config.positions, config.hidden)
        self.shape_embedding = nn.Embedding(config.shapes, config.hidden)
        self.embedding_norm = nn.LayerNorm(config.hidden, eps=LAYER_NORM_EPS)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.word_head = nn.Linear(config.hidden, 2 * config.projection)
        self.type_head = nn.Linear(config.hidden, 2 * config.projection)
        self.scale = nn.Parameter(torch.tensor([12.0, 12.0]))
        self.bias = nn.Parameter(torch.tensor([-5.0, -6.0]))
        nn.init.zeros_(self.shape_embedding.weight)

    def load(self, weights: Mapping[str, FloatArray]) -> None:
        """Fill the network; weights without ranges have not learned to bear 8-bit arithmetic.

        Args:
            weights: Parameters by name.
        """
        state = {name: value for name, value in self.state_dict().items() if name.endswith(".range")}
        self.load_state_dict(state | {name: torch.from_numpy(value) for name, value in weights.items()})

    def trunk(self, ids: Tensor, shapes: Tensor, mask: Tensor, *, quantized: bool = False) -> Tensor:
        """Read a batch of sequences.

        Args:
            ids: [B, L] vocabulary ids.
            shapes: [B, L] shape classes.
            mask: [B, L] 1 for a piece, 0 for padding.
            quantized: Round as 8-bit arithmetic will.

        Returns:
            [B, L, H] hidden states.
        """
        positions = torch.arange(ids.shape[1], device=ids.device)
        hidden = self.word_embedding(ids) + self.position_embedding(positions) + self.shape_embedding(shapes)
        hidden = self.embedding_norm(hidden)
        bias = ((1 - mask) * -1e4)[:, None, None, :].to(hidden.dtype)
        for layer in self.layers:
            hidden = layer(hidden, bias, quantized)
        return hidden  # type: ignore[no-any-return]

    def describe(self, ids: Tensor, shapes: Tensor, mask: Tensor) -> Tensor:
        """Turn descriptions into type vectors.

        Args:
            ids: [D, L] vocabulary ids.
            shapes: [D, L] shape classes.
            mask: [D, L] 1 for a piece, 0 for padding.

        Returns:
            [D, 2, P] unit vectors: inside, begin.
        """
        hidden = self.trunk(ids, shapes, mask)
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return F.normalize(self.type_head(mean).unflatten(-1, (2, self.config.projection)).float(), dim=-1)

    def read(self, hidden: Tensor, pool: Tensor) -> Tensor:
        """Turn hidden states into word vectors, which know nothing of types.

        Args:
            hidden: [B, L, H] from `trunk`.
            pool: [B, W, L] averages a word's pieces.

        Returns:
            [B, W, 2, P] unit vectors: inside, begin.
        """
        words = self.word_head(pool.to(hidden.dtype) @ hidden).unflatten(-1, (2, self.config.projection))
        return F.normalize(words.float(), dim=-1)

    def score(self, hidden: Tensor, pool: Tensor, types: Tensor) -> Tensor:
        """Score words against types.

        Args:
            hidden: [B, L, H] from `trunk`.
            pool: [B, W, L] averages a word's pieces.
            types: [T, 2, P] unit vectors.

        Returns:
            [2, B, W, T] logits: inside, begin.
        """
        cosine = torch.einsum("bwxp,txp->xbwt", self.read(hidden, pool), types)
        return cosine * self.scale[:, None, None, None] + self.bias[:, None, None, None]
