"""Loads the encoder of a model folder, of whatever kind it is; the kind shows in the folder's files."""

from __future__ import annotations

import json
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from safetensors import safe_open

from deid.encoder.exported import GRAPH_FILES, Exported, is_exported
from deid.encoder.interface import Encoder
from deid.encoder.model import DescriptionEncoder
from deid.encoder.packed import count
from deid.encoder.pretrained.card import read_card
from deid.encoder.weights import default_folder
from deid.errors import InputOutputError

_WEIGHTS = "model.safetensors"


class Kind(StrEnum):
    """Architectures that can be behind the recognizer."""

    DESCRIPTION = "description encoder"
    EXPORTED = "description encoder, exported to ONNX"
    CROSS = "cross-encoder (OpenBioNER, SMXM)"
    GLINER = "GLiNER"


def kind_of(folder: Path) -> Kind:
    """Tell a model folder's kind by its files.

    Args:
        folder: A model folder.

    Raises:
        InputOutputError: if there is no such folder.
    """
    if not folder.is_dir():
        raise InputOutputError(f"model folder {folder}: there is no such folder")
    if is_exported(folder):
        return Kind.EXPORTED
    if (folder / "gliner_config.json").is_file():
        return Kind.GLINER
    return Kind.CROSS if _is_bert(folder / "config.json") else Kind.DESCRIPTION


def _is_bert(path: Path) -> bool:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and "hidden_size" in values


def load_encoder(folder: Path | None = None, *, runtime: str = "openvino", streams: int = 1) -> Encoder[Any]:
    """Return the encoder of a folder; this process loads it once, for all policies.

    Args:
        folder: A model folder; the one that ships with the package when None.
        runtime: Name of a runtime of the description encoder; other kinds and exported ones have their own.
        streams: Batches computed side by side.

    Raises:
        InputOutputError: if files are missing, or are of a form that is not read.
        IntegrityError: if files do not fit one another or their recorded digests.
        UsageError: if the folder needs a package that is not installed.
    """
    path = folder or default_folder()
    kind = kind_of(path)
    if kind in (Kind.DESCRIPTION, Kind.EXPORTED):
        return DescriptionEncoder.shared(path, runtime=runtime, streams=streams)
    return _loaded(path.resolve(), kind, _state(path), streams)


def _state(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Return names, sizes and times of a folder's files: enough to see that it was changed."""
    files = sorted(each for each in path.iterdir() if each.is_file())
    return tuple((each.name, (facts := each.stat()).st_size, facts.st_mtime_ns) for each in files)


@cache
def _loaded(path: Path, kind: Kind, state: tuple[tuple[str, int, int], ...], streams: int) -> Encoder[Any]:
    del state  # another state is another model under the same path
    if kind is Kind.GLINER:
        from deid.encoder.pretrained.gliner_encoder import GlinerEncoder

        return GlinerEncoder(path)
    from deid.encoder.pretrained.cross_encoder import CrossEncoder

    return CrossEncoder(path, streams=streams)


def model_info(folder: Path | None = None) -> dict[str, Any]:
    """Load a model and return what it is: kind, digest, licence, sizes, calibration, runtime, card.

    Args:
        folder: A model folder; the shipped one when None.

    Raises:
        InputOutputError: as `load_encoder`.
        IntegrityError: as `load_encoder`.
        UsageError: as `load_encoder`.
    """
    path = folder or default_folder()
    encoder = load_encoder(path)
    card = read_card(path)
    kind = kind_of(path)
    files = GRAPH_FILES if kind is Kind.EXPORTED else (_WEIGHTS,)
    return {
        "kind": kind.value,
        "folder": str(path),
        "digest": encoder.digest,
        "licence": card.licence,
        "megabytes": round(sum((path / name).stat().st_size for name in files) / 1e6, 1),
        "parameters": Exported.read(path).parameters if kind is Kind.EXPORTED else count_parameters(path),
        "runtime": encoder.runtime,
        **encoder.facts,
        "card": str(card.path) if card.path else None,
    }


def count_parameters(folder: Path) -> int:
    """Count the numbers in a model folder's weights, of whatever kind it is.

    Args:
        folder: A model folder that was not exported.
    """
    with safe_open(folder / _WEIGHTS, framework="numpy") as stream:
        return count({name: stream.get_slice(name).get_shape() for name in stream.keys()})  # noqa: SIM118 - not a mapping
