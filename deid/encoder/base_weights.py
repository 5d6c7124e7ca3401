"""Fills our network's trunk from a BERT checkpoint in the layout of Hugging Face's ``BertModel``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.numpy import load_file

from deid.encoder.bert_names import TOKEN_TYPES, trunk_weights
from deid.encoder.network import Network
from deid.encoder.windows import FloatArray
from deid.errors import IntegrityError


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
    wanted = trunk_weights(source, layers=source_layers or tuple(range(network.config.layers)))
    # Every sequence has token type 0, so its embedding is a constant that the positions can carry.
    kind = source.get(TOKEN_TYPES)
    positions = wanted["position_embedding.weight"]
    if kind is not None and positions is not None:
        wanted["position_embedding.weight"] = positions + kind[0]
    _copy(network, wanted, path.name)


def _copy(network: Network, wanted: Mapping[str, FloatArray | None], file_name: str) -> None:
    parameters = dict(network.named_parameters())
    for name, value in wanted.items():
        expected = tuple(parameters[name].shape)
        if value is None or value.shape != expected:
            received = "nothing" if value is None else str(value.shape)
            raise IntegrityError(f"{file_name}: {name} needs shape {expected}, got {received}")
        with torch.no_grad():
            parameters[name].copy_(torch.from_numpy(value))
