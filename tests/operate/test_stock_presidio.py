from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import OperatorConfig, RecognizerResult

from deid.errors import PolicyError
from deid.operate.catalog import OPERATORS
from deid.operate.subject import Subject

TEXT = "John Smith, MRN 0012345, seen 03/04/2079."
SECRET = "a secret of more than thirty-two bytes"
SUBJECT = Subject("p1", (("MRN", "0012345"), ("PATIENT_NAME", "John Smith")), "8F3K-22QX", date(2079, 3, 5))


@pytest.fixture(scope="module")
def engine() -> AnonymizerEngine:
    engine = AnonymizerEngine()
    for name in OPERATORS.names():
        engine.add_anonymizer(OPERATORS.get(name))
    return engine


Case = tuple[str, str, str, dict[str, Any]]


def anonymize(engine: AnonymizerEngine, case: Case) -> str:
    surface, entity_type, name, params = case
    start = TEXT.index(surface)
    found = [RecognizerResult(entity_type, start, start + len(surface), 0.9)]
    result = engine.anonymize(TEXT, found, {entity_type: OperatorConfig(name, params)})
    assert result.text[:start] == TEXT[:start]
    rest = TEXT[start + len(surface) :]
    assert result.text.endswith(rest)
    return str(result.text[start : len(result.text) - len(rest)])


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (("0012345", "MRN", "redact", {}), r"\[MRN\]"),
        (("0012345", "MRN", "mask", {"keep_last": 3}), r"\*{8}345"),
        (("0012345", "MRN", "hash", {"key": SECRET}), r"MRN_[0-9a-f]{16}"),
        (("0012345", "MRN", "encrypt", {"key": SECRET.encode()}), r"\[ENC1:MRN:[\w-]+\]"),
        (("0012345", "MRN", "pseudonym", {"key": SECRET, "subject": SUBJECT}), "MRN_1"),
        (
            ("John Smith", "PERSON", "pseudonym", {"code": "random", "subject": SUBJECT}),
            r"\[PERSON 8F3K-22QX\]",
        ),
        (("0012345", "MRN", "keep", {}), "0012345"),
        (("03/04/2079", "DATE", "generalize", {"to": "year"}), "2079"),
        (("03/04/2079", "DATE", "shift_date", {"key": SECRET}), r"(?!03/04/2079)\d\d/\d\d/20\d\d"),
        (("John Smith", "PATIENT_NAME", "surrogate", {"key": SECRET}), r"(?!John)\w+ (?!Smith)\w+"),
    ],
    ids=lambda value: value[2] if isinstance(value, tuple) else "",
)
def test_in_a_stock_engine(engine: AnonymizerEngine, case: Case, expected: str) -> None:
    first, second = (anonymize(engine, case) for _ in range(2))
    assert re.fullmatch(expected, first)
    assert first == second


@pytest.mark.parametrize(
    "case",
    [
        ("John Smith", "DATE", "shift_date", {"key": SECRET}),
        ("John Smith", "PERSON", "pseudonym", {"key": SECRET}),
        ("03/04/2079", "ZIP_CODE", "generalize", {"to": "zip3"}),
    ],
)
def test_an_operator_that_cannot_do_its_job_redacts(engine: AnonymizerEngine, case: Case) -> None:
    assert anonymize(engine, case) == f"[{case[1]}]"


def test_wrong_parameters_are_refused(engine: AnonymizerEngine) -> None:
    with pytest.raises(PolicyError, match=r"mask\.masking_char"):
        anonymize(engine, ("0012345", "MRN", "mask", {"masking_char": "*"}))
