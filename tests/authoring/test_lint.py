from __future__ import annotations

import re
from pathlib import Path

import pytest

from deid.authoring.lint import RULES, LintFinding, lint
from deid.policy import available_policies, policy_directory

HEAD = "policy: mine\nversion: '1'\n"
SAFE_HARBOR = HEAD + "extends: safe-harbor\n"
LIMITED = HEAD + "extends: limited-data-set\n"
RESEARCH = HEAD + "extends: research-surrogates\n"
CUSTOM = HEAD + "extends: base\n"
PATTERN = "types.PET.patterns[0].regex"
PET = "  PET:\n    description: The name of an animal that lives with the patient, after pet, dog or cat.\n"
TYPE = f"types:\n{PET}    examples: [Wicket]\n"


def found(folder: Path, text: str) -> list[LintFinding]:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return list(lint(path))


# code -> (texts that have this finding alone, with the key path; texts without any finding)
CASES: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    "DP001": (
        [
            (SAFE_HARBOR + "types: {SSN: null}\n", "types"),
            (SAFE_HARBOR + "types: {CITY: null}\n", "types"),
            (SAFE_HARBOR + "types: {AGE: null}\n", "types"),
            (SAFE_HARBOR + "types: {BIOMETRIC_ID: {hipaa: P}}\n", "types"),
            (LIMITED + "types: {STREET_ADDRESS: null}\n", "types"),
            (LIMITED + "types: {PHONE: null}\n", "types"),
        ],
        [
            SAFE_HARBOR + "types: {STATE: null, RELATIVE_NAME: null, DATE: {i2b2: null}}\n",
            LIMITED + "types: {CITY: null, DATE: null, OTHER_ID: null, USERNAME: null}\n",
            CUSTOM + "types: {SSN: null}\n",
        ],
    ),
    "DP002": (
        [
            (SAFE_HARBOR + f"types: {{DATE: {{operator: {operator}}}}}\n", "types.DATE.operator")
            for operator in (
                "keep", "shift_date", "surrogate", "generalize",
                "{mask: {keep_last: 4}}", "{generalize: {to: month}}",
            )
        ]
        + [(SAFE_HARBOR + TYPE + "    hipaa: C\n    operator: keep\n", "types.PET.operator")],
        [
            SAFE_HARBOR + "types: {DATE: {operator: redact}}\n",
            SAFE_HARBOR + "types: {DATE: {operator: mask}}\n",
            LIMITED + "types: {DATE: {operator: shift_date}}\n",
        ],
    ),
    "DP003": (
        [
            (SAFE_HARBOR + f"types: {{ZIP_CODE: {{operator: {operator}}}}}\n", "types.ZIP_CODE.operator")
            for operator in ("keep", "{generalize: {to: zip5}}", "{mask: {keep_last: 4}}")
        ],
        [SAFE_HARBOR + "types: {ZIP_CODE: {operator: redact}}\n"],
    ),
    "DP004": (
        [
            (SAFE_HARBOR + "types: {AGE: {operator: keep}}\n", "types.AGE.operator"),
            (SAFE_HARBOR + "types: {AGE: {operator: {generalize: {to: decade}}}}\n", "types.AGE.operator"),
        ],
        [SAFE_HARBOR + "types: {AGE: {operator: redact}}\n"],
    ),
    "DP005": (
        [
            (SAFE_HARBOR + f"types: {{MRN: {{operator: {operator}}}}}\n", "types.MRN.operator")
            for operator in ("hash", "encrypt", "{pseudonym: {code: keyed}}")
        ],
        [
            SAFE_HARBOR + "types: {PATIENT_NAME: {operator: {pseudonym: {code: random}}}}\n",
            SAFE_HARBOR + "types: {MRN: {operator: surrogate}, PATIENT_NAME: {operator: pseudonym}}\n",
            RESEARCH + "types: {MRN: {operator: hash}}\n",
        ],
    ),
    "DP006": (
        [
            (SAFE_HARBOR + "types: {CITY: {operator: keep}}\n", "types.CITY.operator"),
            (SAFE_HARBOR + "types: {SSN: {operator: {mask: {keep_last: 4}}}}\n", "types.SSN.operator"),
        ],
        [
            SAFE_HARBOR + "types: {CLINICIAN_NAME: {operator: keep, hipaa: null}}\n",
            SAFE_HARBOR + "types: {SSN: {operator: {mask: {length: same}}}}\n",
        ],
    ),
    "DP007": (
        [
            (LIMITED + "types: {STREET_ADDRESS: {operator: keep}}\n", "types.STREET_ADDRESS.operator"),
            (LIMITED + "types: {SSN: {operator: {mask: {keep_last: 4}}}}\n", "types.SSN.operator"),
            (LIMITED + "types: {BIOMETRIC_ID: {operator: keep}}\n", "types.BIOMETRIC_ID.operator"),
        ],
        [LIMITED + "types: {LOCATION_OTHER: {operator: keep}, OTHER_ID: {operator: keep}}\n"],
    ),
    "DP008": (
        [
            (CUSTOM + "types: {CLINICIAN_NAME: {operator: keep}}\n", "types.CLINICIAN_NAME.operator"),
            (RESEARCH + "types: {OTHER_ID: {operator: keep}}\n", "types.OTHER_ID.operator"),
        ],
        [CUSTOM + "types: {CITY: {operator: keep}, DATE: {operator: keep}, STATE: {operator: keep}}\n"],
    ),
    "DP009": (
        [(HEAD + "default_operator: keep\n" + TYPE + "    operator: mask\n", "default_operator")],
        [HEAD + "default_operator: mask\n" + TYPE],
    ),
    "DP010": (
        [(HEAD + TYPE + "    detect: [known, propagation]\n", "types.PET.detect")],
        [HEAD + TYPE + "    detect: [rules]\n", HEAD + TYPE + "    detect: [encoder]\n"],
    ),
    "DP011": (
        [(HEAD + "types: {PET: {description: name of a pet, examples: [x]}}\n", "types.PET.description")],
        [
            HEAD + "types: {PET: {description: the name of a pet animal, examples: [Wicket]}}\n",
            HEAD + "types: {PET: {description: pet, detect: [rules]}}\n",
        ],
    ),
    "DP012": ([(HEAD + f"types:\n{PET}", "types.PET")], [HEAD + f"types:\n{PET}    detect: [rules]\n"]),
    "DP013": (
        [
            (
                HEAD + TYPE + PET.replace("PET", "DOG").replace("an", "some") + "    examples: [Petrel]\n",
                "types.DOG.description",
            )
        ],
        [
            HEAD + TYPE + "  SHIP: {description: Name of a boat on which somebody sails, examples: [x]}\n",
            HEAD + TYPE + PET.replace("PET", "DOG") + "    detect: [rules]\n",
        ],
    ),
    "DP014": (
        [
            (HEAD + TYPE + f"    patterns: [{{regex: '{regex}'}}]\n", PATTERN)
            for regex in ("(?=a)b", r"(a)\1", "(", "(?P<phi>Q)|(?P<phi>X)", "(?<phi>Q)(?P<phi>X)")
        ],
        [HEAD + TYPE + "    patterns: [{regex: '(?P<phi>Q) X'}, {regex: '^(Q)(X)$'}]\n"],
    ),
    "DP015": (
        [
            (HEAD + TYPE + f"    patterns: [{{regex: '{regex}', ignore_case: true}}]\n", PATTERN)
            for regex in ("[0-9]+", "x*", r"\w+", "THE")
        ],
        [HEAD + TYPE + "    patterns: [{regex: 'tag (?P<phi>[0-9]{4})', ignore_case: true}, {regex: THE}]\n"],
    ),
    "DP016": (
        [(HEAD + TYPE + "    detect: [encoder]\n    patterns: [{regex: Wicket}]\n", "types.PET.patterns")],
        [HEAD + TYPE + "    detect: [encoder, rules]\n    patterns: [{regex: Wicket}]\n"],
    ),
    "DP017": (
        [(HEAD + TYPE + f"    hipaa: {letters}\n", "types.PET.hipaa") for letters in ("S", "a", "'A, B'")],
        [HEAD + TYPE + "    hipaa: AR\n"],
    ),
    "DP018": (
        [(HEAD + TYPE + "    threshold: 0.4\n", "types.PET.threshold")],
        [HEAD + TYPE + "    threshold: calibrated\n"],
    ),
    "DP019": (
        [(SAFE_HARBOR + f"zip3_census: '{year}'\n", "zip3_census") for year in (2000, 2010)],
        [SAFE_HARBOR + "zip3_census: '2020'\n", CUSTOM + "zip3_census: '2000'\n"],
    ),
}  # fmt: skip
BAD = [(code, text, key) for code, (bad, _) in CASES.items() for text, key in bad]
GOOD = [(code, text) for code, (_, good) in CASES.items() for text in good]


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


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_code_is_documented_with_its_severity(rule: object) -> None:
    page = (policy_directory().parent / "docs" / "policy-lint.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (DP\d{3}) \| (error|warning) \|", page, re.M))
    assert rows[rule.code] == rule.severity  # type: ignore[attr-defined]
    assert len(rows) == len(RULES)


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
