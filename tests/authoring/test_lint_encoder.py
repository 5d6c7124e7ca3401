"""Checks by the encoder, on the shipped weights and small policies, so that few descriptions are read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deid.authoring.lint import lint, lint_by_encoder
from deid.authoring.lint_encoder import ENCODER_RULES, Confusion, measure
from deid.encoder.model import DescriptionEncoder
from deid.errors import PolicyError
from deid.policy import available_policies, load_policy, resolve_policy

HEAD = "policy: mine\nversion: '1'\n"
# Of the shipped types, those named alone.
OTHERS = {
    name: "extends: base\ntypes:\n"
    + "".join(f"  {each}: null\n" for each in load_policy("base").type_names if each != name)
    for name in ("PATIENT_NAME",)
}
NAMES = HEAD + OTHERS["PATIENT_NAME"]
DAY = (
    "  DAY:\n    description: A calendar date in any form, such as day, month and year, after on or seen.\n"
    "    examples: [03/14/2079, April 3rd, 2079-11-02]\n"
)
PET = (
    "  PET:\n    description: The name of a dog or cat that lives with the patient, after pet, dog or cat.\n"
)
MISLED = f"{HEAD}types:\n{DAY}{PET}    examples: [04/11/2079, May 3rd 2078, 2078-11-02]\n"
PERSON = (
    "  PERSON:\n    description: A person's name, first or last, of whoever is named here, after Mr or Mrs.\n"
    "    examples: [Oduya, Lindqvist, Marisol]\n"
)
ANIMAL = (
    "  ANIMAL:\n    description: Name of an animal that lives with the patient, following dog or cat.\n"
    "    views: [name of an animal]\n    examples: [Wicket, Sir Purrs]\n"
)
PETS = (
    "  PET:\n    description: Name of a pet, after dog or cat in the social history.\n    views: [pet name]\n"
    "    examples: [Rex, Biscuit]\n"
)

# code -> (text that has this finding, with its key path; texts without it)
CASES: dict[str, tuple[tuple[str, str], list[str]]] = {
    "DP032": (
        (HEAD + "extends: base\ntypes: {MRN: {threshold: 0.9}}\n", "types.MRN.threshold"),
        [HEAD + "extends: base\ntypes: {MRN: {threshold: 0.001}}\n"],
    ),
    "DP033": (
        (MISLED, "types.PET.description"),
        [
            f"{HEAD}types:\n{DAY}{PET}    examples: [Wicket, Biscuit, Sir Purrs]\n",
            # What a pattern of its own finds does not hang on the encoder.
            MISLED + "    patterns: [{regex: '[0-9-/]{8,10}|May 3rd 2078'}]\n",
        ],
    ),
    "DP034": (
        (f"{NAMES}{PERSON}    operator: mask\n", "types.PERSON.description"),
        [NAMES + PERSON, f"{NAMES}{PETS}    operator: mask\n"],
    ),
    "DP035": (
        (f"{HEAD}types:\n{PETS}{ANIMAL}", "types.ANIMAL.description"),
        [f"{HEAD}types:\n{PETS}{DAY}"],
    ),
    "DP036": (
        (f"{HEAD}types:\n{DAY}    threshold: 1.0\n", "types.DAY.description"),
        [f"{HEAD}types:\n{DAY}"],
    ),
    "DP037": (
        (f"{NAMES}{PERSON}    operator: keep\n", "types.PERSON.description"),
        [f"{NAMES}{PERSON}", f"{NAMES}{PETS}    operator: keep\n"],
    ),
}


def measured(folder: Path, text: str) -> dict[str, tuple[str, str]]:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    found = lint_by_encoder(resolve_policy(path))
    return {finding.code: (finding.place.key, finding.reason) for finding in found}


def test_every_rule_has_a_case() -> None:
    assert [rule.code for rule in ENCODER_RULES] == list(CASES)


@pytest.mark.parametrize("code", CASES)
def test_a_bad_policy_has_the_finding(tmp_path: Path, code: str) -> None:
    text, key = CASES[code][0]
    assert measured(tmp_path, text)[code][0] == key


@pytest.mark.parametrize(
    ("code", "text"), [(code, text) for code, (_, good) in CASES.items() for text in good]
)
def test_a_good_policy_has_not(tmp_path: Path, code: str, text: str) -> None:
    assert code not in measured(tmp_path, text)


def test_confused_types_are_both_named_with_an_example_of_the_policy(tmp_path: Path) -> None:
    assert "for DAY, such as '" in measured(tmp_path, MISLED)["DP033"][1]
    told = measured(tmp_path, CASES["DP037"][0][0])["DP037"][1]
    assert "mentions of PATIENT_NAME for it, such as 'Marisol Quenneville'" in told
    assert told.endswith("they would get keep in place of redact")


def test_texts_of_the_tests_beside_the_policy_count(tmp_path: Path) -> None:
    (tmp_path / "mine.tests.yaml").write_text(
        "policy: ./mine.yaml\ntests:\n  - name: two\n"
        "    text: Seen ⟦PET|03/04/2079⟧ and on ⟦PET|05/06/2079⟧ in clinic.\n"
    )
    assert " of 8 of its mentions" in measured(tmp_path, MISLED)["DP033"][1]
    (tmp_path / "mine.tests.yaml").write_text("policy: ./mine.yaml\ntests:\n  - {name: a, text: '⟦DOG|x⟧'}\n")
    with pytest.raises(PolicyError, match=r"mine\.tests\.yaml:3:\d+: .*'DOG'"):
        measured(tmp_path, MISLED)


def test_more_than_half_of_two_mentions_or_more_decide() -> None:
    assert Confusion({"A": 2, "B": 1}, {}).mostly() == "A"
    assert Confusion({"A": 2, "B": 2}, {}).mostly() is None
    assert Confusion({"A": 1}, {}).mostly() is None


@pytest.mark.parametrize("name", available_policies())
def test_shipped_policies_are_clean(name: str) -> None:
    assert lint_by_encoder(resolve_policy(name)) == ()


def test_types_that_the_model_was_calibrated_on_need_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DescriptionEncoder, "shared", lambda folder: pytest.fail("loaded"))
    assert lint("safe-harbor", encoder=True) == ()
    assert measure(load_policy("safe-harbor")).calibrated.keys() >= {"DATE", "MRN"}


def test_a_threshold_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(CASES["DP032"][0][0])
    assert [finding.code for finding in lint(path, encoder=True)] == ["DP032"]
    assert [finding.code for finding in lint(path)] == ["DP018"]


def test_lint_without_the_encoder_loads_no_network() -> None:
    script = (
        "import sys; from deid.authoring.lint import lint; lint('safe-harbor');"
        "print({'torch', 'openvino', 'presidio_analyzer', 'spacy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
