from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.operate.ages import age_90_plus, is_over_89
from deid.operate.failure import OperatorFailure


@pytest.mark.parametrize(
    "text",
    [
        "62", "89", "89.9", "62-year-old", "62 y/o", "62M", "62 yrs", "forty-two", "eighty-nine",
        "eighty nine", "in her 80s", "late 80s", "mid-forties", "over 65", "> 65", "65+",
        "9-month-old", "9 mo", "13 days", "100 days", "seven-week-old", "2 years and 3 months",
        "2 1/2", "62nd", "sixtieth birthday", "12-14", "octogenarian", "0",
    ],
)  # fmt: skip
def test_kept_as_written(text: str) -> None:
    assert age_90_plus(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "90", "91", "102", "91-year-old", "91 y/o, 3 months", "91M", "95 m", "aged 91", "ninety",
        "ninety-one", "NINETY-ONE", "ninety one", "one hundred", "a hundred and two",
        "one hundred twelve", "in her 90s",
        "early nineties", "90+", "89+", "over 89", "> 89", "older than 89",
        "past 89", "90th", "91st birthday", "ninetieth", "ninety-first", "hundredth", "90 or older",
        "supercentenarian", "nonagenarians",
        "88-92", "1100 months", "centenarian", "nonagenarian", "9 months or 91",
    ],
)  # fmt: skip
def test_over_89(text: str) -> None:
    assert age_90_plus(text) == "90+"


@pytest.mark.parametrize("text", ["", "old", "9l", "62 Smith", "Smith", "sixtyish", "62%", "½", "#62"])
def test_no_age(text: str) -> None:
    with pytest.raises(OperatorFailure):
        age_90_plus(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("94-year-old", True), ("in her 90s", True), ("89", False), ("Smith", False), ("", False)],
)
def test_is_over_89(text: str, expected: bool) -> None:
    assert is_over_89(text) is expected


@given(st.integers(90, 2000), st.sampled_from(["", " y/o", "-year-old", "M", " years", " yo F", "s"]))
def test_no_number_over_89_comes_out(age: int, unit: str) -> None:
    assert age_90_plus(f"{age}{unit}") == "90+"
