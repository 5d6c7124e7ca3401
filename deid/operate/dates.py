"""Dates as people write them: an expression read into parts that keep their form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache, partial

from deid.operate import date_fields
from deid.operate.date_fields import Unit
from deid.operate.date_forms import BARE, BETWEEN, FORMS
from deid.operate.failure import OperatorFailure

_MAX_LENGTH = 60
_MAX_DATES = 4
_LONGEST_SPAN = 20
_LEAP_YEAR = 2000
_STYLE_GROUPS = frozenset({"sep", "s1", "s2", "tick"})


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a written date that changes with the date.

    Args:
        start: First code point within the written date.
        end: One past the last.
        field: Group name of `deid.operate.date_forms`.
        width: Digits to pad a number to; 3 for the name of a month that is abbreviated.
    """

    start: int
    end: int
    field: str
    width: int = 0


@dataclass(frozen=True, slots=True)
class WrittenDate:
    """One date expression; what it does not say is None.

    Args:
        text: As written.
        unit: How exact it is.
        parts: What changes with the date, in order.
        year: The year, of two digits if `short_year`; a decade by its first year.
        month: 1 to 12; the middle month of a quarter or season.
        day: 1 to 31.
        short_year: Whether the year has two digits.
        gap: The text between this date and the next of the same mention.
        donor: For a bare number (the 4 of ``Nov 2-4``): index of the date that the rest is taken from.
    """

    text: str
    unit: Unit
    parts: tuple[Part, ...]
    year: int | None = None
    month: int | None = None
    day: int | None = None
    short_year: bool = False
    gap: str = ""
    donor: int | None = None

    @property
    def bare(self) -> bool:
        """Whether this is a number that says nothing without the date beside it."""
        return self.unit == "day" and self.month is None

    @property
    def year_text(self) -> str | None:
        """The year as written, a two-digit one with an apostrophe, or None."""
        for part in self.parts:
            written = self.text[part.start : part.end]
            if part.field == "y4":
                return written
            if part.field == "y2":
                return f"'{written}"
            if part.field == "dec":
                return f"{written}s"
        return None


@lru_cache(maxsize=4096)
def parse(text: str, day_first: bool = False) -> tuple[WrittenDate, ...]:
    """Read a date expression: one date, or several joined by a sign or a word (``Nov 2-4, 2079``).

    Args:
        text: The expression.
        day_first: Whether ``03/04/2079`` is the third of April; ``13/04/2079`` is the thirteenth either way.

    Returns:
        The dates in order; a single bare day of the month (``the 3rd``) has no month.

    Raises:
        OperatorFailure: if it is not understood. Holidays are not: their names tell month and day.
    """
    dates = _sequence(text, day_first, _MAX_DATES) if len(text) <= _MAX_LENGTH else None
    if dates is None:
        raise OperatorFailure("the date is not understood")
    return dates if len(dates) == 1 else _with_donors(dates)


def parse_all(texts: Iterable[str], day_first: bool = False) -> Iterator[WrittenDate]:
    """Yield the dates of those expressions that are understood.

    Args:
        texts: The expressions.
        day_first: See `parse`.
    """
    for text in texts:
        try:
            yield from parse(text, day_first)
        except OperatorFailure:
            continue


def _sequence(text: str, day_first: bool, most: int) -> tuple[WrittenDate, ...] | None:
    single = _single(text, day_first)
    bare = _bare(text) if single is None else None
    whole = single or (bare if bare and bare.year else None)
    if whole is not None:
        return (whole,)
    joints = tuple(BETWEEN.finditer(text))[::-1] if most > 1 else ()
    for read_head in (partial(_single, day_first=day_first), _bare):
        for joint in joints:
            head = read_head(text[: joint.start()])
            rest = _sequence(text[joint.end() :], day_first, most - 1) if head else None
            if head and rest:
                return (replace(head, gap=joint[0]), *rest)
    return None if bare is None else (bare,)


def _single(text: str, day_first: bool) -> WrittenDate | None:
    for form in FORMS:
        match = form.fullmatch(text)
        written = _build(match, day_first) if match else None
        if written is not None:
            return written
    return None


def _bare(text: str) -> WrittenDate | None:
    match = BARE.fullmatch(text)
    if match is None:
        return None
    parts = tuple(
        Part(*match.span(name), name) for name, value in match.groupdict().items() if value is not None
    )
    year = int(match["y4"]) if match["y4"] else None
    return WrittenDate(
        text, "day", tuple(sorted(parts, key=lambda part: part.start)), year, None, int(match["d"])
    )


def _build(match: re.Match[str], day_first: bool) -> WrittenDate | None:
    found = {name: value for name, value in match.groupdict().items() if value is not None}
    renamed = date_fields.settle_order(found, day_first)
    groups = {renamed.get(name, name): value for name, value in found.items()}
    if not date_fields.year_fits_style(groups):
        return None
    year, short = date_fields.year_of(groups)
    month, day = date_fields.month_of(groups), date_fields.day_of(groups)
    if not _exists(None if short else year, month, day):
        return None
    parts = tuple(
        Part(*match.span(name), field, date_fields.width(field, groups))
        for name, field in ((name, renamed.get(name, name)) for name in found)
        if field not in _STYLE_GROUPS
    )
    return WrittenDate(
        match[0],
        date_fields.unit_of(groups),
        tuple(sorted(parts, key=lambda part: part.start)),
        year,
        month,
        day,
        short,
    )


def _exists(year: int | None, month: int | None, day: int | None) -> bool:
    try:
        date(_LEAP_YEAR if year is None else year, 1 if month is None else month, 1 if day is None else day)
    except ValueError:
        return False
    return True


def _with_donors(dates: tuple[WrittenDate, ...]) -> tuple[WrittenDate, ...]:
    full = [index for index, written in enumerate(dates) if not written.bare and written.unit != "weekday"]
    if not full and any(written.bare for written in dates):
        raise OperatorFailure("the date is not understood")
    return tuple(
        _borrow(written, index, _donor(index, full), dates) if written.bare else written
        for index, written in enumerate(dates)
    )


def _donor(index: int, full: list[int]) -> int:
    before = [other for other in full if other < index]
    return before[-1] if before else full[0]


def _borrow(written: WrittenDate, index: int, donor: int, dates: tuple[WrittenDate, ...]) -> WrittenDate:
    """Complete a bare number by what the date beside it says: a day of the month or a two-digit year."""
    source, number, part = dates[donor], written.day or 0, written.parts[0]
    if source.unit == "day" and source.month and source.day and 1 <= number <= 31:
        month = source.month
        if donor < index and number < source.day:
            month = month % 12 + 1
        elif donor > index and number > source.day:
            month = (month - 2) % 12 + 1
        return replace(written, month=month, donor=donor)
    if source.unit == "year" and source.year is not None and donor == index - 1 and written.year is None:
        ahead = number - source.year % 100
        if part.end - part.start == 2 and 0 < ahead <= _LONGEST_SPAN:
            parts = (replace(part, field="y2"),)
            year = source.year + ahead
            return replace(
                written, unit="year", year=year, day=None, short_year=source.short_year, parts=parts
            )
    raise OperatorFailure("the date is not understood")
