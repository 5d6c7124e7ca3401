from __future__ import annotations

import re
from pathlib import Path

import pytest
from lint_cases import BAD, CASES, GOOD, HEAD, SAFE_HARBOR, TYPE

from deid.authoring.lint import RULES, LintFinding, lint
from deid.authoring.lint_encoder import ENCODER_RULES
from deid.authoring.lint_fix import MENDED_CODES
from deid.policy import available_policies, policy_directory


def found(folder: Path, text: str) -> list[LintFinding]:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return list(lint(path))


@pytest.mark.parametrize(
    ("code", "text", "key"), BAD, ids=[f"{code}-{index}" for index, (code, *_) in enumerate(BAD)]
)
def test_bad_policies_have_the_finding_and_no_other(tmp_path: Path, code: str, text: str, key: str) -> None:
    assert [(finding.code, finding.place.key) for finding in found(tmp_path, text)] == [(code, key)]


@pytest.mark.parametrize(
    ("code", "text"), GOOD, ids=[f"{code}-{index}" for index, (code, _) in enumerate(GOOD)]
)
def test_good_policies_have_no_finding(tmp_path: Path, code: str, text: str) -> None:
    findings = found(tmp_path, text)
    assert [finding.code for finding in findings] == [], code


def test_every_rule_has_a_case_and_a_code_of_its_own() -> None:
    assert [rule.code for rule in RULES] == list(CASES)


@pytest.mark.parametrize("name", available_policies())
def test_shipped_policies_are_clean(name: str) -> None:
    assert lint(name) == ()


def test_every_code_is_documented_with_its_severity_and_what_mends_it() -> None:
    page = (policy_directory().parent / "docs" / "policy-lint.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (DP\d{3}) \| (error|warning) \|.*\|(.*)\|$", page, re.M)
    rules = [(rule.code, str(rule.severity)) for rule in RULES]
    rules += [(rule.code, str(rule.severity)) for rule in ENCODER_RULES]
    assert sorted(row[:2] for row in rows) == sorted(rules)
    assert sorted(code for code, _, how in rows if "`--fix`" in how) == sorted(MENDED_CODES)


def test_each_missing_item_is_told_with_its_paragraph(tmp_path: Path) -> None:
    bare = HEAD + TYPE + "    hipaa: A\nmethod: "
    reasons = [finding.reason for finding in found(tmp_path, bare + "hhs-safe-harbor\n")]
    assert [reason[-2] for reason in reasons] == list("BCDEFGHIJKLMNOPQR")
    assert "i2b2 STREET, CITY, ZIP" in reasons[0]
    assert "i2b2 DATE, AGE" in reasons[1]
    limited = [finding.reason for finding in found(tmp_path, bare + "limited-data-set\n")]
    assert len(limited) == 15
    assert limited[0].endswith("164.514(e)(2)(ii)")
    assert limited[-1].endswith("164.514(e)(2)(xvi)")


def test_a_type_that_nothing_looks_for_covers_no_item(tmp_path: Path) -> None:
    findings = found(tmp_path, SAFE_HARBOR + "types: {SSN: {detect: [known]}}\n")
    assert [finding.code for finding in findings] == ["DP001", "DP010"]


def test_a_dropped_type_is_told_where_it_was_dropped(tmp_path: Path) -> None:
    text = HEAD + "extends: research-surrogates\ntypes:\n  DATE: null\n  PATIENT_NAME: null\n"
    findings = found(tmp_path, text)
    assert [(each.code, each.place.key, each.place.line) for each in findings] == [
        ("DP038", "types.DATE", 5),
        ("DP038", "types.PATIENT_NAME", 6),
    ]
    assert ["(C)" in findings[0].reason, "(A)" in findings[1].reason] == [True, True]


@pytest.mark.parametrize(
    ("text", "file", "line", "column"),
    [
        (SAFE_HARBOR + "types:\n  DATE:\n    operator: keep\n", "mine.yaml", 6, 5),
        (
            HEAD + "method: hhs-safe-harbor\nextends: research-surrogates\n",
            "research-surrogates.yaml",
            None,
            None,
        ),
        (HEAD + TYPE + "    patterns: [{regex: '('}]\n", "mine.yaml", 7, 17),
        (SAFE_HARBOR + "default_operator: keep\n", "mine.yaml", 4, 1),
    ],
    ids=["own key", "parent's key", "list entry", "default operator"],
)
def test_places(tmp_path: Path, text: str, file: str, line: int | None, column: int | None) -> None:
    findings = found(tmp_path, text)
    place = next(item.place for item in findings if item.code in ("DP002", "DP014", "DP009", "DP006"))
    assert Path(place.file).name == file
    if line is not None:
        assert (place.line, place.column) == (line, column)
        assert str(place) == f"{place.file}:{line}:{column}: {place.key}"


def test_a_kept_default_is_found_on_every_type_it_reaches(tmp_path: Path) -> None:
    findings = found(tmp_path, SAFE_HARBOR + "default_operator: keep\n")
    kept = [finding for finding in findings if finding.code == "DP006"]
    assert "types.SSN.operator" in {finding.place.key for finding in kept}
    assert {(Path(finding.place.file).name, finding.place.line) for finding in kept} == {("mine.yaml", 4)}


def test_findings_say_why_and_how_to_mend(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, SAFE_HARBOR + "types: {MRN: {operator: hash}}\n")
    assert finding.severity == "error"
    assert finding.source == "45 CFR 164.514(c)"
    assert "random" in finding.fix
    assert "hash" in finding.reason
