"""Date shift: all dates of a subject move by the same number of days and keep their form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar

from deid.keys import Keys
from deid.operate.date_calendar import place
from deid.operate.date_evidence import latest_day, tells_day_first
from deid.operate.date_render import render
from deid.operate.dates import WrittenDate, parse
from deid.operate.failure import OperatorFailure
from deid.operate.operator import Params, PolicyOperator, keys_of, subject_of
from deid.operate.subject import Mentions

_WEEK = 7
_CONTEXT = 30
_START = re.compile(r"(?<!\w)\w")


@dataclass(frozen=True, slots=True)
class _Reading:
    """How the dates of a subject are to be read.

    Args:
        day_first: Whether ``03/04/2079`` is the third of April.
        near: The day near which dates without a year lie where the note has no date.
    """

    day_first: bool
    near: date | None


class ShiftDate(PolicyOperator):
    """Move a date by the subject's offset, in the form it was written.

    Intervals between full dates of one subject stay exact. Partial dates (``3/4``, ``April 2079``, ``2079``)
    are placed in the calendar first, see `deid.operate.date_calendar.place`; a coarse one (a year, a decade)
    may come out as it was. What is not understood, holidays included, is redacted.

    Parameters:
        max_days: The offset lies within this many days either way and is never zero.
        weekday: Move by whole weeks, so that weekdays stay true; names of weekdays alone then stay.
        day_first: Whether ``03/04/2079`` is the third of April. Where a policy does not say, it is if the
            subject's numeric dates that can be read in one way only (``13/04/2079``) all put the day first.

    The same notes of a subject always give the same result, in whatever order they come.
    """

    name: ClassVar[str] = "shift_date"

    def __init__(self) -> None:
        self._last: tuple[Mentions, str, bool | None, _Reading] | None = None

    def replace(self, text: str, params: Params) -> str:
        """Return the moved date.

        Args:
            text: The mention as written.
            params: See the class.

        Raises:
            OperatorFailure: if the date is not understood.
            KeyMaterialError: if there is no key.
        """
        subject = subject_of(params)
        offset = offset_days(
            keys_of(params),
            subject.key_name,
            max_days=self.value(params, "max_days"),
            weekday=self.value(params, "weekday"),
        )
        reading = self._reading(subject.mentions, params)
        dates = parse(text, reading.day_first)
        if len(dates) == 1 and dates[0].bare:
            started = _started_before(text, params.get("context", ""), reading.day_first)
            if started is not None:
                return shift(started, offset, subject.note_date, near=reading.near)[-1]
            if not any(part.field == "ord" for part in dates[0].parts):
                raise OperatorFailure("the date is not understood")
        return "".join(shift(dates, offset, subject.note_date, near=reading.near))

    def _reading(self, mentions: Mentions, params: Params) -> _Reading:
        entity_type, given = params.get("entity_type", ""), self.value(params, "day_first")
        last = self._last
        if last is None or last[0] is not mentions or last[1:3] != (entity_type, given):
            texts = [surface for kind, surface in mentions if kind == entity_type]
            day_first = tells_day_first(texts) if given is None else given
            last = (mentions, entity_type, given, _Reading(day_first, latest_day(texts, day_first)))
            self._last = last
        return last[3]


def offset_days(keys: Keys, key_name: str, *, max_days: int = 365, weekday: bool = True) -> int:
    """Return the subject's offset in days: within `max_days` either way, never zero.

    Args:
        keys: The secret.
        key_name: The subject's key name.
        max_days: Largest offset; a policy that gives it differently for two types moves them differently.
        weekday: Whether the offset is a whole number of weeks.
    """
    step = _WEEK if weekday else 1
    choices = max_days // step
    number = keys.number("date-shift", key_name, below=2 * choices)
    return (number % choices + 1) * step * (1 if number < choices else -1)


def shift(
    dates: tuple[WrittenDate, ...], offset: int, note_date: date | None = None, *, near: date | None = None
) -> tuple[str, ...]:
    """Return the moved dates of an expression as written, each with the text up to the next.

    Args:
        dates: What `deid.operate.dates.parse` gave.
        offset: Days to move by.
        note_date: Date of the note, which tells the year where it is not written.
        near: See `deid.operate.date_calendar.place`.

    Raises:
        OperatorFailure: if a day does not exist or leaves the calendar.
    """
    try:
        days = tuple(day and day + timedelta(days=offset) for day in place(dates, note_date, near=near))
    except OverflowError:
        raise OperatorFailure("the date leaves the calendar") from None
    return render(dates, days, offset=offset)


def _started_before(text: str, context: str, day_first: bool) -> tuple[WrittenDate, ...] | None:
    """Read a number as the end of a range that begins in the text before it: the 4 of ``Nov 2-4``."""
    near = context[-_CONTEXT:]
    for start in _START.finditer(near):
        try:
            dates = parse(near[start.start() :] + text, day_first)
        except OperatorFailure:
            continue
        if len(dates) > 1 and dates[-1].donor is not None and dates[-1].text == text:
            return dates
    return None
