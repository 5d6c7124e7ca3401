from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from standin import POLICY

from deid.audit.log import AuditChain, seal
from deid.errors import IntegrityError
from deid.keys import Keys
from deid.policy import EntityType, OperatorSpec, Policy, load_policy
from deid.run.manifest import (
    Tally,
    check_same,
    code_digest,
    completed,
    policy_facts,
    read_manifest,
    run_id,
    write_json,
)

_DRAFT: dict[str, Any] = {
    "format_version": 1,
    "status": "running",
    "input": {"digest": "sha256:i"},
    "policy": {"digest": "sha256:p"},
    "key": {"id": None},
    "model": {"digest": "sha256:m", "runtime": "openvino bf16"},
    "code": {"digest": "sha256:c"},
    "options": {"drop": [], "max_characters": 10},
    "passed_through": [],
}
_DIFFERENT: dict[str, dict[str, Any]] = {
    "input": {"digest": "sha256:j"},
    "policy": {"digest": "sha256:q"},
    "key": {"id": "0123456789abcdef"},
    "model": {"digest": "sha256:m", "runtime": "torch f32"},
    "code": {"digest": "sha256:d"},
    "options": {"drop": ["mrn"], "max_characters": 10},
}


def test_the_same_run_may_go_on() -> None:
    check_same({**_DRAFT, "status": "complete", "counts": {}}, _DRAFT)


@pytest.mark.parametrize("part", _DIFFERENT)
def test_what_differs_is_named(part: str) -> None:
    with pytest.raises(IntegrityError, match="cannot resume") as caught:
        check_same({**_DRAFT, part: _DIFFERENT[part]}, _DRAFT)
    named = [each for each in _DIFFERENT if each in str(caught.value)]
    assert named == [part]
    assert run_id({**_DRAFT, part: _DIFFERENT[part]}) != run_id(_DRAFT)


def test_options_are_named_one_by_one() -> None:
    with pytest.raises(IntegrityError, match=r"policy, options \(drop\)"):
        check_same({**_DRAFT, "policy": {}, "options": _DIFFERENT["options"]}, _DRAFT)


def test_an_older_format_is_refused() -> None:
    with pytest.raises(IntegrityError, match="format version"):
        check_same({**_DRAFT, "format_version": 0}, _DRAFT)


def test_what_does_not_change_results_does_not_change_the_run() -> None:
    assert run_id({**_DRAFT, "status": "complete", "passed_through": ["mrn"]}) == run_id(_DRAFT)


def test_the_code_has_a_digest() -> None:
    assert code_digest().startswith("sha256:")


def _zip_policy(to: str) -> Policy:
    zips = EntityType(
        name="ZIP_CODE", description="x", operator=OperatorSpec(name="generalize", params={"to": to})
    )
    return POLICY.model_copy(update={"types": (zips,), "zip3_census": "2010"})


@pytest.mark.parametrize(("to", "expected"), [("zip3", "2010"), ("year", None)])
def test_the_census_list_is_named_where_it_is_used(to: str, expected: str | None) -> None:
    facts = policy_facts(_zip_policy(to))
    assert facts.get("zip3", {}).get("census") == expected


def test_the_resolved_policy_is_in_the_manifest() -> None:
    policy = load_policy("safe-harbor")
    facts = json.loads(json.dumps(policy_facts(policy)))
    assert facts["digest"] == policy.digest
    assert facts["zip3"]["census"] == "union"
    assert Policy.model_validate(facts["resolved"]).digest == policy.digest


def _line(**changes: Any) -> dict[str, Any]:
    spans = [
        {"entity_type": "AGE", "operator": "keep", "detectors": ["encoder", "rules"]},
        {"entity_type": "DATE", "operator": "redact", "detectors": ["rules"]},
    ]
    return {"kind": None, "text": "x", "spans": spans, **changes}


def test_counts() -> None:
    tally = Tally()
    tally.add(_line())
    tally.add(_line(kind="ECG"))
    tally.add({"kind": "ECG", "reason": "too-long"})
    assert tally.as_json() == {
        "notes": 3,
        "deidentified": 2,
        "quarantined": {"too-long": 1},
        "spans": {
            "total": 4,
            "by_type": {"AGE": 2, "DATE": 2},
            "by_detector": {"encoder": 2, "rules": 4},
            "by_operator": {"keep": 2, "redact": 2},
        },
        "fields": {"total": 0, "by_type": {}},
        "note_kinds": {"ECG": 2},
    }


def test_kinds_are_bounded() -> None:
    tally = Tally()
    for number in range(1000):
        tally.add(_line(kind=f"kind{number}"))
    assert len(tally.kinds) == 201
    assert tally.kinds["other"] == 800


@pytest.mark.parametrize("keys", [None, Keys.from_bytes(b"k" * 32)])
def test_a_finished_manifest_is_sealed_by_a_secret(tmp_path: Path, keys: Keys | None) -> None:
    chain = AuditChain(policy_digest="sha256:p", input_digest="sha256:i", keys=keys)
    chain.append({"note_id": "n0"})
    manifest = completed(_DRAFT, tally=Tally(), chain=chain, keys=keys)
    assert manifest["status"] == "complete"
    assert manifest["audit"] == {"algorithm": chain.algorithm, "length": 1, "head": chain.head}
    assert manifest.get("seal") == (seal(manifest, keys) if keys else None)
    write_json(tmp_path / "manifest.json", manifest)
    assert read_manifest(tmp_path) == manifest


def test_no_manifest(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None
