"""A folder with somebody else's checkpoint: what is in it, its digest, and what is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from deid.encoder.weights import file_digest
from deid.encoder.windows import FloatArray
from deid.errors import InputOutputError, IntegrityError

WEIGHTS = "model.safetensors"
_READ = (".json", ".model", ".safetensors", ".spm", ".txt")
_PICKLES = (".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth")
_CODE = "auto_map"  # by this key a configuration names Python code to be run


@dataclass(frozen=True, slots=True)
class CheckpointFolder:
    """A checkpoint on disk. It comes without recorded digests, so what is there is taken and named.

    Args:
        path: The folder.
        digest: ``sha256:...`` over all files that a loader may read.
    """

    path: Path
    digest: str

    @classmethod
    def open(cls, path: Path, *, conversion: str) -> CheckpointFolder:
        """Open a folder.

        Args:
            path: The folder.
            conversion: Python that writes weights kept as a pickle to safetensors.

        Raises:
            InputOutputError: if there are no weights in safetensors.
            IntegrityError: if a configuration asks for code to be run.
        """
        if not (path / WEIGHTS).is_file():
            pickles = sorted(each.name for each in path.iterdir() if each.suffix in _PICKLES)
            if pickles:
                raise InputOutputError(
                    f"model folder {path}: {pickles[0]} is a pickle, which can run code when it is read,"
                    f" and is not read; convert it once, in Python: {conversion}"
                )
            raise InputOutputError(f"model folder {path}: missing {WEIGHTS}")
        files = sorted(each for each in path.rglob("*") if each.suffix in _READ and each.is_file())
        for each in files:
            if each.name.endswith("config.json") and any(_CODE in part for part in _objects(_json(each))):
                raise IntegrityError(
                    f"model folder {path}: {each.name} asks for code of its own ({_CODE}), which is not run"
                )
        digests = {each.relative_to(path).as_posix(): file_digest(each) for each in files}
        joint = hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()
        return cls(path, f"sha256:{joint}")

    def json(self, name: str) -> dict[str, Any]:
        """Read a JSON object; empty if there is no such file.

        Raises:
            IntegrityError: if it holds something else.
        """
        path = self.path / name
        values = _json(path) if path.is_file() else {}
        if not isinstance(values, dict):
            raise IntegrityError(f"model folder {self.path}: {name} is no JSON object")
        return values

    def weights(self) -> Mapping[str, FloatArray]:
        """Read all parameters as float32.

        Raises:
            IntegrityError: if the file cannot be read as such.
        """
        try:
            with safe_open(self.path / WEIGHTS, framework="numpy") as stream:
                names = stream.keys()
                return {name: np.asarray(stream.get_tensor(name), dtype=np.float32) for name in names}
        except (SafetensorError, TypeError) as error:
            raise IntegrityError(
                f"model folder {self.path}: {WEIGHTS} cannot be read: save its parameters as float32"
            ) from error


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"model folder {path.parent}: {path.name} is no JSON") from error


def _objects(values: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects in a JSON value, at any depth."""
    waiting = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
