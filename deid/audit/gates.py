"""Release gates: limits that an evaluation must hold, from a policy or from a command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from deid.audit.measures import MEASURES
from deid.errors import UsageError, unknown_name

# For these more is worse; a gate on them holds below its limit.
LESS_IS_BETTER = frozenset({"over_redaction"})
_GATE = re.compile(r"\s*([A-Za-z_0-9]+(?::[A-Za-z_0-9]+)?)\s*(>=|<=)\s*([0-9.]+)\s*")


@dataclass(frozen=True, slots=True)
class Gate:
    """A limit that an evaluation must hold.

    Args:
        name: A measure, or ``recall:TYPE``.
        limit: The limit.
        value: What was measured.
    """

    name: str
    limit: float
    value: float

    @property
    def holds(self) -> bool:
        """Whether the value is on the right side of the limit; a figure that is not a number is not."""
        return self.value <= self.limit if self.name in LESS_IS_BETTER else self.value >= self.limit


def read_gates(wanted: str) -> dict[str, float]:
    """Read limits such as ``recall>=0.99,over_redaction<=0.004,recall:SSN>=1``.

    Args:
        wanted: Limits with commas.

    Raises:
        UsageError: for a limit that cannot be read, an unknown measure, or a limit on the wrong side.
    """
    limits: dict[str, float] = {}
    for part in filter(str.strip, wanted.split(",")):
        match = _GATE.fullmatch(part)
        if match is None:
            raise UsageError(f"gate {part.strip()!r}: write MEASURE>=NUMBER, such as recall>=0.99")
        name, sign = match[1], match[2]
        try:
            limits |= checked_gates({name: float(match[3])})
        except ValueError as error:
            raise UsageError(f"gate {part.strip()!r}: {error}") from None
        if (sign == "<=") != (name in LESS_IS_BETTER):
            right = "<=" if name in LESS_IS_BETTER else ">="
            raise UsageError(f"gate {part.strip()!r}: a limit on {name} is written with {right}")
    return limits


def checked_gates(limits: Mapping[str, float]) -> dict[str, float]:
    """Return limits by measure as they are, if their names and values can be.

    Args:
        limits: Limits by name: one of `deid.audit.measures.MEASURES`, or ``recall:TYPE``.

    Raises:
        ValueError: for an unknown measure or a limit outside 0..1.
    """
    for name, limit in limits.items():
        measure, colon, _ = name.partition(":")
        if measure not in MEASURES or (colon and measure != "recall"):
            raise ValueError(unknown_name("measure", name, MEASURES))
        if not 0 <= limit <= 1:
            raise ValueError(f"a limit lies in 0..1, not at {limit:g}")
    return dict(limits)
