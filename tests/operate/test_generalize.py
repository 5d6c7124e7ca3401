from __future__ import annotations

from datetime import date

import pytest

from deid.errors import PolicyError
from deid.operate.failure import OperatorFailure
from deid.operate.generalize import Generalize
from deid.operate.subject import Subject

IN_2079 = Subject("p1", note_date=date(2079, 5, 1))


def year(text: str, subject: Subject | None = IN_2079) -> str:
    return Generalize().operate(text, {"entity_type": "DATE", "to": "year", "subject": subject})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("03/04/2079", "2079"),
        ("3/4/79", "'79"),
        ("2079-03-04T12:15:30Z", "2079"),
        ("20790403121530", "2079"),
        ("03-APR-2079", "2079"),
        ("3rd of April, 2079", "2079"),
        ("Jan 5th, '79", "'79"),
        ("April 2079", "2079"),
        ("Q2 2080", "2080"),
        ("spring of 2080", "2080"),
        ("in 2078", "2078"),
        ("2079", "2079"),
        ("'78", "'78"),
        ("early 1990s", "1990s"),
        ("Nov 2-4, 2078", "2078"),
        ("Dec 30, 2078 - Jan 2, 2079", "2078-2079"),
        ("2078-79", "2078-'79"),
        ("3/4/2079-3/9/2079", "2079"),
    ],
)
def test_year_stays(text: str, expected: str) -> None:
    assert year(text) == expected


@pytest.mark.parametrize(
    "text",
    ["3/4", "Apr 3rd", "March", "Tuesday", "Christmas", "Christmas 2079", "Q2", "4", "13/13/2079", "Smith"],
)
def test_without_a_year_or_not_understood(text: str) -> None:
    assert year(text) == "[DATE]"


@pytest.mark.parametrize(
    ("text", "note_date", "expected"),
    [
        ("5/1/1990", date(2079, 5, 1), "1990"),
        ("5/1/1989", date(2079, 5, 1), "[DATE]"),
        ("1989-2079", date(2079, 5, 1), "[DATE]"),
        ("1980s", date(2079, 5, 1), "[DATE]"),
        ("3/4/25", date(2015, 5, 1), "[DATE]"),
        ("3/4/26", date(2015, 5, 1), "'26"),
        ("3/4/15", date(2015, 5, 1), "'15"),
        ("1930", date(2019, 1, 1), "1930"),
        ("1930", date(2020, 1, 1), "[DATE]"),
    ],
)
def test_a_year_that_tells_an_age_over_89(text: str, note_date: date, expected: str) -> None:
    assert year(text, Subject("p1", note_date=note_date)) == expected


@pytest.mark.parametrize(
    ("text", "dates", "expected"),
    [
        ("1937", (), "1937"),
        ("1936", (), "[DATE]"),
        ("1995", ("3/4/2079",), "1995"),
        ("1989", ("3/4/2079",), "[DATE]"),
        ("1989", ("20790304",), "[DATE]"),
        ("1937", ("3/4/1999",), "1937"),
    ],
)
def test_without_the_date_of_the_note(text: str, dates: tuple[str, ...], expected: str) -> None:
    subject = Subject("p1", (*(("DATE", surface) for surface in dates), ("MRN", "2250")))
    assert year(text, subject) == expected


@pytest.mark.parametrize(
    ("context", "text", "mentions", "note_date", "expected"),
    [
        ("Mr. Hale (b. ", "1985", ("AGE 94",), None, "[DATE]"),
        ("DOB ", "1985", ("AGE 94",), None, "[DATE]"),
        ("D.O.B.: ", "3/4/1985", ("AGE 94-year-old",), None, "[DATE]"),
        ("born on ", "March 3, 1985", ("AGE in her 90s",), None, "[DATE]"),
        ("year of birth: ", "'85", ("AGE 94",), None, "[DATE]"),
        ("born in the ", "1980s", ("AGE 94",), None, "[DATE]"),
        ("Patient.birthDate", "1985-03-04", ("AGE 94",), None, "[DATE]"),
        ("patientBirthYear", "1985", ("AGE 94",), None, "[DATE]"),
        ("DOB ", "1995", ("AGE 94",), date(2079, 5, 1), "1995"),
        ("Mrs. Hale, ", "1985", ("AGE 94",), None, "[DATE]"),
        ("Mrs. Hale, ", "1985", ("AGE 94", "DATE 3/4/1985"), None, "[DATE]"),
        ("Mrs. Hale, ", "1985", ("AGE 94", "DATE 1999"), None, "[DATE]"),
        ("CABG ", "1999", ("AGE 94", "DATE 3/4/2079"), None, "1999"),
        ("CABG ", "1999", ("AGE 94",), date(2079, 5, 1), "1999"),
        ("CABG ", "3/4/1999", ("AGE 94",), None, "1999"),
        ("born in 1985, CABG ", "3/4/1999", ("AGE 94",), None, "1999"),
        ("vitamin b12, ", "3/4/1999", ("AGE 94",), None, "1999"),
        ("born ", "1985", ("AGE 89",), None, "1985"),
        ("born ", "1985", ("AGE elderly", "MRN 94"), None, "1985"),
        ("born ", "1985", (), None, "1985"),
    ],
)
def test_a_year_of_birth_where_an_age_over_89_is_told(
    context: str, text: str, mentions: tuple[str, ...], note_date: date | None, expected: str
) -> None:
    pairs = [each.split(" ", 1) for each in (*mentions, f"DATE {text}")]
    subject = Subject("p1", tuple((kind, surface) for kind, surface in pairs), note_date=note_date)
    given = {"entity_type": "DATE", "to": "year", "subject": subject, "context": context}
    assert Generalize().operate(text, given) == expected


def test_one_operator_for_several_subjects() -> None:
    operator = Generalize()
    subjects = (Subject("p1", (("DATE", "2079"),)), Subject("p2", (("DATE", "2010"),)))
    given = {"entity_type": "DATE", "to": "year"}
    with pytest.raises(OperatorFailure):
        operator.replace("1980", {**given, "subject": subjects[0]})
    assert operator.replace("1980", {**given, "subject": subjects[1]}) == "1980"


@pytest.mark.parametrize(
    ("text", "params", "expected"),
    [
        ("91", {"to": "age_90_plus", "entity_type": "AGE"}, "90+"),
        ("62", {"to": "age_90_plus", "entity_type": "AGE"}, "62"),
        ("about", {"to": "age_90_plus", "entity_type": "AGE"}, "[AGE]"),
        ("02139", {"to": "zip3", "entity_type": "ZIP_CODE"}, "021"),
        ("83001", {"to": "zip3", "entity_type": "ZIP_CODE"}, "000"),
        ("83001", {"to": "zip3", "entity_type": "ZIP_CODE", "zip3_census": "2020"}, "830"),
        ("K1A 0B1", {"to": "zip3", "entity_type": "ZIP_CODE"}, "[ZIP_CODE]"),
        ("Fairhaven, MA", {"to": "state", "entity_type": "STREET_ADDRESS"}, "MA"),
        ("Washington", {"to": "state", "entity_type": "CITY"}, "[CITY]"),
        ("Washington", {"to": "state", "entity_type": "STATE"}, "Washington"),
    ],
)
def test_other_kinds(text: str, params: dict[str, object], expected: str) -> None:
    assert Generalize().operate(text, params) == expected


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, r"generalize\.to: missing; one of year, age_90_plus, zip3, state"),
        ({"to": "yaer"}, r"generalize\.to: .*did you mean 'year'"),
        ({"to": "zip3", "zip3_census": "1990"}, r"generalize\.zip3_census: unknown value"),
        ({"to": "zip3", "census": "2010"}, r"generalize\.census: .*did you mean 'zip3_census'"),
    ],
)
def test_wrong_parameters(params: dict[str, object], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        Generalize().validate(params)
