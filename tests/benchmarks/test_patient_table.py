"""The patient table that the benchmark of known values makes from gold notes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pytest

from deid.detect.known import KINDS
from deid.formats.gold import Gold
from deid.formats.markup import read_marked
from deid.note import Note

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from patient_table import patient_table


def golds(*marked: str, english: str = "us", patient: str | None = "p1") -> Iterable[Gold]:
    for at, each in enumerate(marked):
        text, mentions = read_marked(each)
        meta = {"english": english}
        yield Note(f"n{at}", text, patient_id=patient, note_date=date(2019, 3, 4), metadata=meta), mentions


def table(*marked: str, english: str = "us") -> list[tuple[str, str]]:
    return [(value.kind, value.text) for value in patient_table(golds(*marked, english=english))["p1"]]


@pytest.mark.parametrize(
    ("marked", "known"),
    [
        ('⟦PATIENT_NAME|Qumby, Ana "Nan" M⟧', [("name", "Qumby, Ana M")]),
        ("⟦PATIENT_NAME#1|QUMBY^ANA⟧ ⟦PATIENT_NAME#1|Ana\nQumby⟧", [("name", "Ana Qumby")]),
        ("⟦PATIENT_NAME|A-Q⟧", []),
        ("MRN ⟦MRN#1|04-417⟧, ⟦MRN#1|QX 04-417⟧, ⟦MRN|88120⟧", [("mrn", "QX 04-417"), ("mrn", "88120")]),
        ("record ⟦MRN|four one seven⟧", []),
        ("SSN ⟦SSN#1|xxx-xx-6038⟧ ⟦SSN#1|6038⟧", []),
        ("SSN ⟦SSN#1|6038⟧ ⟦SSN#1|000-52-6038⟧", [("ssn", "000-52-6038")]),
        ("member ⟦HEALTH_PLAN_ID|NP 3351⟧", [("health_plan_id", "NP 3351")]),
        ("cell: ⟦PHONE|555-0142⟧, clinic ⟦PHONE|555-0143⟧, (h) ⟦PHONE|555-0144⟧",
         [("phone", "555-0142"), ("phone", "555-0144")]),
        ("my cell for staff only: ⟦PHONE|555-0142⟧", []),
        ("⟦PATIENT_NAME|Ana Qumby⟧ ⟦EMAIL|qumby1@x.example⟧ ⟦EMAIL|desk@x.example⟧",
         [("name", "Ana Qumby"), ("email", "qumby1@x.example")]),
        ("Dear ⟦PATIENT_NAME|Ana Qumby⟧,\n⟦STREET_ADDRESS|4 Elm Rd⟧\n⟦CITY|Nowhere⟧ ⟦ZIP_CODE|00417⟧",
         [("name", "Ana Qumby"), ("street_address", "4 Elm Rd"), ("city", "Nowhere"), ("zip_code", "00417")]),
        ("⟦HOSPITAL|Elm Clinic⟧, ⟦STREET_ADDRESS|9 Elm Rd⟧, ⟦CITY|Nowhere⟧", []),
        ("Addr.: ⟦STREET_ADDRESS|4 Elm Rd⟧ and ⟦STREET_ADDRESS|5 Elm Rd⟧, ⟦CITY|Nowhere⟧",
         [("street_address", "4 Elm Rd")]),
        ("friend ⟦RELATIVE_NAME|Jo⟧, wife ⟦RELATIVE_NAME#2|Ilo⟧; ⟦RELATIVE_NAME#2|Ilo Lim⟧",
         [("relative_name", "Ilo Lim")]),
        ("Dr. ⟦CLINICIAN_NAME|Lim⟧ ⟦DATE|3/4/19⟧: ⟦PROFESSION|welder⟧, ⟦AGE|71⟧, ⟦ORGANIZATION|Elm Co⟧", []),
    ],
)  # fmt: skip
def test_what_a_hospital_would_know(marked: str, known: list[tuple[str, str]]) -> None:
    assert table(marked) == known


@pytest.mark.parametrize(
    ("marked", "english", "day"),
    [
        ("DOB: ⟦DATE|11/2/47⟧", "us", "1947-11-02"),
        ("d.o.b. ⟦DATE|3.12.1958⟧", "au", "1958-12-03"),
        ("born on ⟦DATE|1958-12-03⟧", "uk", "1958-12-03"),
        ("b. ⟦DATE|FEB 11,1948⟧", "us", "1948-02-11"),
        ("born ⟦DATE|May 1948⟧", "us", None),
        ("DOB is the ⟦DATE|28th⟧", "us", None),
        ("birth visit ⟦DATE|3/1/2019⟧", "us", None),
        ("DOB ⟦DATE|four nineteen fifty two⟧", "us", None),
    ],
)
def test_birth_dates(marked: str, english: str, day: str | None) -> None:
    assert table(marked, english=english) == ([("birth_date", day)] if day else [])


def test_the_notes_of_a_patient_add_up_and_others_say_nothing() -> None:
    assert table("⟦PATIENT_NAME|Qumby⟧", "⟦PATIENT_NAME|Ana Qumby⟧, MRN ⟦MRN|417⟧", "MRN ⟦MRN|417⟧") == [
        ("name", "Ana Qumby"),
        ("mrn", "417"),
    ]
    assert patient_table(golds("⟦PATIENT_NAME|Ana Qumby⟧", patient=None)) == {}
    assert {kind for kind, _ in table("DOB ⟦DATE|11/2/47⟧ cell ⟦PHONE|555-0142⟧")} <= KINDS.keys()
