"""Where written dates lie in the calendar, also when they leave the year open."""

from __future__ import annotations

from calendar import isleap
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from deid.operate.dates import WrittenDate
from deid.operate.failure import OperatorFailure

_PLAIN_YEAR = 2001
_LEAP_YEAR = 2000
_PIVOT = 69
_YEARS_AHEAD = 10
_MONTH = timedelta(days=30)


def full_year(year: int, reference: int | None, *, ahead: int = _YEARS_AHEAD) -> int:
    """Return the year that two digits mean.

    Args:
        year: 0 to 99.
        reference: Year of the note: the latest such year up to `ahead` years after it is taken. Without it,
            69 to 99 are of the twentieth century and 00 to 68 of the twenty-first (POSIX ``strptime``).
        ahead: Years that may lie ahead of the reference.
    """
    if reference is None:
        return year + (1900 if year >= _PIVOT else 2000)
    latest = reference + ahead
    return latest - (latest - year) % 100


def place(
    dates: Sequence[WrittenDate], reference: date | None, *, near: date | None = None
) -> tuple[date | None, ...]:
    """Place the dates of one expression in the calendar.

    A month, quarter or season stands for the 15th of its middle month, a year for July 2, a decade for its
    middle, so that the order with full dates stays plausible. A year that is not written is taken from a date
    beside it; else it is the one that brings the date nearest to `reference`; else nearest to `near`; else
    2001 (2000 for February 29), so that partial dates agree with one another.

    Args:
        dates: What `deid.operate.dates.parse` gave.
        reference: Date of the note, where it is known.
        near: Another day of the same notes; it tells nothing of months and centuries.

    Returns:
        One day for each; None for a weekday.

    Raises:
        OperatorFailure: if a day does not exist, or a day without month has no reference.
    """
    year = None if reference is None else reference.year
    placed = [_with_own_year(written, year) for written in dates]
    open_ones = [
        index for index, written in enumerate(dates) if written.unit != "weekday" and not placed[index]
    ]
    for index in reversed(open_ones):
        later = next((day for day in placed[index + 1 :] if day), None)
        placed[index] = _beside(dates[index], later, before=True) if later else None
    for index in open_ones:
        earlier = next((day for day in reversed(placed[:index]) if day), None)
        if not placed[index]:
            written = dates[index]
            placed[index] = (
                _beside(written, earlier, before=False) if earlier else _nearest(written, reference, near)
            )
    return tuple(placed)


def _with_own_year(written: WrittenDate, reference: int | None) -> date | None:
    if written.year is None or written.bare:
        return None
    return _day(written, full_year(written.year, reference) if written.short_year else written.year)


def _beside(written: WrittenDate, neighbor: date, *, before: bool) -> date:
    day = _day(written, neighbor.year)
    if before and day > neighbor:
        return _day(written, neighbor.year - 1)
    if not before and day < neighbor:
        return _day(written, neighbor.year + 1)
    return day


def _day(written: WrittenDate, year: int) -> date:
    try:
        if written.unit == "decade":
            return date(year + 5, 1, 1)
        if written.month is None:
            return date(year, 7, 2)
        return date(year, written.month, written.day or 15)
    except ValueError:
        raise OperatorFailure("there is no such day") from None


def _nearest(written: WrittenDate, reference: date | None, near: date | None) -> date:
    if reference is None and written.month is None:
        raise OperatorFailure("a day without month needs the date of the note")
    reference = reference or near
    if reference is None:
        return _day(written, _LEAP_YEAR if (written.month, written.day) == (2, 29) else _PLAIN_YEAR)
    if written.month is None:
        middle = reference.replace(day=15)
        candidates = [
            (replace(written, month=month.month), month.year)
            for month in (middle - _MONTH, middle, middle + _MONTH)
        ]
    else:
        candidates = [(written, reference.year + step) for step in range(-8, 9)]
    days = [_day(one, year) for one, year in candidates if _has_day(one, year)]
    if not days:
        raise OperatorFailure("there is no such day")
    return min(days, key=lambda day: (abs(day - reference), day))


def _has_day(written: WrittenDate, year: int) -> bool:
    days = (31, 29 if isleap(year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return 1 <= year <= 9999 and (written.day or 1) <= days[(written.month or 1) - 1]
