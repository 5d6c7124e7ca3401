"""Vectors of wordings that lie beside a network, so that shipped policies need not be read at every start."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from safetensors.numpy import save_file

from deid.encoder.weights import WORDINGS, ModelFolder
from deid.encoder.windows import FloatArray
from deid.errors import IntegrityError

_NETWORK = "network"


def wording_key(text: str) -> bytes:
    """Return what a wording is stored under: a digest of 16 bytes.

    Args:
        text: The wording.
    """
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def read_wordings(folder: ModelFolder) -> dict[bytes, FloatArray]:
    """Read the [2, P] vectors that a model folder brings along, by `wording_key`; none if it brings none.

    Args:
        folder: The model folder.

    Raises:
        IntegrityError: if they were made by another network.
    """
    path = folder.path / WORDINGS
    if not path.is_file():
        return {}
    with safe_open(path, framework="numpy") as stream:
        if (stream.metadata() or {}).get(_NETWORK) != folder.network_digest():
            raise IntegrityError(
                f"model folder {folder.path}: {WORDINGS} is of other weights; delete it, or write it anew"
            )
        keys, vectors = stream.get_tensor("keys"), stream.get_tensor("vectors")
    return {key.tobytes(): vector for key, vector in zip(keys, vectors, strict=True)}


def write_wordings(folder: ModelFolder, vectors: Mapping[bytes, FloatArray]) -> ModelFolder:
    """Write vectors of wordings into a model folder; its digest stays, since they follow from its weights.

    Args:
        folder: The model folder.
        vectors: [2, P] for each `wording_key`.
    """
    keys = sorted(vectors)
    tensors: dict[str, npt.NDArray[Any]] = {
        "keys": np.array([list(key) for key in keys], dtype=np.uint8),
        "vectors": np.stack([vectors[key] for key in keys]),
    }
    path = folder.path / WORDINGS
    save_file(tensors, path, metadata={_NETWORK: folder.network_digest()})
    path.chmod(0o644)  # safetensors makes it readable by its owner only
    return ModelFolder.sealed(folder.path)
