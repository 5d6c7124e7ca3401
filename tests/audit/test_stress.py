from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from deid.audit.stress import Stressed, largest_gap, stress
from deid.cli import main
from deid.formats.gold import Gold, write_gold
from deid.formats.markup import read_marked
from deid.note import Note
from deid.policy import load_policy
from deid.run.pipeline import Deidentifier

MARKED = "Seen by Dr. ⟦CLINICIAN_NAME|Zyxquill⟧ on ⟦DATE|3/4/2079⟧. Call ⟦PHONE|603-555-0142⟧ & wait."


def golds() -> list[Gold]:
    text, mentions = read_marked(MARKED)
    return [(Note(f"n{number}", text), mentions) for number in range(3)]


@pytest.fixture(scope="module", name="policy_file")
def _policy_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy") / "rules.yaml"
    kinds = "".join(f"  {name}: {{detect: [rules]}}\n" for name in load_policy("safe-harbor").type_names)
    path.write_text(f"policy: rules\nversion: '1'\nmethod: custom\nextends: safe-harbor\ntypes:\n{kinds}")
    return path


def test_losses(policy_file: Path) -> None:
    told: list[str] = []
    results = stress(
        golds(), Deidentifier.for_detection(load_policy(policy_file)), names=False, report=told.append
    )
    lost = {each.perturbation: each.lost for each in results}
    assert list(lost) == told
    assert lost["no-break spaces"] == lost["HTML entities"] == lost["upper case"] == 0
    assert all(each.quarantined == 0 for each in results)
    assert all(each.lost_formatted == 0 for each in results if each.perturbation != "scanned")


def test_the_gap_between_origins() -> None:
    rows = [
        Stressed("names: polish, f", 0.9, 0, 0, 0),
        Stressed("names: polish, m", 0.8, 0, 0, 0),
        Stressed("names: irish, f", 0.95, 0, 0, 0),
        Stressed("upper case", 0.1, 0, 0, 0),
    ]
    assert largest_gap(rows) == pytest.approx(0.1)
    assert largest_gap([]) == 0


def test_the_command(policy_file: Path, tmp_path: Path) -> None:
    write_gold(tmp_path / "gold.jsonl", golds())
    call = ["evaluate", str(tmp_path / "gold.jsonl"), "--policy", str(policy_file), "--stress"]
    shown = CliRunner().invoke(main, call)
    assert shown.exit_code == 0, shown.output
    assert "look-alike letters" in shown.output
    assert "names: vietnamese" in shown.output
    made = json.loads(CliRunner().invoke(main, [*call, "--json"]).stdout)["stress"]
    assert len(made["perturbations"]) == 41
    assert made["largest_gap_between_name_origins"] >= 0
