"""A model folder: configuration, weights, vocabulary, calibration, and their digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from deid.encoder.config import EncoderConfig
from deid.encoder.exported import GRAPH_FILES, Exported, is_exported
from deid.encoder.packed import pack, unpack
from deid.encoder.windows import FloatArray
from deid.errors import InputOutputError, IntegrityError, UsageError

_CONFIG, _WEIGHTS, _VOCABULARY, _CALIBRATION, _DIGESTS = (
    "config.json",
    "model.safetensors",
    "vocab.txt",
    "calibration.json",
    "digests.json",
)
WORDINGS = "wordings.safetensors"  # see `deid.encoder.wordings`


@dataclass(frozen=True, slots=True)
class Calibration:
    """Thresholds that reach a stated recall on held-out notes.

    Args:
        recall: The recall aimed at.
        pooled: Threshold for types that were not calibrated.
        thresholds: Threshold by entity type.
        descriptions: Digest of the description each threshold was measured with, by entity type.
        data: Digest of the notes measured on.
        added: Types that the model has learned since, from notes of somebody's own. They come before the
            others where both reach their thresholds, as types do that the model was not calibrated on.
        evidence: What shape and words of a find add to its score, by feature; see `deid.detect.weigh`. Empty
            if finds count by their thresholds alone.
    """

    recall: float
    pooled: float
    thresholds: Mapping[str, float]
    descriptions: Mapping[str, str]
    data: str
    added: Sequence[str] = ()
    evidence: Mapping[str, float] = field(default_factory=dict)


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


def has_ranges(weights: Mapping[str, FloatArray]) -> bool:
    """Whether weights have learned to bear 8-bit arithmetic.

    Args:
        weights: Parameters by their torch names.
    """
    return any(name.endswith(".range") and value.any() for name, value in weights.items())


def _checked(path: Path) -> tuple[str, ...]:
    """Return the names of the files that a model folder's digest covers."""
    network = GRAPH_FILES if is_exported(path) else (_WEIGHTS,)
    return (_CONFIG, *network, _VOCABULARY, _CALIBRATION)


def _verified(path: Path) -> tuple[str, ...]:
    """Return the names of the files whose digests are recorded: also of one that follows from the others."""
    return (*_checked(path), *((WORDINGS,) if (path / WORDINGS).is_file() else ()))


def _joint(recorded: Mapping[str, str], names: Iterable[str]) -> str:
    parts = json.dumps({name: recorded[name] for name in names}, sort_keys=True)
    return f"sha256:{hashlib.sha256(parts.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model on disk, with its weights or as exported, checked against its digests.

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
        names = _checked(path)
        missing = [name for name in (*names, _DIGESTS) if not (path / name).is_file()]
        if missing:
            raise InputOutputError(f"model folder {path}: missing {', '.join(missing)}")
        recorded = json.loads((path / _DIGESTS).read_text(encoding="utf-8"))
        for name in _verified(path):
            if file_digest(path / name) != recorded.get(name):
                raise IntegrityError(f"model folder {path}: {name} does not match its recorded SHA-256")
        return cls(path, _joint(recorded, names))

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
        """Write a model folder; weights are stored as `deid.encoder.packed` says.

        Args:
            path: The folder, made if need be.
            config: Sizes.
            weights: Parameters by their torch names.
            vocabulary: A vocab.txt to copy.
            calibration: Thresholds.
        """
        path.mkdir(parents=True, exist_ok=True)
        config.write(path / _CONFIG)
        (path / WORDINGS).unlink(missing_ok=True)  # of other weights
        save_file(pack(weights), path / _WEIGHTS, metadata={"format": "deid-encoder"})
        (path / _WEIGHTS).chmod(0o644)  # safetensors makes it readable by its owner only
        if vocabulary.resolve() != (path / _VOCABULARY).resolve():
            (path / _VOCABULARY).write_bytes(vocabulary.read_bytes())
        _write_calibration(path, calibration)
        return cls.sealed(path)

    @classmethod
    def sealed(cls, path: Path) -> ModelFolder:
        """Record the digests of what lies in a folder, and open it.

        Args:
            path: A folder with all files of a model but the digests.
        """
        digests = {name: file_digest(path / name) for name in _verified(path)}
        (path / _DIGESTS).write_text(json.dumps(digests, indent=2) + "\n", encoding="utf-8")
        return cls.open(path)

    def calibrated(self, calibration: Calibration) -> ModelFolder:
        """Replace the calibration and return the folder under its new digest."""
        _write_calibration(self.path, calibration)
        return self.sealed(self.path)

    def network_digest(self) -> str:
        """Return a digest of all but the calibration: of what vectors depend on."""
        recorded = json.loads((self.path / _DIGESTS).read_text(encoding="utf-8"))
        return _joint(recorded, (name for name in _checked(self.path) if name != _CALIBRATION))

    def exported(self) -> Exported | None:
        """Return the facts of an export; None for a folder with weights."""
        return Exported.read(self.path) if is_exported(self.path) else None

    def config(self) -> EncoderConfig:
        """Read the sizes."""
        return EncoderConfig.read(self.path / _CONFIG)

    def vocabulary(self) -> Path:
        """Return the path of the vocabulary."""
        return self.path / _VOCABULARY

    def calibration(self) -> Calibration:
        """Read the calibration."""
        return Calibration(**json.loads((self.path / _CALIBRATION).read_text(encoding="utf-8")))

    def around(self) -> tuple[Path, ...]:
        """Return the files that go with weights and with graphs alike."""
        return tuple(self.path / name for name in (_CONFIG, _VOCABULARY, _CALIBRATION))

    def scale_and_bias(self) -> tuple[FloatArray, FloatArray]:
        """Read what turns cosines into logits: [2] factors and [2] summands for inside and begin."""
        if exported := self.exported():
            return np.array(exported.scale, dtype=np.float32), np.array(exported.bias, dtype=np.float32)
        with safe_open(self.path / _WEIGHTS, framework="numpy") as stream:
            scale, bias = (stream.get_tensor(name).astype(np.float32) for name in ("scale", "bias"))
        return scale, bias

    def weights(self) -> dict[str, FloatArray]:
        """Read the parameters as float32, by their torch names.

        Raises:
            UsageError: if the folder was exported.
        """
        if exported := self.exported():
            raise UsageError(
                f"model folder {self.path} was exported and holds no weights; give the one that it was made"
                f" from, {exported.source}"
            )
        with safe_open(self.path / _WEIGHTS, framework="numpy") as stream:
            return unpack({name: stream.get_tensor(name) for name in stream.keys()})  # noqa: SIM118 - not a mapping


def _write_calibration(path: Path, calibration: Calibration) -> None:
    values = {
        "recall": calibration.recall,
        "pooled": calibration.pooled,
        "thresholds": dict(sorted(calibration.thresholds.items())),
        "descriptions": dict(sorted(calibration.descriptions.items())),
        "data": calibration.data,
        **({"added": sorted(calibration.added)} if calibration.added else {}),
        **({"evidence": dict(sorted(calibration.evidence.items()))} if calibration.evidence else {}),
    }
    (path / _CALIBRATION).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
