"""Reads a BERT checkpoint in the layout of Hugging Face's ``BertModel`` into our network's names.

Kept apart so that foreign key names occur in one file only.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from deid.encoder.network import Network
from deid.errors import IntegrityError

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


def load_base(network: Network, path: Path, *, source_layers: tuple[int, ...] | None = None) -> None:
    """Fill a network's trunk from a BERT checkpoint; the heads keep their initial values.

    Args:
        network: Filled in place.
        path: A safetensors file with the keys of ``BertModel``.
        source_layers: Which of the checkpoint's layers to take; the first ones when None.

    Raises:
        IntegrityError: if a parameter is missing or its shape differs.
    """
    source = load_file(path)
    layers = source_layers or tuple(range(network.config.layers))
    wanted = {ours: source.get(theirs) for ours, theirs in _EMBEDDINGS.items()}
    for index, layer in enumerate(layers):
        for part in ("weight", "bias"):
            prefix = f"encoder.layer.{layer}"
            joint = [
                source.get(f"{prefix}.attention.self.{name}.{part}") for name in ("query", "key", "value")
            ]
            found = [tensor for tensor in joint if tensor is not None]
            wanted[f"layers.{index}.query_key_value.{part}"] = torch.cat(found) if len(found) == 3 else None
            for ours, theirs in _LAYER.items():
                wanted[f"layers.{index}.{ours}.{part}"] = source.get(f"{prefix}.{theirs}.{part}")
    # Every sequence has token type 0, so its embedding is a constant that the positions can carry.
    kind = source.get("embeddings.token_type_embeddings.weight")
    positions = wanted["position_embedding.weight"]
    if kind is not None and positions is not None:
        wanted["position_embedding.weight"] = positions + kind[0]
    _copy(network, wanted, path.name)


def _copy(network: Network, wanted: dict[str, Tensor | None], file_name: str) -> None:
    parameters = dict(network.named_parameters())
    for name, tensor in wanted.items():
        expected = tuple(parameters[name].shape)
        if tensor is None or tuple(tensor.shape) != expected:
            received = "nothing" if tensor is None else str(tuple(tensor.shape))
            raise IntegrityError(f"{file_name}: {name} needs shape {expected}, got {received}")
        with torch.no_grad():
            parameters[name].copy_(tensor)
