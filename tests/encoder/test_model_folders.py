"""Model folders of other kinds through the command line: redacted with, named in the manifest and by info."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_bert import write_checkpoint
from tiny_gliner import write_gliner

from deid import Deidentifier
from deid.cli import main
from deid.encoder.load import load_encoder
from deid.encoder.pretrained.card import read_card
from deid.encoder.weights import ModelFolder, default_folder
from deid.errors import InputOutputError

ROOT = Path(__file__).parents[2]
POLICY = """
policy: names
version: "1"
method: custom
default_operator: redact
types:
  PERSON:
    description: the name of a patient
    detect: [encoder]
    threshold: {threshold}
  PLACE:
    description: the place
    detect: [encoder]
    threshold: {threshold}
"""
TEXTS = ("Seen by Dr Ortiz, at Hillside.", "the Clinic\n\nLima " * 60)


def write_cross(folder: Path) -> Path:
    write_checkpoint(folder / "model")
    return folder / "model"


@pytest.fixture(scope="module", params=[write_cross, write_gliner], ids=["cross-encoder", "gliner"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, notes and a policy under which everything is found."""
    where = tmp_path_factory.mktemp("folder")
    write: Callable[[Path], Path] = request.param
    write(where)
    (where / "policy.yaml").write_text(POLICY.replace("{threshold}", "0.0001"), encoding="utf-8")
    (where / "strict.yaml").write_text(POLICY.replace("{threshold}", "1"), encoding="utf-8")
    lines = [json.dumps({"note_id": f"n{at}", "text": text}) + "\n" for at, text in enumerate(TEXTS)]
    (where / "notes.jsonl").write_text("".join(lines), encoding="utf-8")
    return where


def deid(*arguments: str | Path) -> str:
    done = CliRunner().invoke(main, [str(each) for each in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.slow
def test_a_run_names_the_model(folder: Path) -> None:
    """As users run it: in processes that begin without torch."""
    arguments = ("run", "notes.jsonl", "--policy", "policy.yaml", "--model", "model", "--out", "out")
    done = subprocess.run(
        [sys.executable, "-m", "deid", *arguments, "--workers", "2"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    manifest = json.loads((folder / "out" / "manifest.json").read_text(encoding="utf-8"))
    encoder = load_encoder(folder / "model")
    assert manifest["model"] == {"digest": encoder.digest, "runtime": encoder.runtime}
    assert manifest["counts"]["deidentified"] == 2
    output = "".join(path.read_text(encoding="utf-8") for path in (folder / "out" / "notes").iterdir())
    assert [word for word in ("Ortiz", "Hill", "side", "Lima", "Clinic") if word in output] == []


def test_lint_tries_new_types_on_it(folder: Path) -> None:
    policy = folder / "examples.yaml"
    policy.write_text(
        POLICY.replace("{threshold}", "1") + "    examples: [Lima, Hillside]\n", encoding="utf-8"
    )
    called = CliRunner().invoke(
        main, ["policy", "lint", str(policy), "--model", str(folder / "model"), "--json"]
    )
    # Under a threshold of 1 nothing is found, which only who has asked the model can say.
    reasons = [finding["reason"] for finding in json.loads(called.stdout)]
    assert any("does not find 4 of 4 of its own mentions" in reason for reason in reasons)


def test_the_threshold_of_the_policy_counts(folder: Path) -> None:
    source = (folder / "notes.jsonl", "--policy", folder / "strict.yaml", "--model", folder / "model")
    lines = deid("detect", *source).splitlines()
    assert [json.loads(line)["spans"] for line in lines] == [[], []]


def test_in_python(folder: Path) -> None:
    deidentifier = Deidentifier.from_policy(folder / "policy.yaml", model=folder / "model")
    assert "Ortiz" not in deidentifier.deidentify(TEXTS[0]).text
    assert deidentifier.model_digest.startswith("sha256:")


def test_explain_names_what_is_near(folder: Path) -> None:
    arguments = ("--policy", folder / "strict.yaml", "--model", folder / "model", "--json")
    explained = json.loads(deid("policy", "explain", TEXTS[0], *arguments))
    assert explained["near"] != []


def test_info_of_another_model(folder: Path) -> None:
    info = json.loads(deid("model", "info", folder / "model", "--json"))
    assert info["digest"] == load_encoder(folder / "model").digest
    assert info["measured"] is None
    assert info["uncalibrated_threshold"] == 0.3
    shown = deid("model", "info", folder / "model")
    assert f"digest: {info['digest']}" in shown
    assert "measured: no figures for these weights" in shown


def test_info_of_the_shipped_model() -> None:
    info = json.loads(deid("model", "info", "--json"))
    assert info["digest"] == ModelFolder.open(default_folder()).digest
    assert (info["kind"], info["licence"]) == ("description encoder", "apache-2.0")
    assert (info["calibrated_types"], info["measured"]["notes"]) == (29, 132)
    assert Path(info["card"]).read_text(encoding="utf-8").count("# Model card") == 1
    recall = info["measured"]["figures"]["recall"]["value"]
    assert f"measured: recall {recall:.3f}" in deid("model", "info")


def test_info_of_no_model(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["model", "info", str(tmp_path / "none")])
    assert done.exit_code == InputOutputError.exit_code
    assert "there is no such folder" in done.stderr


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("---\nlicense: mit\n---\nText.\n", "mit"),
        ("---\nlicense: [a, b]\n---\n", "['a', 'b']"),
        ("---\ntags: [x]\n---\n", None),
        ("---\nlicense: mit\n", None),
        ("---\n- license\n---\n", None),
        ("---\nlicense: !!python/object/apply:os.getcwd []\n---\n", None),
        ("Text.\n---\nlicense: mit\n---\n", None),
        ("", None),
    ],
)
def test_cards(tmp_path: Path, text: str, licence: str | None) -> None:
    assert read_card(tmp_path).path is None
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    card = read_card(tmp_path)
    assert (card.path, card.licence) == (tmp_path / "README.md", licence)
