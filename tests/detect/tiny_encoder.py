"""A tiny encoder with random weights, for tests that need one but not its quality, and small policies."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np

from deid.encoder.config import EncoderConfig
from deid.encoder.network import Network
from deid.encoder.weights import Calibration, ModelFolder
from deid.encoder.words import SHAPE_COUNT
from deid.policy import Detector, EntityType, OperatorSpec, PatternSpec, Policy

REDACT = OperatorSpec(name="redact")
_WORDS = ("seen", "by", "dr", "lima", "ortiz", "md", "on", "at", "hill", "clinic", "call", "the", "patient")


def write_model(directory: Path, *, seed: int = 1) -> Path:
    """Write a model folder with random weights.

    Args:
        directory: Empty.
        seed: Of the weights.
    """
    signs = string.ascii_lowercase + string.digits
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *_WORDS,
        *signs,
        *(f"##{sign}" for sign in signs),
        *"/-,.:;()'",
    ]
    vocabulary = directory / "pieces.txt"
    vocabulary.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    config = EncoderConfig(
        vocabulary=len(pieces),
        hidden=32,
        layers=2,
        heads=4,
        intermediate=64,
        positions=80,
        projection=16,
        shapes=SHAPE_COUNT,
        window=70,
        overlap=12,
    )
    network = Network(config)
    rng = np.random.default_rng(seed)  # torch's draws differ between processors
    state = {
        name: rng.normal(0.0, 0.3, value.shape).astype(np.float32)
        if value.dim() > 1
        else value.numpy() * (not name.endswith(".bias"))
        for name, value in network.state_dict().items()
    }
    folder = ModelFolder.write(
        directory / "model",
        config=config,
        weights=state,
        vocabulary=vocabulary,
        calibration=Calibration(0.98, 0.5, {}, {}, ""),
    )
    return folder.path


def kind(
    name: str,
    *detect: Detector,
    description: str = "the name of the patient",
    pattern: str = "",
    score: float = 0.8,
    threshold: float = 0.001,
) -> EntityType:
    """Return a type that some detectors look for; by default the encoder takes every word for some type."""
    return EntityType(
        name=name,
        description=description,
        detect=detect,
        threshold=threshold,
        patterns=(PatternSpec(regex=pattern, score=score),) if pattern else (),
        operator=REDACT,
    )


def policy(*types: EntityType) -> Policy:
    """Return a policy with these types."""
    return Policy(name="small", version="1", method="custom", default_operator=REDACT, types=types)
