"""New policies, differences between policies, and why a policy finds what it finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from deid.authoring.compare import Change, compare
from deid.authoring.explain import explain
from deid.authoring.lint import lint
from deid.authoring.new import NewType, write_policy
from deid.authoring.policy_tests import read_tests
from deid.cli import main
from deid.errors import PolicyError, UsageError
from deid.policy import Policy, load_policy

DOCKET = NewType(
    "COURT_DOCKET", "The number under which a court files a case, such as a custody case.", ("FC-20-5852-D",)
)


def test_a_new_policy_loads_is_clean_and_has_tests(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    tests = write_policy(path, name="ours", extends="safe-harbor", types=[DOCKET])
    policy = load_policy(path)
    assert policy.type("COURT_DOCKET").examples == ("FC-20-5852-D",)
    assert policy.method == "hhs-safe-harbor"
    assert lint(path) == ()
    _, read = read_tests(tests)
    assert [test.mentions[0].entity_type for test in read if test.mentions] == ["COURT_DOCKET"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["ours.tests.yaml", "ours.yaml"]


def test_nothing_is_written_that_would_not_load(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    with pytest.raises(PolicyError):
        write_policy(path, name="ours", extends="safe-harbor", types=[NewType("lower case", "A thing.")])
    with pytest.raises(PolicyError, match="at least one type"):
        write_policy(path, name="ours", extends=None, types=[])
    with pytest.raises(UsageError, match=r"ends in \.yaml"):
        write_policy(tmp_path / "ours.txt", name="ours", extends="base", types=[])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        write_policy(path, name="ours", extends="safe-harbor", types=[DOCKET])
    assert path.read_text() == "mine"


def test_new_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    types = ["--type", f"COURT_DOCKET={DOCKET.description}", "--example", "COURT_DOCKET=FC-20-5852-D"]
    done = CliRunner().invoke(main, ["policy", "new", str(path), *types])
    assert done.exit_code == 0, done.output
    assert load_policy(path).name == "ours"
    bad = CliRunner().invoke(main, ["policy", "new", str(tmp_path / "x.yaml"), "--type", "COURT"])
    assert bad.exit_code == 2
    assert "NAME=DESCRIPTION" in bad.output


def test_differences(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(
        "policy: ours\nversion: '2026.1'\nextends: safe-harbor\ntypes:\n"
        "  AGE: {operator: redact}\n  STATE: null\n  PET: {description: The name of a pet.}\n"
    )
    old = load_policy("safe-harbor")
    changes = {change.key: change for change in compare(old, load_policy(path))}
    assert set(changes) == {"policy", "description", "types.AGE.operator", "types.STATE", "types.PET"}
    assert changes["types.AGE.operator"] == Change(
        "types.AGE.operator", {"generalize": {"to": "age_90_plus"}}, "redact"
    )
    assert changes["types.STATE"].new is None
    assert changes["types.PET"].old is None
    assert compare(old, old) == ()
    done = CliRunner().invoke(main, ["policy", "diff", "safe-harbor", str(path)])
    assert done.exit_code == 1
    assert "+ types.AGE.operator: redact" in done.output
    assert CliRunner().invoke(main, ["policy", "diff", "safe-harbor", "safe-harbor"]).exit_code == 0


@pytest.fixture(scope="module", name="policy")
def _policy() -> Policy:
    return load_policy("safe-harbor")


def test_why_something_is_found(policy: Policy) -> None:
    text = "Seen by Dr. Ana Lima in Keene for Parkinson disease."
    explanation = explain(text, policy)
    (name, city) = explanation.found
    assert (name.surface, name.entity_type, name.operator) == ("Ana Lima", "CLINICIAN_NAME", "redact")
    assert {reason.detector for reason in name.reasons} == {"encoder", "rules"}
    assert name.threshold is not None
    assert name.description == policy.type("CLINICIAN_NAME").description
    assert city.surface == "Keene"
    for near in explanation.near:
        assert near.score < 0.5
        assert text[near.start : near.end] == near.surface
    assert "Lima" not in repr(explanation)


def test_explain_on_the_command_line() -> None:
    call = ["policy", "explain", "-", "--policy", "safe-harbor"]
    done = CliRunner().invoke(main, call, input="Dr. Ana Lima called.")
    assert done.exit_code == 0, done.output
    assert "'Ana Lima'  CLINICIAN_NAME, 4-12 -> redact" in done.output
    assert "by the description: The name of a person who treats" in done.output
    values = json.loads(CliRunner().invoke(main, [*call, "--json"], input="No fever.").stdout)
    assert values["found"] == []


def test_a_policy_of_rules_alone_has_no_near_misses(policy: Policy) -> None:
    types = tuple(kind.model_copy(update={"detect": ("rules",)}) for kind in policy.types)
    explanation = explain("Dr. Ana Lima, MRN: 4471902", policy.model_copy(update={"types": types}))
    assert [each.entity_type for each in explanation.found] == ["CLINICIAN_NAME", "MRN"]
    assert explanation.near == ()
