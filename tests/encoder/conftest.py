"""A tiny encoder with random weights and a made-up vocabulary."""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from deid.encoder.config import EncoderConfig
from deid.encoder.network import Network
from deid.encoder.weights import Calibration, ModelFolder
from deid.encoder.words import SHAPE_COUNT, WordPieces

WORDS = ("seen", "by", "dr", "lima", "ortiz", "md", "on", "at", "hill", "clinic", "call", "the", "patient")


@dataclass(frozen=True)
class Kind:
    """The least that the encoder needs to know of a type."""

    description: str
    views: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    contrast: str | None = None


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    signs = string.ascii_lowercase + string.digits
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *WORDS,
        *signs,
        *(f"##{sign}" for sign in signs),
        *"/-,.:;()'",
    ]
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def pieces(vocabulary: Path) -> WordPieces:
    return WordPieces(vocabulary)


@pytest.fixture(scope="session")
def tiny_config(vocabulary: Path) -> EncoderConfig:
    return EncoderConfig(
        vocabulary=len(vocabulary.read_text(encoding="utf-8").split()),
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


@pytest.fixture(scope="session")
def make_folder(
    tiny_config: EncoderConfig, vocabulary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], ModelFolder]:
    def make(seed: int) -> ModelFolder:
        torch.manual_seed(seed)
        network = Network(tiny_config)
        for parameter in network.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.3)
        return ModelFolder.write(
            tmp_path_factory.mktemp("model"),
            config=tiny_config,
            weights={name: value.detach().numpy() for name, value in network.state_dict().items()},
            vocabulary=vocabulary,
            calibration=Calibration(0.98, 0.5, {}, {}, ""),
        )

    return make


@pytest.fixture(scope="session")
def folder(make_folder: Callable[[int], ModelFolder]) -> ModelFolder:
    return make_folder(1)


@pytest.fixture(scope="session")
def rounded(
    tiny_config: EncoderConfig, vocabulary: Path, tmp_path_factory: pytest.TempPathFactory
) -> ModelFolder:
    """A model that has seen the ranges of its inputs."""
    torch.manual_seed(1)
    network = Network(tiny_config)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    ids, mask = torch.randint(4, 60, (8, 60)), torch.ones(8, 60)
    for _ in range(3):
        network.trunk(ids, torch.randint(0, 50, ids.shape), mask, quantized=True)
    return ModelFolder.write(
        tmp_path_factory.mktemp("rounded"),
        config=tiny_config,
        weights={name: value.detach().numpy() for name, value in network.state_dict().items()},
        vocabulary=vocabulary,
        calibration=Calibration(0.98, 0.5, {}, {}, ""),
    )
