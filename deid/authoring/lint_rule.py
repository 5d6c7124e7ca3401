"""What a check is, and what several checks ask of a type."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from deid.policy import EntityType
from deid.policy_operators import tag_of, value_of

Severity = Literal["error", "warning"]
Hits = Iterator[tuple[tuple[str | int, ...], str]]
SAFE_HARBOR, LIMITED, EXPERT = "hhs-safe-harbor", "limited-data-set", "hhs-expert-determination"
GUIDE = "docs/policy-guide.md"


Checked = TypeVar("Checked")


@dataclass(frozen=True, slots=True)
class Rule(Generic[Checked]):
    """A check of a policy, or of what was measured on one.

    Args:
        code: ``DP001`` and so on.
        severity: Of all its findings.
        source: The paragraph or document behind it.
        fix: How to mend what it finds.
        check: Yields key paths and what is wrong there.
    """

    code: str
    severity: Severity
    source: str
    fix: str
    check: Callable[[Checked], Hits]


def tag(entity_type: EntityType) -> str | None:
    """Return a type's i2b2 tag; a type of the shipped policies has it by its name."""
    return tag_of(entity_type.name, entity_type.i2b2)


def value(entity_type: EntityType) -> str | None:
    """Return what the values of a type are, such as ``date``; None if nobody knows."""
    return value_of(entity_type.name, entity_type.i2b2)


def letters(entity_type: EntityType) -> frozenset[str]:
    """Return the letters of the items of 45 CFR 164.514(b)(2)(i) that a type belongs to."""
    return frozenset(entity_type.hipaa or "")


def leaves_part(entity_type: EntityType, kept: Collection[str], targets: Collection[str]) -> bool:
    """Tell whether an operator leaves the mention or a part of it.

    Args:
        entity_type: The type.
        kept: Operators that leave too much.
        targets: What ``generalize`` may go to; empty if it does not matter.
    """
    operator = entity_type.operator
    if operator.name == "mask":
        return bool(operator.params.get("keep_last"))
    if operator.name == "generalize" and targets:
        return operator.params.get("to") not in targets
    return operator.name in kept
