"""Surfaces that are dates, and numbers that only look like them."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.detect.date_checks import (
    CHECKS,
    hl7_timestamp,
    month_day,
    month_day_not_score,
    month_year,
    numeric_date,
)

YEARS = st.dates(min_value=date(1880, 1, 1), max_value=date(2199, 12, 31))


@pytest.mark.parametrize(
    ("surface", "expected"),
    [
        ("3/4/79", True),
        ("03/04/2079", True),
        ("31/12/2079", True),
        ("2079-04-03", True),
        ("04.03.2079", True),
        ("2/29/2080", True),
        ("35/40/80", False),
        ("13/13/79", False),
        ("2/30/2079", False),
        ("0/4/79", False),
        ("3/4/1879", False),
        ("3/4/2200", False),
        ("3/4/279", False),
        ("2079-14-03", False),
        ("2079-02-30", False),
        ("3/4", False),
    ],
)
def test_numeric_date(surface: str, expected: bool) -> None:
    assert numeric_date(surface) is expected


@pytest.mark.parametrize(
    ("surface", "in_cue", "alone"),
    [
        ("3/14", True, True),
        ("11/2", True, True),
        ("25/12", True, False),  # the twelfth month, or 25 out of 12
        ("3/4", True, False),
        ("5/5", True, False),
        ("3/6", True, False),
        ("8/10", True, False),
        ("3/7", True, False),
        ("1/2", False, False),
        ("24/7", False, False),
        ("120/80", False, False),
        ("13/13", False, False),
        ("2/30", False, False),
        ("70/30", False, False),
        ("3/4/79", False, False),
    ],
)
def test_month_and_day(surface: str, in_cue: bool, alone: bool) -> None:
    assert (month_day(surface), month_day_not_score(surface)) == (in_cue, alone)


@pytest.mark.parametrize(
    ("surface", "expected"),
    [
        ("4/2079", True),
        ("12-98", True),
        ("13/2079", False),
        ("0/79", False),
        ("1/20000", False),
        ("3/4/79", False),
    ],
)
def test_month_and_year(surface: str, expected: bool) -> None:
    assert month_year(surface) is expected


@pytest.mark.parametrize(
    ("surface", "expected"),
    [
        ("20790403", True),
        ("2079040312", True),
        ("207904031215", True),
        ("20790403121530", True),
        ("20791403", False),
        ("20790431", False),
        ("207904032460", False),
        ("2079040312156", False),
        ("18790403", False),
        ("2079-4-3", False),
        ("", False),
    ],
)
def test_hl7_timestamp(surface: str, expected: bool) -> None:
    assert hl7_timestamp(surface) is expected


@given(YEARS)
def test_every_day_is_accepted_in_every_order(day: date) -> None:
    for form in ("{m}/{d}/{y}", "{d:02}.{m:02}.{y}", "{y}-{m:02}-{d:02}", "{m}-{d}-{s:02}"):
        assert numeric_date(form.format(d=day.day, m=day.month, y=day.year, s=day.year % 100))


@given(st.datetimes(min_value=datetime(1880, 1, 1), max_value=datetime(2199, 12, 31)))
def test_every_second_is_an_hl7_timestamp(moment: datetime) -> None:
    digits = moment.strftime("%Y%m%d%H%M%S").rjust(14, "0")
    assert all(hl7_timestamp(digits[:length]) for length in (8, 10, 12, 14))


@pytest.mark.parametrize("name", sorted(CHECKS))
@given(surface=st.text(alphabet="0123456789/-. ", max_size=12))
def test_no_surface_raises(name: str, surface: str) -> None:
    assert CHECKS[name](surface) in {True, False}
