"""What the groups of a matched date form say: year, month, day, how exact, how padded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from deid.operate.date_forms import DAY_WORDS, MONTHS, QUARTERS, SEASON_MONTHS

Unit = Literal["day", "month", "quarter", "season", "year", "decade", "weekday"]
Groups = Mapping[str, str]
_COMPACT = frozenset({"", "-", "/", "."})


def settle_order(found: Groups, day_first: bool) -> dict[str, str]:
    """Tell which of two numbers is the month.

    Args:
        found: Groups of the match; ``a`` and ``b`` are the numbers.
        day_first: Whether the day comes first where both orders are possible.

    Returns:
        The groups to rename.
    """
    if "a" not in found:
        return {}
    first, second = int(found["a"]), int(found["b"])
    if "y2" in found and first > 31:
        return {"a": "y2", "b": "m", "y2": "d"}
    if "y2" not in found and "y4" not in found and len(found["b"]) == 2 and (second == 0 or second > 31):
        return {"a": "m", "b": "y2"}
    if first > 12 or (day_first and second <= 12):
        return {"a": "d", "b": "m"}
    return {"a": "m", "b": "d"}


def year_fits_style(groups: Groups) -> bool:
    """Tell whether two digits can be a year: ``Apr-03-79`` and ``Apr 3, 79``, but not ``Apr 3-79``."""
    if "y2" not in groups or "tick" in groups:
        return True
    if "mon" in groups and "s2" not in groups:
        return int(groups["y2"]) > 31 or groups["y2"] == "00"
    return "s2" not in groups or groups["s2"] == groups["s1"] or groups["s2"] not in _COMPACT


def year_of(groups: Groups) -> tuple[int | None, bool]:
    """Return the year or the first year of the decade, and whether it has two digits only."""
    digits = re.sub(r"\D", "", groups.get("y4") or groups.get("y2") or groups.get("dec") or "")
    return (int(digits), len(digits) == 2) if digits else (None, False)


def month_of(groups: Groups) -> int | None:
    """Return the month, 1 to 12; of a quarter or season its middle one."""
    if "m" in groups:
        return int(groups["m"])
    if "mon" in groups:
        return next(n for n, name in enumerate(MONTHS, 1) if name.startswith(groups["mon"][:3].lower()))
    if "q" in groups:
        return 3 * int(groups["q"]) - 1
    if "qw" in groups:
        return 3 * QUARTERS.index(groups["qw"].lower()) + 2
    return SEASON_MONTHS[groups["season"].lower()] if "season" in groups else None


def day_of(groups: Groups) -> int | None:
    """Return the day of the month as written, or None."""
    if "dw" in groups:
        return DAY_WORDS.index(groups["dw"].lower().replace(" ", "-")) + 1
    return int(groups["d"]) if "d" in groups else None


def unit_of(groups: Groups) -> Unit:
    """Return how exact the date is."""
    if "d" in groups or "dw" in groups:
        return "day"
    if "q" in groups or "qw" in groups:
        return "quarter"
    if "season" in groups:
        return "season"
    if "m" in groups or "mon" in groups:
        return "month"
    if "dec" in groups:
        return "decade"
    return "weekday" if "wd" in groups else "year"


def width(field: str, groups: Groups) -> int:
    """Return the width to which a part is written: see `deid.operate.dates.Part`.

    Two digits without a leading zero tell nothing by themselves: they are padded in numeric and compact forms
    (``12/25/2079``, ``12-APR-2079``) unless a single digit stands beside them (``3/12``), and not in prose.
    """
    value = groups.get(field, "")
    compact = groups.get("s1") in _COMPACT
    if field == "ord":
        return 1 if "q" in groups else 0
    if field == "mon":
        name = value.lower()
        return 3 if name not in MONTHS or (name == "may" and compact) else 0
    if field not in ("m", "d") or len(value) == 1:
        return 0
    if value.startswith("0"):
        return 2
    if "mon" in groups:
        return 2 if compact else 0
    return 0 if any(len(groups.get(other, "00")) == 1 for other in ("m", "d")) else 2
