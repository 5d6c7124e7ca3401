"""From the parameter names of Hugging Face's ``BertModel`` to our network's.

Kept apart so that foreign key names occur in one file only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from deid.encoder.windows import FloatArray

_EMBEDDINGS = {
    "word_embedding.weight": "embeddings.word_embeddings.weight",
    "position_embedding.weight": "embeddings.position_embeddings.weight",
    "embedding_norm.weight": "embeddings.LayerNorm.weight",
    "embedding_norm.bias": "embeddings.LayerNorm.bias",
}
_LAYER = {
    "attended": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "widen": "intermediate.dense",
    "narrow": "output.dense",
    "output_norm": "output.LayerNorm",
}
TOKEN_TYPES = "embeddings.token_type_embeddings.weight"


def trunk_weights(
    source: Mapping[str, FloatArray], *, layers: tuple[int, ...], prefix: str = ""
) -> dict[str, FloatArray | None]:
    """Return a trunk's parameters under our names; None where the checkpoint lacks one.

    Token types have no place of their own in the network and are left to the caller (`TOKEN_TYPES`).

    Args:
        source: Parameters by the names of ``BertModel``.
        layers: Which of its layers to take, in order.
        prefix: Stands before each of its names.
    """
    found = {ours: source.get(prefix + theirs) for ours, theirs in _EMBEDDINGS.items()}
    for index, layer in enumerate(layers):
        for part in ("weight", "bias"):
            name = f"{prefix}encoder.layer.{layer}"
            joint = [
                value
                for role in ("query", "key", "value")
                if (value := source.get(f"{name}.attention.self.{role}.{part}")) is not None
            ]
            found[f"layers.{index}.query_key_value.{part}"] = (
                np.concatenate(joint) if len(joint) == 3 else None
            )
            for ours, theirs in _LAYER.items():
                found[f"layers.{index}.{ours}.{part}"] = source.get(f"{name}.{theirs}.{part}")
    return found
