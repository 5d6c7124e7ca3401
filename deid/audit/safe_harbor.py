"""The eighteen items of HIPAA Safe Harbor: what covers each under a policy, and its measured recall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deid.audit.bounds import exact_interval
from deid.policy import EntityType, OperatorSpec, Policy

# 45 CFR 164.514(b)(2)(i), shortened.
ITEMS: Mapping[str, str] = {
    "A": "Names",
    "B": "Geographic subdivisions smaller than a state; of ZIP codes three digits may stay in populous areas",
    "C": "Elements of dates (except year) about an individual, and ages over 89",
    "D": "Telephone numbers",
    "E": "Fax numbers",
    "F": "E-mail addresses",
    "G": "Social security numbers",
    "H": "Medical record numbers",
    "I": "Health plan beneficiary numbers",
    "J": "Account numbers",
    "K": "Certificate and license numbers",
    "L": "Vehicle identifiers and serial numbers, license plates",
    "M": "Device identifiers and serial numbers",
    "N": "Web addresses (URLs)",
    "O": "Internet (IP) addresses",
    "P": "Biometric identifiers, finger and voice prints",
    "Q": "Full-face photographs and comparable images",
    "R": "Any other unique identifying number, characteristic or code",
}


@dataclass(frozen=True, slots=True)
class Item:
    """An item of the rule.

    Args:
        letter: ``A`` to ``R``.
        words: What the rule names.
        types: The policy's types that cover it.
        detectors: What looks for them.
        operators: What replaces them.
        count: Mentions replaced in the run.
        gone: Types that the figures, or a parent of the policy, count for it and the policy does not have.
        recall: Share of the dataset's mentions found; None where nothing was measured, or types are gone.
        bounds: 95 % interval of the recall, mentions taken as independent; None likewise.
        mentions: Mentions in the dataset.
    """

    letter: str
    words: str
    types: tuple[str, ...]
    detectors: tuple[str, ...]
    operators: tuple[str, ...]
    count: int
    gone: tuple[str, ...]
    recall: float | None
    bounds: tuple[float, float] | None
    mentions: int


def safe_harbor_items(
    policy: Policy,
    counts: Mapping[str, int],
    measured: Mapping[str, Any] | None,
    *,
    known_values: bool = True,
) -> tuple[Item, ...]:
    """Return the eighteen items with what covers them.

    Args:
        policy: The policy in force.
        counts: Mentions in the run, by type.
        measured: An evaluation as JSON (`deid.audit.evaluate`), or None.
        known_values: Whether the run had known values to look for.
    """
    by_item = (measured or {}).get("recall_by_item", {})
    return tuple(
        _item(letter, policy, counts, by_item.get(letter), known_values=known_values) for letter in ITEMS
    )


def _item(
    letter: str,
    policy: Policy,
    counts: Mapping[str, int],
    measured: Mapping[str, Any] | None,
    *,
    known_values: bool,
) -> Item:
    own = [kind for kind in policy.types if letter in (kind.hipaa or "")]
    dropped = [kind.name for kind in policy.dropped if letter in (kind.hipaa or "")]
    lacking = [name for name in (measured or {}).get("types", ()) if name not in policy.type_names]
    gone = tuple(dict.fromkeys((*dropped, *lacking)))
    found, total = (measured["found"], measured["mentions"]) if measured and not gone else (0, 0)
    return Item(
        letter,
        ITEMS[letter],
        tuple(kind.name for kind in own),
        tuple(dict.fromkeys(name for kind in own for name in at_work(kind, known_values=known_values))),
        tuple(dict.fromkeys(operator_words(kind.operator) for kind in own)),
        sum(counts.get(kind.name, 0) for kind in own),
        gone,
        found / total if total else None,
        exact_interval(found, total) if total else None,
        total,
    )


def at_work(kind: EntityType, *, known_values: bool) -> tuple[str, ...]:
    """Return the detectors that looked for a type.

    Args:
        kind: The type.
        known_values: Whether the run had known values to look for.
    """
    return tuple(name for name in kind.detect if name != "known" or known_values)


def operator_words(spec: OperatorSpec) -> str:
    """Return an operator and its parameters in words.

    Args:
        spec: The operator.
    """
    params = ", ".join(f"{key}: {value}" for key, value in sorted(spec.params.items()))
    return f"{spec.name} ({params})" if params else spec.name
