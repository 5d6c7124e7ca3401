"""What differs between two policies, type by type and key by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deid.authoring.show import policy_as_file
from deid.policy import Policy


@dataclass(frozen=True, slots=True)
class Change:
    """A difference.

    Args:
        key: Key path, such as ``types.DATE.operator``.
        old: The value before, as in a policy file; None if there was none.
        new: The value after; None if there is none.
    """

    key: str
    old: Any
    new: Any


def compare(old: Policy, new: Policy) -> tuple[Change, ...]:
    """Return what differs between two resolved policies.

    Args:
        old: Before.
        new: After.
    """
    before, after = policy_as_file(old), policy_as_file(new)
    types_before, types_after = before.pop("types"), after.pop("types")
    changes = _changes("", before, after)
    for name in dict.fromkeys((*types_before, *types_after)):
        path = f"types.{name}"
        if name not in types_before or name not in types_after:
            changes.append(Change(path, types_before.get(name), types_after.get(name)))
        else:
            changes += _changes(f"{path}.", types_before[name], types_after[name])
    return tuple(changes)


def _changes(prefix: str, before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    return [
        Change(f"{prefix}{key}", before.get(key), after.get(key))
        for key in dict.fromkeys((*before, *after))
        if before.get(key) != after.get(key)
    ]
