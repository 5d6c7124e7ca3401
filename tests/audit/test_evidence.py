from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deid.audit.evidence import Evidence, gather, no_evidence
from deid.audit.review import Rate, Review
from deid.audit.risks import risks, treatments
from deid.audit.safe_harbor import ITEMS, safe_harbor_items
from deid.encoder.weights import ModelFolder, default_folder
from deid.errors import UsageError
from deid.policy import OperatorSpec, Policy, available_policies, load_policy


def _manifest(policy: Policy, **changes: Any) -> dict[str, Any]:
    return {
        "policy": {"digest": policy.digest},
        "model": {"digest": "sha256:m"},
        "passed_through": [],
        "counts": {"quarantined": {}},
        "key": {"id": "k"},
        **changes,
    }


def test_the_figures_that_ship_are_of_the_policy_and_model_that_ship() -> None:
    """If this fails: python benchmarks/quality.py --split test."""
    evidence = gather(Path("unused"))
    model = ModelFolder.open(default_folder()).digest
    manifest = _manifest(load_policy("safe-harbor"), model={"digest": model})
    assert evidence.shipped
    assert evidence.fits(manifest)
    assert not evidence.fits(_manifest(load_policy("safe-harbor")))
    assert evidence.evaluation is not None
    assert "problems" not in evidence.evaluation


def test_figures_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text(json.dumps({"policy": {}, "model": ""}))
    with pytest.raises(UsageError, match="has no gold"):
        gather(tmp_path, evaluation=path)


def test_all_eighteen_items_are_told_and_covered_by_the_shipped_policy() -> None:
    policy = load_policy("safe-harbor")
    figures = {"recall_by_item": {"A": {"found": 9, "mentions": 10}}}
    items = safe_harbor_items(policy, {"PATIENT_NAME": 4, "SSN": 1}, figures)
    assert "".join(item.letter for item in items) == "ABCDEFGHIJKLMNOPQR" == "".join(ITEMS)
    assert all(item.types for item in items)
    assert (items[0].recall, items[0].count, items[0].mentions) == (0.9, 4, 10)
    assert items[1].recall is None
    assert "generalize (to: zip3)" in items[1].operators


@pytest.mark.parametrize(
    ("types", "item", "gone"),
    [
        ("{DATE: null, PATIENT_NAME: null}", "A", ("PATIENT_NAME",)),
        ("{DATE: null, PATIENT_NAME: null}", "C", ("DATE",)),
        ("{DATE: null, PATIENT_NAME: null}", "H", ()),
        ("{AGE: {operator: keep}}", "C", ()),
        ("{SSN: null, ID: {description: A social security number., hipaa: G, i2b2: SSN}}", "G", ("SSN",)),
    ],
)
def test_no_recall_stands_beside_an_item_of_which_a_type_is_gone(
    tmp_path: Path, types: str, item: str, gone: tuple[str, ...]
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"policy: mine\nversion: '1'\nextends: research-surrogates\ntypes: {types}\n")
    shown = {
        each.letter: each for each in safe_harbor_items(load_policy(path), {}, gather(tmp_path).evaluation)
    }
    assert shown[item].gone == gone
    assert (shown[item].recall is None) == (shown[item].bounds is None) == bool(gone)


def test_known_values_look_for_an_item_only_where_there_were_some() -> None:
    policy = load_policy("safe-harbor")
    for known_values in (True, False):
        items = safe_harbor_items(policy, {}, None, known_values=known_values)
        assert {"known" in item.detectors for item in items} == {known_values}


def test_what_a_policy_does_not_look_for_remains(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "policy: mine\nversion: '1'\nextends: research-surrogates\ntypes: {DATE: null, PATIENT_NAME: null}\n"
    )
    assert "as the policy drops them: DATE, PATIENT_NAME." in _risks(load_policy(path))
    path.write_text(
        "policy: mine\nversion: '1'\ntypes: {PET: {description: The name of a pet., hipaa: AR}}\n"
    )
    assert "164.514(b)(2)(i): (B), (C), (D)" in _risks(load_policy(path))
    assert "No type of the policy" not in _risks(load_policy("safe-harbor"))


@pytest.mark.parametrize("name", available_policies())
def test_every_treatment_of_shipped_policies_has_words(name: str) -> None:
    told = treatments(load_policy(name))
    assert {"DATE", "AGE", "ZIP_CODE"} <= {kind for kind, _, _ in told}
    assert all(effect for _, _, effect in told)


def _risks(policy: Policy, evidence: Evidence | None = None, **changes: Any) -> str:
    return "\n".join(risks(_manifest(policy, **changes), policy, evidence or no_evidence()))


def test_the_risks_that_always_stand_and_those_that_depend() -> None:
    policy = load_policy("safe-harbor")
    plain = _risks(policy)
    assert "not known from this report" in plain
    assert "No reading of a sample" in plain
    assert "PROFESSION" in plain  # kept
    assert "164.514(b)(2)(ii)" in plain
    assert "not keyed" not in plain
    assert "not keyed" in _risks(policy, key={"id": None})
    assert "7 notes were left out" in _risks(policy, counts={"quarantined": {"too-long": 3, "not-text": 4}})
    assert "mrn" in _risks(policy, passed_through=["mrn"])
    assert "surrogate" in _risks(load_policy("research-surrogates")).lower()
    for word in ("compliant", "compliance", "guarantee"):
        assert word not in plain


def test_the_risks_after_a_reading() -> None:
    review = Review(Rate(0, 300, 0.0099), None, 5000, 48, 0, 2, 4, {}, {}, "sha256:x")
    told = _risks(load_policy("safe-harbor"), Evidence(None, shipped=False, review=review))
    assert "at most 48 of the 5,000" in told
    assert "4 notes of the sample were not read" in told


def test_codes_are_a_risk() -> None:
    policy = load_policy("safe-harbor")
    kinds = tuple(
        kind.model_copy(update={"operator": OperatorSpec(name="hash")}) if kind.name == "MRN" else kind
        for kind in policy.types
    )
    assert "in the place of MRN" in _risks(policy.model_copy(update={"types": kinds}))
