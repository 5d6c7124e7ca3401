"""The engine and the reading of rule files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.detect.rule_engine import RuleEngine
from deid.detect.rule_file import Rule, compile_pattern, load_rules, rules_from_policy, shipped_rules
from deid.errors import PolicyError, UsageError
from deid.note import Finding
from deid.policy import EntityType, OperatorSpec, PatternSpec, Policy

REDACT = OperatorSpec(name="redact")


def rule(
    pattern: str, *, name: str = "r", kind: str = "OTHER_ID", ignore_case: bool = False, check: str = ""
) -> Rule:
    return Rule(name, kind, pattern, 0.8, ignore_case, check)


def surfaces(text: str, *rules: Rule) -> list[str]:
    return [text[found.start : found.end] for found in RuleEngine(rules).find(text)]


def policy(*types: EntityType) -> Policy:
    return Policy(name="mine", version="1", method="custom", default_operator=REDACT, types=types)


def kind(name: str, **values: object) -> EntityType:
    return EntityType.model_validate({"name": name, "description": "d", "operator": REDACT, **values})


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"\d{3}", "a 123 b 456", ["123", "456"]),
        (r"ID (?P<phi>\d+)", "ID 12, ID 34", ["12", "34"]),
        (r"(?:^|\s)(?P<phi>\d+)(?:\s|$)", "1 2 3", ["1", "2", "3"]),
        (r"^(?P<phi>\d+)$", "1\n2\nx3\n4", ["1", "2", "4"]),
        (r"code \d+|(?P<phi>\d+)", "code 12 and 34", ["34"]),
        (r"(?P<phi>x*)y", "y xy", ["x"]),
        (r"abc", "ABC", []),
        (r"\bé\w+", "né été", []),
        (r"[\pL]+", "né-été", ["né", "été"]),
    ],
)
def test_matches(pattern: str, text: str, expected: list[str]) -> None:
    assert surfaces(text, rule(pattern)) == expected


def test_ignore_case() -> None:
    assert surfaces("MRN mrn", rule("mrn", ignore_case=True)) == ["MRN", "mrn"]


def test_the_search_goes_on_after_a_refused_match() -> None:
    assert surfaces("1234567890 1234567893 1234567890", rule(r"\b\d{10}\b", check="npi")) == ["1234567893"]


def test_findings_carry_type_score_and_rule() -> None:
    assert RuleEngine([rule("12", name="twelve")]).find("a 12") == (
        Finding(2, 4, "OTHER_ID", 0.8, "rules", "twelve"),
    )


def test_all_rules_report_and_the_result_is_sorted() -> None:
    rules = [
        rule("bc", name="late"),
        rule("abc", name="whole"),
        rule("a", name="first"),
        rule("d", name="beside"),
    ]
    found = RuleEngine(rules).find("abcd abcd")
    assert [finding.evidence for finding in found] == ["first", "whole", "late", "beside"] * 2
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    "text",
    [
        "SSN 987-65-4320",
        "SSN\u00a0987–65—4320",
        "SSN 987\u200b-65-4320",
        "SSN ９８７-65-4320",
        "中😀é SSN 987‑65‑4320",
        "\r\n\r\nSSN 987-65-4320\r\n",
    ],
)
def test_typography_does_not_hide_a_mention(text: str) -> None:
    (found,) = RuleEngine([rule(r"\d{3}-\d{2}-\d{4}$")]).find(text)
    assert found.end == text.index("4320") + 4
    assert text[found.start] in "9９"


@given(
    st.lists(
        st.sampled_from(
            ["617-555-0142", "é", "\u00a0", "\r\n", "–", "\u200b", "x", "MRN 0048812", "@", "1/2"]
        )
    )
)
def test_offsets_lie_in_the_text(parts: list[str]) -> None:
    text = " ".join(parts)
    found = ENGINE.find(text)
    assert found == ENGINE.find(text)
    assert all(0 <= finding.start < finding.end <= len(text) for finding in found)
    assert text.count("617-555-0142") == len({f.start for f in found if f.evidence == "phone-nanp"})


ENGINE = RuleEngine(
    [item for item in shipped_rules() if item.name in {"phone-nanp", "mrn-label", "email-address"}]
)


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("(a", "missing"),
        (r"(?=a)b", "google-re2"),
        (r"(a)(?P<phi>b)", "one group"),
        (r"(b)", "one group"),
        (r"\d*", "empty"),
        ("a–b", r"character 2 is U\+2013"),
        ("ab\u200b", r"character 3 is U\+200B"),
    ],
)
def test_patterns_that_are_refused(pattern: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        compile_pattern(pattern, ignore_case=False)


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


ENTRY = "{name: a-b, entity_type: MRN, score: 0.5, pattern: 'x'"


def test_a_file_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "parts: {d: '[0-9]', dd: '{{d}}{{d}}'}\nrules:\n- "
        + ENTRY.replace("'x'", "'{{dd}}-{2}'")
        + ", match: [a]}",
    )
    assert load_rules(path) == (Rule("a-b", "MRN", "(?:(?:[0-9])(?:[0-9]))-{2}", 0.5, match=("a",)),)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("rules: [}", "mine.yaml:1"),
        ("rule: []", "rules"),
        ("[]", "valid dictionary"),
        (f"rules: [{ENTRY}, scor: 1}}]", r"rules\[0\]\.scor"),
        (f"rules: [{ENTRY}, check: lun}}]", "did you mean 'luhn'"),
        (f"rules: [{ENTRY.replace('0.5', '1.5')}}}]", r"rules\[0\]\.score"),
        (f"rules: [{ENTRY.replace('a-b', 'A b')}}}]", r"rules\[0\]\.name"),
        (f"rules: [{ENTRY.replace('x', '(x')}}}]", "missing"),
        (f"parts: {{d: x}}\nrules: [{ENTRY.replace('x', '{{e}}')}}}]", "unknown part 'e'"),
        (f"rules: [{ENTRY}, match: [12:30]}}]", r"match\[0\]"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        load_rules(write(tmp_path, text))


def test_rules_of_a_policy() -> None:
    shipped = (rule("a", name="one", kind="MRN"), rule("b", name="two", kind="SSN"), rule("c", kind="FAX"))
    own = PatternSpec(regex=r"docket (?P<phi>\d+)", score=0.6, ignore_case=True)
    mine = policy(kind("MRN"), kind("SSN", detect=("encoder",)), kind("DOCKET", patterns=(own,)))
    chosen = rules_from_policy(mine, shipped=shipped)
    assert [item.name for item in chosen] == ["one", "policy:DOCKET.patterns[0]"]
    assert surfaces("Docket 4417 a", *chosen) == ["4417", "a"]


def test_patterns_of_a_type_without_rules_do_not_run() -> None:
    mine = policy(kind("DOCKET", patterns=(PatternSpec(regex="x"),), detect=("encoder",)))
    assert rules_from_policy(mine) == ()


def test_a_wrong_pattern_of_a_policy_is_named() -> None:
    mine = policy(kind("DOCKET", patterns=(PatternSpec(regex="x"), PatternSpec(regex="(x"))))
    with pytest.raises(PolicyError, match=r"policy mine: types\.DOCKET\.patterns\[1\]\.regex: .*missing"):
        rules_from_policy(mine, shipped=())
