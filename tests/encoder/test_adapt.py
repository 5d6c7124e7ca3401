from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from deid.cli import main
from deid.encoder.adapt import Annotated, Plan, adapt
from deid.encoder.config import EncoderConfig
from deid.encoder.corpus import TrainingText, TrainingType
from deid.encoder.model import DescriptionEncoder
from deid.encoder.network import Network
from deid.encoder.weights import Calibration, ModelFolder
from deid.encoder.words import SHAPE_COUNT
from deid.errors import UsageError

CONFIG = EncoderConfig(
    vocabulary=60,
    hidden=32,
    layers=2,
    heads=4,
    intermediate=64,
    positions=220,
    projection=16,
    shapes=SHAPE_COUNT,
    window=200,
    overlap=12,
)
TYPES = {
    "DOCKET": TrainingType(name="DOCKET", description="the number of a case before a court"),
    "PERSON": TrainingType(name="PERSON", description="the name of a person"),
}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A tiny model with random weights and one calibrated type."""
    signs = "abcdefghijklmnopqrstuvwxyz0123456789"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *signs, *".,:-"]
    pieces += [f"[unused{at}]" for at in range(CONFIG.vocabulary - len(pieces))]
    (tmp_path / "pieces.txt").write_text("\n".join(pieces) + "\n")
    rng = np.random.default_rng(5)
    weights = {
        name: rng.normal(0, 0.3, value.shape).astype(np.float32)
        if value.dim() > 1
        else value.numpy() * (not name.endswith(".bias"))
        for name, value in Network(CONFIG).state_dict().items()
    }
    calibration = Calibration(
        0.98, 0.3, {"PERSON": 0.21}, {"PERSON": "x"}, "sha256:0", evidence={"PERSON": 0.5}
    )
    return ModelFolder.write(
        tmp_path / "base",
        config=CONFIG,
        weights=weights,
        vocabulary=tmp_path / "pieces.txt",
        calibration=calibration,
    ).path


def texts(count: int) -> list[Annotated]:
    return [
        Annotated(
            TrainingText(f"case no {number}7 heard. seen by bo", ((8, 10 + len(str(number)) - 1, "DOCKET"),)),
            frozenset({"DOCKET"}),
        )
        for number in range(count)
    ]


def test_types_are_learned_and_the_others_kept(base: Path, tmp_path: Path) -> None:
    steps = []
    plan = Plan(seed=2, steps=10, report=lambda progress: steps.append(progress.step))
    adapted = adapt(base, texts(10), TYPES, tmp_path / "new", plan)
    assert (adapted.learned, adapted.texts, adapted.held_out, steps) == (("DOCKET",), 8, 2, [10])
    assert adapted.before.gold == adapted.after.gold == 2
    made = ModelFolder.open(tmp_path / "new")
    calibration = made.calibration()
    assert calibration.thresholds["PERSON"] == 0.21
    assert 0.04 <= calibration.thresholds["DOCKET"] <= 0.6
    described = DescriptionEncoder(tmp_path / "new").describe(TYPES, thresholds={"PERSON": 0.3})
    assert calibration.evidence == {"PERSON": 0.5}
    assert calibration.added == ["DOCKET"] and described.first[described.names.index("DOCKET")]
    assert made.digest == adapted.folder.digest != ModelFolder.open(base).digest
    earlier, later = ModelFolder.open(base).weights(), made.weights()
    changed = {name for name in later if not np.array_equal(earlier[name], later[name])}
    assert any(name.startswith("layers.1.") for name in changed)
    assert not any(
        name.startswith(("layers.0.", "word_embedding")) and "range" not in name for name in changed
    )
    card = (tmp_path / "new" / "README.md").read_text()
    assert "DOCKET" in card and "heard" not in card


def test_the_same_seed_gives_the_same_model(base: Path, tmp_path: Path) -> None:
    digests = {
        adapt(base, texts(6), TYPES, tmp_path / name, Plan(seed=seed, steps=2)).folder.digest
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    }
    assert len(digests) == 2


def test_what_cannot_be_learned_from(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="5 texts"):
        adapt(base, texts(4), TYPES, tmp_path / "new")
    with pytest.raises(UsageError, match="5 texts"):
        adapt(base, texts(6), {"PERSON": TYPES["PERSON"]}, tmp_path / "new")
    with pytest.raises(UsageError, match="place of the one"):
        adapt(base, texts(6), TYPES, base)


def test_from_the_command_line(base: Path, tmp_path: Path) -> None:
    policy, gold, out = tmp_path / "ours.yaml", tmp_path / "gold.jsonl", tmp_path / "new"
    policy.write_text(
        'policy: ours\nversion: "1"\ntypes:\n  DOCKET: {description: The number of a case before a court.}\n'
    )
    with gold.open("w") as stream:
        for number, each in enumerate(texts(6)):
            spans = [{"start": s, "end": e, "entity_type": kind} for s, e, kind in each.text.spans]
            stream.write(json.dumps({"note_id": str(number), "text": each.text.text, "spans": spans}) + "\n")
    options = ["--gold", str(gold), "--policy", str(policy), "--out", str(out), "--steps", "2"]
    called = CliRunner().invoke(main, ["train", "--from", str(base), *options])
    assert called.exit_code == 0, called.output
    assert "learned from 4 texts: DOCKET" in called.stdout
    assert "heard" not in called.output
    assert (out / "model.safetensors").is_file()
    assert sorted(os.listdir(tmp_path)) == ["base", "gold.jsonl", "new", "ours.yaml", "pieces.txt"]


@pytest.mark.parametrize("options", [[], ["--from", "default"], ["x.yaml", "--gold", "g.jsonl"]])
def test_one_of_two_ways_to_train(options: list[str]) -> None:
    called = CliRunner().invoke(main, ["train", *options])
    assert called.exit_code == 2
    assert "--from with --gold" in called.output
