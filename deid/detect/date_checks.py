"""Checks on matched dates: is this surface a day, a month or a year of the calendar?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FIRST_YEAR, _LAST_YEAR = 1880, 2199
_NUMBERS = re.compile(r"\d+")
# "3/5 strength", "2/6 murmur", "8/10 pain", "20/20"; British notes count "3/7" days and "6/12" months.
_SCALES = frozenset({5, 6, 7, 10, 12, 20})


def _is_day(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]


def _is_year(digits: str) -> bool:
    return len(digits) == 2 or (len(digits) == 4 and _FIRST_YEAR <= int(digits) <= _LAST_YEAR)


def numeric_date(surface: str) -> bool:
    """Accept a day, month and year in digits, in any of the three orders; two- or four-digit years."""
    parts = _NUMBERS.findall(surface)
    if len(parts) != 3:
        return False
    if len(parts[0]) == 4:
        return _is_year(parts[0]) and _is_day(int(parts[1]), int(parts[2]))
    first, second = int(parts[0]), int(parts[1])
    return _is_year(parts[2]) and (_is_day(first, second) or _is_day(second, first))


def month_day(surface: str) -> bool:
    """Accept a month and a day in digits, in either order, except ``1/2`` (of a tablet) and ``24/7``."""
    parts = [int(digits) for digits in _NUMBERS.findall(surface)]
    if len(parts) != 2 or parts in ([1, 2], [24, 7]):
        return False
    first, second = parts
    return _is_day(first, second) or _is_day(second, first)


def month_day_maybe_year(surface: str) -> bool:
    """Accept what `month_day` or `numeric_date` accepts."""
    return month_day(surface) or numeric_date(surface)


def month_day_not_score(surface: str) -> bool:
    """Accept what `month_day` accepts unless it reads as a fraction, a score or a British duration."""
    if not month_day(surface):
        return False
    first, second = (int(digits) for digits in _NUMBERS.findall(surface))
    is_fraction = first < second <= 4
    return not (is_fraction or first == second or second in _SCALES)


def month_year(surface: str) -> bool:
    """Accept a month and a year in digits."""
    parts = _NUMBERS.findall(surface)
    return len(parts) == 2 and 1 <= int(parts[0]) <= 12 and _is_year(parts[1])


def hl7_timestamp(surface: str) -> bool:
    """Accept the digits of an HL7 v2 DTM value, from ``YYYYMMDD`` to ``YYYYMMDDHHMMSS``."""
    if not surface.isdigit() or len(surface) not in {8, 10, 12, 14}:
        return False
    month, day = int(surface[4:6]), int(surface[6:8])
    clock = [int(surface[at : at + 2]) for at in range(8, len(surface), 2)]
    in_range = all(value < limit for value, limit in zip(clock, (24, 60, 60), strict=False))
    return _is_year(surface[:4]) and _is_day(month, day) and in_range


CHECKS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        "numeric_date": numeric_date,
        "month_day": month_day,
        "month_day_maybe_year": month_day_maybe_year,
        "month_day_not_score": month_day_not_score,
        "month_year": month_year,
        "hl7_timestamp": hl7_timestamp,
    }
)
