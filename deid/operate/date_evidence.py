"""What the dates of a subject tell of one another: the order of day and month, and the year left open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from deid.operate.dates import WrittenDate, parse_all

_MONTHS = 12


def tells_day_first(texts: Iterable[str]) -> bool:
    """Tell whether the numeric dates that can be read in one way only all put the day before the month.

    ``13/02/2079`` can be read in one way, ``02/03/2079`` in two. Where there is none, or they disagree, the
    month comes first.

    Args:
        texts: Date expressions of one subject; what is not understood tells nothing.
    """
    orders = {order for written in parse_all(texts) if (order := _order(written))}
    return orders == {"day first"}


def latest_day(texts: Sequence[str], day_first: bool) -> date | None:
    """Return the latest of the days that are written with a year of four digits, or None.

    Args:
        texts: Date expressions of one subject.
        day_first: See `deid.operate.dates.parse`.
    """
    days = (_day(written) for written in parse_all(texts, day_first))
    return max((day for day in days if day), default=None)


def _day(written: WrittenDate) -> date | None:
    if written.short_year or not (written.year and written.month and written.day):
        return None
    try:
        return date(written.year, written.month, written.day)
    except ValueError:  # the end of a range took its month from the beginning: Nov 2 through 31, 2079
        return None


def _order(written: WrittenDate) -> str | None:
    fields = [part.field for part in written.parts if part.field in ("y2", "y4", "m", "d")]
    if fields[:2] == ["d", "m"]:
        return "day first"
    if fields[:2] == ["m", "d"] and (written.day or 0) > _MONTHS:
        return "month first"
    return None
