from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.errors import KeyMaterialError, PolicyError
from deid.keys import Keys
from deid.operate.date_calendar import place
from deid.operate.dates import parse
from deid.operate.failure import OperatorFailure
from deid.operate.shift_date import ShiftDate, offset_days, shift
from deid.operate.subject import Subject

KEYS = Keys.from_bytes(b"k" * 32)
MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905
DAYS = st.dates(date(1850, 1, 1), date(2250, 12, 31))
OFFSETS = st.integers(-365, 365).filter(bool)


def moved(text: str, offset: int, note_date: date | None = None, *, day_first: bool = False) -> str:
    return "".join(shift(parse(text, day_first), offset, note_date))


def day_of(text: str, *, day_first: bool = False) -> date:
    (day,) = place(parse(text, day_first), None)
    assert day is not None
    return day


def suffix(number: int) -> str:
    return "th" if number in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


FORMATS = {
    "03/04/2079": lambda d: f"{d:%m/%d/%Y}",
    "3/4/2079": lambda d: f"{d.month}/{d.day}/{d.year}",
    "3-4-2079": lambda d: f"{d.month}-{d.day}-{d.year}",
    "03.04.2079": lambda d: f"{d:%m.%d.%Y}",
    "2079-03-04": lambda d: f"{d:%Y-%m-%d}",
    "2079/3/4": lambda d: f"{d.year}/{d.month}/{d.day}",
    "20790304": lambda d: f"{d:%Y%m%d}",
    "20790304121530": lambda d: f"{d:%Y%m%d}121530",
    "2079-03-04T12:15:30Z": lambda d: f"{d:%Y-%m-%d}T12:15:30Z",
    "03/04/2079 12:15": lambda d: f"{d:%m/%d/%Y} 12:15",
    "04-MAR-2079": lambda d: f"{d.day:02}-{MONTHS[d.month - 1][:3].upper()}-{d.year}",
    "04MAR2079": lambda d: f"{d.day:02}{MONTHS[d.month - 1][:3].upper()}{d.year}",
    "March 4, 2079": lambda d: f"{MONTHS[d.month - 1]} {d.day}, {d.year}",
    "MARCH 4 2079": lambda d: f"{MONTHS[d.month - 1].upper()} {d.day} {d.year}",
    "march 4th, 2079": lambda d: f"{MONTHS[d.month - 1].lower()} {d.day}{suffix(d.day)}, {d.year}",
    "4th of March, 2079": lambda d: f"{d.day}{suffix(d.day)} of {MONTHS[d.month - 1]}, {d.year}",
    "4 March 2079": lambda d: f"{d.day} {MONTHS[d.month - 1]} {d.year}",
    "Saturday, March 4, 2079": lambda d: f"{d:%A}, {MONTHS[d.month - 1]} {d.day}, {d.year}",
}


@pytest.mark.parametrize("name", FORMATS)
@given(first=DAYS, second=DAYS, offset=OFFSETS)
def test_full_dates_keep_form_and_intervals(name: str, first: date, second: date, offset: int) -> None:
    write = FORMATS[name]
    new_first, new_second = (moved(write(day), offset) for day in (first, second))
    assert day_of(new_first) == first + timedelta(days=offset)
    assert day_of(new_first) - day_of(new_second) == first - second
    if not name.startswith(("3", "0", "2079/3")):
        assert new_first == write(first + timedelta(days=offset))


@given(day=st.dates(date(1970, 6, 1), date(2067, 12, 31)), offset=st.integers(-150, 150).filter(bool))
def test_years_of_two_digits(day: date, offset: int) -> None:
    assert day_of(moved(f"{day:%m/%d/%y}", offset)) == day + timedelta(days=offset)


@given(day=DAYS, offset=OFFSETS)
def test_day_first(day: date, offset: int) -> None:
    new = moved(f"{day:%d.%m.%Y}", offset, day_first=True)
    assert new == f"{day + timedelta(days=offset):%d.%m.}{(day + timedelta(days=offset)).year}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # numeric: separators, padding and partiality
        ("03/04/2079", "05/06/2079"),
        ("3/4/79", "5/6/79"),
        ("3/4", "5/6"),
        ("03/04", "05/06"),
        ("12/25/2079", "02/26/2080"),
        ("12/9/2079", "2/10/2080"),
        ("15.03.2079", "17.05.2079"),
        ("2079-12-30", "2080-03-02"),
        ("3 / 4 / 79", "5 / 6 / 79"),
        ("03/04/\n2079", "05/06/\n2079"),
        ("3\\4\\79", "5\\6\\79"),
        ("79-03-04", "79-05-06"),
        ("3/4/'79", "5/6/'79"),
        ("2/29/2080", "5/2/2080"),
        # names of months: case, abbreviation, ordinals
        ("03-APR-2079", "05-JUN-2079"),
        ("12-APR-79", "14-JUN-79"),
        ("30-Mar-2079", "01-Jun-2079"),
        ("Apr 3rd", "Jun 5th"),
        ("APR 3RD", "JUN 5TH"),
        ("APRIL 3", "JUNE 5"),
        ("May 3", "July 5"),
        ("03-MAY-2079", "05-JUL-2079"),
        ("Mar. 1, 2079", "May. 3, 2079"),
        ("Sept. 5", "Nov. 7"),
        ("March 30", "June 1"),
        ("3rd of April, 2079", "5th of June, 2079"),
        ("the twenty-first of May 2079", "the twenty-third of July 2079"),
        ("twenty first of May", "twenty third of July"),
        ("April third", "June fifth"),
        ("Jan 5th, '79", "Mar 9th, '79"),
        ("2079 Apr 3", "2079 Jun 5"),
        # less than a day
        ("April 2079", "June 2079"),
        ("Apr-79", "Jun-79"),
        ("Apr '79", "Jun '79"),
        ("4/2079", "6/2079"),
        ("04/2079", "06/2079"),
        ("2079-04", "2079-06"),
        ("4/79", "6/79"),
        ("in March", "in May"),
        ("mid-March", "mid-May"),
        ("2079", "2079"),
        ("'98", "'98"),
        ("1990s", "1990s"),
        ("Q2 2080", "Q3 2080"),
        ("Q4 '79", "Q1 '80"),
        ("2nd quarter of 2080", "3rd quarter of 2080"),
        ("Third Quarter 2080", "Fourth Quarter 2080"),
        ("spring of 2080", "summer of 2080"),
        ("FALL 2079", "WINTER 2080"),
        # several dates
        ("Nov 2-4", "Jan 4-6"),
        ("Nov 2-4, 2079", "Jan 4-6, 2080"),
        ("Nov 28-30", "Jan 30-Feb 1"),
        ("28-30 Nov", "30 Jan-1 Feb"),
        ("Nov 28th - 3rd", "Jan 30th - Feb 4th"),
        ("Dec 30-Jan 2, 2080", "Mar 2-Mar 5, 2080"),
        ("Dec 30, 2079 - Jan 2", "Mar 2, 2080 - Mar 5"),
        ("3/4-3/9", "5/6-5/11"),
        ("3/4-9", "5/6-11"),
        ("3/4, 3/5 and 3/9", "5/6, 5/7 and 5/11"),
        ("March-April 2079", "May-June 2079"),
        ("2078-79", "2078-79"),
        # weekdays and clock times
        ("Tuesday", "Tuesday"),
        ("Tuesdays", "Tuesdays"),
        ("Tues 3/4", "Tues 5/6"),
        ("3/4 (Tues)", "5/6 (Tues)"),
        ("Tuesday and Thursday", "Tuesday and Thursday"),
        ("Tuesday, March 3, 2079", "Tuesday, May 5, 2079"),
        ("3/4/79 at 12:15 PM", "5/6/79 at 12:15 PM"),
        ("12:15 3/4/79", "12:15 5/6/79"),
        ("3/4/2079 0830h", "5/6/2079 0830h"),
        ("20790403121530", "20790605121530"),
        ("20790403121530.25-0500", "20790605121530.25-0500"),
        ("2079-04-03T12:15:30+01:00", "2079-06-05T12:15:30+01:00"),
    ],
)
def test_nine_weeks_later(text: str, expected: str) -> None:
    assert moved(text, 63, None) == expected


@pytest.mark.parametrize(
    ("text", "offset", "expected"),
    [
        ("2079", 300, "2080"),
        ("'98", -300, "'97"),
        ("'99", 300, "'00"),
        ("2079-2080", 300, "2080-2081"),
        ("2078-79", 300, "2079-80"),
        ("1990s", 3600, "2000s"),
        ("'90s", 3600, "'00s"),
        ("winter 2080", -63, "fall 2079"),
        ("autumn 2079", 365, "autumn 2080"),
        ("Q1 2080", -63, "Q4 2079"),
        ("Tuesday", 1, "Wednesday"),
        ("TUES", 2, "THURS"),
        ("Sun", 1, "Mon"),
        ("wed", -1, "tue"),
        ("Th", 1, "Fr"),
        ("Mon, 3/4", 5, "Sat, 3/9"),
        ("2/28", 1, "3/1"),
        ("2/29", 1, "3/1"),
        ("February 29, 2080", 366, "March 1, 2081"),
    ],
)
def test_other_offsets(text: str, offset: int, expected: str) -> None:
    assert moved(text, offset) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Christmas", "Thanksgiving 2079", "Easter", "today", "2/30/2079", "13/13/2079", "2/29/2079", "2 to 4",
        "040379", "20791340", "Smith", "Apr 3-79", "3/4-79", "32/5", "year of the flood", "3/4/2079 Smith",
        "²/4", "", " ",
        "Nov 2 by Ada Brook", "2079-15", "9" * 200,
    ],
)  # fmt: skip
def test_not_understood(text: str) -> None:
    with pytest.raises(OperatorFailure) as error:
        moved(text, 63, date(2079, 5, 1))
    assert not text.strip() or text not in str(error.value)


@given(st.text(alphabet="0123456789/-., '’JanMaytueQofsrd", max_size=20), OFFSETS)
def test_nothing_but_dates_or_failure(text: str, offset: int) -> None:
    try:
        dates = parse(text)
        new = shift(dates, offset, date(2079, 5, 1))
    except OperatorFailure:
        return
    assert "".join(written.text + written.gap for written in dates) == text
    assert len(new) == len(dates)


@pytest.mark.parametrize(
    ("text", "note_date", "expected"),
    [
        ("2/25", date(2080, 3, 10), "3/3"),
        ("2/25", date(2079, 3, 10), "3/4"),
        ("12/30", date(2080, 1, 5), "01/06"),
        ("2/29", date(2079, 3, 10), "3/7"),
        ("the 28th", date(2079, 3, 5), "the 7th"),
        ("the 3rd", date(2079, 3, 5), "the 10th"),
    ],
)
def test_note_date_tells_the_year_left_open(text: str, note_date: date, expected: str) -> None:
    assert moved(text, 7, note_date) == expected


A_WEEK_LATER = next(f"p{n}" for n in range(1000) if offset_days(KEYS, f"p{n}") == 7)


def params(**more: object) -> dict[str, object]:
    return {"entity_type": "DATE", "keys": KEYS, "subject": Subject("p1"), **more}


@pytest.mark.parametrize("max_days", [1, 6, 7, 13, 30, 365])
@pytest.mark.parametrize("weekday", [True, False])
def test_offset_is_bounded_and_never_zero(max_days: int, weekday: bool) -> None:
    if weekday and max_days < 7:
        return
    offsets = {offset_days(KEYS, f"p{n}", max_days=max_days, weekday=weekday) for n in range(200)}
    assert 0 not in offsets
    assert max(map(abs, offsets)) <= max_days
    assert min(offsets) < 0 < max(offsets)
    assert not weekday or all(offset % 7 == 0 for offset in offsets)


def test_subject_and_key_decide_the_offset() -> None:
    operator = ShiftDate()
    dates = {operator.replace("03/04/2079", params(subject=Subject(f"p{n}"))) for n in range(20)}
    assert len(dates) > 10
    assert operator.replace("03/04/2079", params()) == operator.replace("03/04/2079", params())
    other = params(keys=Keys.from_bytes(b"m" * 32))
    assert operator.replace("03/04/2079", other) != operator.replace("03/04/2079", params())


@pytest.mark.parametrize(
    ("text", "context", "expected"),
    [
        ("4", "seen Nov 2-", "11"),
        ("4", "seen on 11/2 - ", "11"),
        ("5", "on Nov 2, 3 and ", "12"),
        ("4, 2079", "Nov 2 through ", "11, 2079"),
    ],
)
def test_end_of_a_range_that_was_marked_apart(text: str, context: str, expected: str) -> None:
    assert ShiftDate().replace(text, params(subject=Subject(A_WEEK_LATER), context=context)) == expected


@pytest.mark.parametrize("context", ["", "bed ", "seen Nov 2 at "])
def test_a_number_alone_is_no_date(context: str) -> None:
    note_dated = Subject("p1", note_date=date(2079, 5, 1))
    with pytest.raises(OperatorFailure):
        ShiftDate().replace("4", params(context=context, subject=note_dated))
    assert ShiftDate().operate("4", params(context=context)) == "[DATE]"


def of_notes(*dates: str, note_date: date | None = None) -> Subject:
    mentions = (*(("DATE", text) for text in dates), ("OTHER_ID", "13/02/2079"), ("OTHER_ID", "02/25/2079"))
    return Subject(A_WEEK_LATER, tuple(sorted(mentions)), note_date=note_date)


@pytest.mark.parametrize(
    ("dates", "more", "expected"),
    [
        (("13/02/2079", "16.03.2079"), {}, "09/03/2079"),
        (("28/2",), {}, "09/03/2079"),
        (("seen 1", "13-02-79", "12/12/2079", "2079-02-25", "Feb 25", "25 Feb"), {}, "09/03/2079"),
        (("13/02/2079",), {"day_first": False}, "02/10/2079"),
        ((), {"day_first": True}, "09/03/2079"),
        (("02/25/2079",), {"day_first": True}, "09/03/2079"),
        (("13/02/2079", "02/25/2079"), {}, "02/10/2079"),
        (("13/02/2079", "02252079"), {}, "02/10/2079"),
        (("2079-02-25", "79-02-25", "12/12/2079", "25 Feb", "25/2079"), {}, "02/10/2079"),
        ((), {}, "02/10/2079"),
    ],
)
def test_the_order_that_other_dates_tell(
    dates: tuple[str, ...], more: dict[str, object], expected: str
) -> None:
    subject = of_notes("02/03/2079", *dates)
    assert ShiftDate().replace("02/03/2079", params(subject=subject, **more)) == expected


def test_the_end_of_a_range_is_read_in_the_order_of_the_other_dates() -> None:
    given = params(subject=of_notes("13/02/2079", "5"), context="from 2/3 and ")
    assert ShiftDate().replace("5", given) == "12"


def test_one_operator_for_several_subjects_and_orders() -> None:
    operator = ShiftDate()
    subjects = (of_notes("13/02/2079"), of_notes("02/25/2079"), of_notes("13/02/2079"))
    moved_dates = [operator.replace("02/03/2079", params(subject=subject)) for subject in subjects]
    assert moved_dates == ["09/03/2079", "02/10/2079", "09/03/2079"]
    given = params(subject=subjects[2], day_first=False)
    assert operator.replace("02/03/2079", given) == "02/10/2079"


@pytest.mark.parametrize(
    ("text", "dates", "note_date", "expected"),
    [
        ("2/25", ("1/4/2080",), None, "3/3"),
        ("2/25", ("1/4/2079",), None, "3/4"),
        ("2/25", ("6/30/1950", "1/4/2080"), None, "3/3"),
        ("2/25", ("1/4/2080",), date(2079, 3, 1), "3/4"),
        ("2/25", ("2080", "March 2080", "1/4/80"), None, "3/4"),
        ("2/25", ("Nov 2 through 31, 2079", "1/4/2076"), None, "3/3"),
        ("2/29", ("1/4/2079",), None, "3/7"),
        ("12/30/79-1/2", ("1/4/2080",), None, "01/06/80-1/9"),
        ("2/25/00", ("6/30/1950",), None, "3/3/00"),
    ],
)
def test_the_latest_day_tells_the_year_left_open(
    text: str, dates: tuple[str, ...], note_date: date | None, expected: str
) -> None:
    given = params(subject=of_notes(text, *dates, note_date=note_date))
    assert ShiftDate().replace(text, given) == expected


def test_the_latest_day_does_not_tell_the_month() -> None:
    assert ShiftDate().operate("the 3rd", params(subject=of_notes("1/4/2080"))) == "[DATE]"


def test_key_is_needed() -> None:
    with pytest.raises(KeyMaterialError):
        ShiftDate().operate("03/04/2079", {"entity_type": "DATE"})


@pytest.mark.parametrize(
    ("given_params", "message"),
    [
        ({"max_days": 6}, r"shift_date\.max_days: must be 7 or more"),
        ({"max_days": 0, "weekday": False}, r"shift_date\.max_days: must lie in 1 to 3650"),
        ({"weekday": "yes"}, r"shift_date\.weekday: must be of type bool"),
        ({"maxdays": 30}, r"shift_date\.maxdays: .*did you mean 'max_days'"),
    ],
)
def test_wrong_parameters(given_params: dict[str, object], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        ShiftDate().validate(given_params)
