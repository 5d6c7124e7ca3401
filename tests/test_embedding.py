"""The parts in other people's programs: what docs/embedding.md shows, and what it says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from presidio_analyzer import AnalyzerEngine, Pattern, PatternRecognizer, RecognizerRegistry
from presidio_analyzer.predefined_recognizers import CreditCardRecognizer
from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import ConflictResolutionStrategy, OperatorConfig

import deid.detect.spacy_pipe  # noqa: F401 - makes the component known where the package is not installed
from deid import Deidentifier
from deid.detect.nlp import BlankNlpEngine
from deid.detect.rule_recognizer import RuleRecognizer
from deid.errors import NoteError
from deid.operate.catalog import OPERATORS
from deid.policy import EntityType, OperatorSpec, PatternSpec, Policy

PAGE = (Path(__file__).parents[1] / "docs" / "embedding.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```yaml\n# file: (\S+)\n(.*?)```", PAGE, re.S))
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.S)
SECRET = "a secret of more than thirty-two bytes"


# --- the page ----------------------------------------------------------------------------------------------


def test_every_block_of_the_page_is_run() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") == PAGE.count("```text") >= 8
    assert len(FILES) == PAGE.count("```yaml")


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_page_prints_what_it_says(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    code, expected = EXAMPLES[number]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, f"embedding.md, example {number}", "exec"), {"__name__": "example"})
    assert printed.getvalue() == expected


# --- a Series ----------------------------------------------------------------------------------------------


def kind(name: str, pattern: str = "", *, operator: str = "redact", **params: Any) -> EntityType:
    return EntityType(
        name=name,
        description="described elsewhere",
        detect=("rules", "propagation"),
        patterns=(PatternSpec(regex=pattern),) if pattern else (),
        operator=OperatorSpec(name=operator, params=params),
    )


POLICY = Policy(
    name="small",
    version="1",
    method="custom",
    default_operator=OperatorSpec(name="redact"),
    types=(
        kind("MRN", "MRN:? (?P<phi>[0-9]{6,})"),
        kind("PHONE"),
        kind("DATE", operator="generalize", to="year"),
        kind("USERNAME", "login (?P<phi>rowan[a-z]+)"),
        kind("BADGE", "badge (?P<phi>QX[0-9]+ of the north wing)"),
    ),
)


@pytest.fixture(scope="module")
def deidentifier() -> Deidentifier:
    return Deidentifier.from_policy(POLICY)


TEXTS = ["login rowanberry", "for rowanberry", "for rowanberry", None, "no fever", float("nan")]
KEPT = "for rowanberry"
GONE = "for [USERNAME]"


@pytest.mark.parametrize(
    ("patients", "expected"),
    [("aabbaa", (GONE, KEPT)), ("abab!!", (KEPT, GONE)), ("aaab!!", (GONE, GONE)), (None, (KEPT, KEPT))],
)
def test_a_series(deidentifier: Deidentifier, patients: str | None, expected: tuple[str, str]) -> None:
    index = pd.Index([7, 3, 5, 1, 0, 2], name="row")
    series = pd.Series(TEXTS, index=index, dtype=object, name="text")
    owners = None if patients is None else pd.Series(list(patients), index=index)
    before = series.copy()
    clean = deidentifier.deidentify(series, patient_ids=owners)
    assert [None if pd.isna(text) else text for text in clean] == [
        "login [USERNAME]", *expected, None, "no fever", None,
    ]  # fmt: skip
    assert clean.index.equals(index)
    assert clean.name == "text"
    pd.testing.assert_series_equal(series, before)


def test_an_empty_series(deidentifier: Deidentifier) -> None:
    assert deidentifier.deidentify(pd.Series([], dtype=object)).empty
    assert deidentifier.deidentify(pd.Series([None, None], dtype=object)).isna().all()


def test_rows_with_one_label_are_kept_apart(deidentifier: Deidentifier) -> None:
    clean = deidentifier.deidentify(pd.Series(["MRN 00417733", "no fever"], index=[4, 4]))
    assert clean.tolist() == ["MRN [MRN]", "no fever"]


def test_a_note_that_fails_gives_nothing_back(
    deidentifier: Deidentifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = RuleRecognizer.find

    def fail(self: RuleRecognizer, text: str) -> Any:
        if "fever" in text:
            raise LookupError(text)
        return find(self, text)

    monkeypatch.setattr(RuleRecognizer, "find", fail)
    with pytest.raises(NoteError, match=r"detector-failed \(row 1: LookupError\)") as error:
        deidentifier.deidentify(pd.Series(["MRN 00417733", "no fever"]))
    assert "fever" not in str(error.value)
    with pytest.raises(NoteError, match=r"detector-failed \(LookupError\)"):
        deidentifier.deidentify("no fever")


# --- Presidio ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def analyzer() -> AnalyzerEngine:
    lockers = PatternRecognizer(
        "LOCKER", patterns=[Pattern("four", r"\b\d{4}(?=,)", 0.2)], context=["locker"]
    )
    north = PatternRecognizer("PLACE", patterns=[Pattern("wing", "the north wing of [A-Z][a-z]+", 0.5)])
    recognizers = [RuleRecognizer(POLICY), CreditCardRecognizer(), lockers, north]
    return AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=recognizers, supported_languages=["en"]),
        nlp_engine=BlankNlpEngine(),
        supported_languages=["en"],
    )


TEXT = "MRN: 00417733, locker 4711, card 4111 1111 1111 1111, call 617-555-0142."


@pytest.mark.parametrize(
    ("entities", "expected"),
    [
        (["PHONE"], {"PHONE": "617-555-0142"}),
        (["MRN", "LOCKER"], {"MRN": "00417733", "LOCKER": "4711"}),
        (["CREDIT_CARD"], {"CREDIT_CARD": "4111 1111 1111 1111"}),
    ],
)
def test_rules_beside_other_recognizers(
    analyzer: AnalyzerEngine, entities: list[str], expected: dict[str, str]
) -> None:
    results = analyzer.analyze(TEXT, "en", entities=entities, score_threshold=0.5)
    assert {result.entity_type: TEXT[result.start : result.end] for result in results} == expected


def test_explanations_name_the_rule_and_no_text(analyzer: AnalyzerEngine) -> None:
    results = analyzer.analyze(TEXT, "en", entities=["MRN", "PHONE"], return_decision_process=True)
    explained = {result.entity_type: result.analysis_explanation for result in results}
    assert explained["PHONE"].pattern_name == "phone-nanp"
    for result in results:
        assert result.analysis_explanation.recognizer == "RuleRecognizer"
        assert result.analysis_explanation.score == result.score
        assert TEXT[result.start : result.end] not in str(result.analysis_explanation)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "MRN: 00417733, call 617-555-0142 before 03/04/2079.",
            r"MRN: MRN_[0-9a-f]{16}, call \[PHONE\] before 2079\.",
        ),
        ("Card 4111 1111 1111 1111.", r"Card \[CREDIT_CARD\]\."),
        ("Lost badge QX17 of the north wing of Quarryside.", r"Lost badge \[BADGE\]\[PLACE\]\."),
        ("No fever.", r"No fever\."),
    ],
    ids=["ours", "theirs", "overlapping", "nothing"],
)
def test_from_the_analyzer_to_the_anonymizer(analyzer: AnalyzerEngine, text: str, expected: str) -> None:
    engine = AnonymizerEngine()
    for name in OPERATORS.names():
        engine.add_anonymizer(OPERATORS.get(name))
    operators = {
        entry.name: OperatorConfig(entry.operator.name, dict(entry.operator.params)) for entry in POLICY.types
    }
    operators |= {"DEFAULT": OperatorConfig("redact"), "MRN": OperatorConfig("hash", {"key": SECRET})}
    results = analyzer.analyze(text, "en", score_threshold=0.3)
    done = engine.anonymize(text, results, operators, ConflictResolutionStrategy.REMOVE_INTERSECTIONS)
    assert re.fullmatch(expected, done.text)
