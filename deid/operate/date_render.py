"""New dates written in the form of the old ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from deid.operate.date_forms import DAY_WORDS, LONG_WEEKDAYS, MONTHS, QUARTERS, WEEKDAYS
from deid.operate.dates import Part, WrittenDate

_DAY_FIELDS = frozenset({"m", "mon", "d", "dw", "ord"})
_SEASONS = ("winter", "spring", "summer", "fall")


def render(dates: Sequence[WrittenDate], days: Sequence[date | None], *, offset: int) -> tuple[str, ...]:
    """Write the dates of an expression with other days, each with the text up to the next.

    Separators, zero padding, case, abbreviations and everything that is not part of a date stay; ordinal
    suffixes are made anew. A bare number that has left the month of the date it leans on gets the month
    written out (``Nov 28-30`` becomes ``Nov 30-Dec 2``).

    Args:
        dates: What `deid.operate.dates.parse` gave.
        days: The new day of each; None for a weekday.
        offset: Days between old and new; moves the names of weekdays.
    """
    pieces: list[str] = []
    for written, day in zip(dates, days, strict=True):
        donor = None if written.donor is None else dates[written.donor]
        donor_day = None if written.donor is None else days[written.donor]
        if donor and day and donor_day and day.month != donor_day.month:
            text = _written_out(written, donor, day, offset)
        else:
            text = _fill(written, day, offset)
        pieces.append(text + written.gap)
    return tuple(pieces)


def _written_out(written: WrittenDate, donor: WrittenDate, day: date, offset: int) -> str:
    start, end = _day_stretch(written)
    pieces = (
        _cut(written, 0, start),
        _cut(donor, *_day_stretch(donor)),
        _cut(written, end, len(written.text)),
    )
    return "".join(_fill(piece, day, offset) for piece in pieces)


def _day_stretch(written: WrittenDate) -> tuple[int, int]:
    parts = [part for part in written.parts if part.field in _DAY_FIELDS]
    return parts[0].start, parts[-1].end


def _cut(written: WrittenDate, start: int, end: int) -> WrittenDate:
    parts = tuple(
        replace(part, start=part.start - start, end=part.end - start)
        for part in written.parts
        if start <= part.start and part.end <= end
    )
    return replace(written, text=written.text[start:end], parts=parts)


def _fill(written: WrittenDate, day: date | None, offset: int) -> str:
    if written.unit == "season" and day and day.month == 12:
        day = date(day.year + 1, 1, 15)
    pieces: list[str] = []
    position = 0
    for part in written.parts:
        old = written.text[part.start : part.end]
        pieces += (written.text[position : part.start], _value(old, part, day, offset))
        position = part.end
    return "".join([*pieces, written.text[position:]])


def _value(old: str, part: Part, day: date | None, offset: int) -> str:
    if part.field in ("wd", "wd2"):
        return _weekday(old, offset)
    if day is None:
        return old
    if part.field in ("m", "d"):
        return f"{day.month if part.field == 'm' else day.day:0{part.width or 1}}"
    if part.field == "y4":
        return f"{day.year:04}"
    if part.field == "y2":
        return f"{day.year % 100:02}"
    return _word(old, part, day)


def _word(old: str, part: Part, day: date) -> str:
    quarter = (day.month - 1) // 3
    if part.field == "q":
        return str(quarter + 1)
    if part.field == "dec":
        decade = f"{day.year // 10 * 10:04}"
        return decade if len(old) == 4 else old[:-2] + decade[2:]
    if part.field == "mon":
        word = MONTHS[day.month - 1][: part.width or None]
    elif part.field == "dw":
        word = DAY_WORDS[day.day - 1].replace("-", " " if " " in old else "-")
    elif part.field == "ord":
        word = suffix(quarter + 1 if part.width == 1 else day.day)
    elif part.field == "qw":
        word = QUARTERS[quarter]
    else:
        season = _SEASONS[day.month % 12 // 3]
        word = "autumn" if season == "fall" and old.lower() == "autumn" else season
    return _like(old, word)


def suffix(number: int) -> str:
    """Return the ordinal suffix of a number: ``st``, ``nd``, ``rd`` or ``th``."""
    if number % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _weekday(old: str, offset: int) -> str:
    name = old.lower()
    index = next(n for n, full in enumerate(WEEKDAYS) if full.startswith(name[:2])) + offset
    if name in WEEKDAYS:
        return _like(old, WEEKDAYS[index % 7])
    return _like(old, LONG_WEEKDAYS[index % 7] if len(old) > 3 else WEEKDAYS[index % 7][: len(old)])


def _like(old: str, new: str) -> str:
    if old.isupper():
        return new.upper()
    return new if old.islower() else new[:1].upper() + new[1:]
