"""A model folder: configuration, weights, vocabulary, calibration, and their digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from deid.encoder.config import EncoderConfig
from deid.encoder.windows import FloatArray
from deid.errors import InputOutputError, IntegrityError

_CONFIG, _WEIGHTS, _VOCABULARY, _CALIBRATION, _DIGESTS = (
    "config.json",
    "model.safetensors",
    "vocab.txt",
    "calibration.json",
    "digests.json",
)
_CHECKED = (_CONFIG, _WEIGHTS, _VOCABULARY, _CALIBRATION)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Thresholds that reach a stated recall on held-out notes.

    Args:
        recall: The recall aimed at.
        pooled: Threshold for types that were not calibrated.
        thresholds: Threshold by entity type.
        descriptions: Digest of the description each threshold was measured with, by entity type.
        data: Digest of the notes measured on.
    """

    recall: float
    pooled: float
    thresholds: Mapping[str, float]
    descriptions: Mapping[str, str]
    data: str


def default_folder() -> Path:
    """Return the folder of the weights that ship with the package."""
    return Path(__file__).resolve().parent.parent / "weights" / "default"


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal.

    Args:
        path: The file.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model on disk, checked against its digests.

    Args:
        path: The folder.
        digest: ``sha256:...`` over all checked files.
    """

    path: Path
    digest: str

    @classmethod
    def open(cls, path: Path) -> ModelFolder:
        """Open a model folder.

        Raises:
            InputOutputError: if files are missing.
            IntegrityError: if a file differs from its recorded digest.
        """
        missing = [name for name in (*_CHECKED, _DIGESTS) if not (path / name).is_file()]
        if missing:
            raise InputOutputError(f"model folder {path}: missing {', '.join(missing)}")
        recorded = json.loads((path / _DIGESTS).read_text(encoding="utf-8"))
        for name in _CHECKED:
            if file_digest(path / name) != recorded.get(name):
                raise IntegrityError(f"model folder {path}: {name} does not match its recorded SHA-256")
        joint = hashlib.sha256(json.dumps(recorded, sort_keys=True).encode()).hexdigest()
        return cls(path, f"sha256:{joint}")

    @classmethod
    def write(
        cls,
        path: Path,
        *,
        config: EncoderConfig,
        weights: Mapping[str, FloatArray],
        vocabulary: Path,
        calibration: Calibration,
    ) -> ModelFolder:
        """Write a model folder; weights are stored in half precision.

        Args:
            path: The folder, made if need be.
            config: Sizes.
            weights: Parameters by their torch names.
            vocabulary: A vocab.txt to copy.
            calibration: Thresholds.
        """
        path.mkdir(parents=True, exist_ok=True)
        config.write(path / _CONFIG)
        half = {name: np.ascontiguousarray(value, dtype=np.float16) for name, value in weights.items()}
        save_file(half, path / _WEIGHTS, metadata={"format": "deid-encoder"})
        (path / _WEIGHTS).chmod(0o644)  # safetensors makes it readable by its owner only
        if vocabulary.resolve() != (path / _VOCABULARY).resolve():
            (path / _VOCABULARY).write_bytes(vocabulary.read_bytes())
        cls._write_calibration(path, calibration)
        return cls.open(path)

    @classmethod
    def _write_calibration(cls, path: Path, calibration: Calibration) -> None:
        values = {
            "recall": calibration.recall,
            "pooled": calibration.pooled,
            "thresholds": dict(sorted(calibration.thresholds.items())),
            "descriptions": dict(sorted(calibration.descriptions.items())),
            "data": calibration.data,
        }
        (path / _CALIBRATION).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        digests = {name: file_digest(path / name) for name in _CHECKED}
        (path / _DIGESTS).write_text(json.dumps(digests, indent=2) + "\n", encoding="utf-8")

    def calibrated(self, calibration: Calibration) -> ModelFolder:
        """Replace the calibration and return the folder under its new digest."""
        self._write_calibration(self.path, calibration)
        return self.open(self.path)

    def config(self) -> EncoderConfig:
        """Read the sizes."""
        return EncoderConfig.read(self.path / _CONFIG)

    def vocabulary(self) -> Path:
        """Return the path of the vocabulary."""
        return self.path / _VOCABULARY

    def calibration(self) -> Calibration:
        """Read the calibration."""
        return Calibration(**json.loads((self.path / _CALIBRATION).read_text(encoding="utf-8")))

    def weights(self) -> dict[str, FloatArray]:
        """Read the parameters as float32, by their torch names."""
        with safe_open(self.path / _WEIGHTS, framework="numpy") as stream:
            return {name: np.asarray(stream.get_tensor(name), dtype=np.float32) for name in stream.keys()}  # noqa: SIM118 - not a mapping
