"""Sizes of an encoder, stored beside its weights."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from deid.errors import IntegrityError


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """Hyperparameters of a description-conditioned encoder.

    Args:
        vocabulary: Entries of the word-piece vocabulary.
        hidden: Width of the transformer.
        layers: Number of transformer layers.
        heads: Attention heads a layer.
        intermediate: Width of the feed-forward part.
        positions: Longest sequence in pieces, special pieces included.
        projection: Width of the space in which words and descriptions meet.
        shapes: Number of word-shape classes (`deid.encoder.words.SHAPE_COUNT`).
        window: Pieces of text in one window, special pieces not counted.
        overlap: Pieces that neighboring windows share.
    """

    vocabulary: int = 30522
    hidden: int = 384
    layers: int = 6
    heads: int = 12
    intermediate: int = 1536
    positions: int = 512
    projection: int = 256
    shapes: int = 56
    window: int = 254
    overlap: int = 32

    def __post_init__(self) -> None:
        if self.hidden % self.heads:
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of heads ({self.heads})")
        if not 0 < self.overlap < self.window <= self.positions - 2:
            raise ValueError("need 0 < overlap < window <= positions - 2")

    @classmethod
    def read(cls, path: Path) -> EncoderConfig:
        """Read the configuration from JSON.

        Raises:
            IntegrityError: if keys are missing or unknown.
        """
        values = json.loads(path.read_text(encoding="utf-8"))
        expected = {field.name for field in fields(cls)}
        if set(values) != expected:
            raise IntegrityError(f"{path.name}: expected the keys {sorted(expected)}, got {sorted(values)}")
        return cls(**values)

    def write(self, path: Path) -> None:
        """Write the configuration as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
