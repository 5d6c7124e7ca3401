"""Offsets in UTF-16 code units, as JavaScript counts them, and offsets in code points, as Python does."""

from __future__ import annotations

from bisect import bisect_left

from deid.errors import UsageError


class Utf16Offsets:
    """Converts offsets within one text.

    Args:
        text: The text.
    """

    def __init__(self, text: str) -> None:
        self._length = len(text)
        # Code points beyond the basic plane take two units; the n-th of them moves all later offsets by n.
        astral = [index for index, sign in enumerate(text) if ord(sign) > 0xFFFF]
        self._points = astral
        self._units = [index + moved for moved, index in enumerate(astral)]

    def to_points(self, units: int, *, place: str) -> int:
        """Return the offset in code points.

        Args:
            units: Offset in UTF-16 code units.
            place: Where it stands, for the error.

        Raises:
            UsageError: if the offset lies within a surrogate pair.
        """
        before = bisect_left(self._units, units)
        if before and self._units[before - 1] + 1 == units:
            raise UsageError(f"{place}: the offset {units} cuts a character in two")
        return units - before

    def to_units(self, points: int) -> int:
        """Return the offset in UTF-16 code units.

        Args:
            points: Offset in code points.
        """
        return points + bisect_left(self._points, points)
