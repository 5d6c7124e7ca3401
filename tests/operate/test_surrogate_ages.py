from __future__ import annotations

import re

import pytest

from deid.keys import Keys
from deid.operate.failure import OperatorFailure
from deid.operate.subject import Subject
from deid.operate.surrogate import Surrogate
from deid.operate.surrogates.lists import rows

KEYS = Keys.from_bytes(b"a secret for tests, 32 bytes long")
PATIENTS = tuple(f"p{number}" for number in range(25))


def draw(kind: str, text: str, patient: str = "p1") -> str:
    params = {"entity_type": kind, "keys": KEYS, "subject": Subject(patient)}
    return Surrogate().replace(text, params)


@pytest.mark.parametrize("years", [18, 19, 30, 62, 88, 89])
def test_adults_move_by_up_to_two_years_and_stay_adults(years: int) -> None:
    moved = {int(draw("AGE", str(years), patient)) for patient in PATIENTS}
    assert moved <= set(range(max(18, years - 2), min(89, years + 2) + 1)) - {years}
    assert len(moved) > 1


@pytest.mark.parametrize("years", [1, 2, 9, 17])
def test_children_stay_children(years: int) -> None:
    moved = {int(draw("AGE", str(years), patient)) for patient in PATIENTS}
    assert moved <= {years - 1, years + 1} & set(range(1, 18))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", "90+"),
        ("93", "90+"),
        ("104", "90+"),
        ("93 y/o", "90+ y/o"),
        ("93-year-old", "90+-year-old"),
        ("ninety-two", "90+"),
        ("95+", "90+"),
        (">93", "90+"),
        ("over 93", "90+"),
        ("93 or older", "90+"),
        ("90th", "90+"),
        ("90s", "90s"),
    ],
)
def test_the_oldest_stay_together(text: str, expected: str) -> None:
    if text == expected:
        with pytest.raises(OperatorFailure):
            draw("AGE", text)
    else:
        assert draw("AGE", text) == expected


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("62-year-old", r"6[0134]-year-old"),
        ("62nd", r"60th|61st|63rd|64th"),
        ("62 y/o", r"6[0134] y/o"),
        ("forty-two", "forty(-(one|three|four))?"),
        ("FORTY TWO", "FORTY( (ONE|THREE|FOUR))?"),
        ("Forty-two", "Forty(-(one|three|four))?"),
        ("Nineteen", "Eighteen|Twenty(-one)?"),
        ("9-month-old", "(8|10)-month-old"),
        ("1 month", "2 months?"),
        ("13 days", "1[24] days"),
        ("six weeks", "(five|seven) weeks"),
        ("3 1/2", "[24] 1/2"),
        ("2.5", r"[13]\.5"),
        ("60s", "[57]0s"),
        ("early 20's", "early 30's"),
        ("62 and 64", r"\d\d and \d\d"),
    ],
)
def test_forms_of_ages(text: str, shape: str) -> None:
    for patient in PATIENTS:
        assert re.fullmatch(shape, draw("AGE", text, patient))


def test_years_between_ages_stay() -> None:
    for patient in PATIENTS:
        assert int(draw("AGE", "64", patient)) - int(draw("AGE", "60", patient)) == 4


@pytest.mark.parametrize("text", ["old", "", "elderly", "someone", "sixty-first"])
def test_no_number_no_age(text: str) -> None:
    with pytest.raises(OperatorFailure):
        draw("AGE", text)


CATEGORIES = {title: row[0] for row in rows("professions") for title in row[1].split("; ")}


@pytest.mark.parametrize("text", ["truck driver", "carpenter", "elementary school teacher", "army veteran"])
def test_occupations_stay_in_their_category(text: str) -> None:
    for patient in PATIENTS:
        new = draw("PROFESSION", text, patient)
        assert new != text
        assert CATEGORIES[new] == CATEGORIES[text]


def test_the_last_word_tells_the_category_of_an_unknown_occupation() -> None:
    assert CATEGORIES[draw("PROFESSION", "concrete truck driver")] == "transport"


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("Truck driver", "[A-Z][a-z' -]+"),
        ("TRUCK DRIVER", "[A-Z' -]+"),
        ("Truck Driver", "[A-Z][a-z'-]+( [A-Z][A-Za-z'-]+)*"),
        ("retired teacher", "retired [a-z' -]+"),
        ("former  truck driver", "former  [a-z' -]+"),
        ("carpenters", "[a-z' -]+s"),
        ("xylographer", "[a-z' -]+"),
    ],
)
def test_occupations_keep_case_number_and_status(text: str, shape: str) -> None:
    assert re.fullmatch(shape, draw("PROFESSION", text))


@pytest.mark.parametrize("text", ["", "--", "retired"])
def test_no_occupation(text: str) -> None:
    with pytest.raises(OperatorFailure):
        draw("PROFESSION", text)
