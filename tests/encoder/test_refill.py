"""Surrogates for training: another surface of the same shape, consistent under a key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deid.encoder.refill import Refiller
from deid.errors import UsageError

POOLS = {
    "given": ("Ana", "Luis", "Mira", "Tobias"),
    "family": ("Lima", "Okafor", "Quinn", "Haldane", "Sorensen"),
    "city": ("Keene", "Port Aldersey"),
    "country": ("Portugal", "Chile"),
    "state": ("Vermont", "Oregon"),
    "state_code": ("VT", "OR"),
    "street": ("Quillfeather", "Mapes"),
    "place": ("Corwenna", "Larkmoor"),
    "generic": ("clinic", "street", "apt", "st"),
    "PET": ("Biscuit", "Sir Purrs"),
    "TAG": ("BME-20448", "A009137"),
}


@pytest.fixture(scope="module")
def refiller() -> Refiller:
    return Refiller(POOLS)


def shape(text: str) -> str:
    return re.sub(r"[a-z]+", "a", re.sub(r"[A-Z]+", "A", re.sub(r"\d", "9", text)))


@pytest.mark.parametrize(
    ("surface", "kind", "pattern"),
    [
        ("3/14/2079", "DATE", r"([1-9]|1[0-2])/(1[3-9]|2\d)/(19|20)\d\d"),
        ("03/04", "DATE", r"(0[1-9]|1[0-2])/(0[1-9]|1[0-2])"),
        ("April 3rd", "DATE", r"[A-Z][a-z]+ \d+(st|nd|rd|th)"),
        ("MAR 3", "DATE", r"[A-Z]{3} \d+"),
        ("Tues", "DATE", r"[A-Z][a-z]{2}"),
        ("20790314101500", "DATE", r"(19|20)\d\d(0\d|1[0-2])[0-2]\d[0-5]{6}"),
        ("'98", "DATE", r"'\d\d"),
        ("67", "AGE", r"[1-8]\d"),
        ("40s", "AGE", r"[2-8]0s"),
        ("9-month", "AGE", r"\d{1,2}-month"),
        ("forty-two", "AGE", "forty-two"),
        ("603-555-0142", "PHONE", r"\d{3}-\d{3}-\d{4}"),
        ("AB-0041", "MRN", r"[A-Z]{2}-0\d{3}"),
        ("a.lima@mail.example", "EMAIL", r"a\.[a-z]+@mail\.[a-z]+"),
        ("WHP/tlq", "USERNAME", r"[A-Z]{3}/[a-z]{3}"),
        ("OAKS", "CITY", r"[A-Z ]+"),
        ("NM", "STATE", "VT|OR"),
        ("12 Elm St., Apt 3B", "STREET_ADDRESS", r"\d\d (Quillfeather|Mapes) St\., Apt \d[A-Z]"),
        ("Biscuit", "PET", "Biscuit|Sir Purrs"),
        ("BME-20448", "TAG", r"[A-Z]{3}-\d{5}|[A-Z]\d{6}"),
    ],
)
def test_shapes(refiller: Refiller, surface: str, kind: str, pattern: str) -> None:
    made = {refiller.refill(surface, [(0, len(surface), kind)], key)[0] for key in range(40)}
    assert all(re.fullmatch(pattern, each) for each in made), made
    assert len(made) > 1 or surface == pattern


def test_one_person_stays_one_person(refiller: Refiller) -> None:
    text = "DOE, JON A. Mr. Doe, Jon. jon"
    spans = [
        (0, 11, "PATIENT_NAME"),
        (16, 19, "PATIENT_NAME"),
        (21, 24, "PATIENT_NAME"),
        (26, 29, "PATIENT_NAME"),
    ]
    for key in range(20):
        new, moved = refiller.refill(text, spans, key)
        first, surname, given, lower = (new[start:end] for start, end, _ in moved)
        assert first.startswith(f"{surname.upper()}, {given.upper()} ")
        assert lower == given.lower()
        assert re.sub(r"\b[A-Z]\b", "", new).endswith(f"Mr. {surname}, {given}. {lower}")
    same = refiller.refill(text, spans, 3)[0]
    assert refiller.refill("Seen: Jon", [(6, 9, "PATIENT_NAME")], 3)[0].split()[1].upper() in same


def test_offsets_and_the_text_between_stay(refiller: Refiller) -> None:
    text = "Pt Ana Lima, DOB 3/4/79, seen at Hill Clinic."
    spans = [(3, 11, "PATIENT_NAME"), (17, 23, "DATE"), (33, 44, "HOSPITAL")]
    new, moved = refiller.refill(text, spans, 9)
    assert [kind for *_, kind in moved] == ["PATIENT_NAME", "DATE", "HOSPITAL"]
    between = [text[a:b] for a, b in zip([0, 11, 23, 44], [3, 17, 33, len(text)], strict=True)]
    ends = [0, *(end for _, end, _ in moved)]
    starts = [*(start for start, _, _ in moved), len(new)]
    assert [new[a:b] for a, b in zip(ends, starts, strict=True)] == between


def test_an_institution_keeps_the_words_that_say_what_it_is(refiller: Refiller) -> None:
    made = {refiller.refill("Hill Clinic", [(0, 11, "HOSPITAL")], key)[0] for key in range(30)}
    assert all(each.endswith(" Clinic") for each in made)
    assert len(made) > 4


def test_pools_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="build them first"):
        Refiller.read(tmp_path / "pools.json")
