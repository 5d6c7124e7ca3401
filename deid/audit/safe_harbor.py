"""The eighteen items of HIPAA Safe Harbor: what covers each under a policy, and its measured recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deid.audit.bounds import exact_interval

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
        recall: Share of the dataset's mentions found; None where nothing was measured.
        bounds: 95 % interval of the recall, mentions taken as independent; None likewise.
        mentions: Mentions in the dataset.
    """

    letter: str
    words: str
    types: tuple[str, ...]
    detectors: tuple[str, ...]
    operators: tuple[str, ...]
    count: int
    recall: float | None
    bounds: tuple[float, float] | None
    mentions: int


def safe_harbor_items(
    types: Sequence[Mapping[str, Any]], counts: Mapping[str, int], measured: Mapping[str, Any] | None
) -> tuple[Item, ...]:
    """Return the eighteen items with what covers them.

    Args:
        types: The types of the resolved policy, as a manifest has them.
        counts: Mentions in the run, by type.
        measured: An evaluation as JSON (`deid.audit.evaluate`), or None.
    """
    by_item = (measured or {}).get("recall_by_item", {})
    return tuple(_item(letter, types, counts, by_item.get(letter)) for letter in ITEMS)


def _item(
    letter: str,
    types: Sequence[Mapping[str, Any]],
    counts: Mapping[str, int],
    measured: Mapping[str, int] | None,
) -> Item:
    own = [kind for kind in types if letter in (kind["hipaa"] or "")]
    found, total = (measured["found"], measured["mentions"]) if measured else (0, 0)
    return Item(
        letter,
        ITEMS[letter],
        tuple(kind["name"] for kind in own),
        tuple(dict.fromkeys(name for kind in own for name in kind["detect"])),
        tuple(dict.fromkeys(operator_words(kind["operator"]) for kind in own)),
        sum(counts.get(kind["name"], 0) for kind in own),
        found / total if total else None,
        exact_interval(found, total) if total else None,
        total,
    )


def operator_words(spec: Mapping[str, Any]) -> str:
    """Return an operator and its parameters in words.

    Args:
        spec: ``name`` and ``params``, as in a manifest.
    """
    params = ", ".join(f"{key}: {value}" for key, value in sorted(spec["params"].items()))
    return f"{spec['name']} ({params})" if params else str(spec["name"])
