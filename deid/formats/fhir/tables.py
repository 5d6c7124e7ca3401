"""The tables of this format: which elements there are, and which of them identify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Tables:
    """What `elements.yaml` and `defaults.yaml` say; see the remarks there.

    Args:
        kinds: Element to the kind of value that it holds as a string, such as ``text`` or ``date``.
        numbers: Elements that hold numbers or booleans.
        known: All elements.
        resources: All types of resources.
        names: Path to the type of the names there.
        titles: Titles, degrees and generations, in small letters without points.
        address: Element of an address to type.
        telecom: System of a contact point to type.
        identifier_types: Code of an identifier's type to type.
        identifier_systems: System of an identifier to type.
        references: Type of resource to the type of what a display names.
        referring: Element to the same, where a reference does not say the type of resource.
        elements: Path or element to type.
        extensions: Address of an extension to type.
        ages: Elements that are ages, or ranges of them.
        age_codes: Codes of what is observed that are ages.
        instants: Paths or elements whose dates need a time of day.
        persons: Types of resources that are persons.
        dropped: Paths, elements or addresses of extensions that are left out.
        public: Beginnings of addresses of standards.
        dates: Paths within a resource that say when it was written, best first.
    """

    kinds: Mapping[str, str]
    numbers: frozenset[str]
    known: frozenset[str]
    resources: frozenset[str]
    names: Mapping[str, str]
    titles: frozenset[str]
    address: Mapping[str, str]
    telecom: Mapping[str, str]
    identifier_types: Mapping[str, str]
    identifier_systems: Mapping[str, str]
    references: Mapping[str, str]
    referring: Mapping[str, str]
    elements: Mapping[str, str]
    extensions: Mapping[str, str]
    ages: frozenset[str]
    age_codes: frozenset[str]
    instants: frozenset[str]
    persons: frozenset[str]
    dropped: frozenset[str]
    public: tuple[str, ...]
    dates: tuple[str, ...]

    def is_public(self, address: object) -> bool:
        """Tell whether an address names a standard, so that what it marks is nobody's own.

        Args:
            address: Of a code system, an extension, a profile.
        """
        return isinstance(address, str) and address.startswith(self.public)

    def rule(self, table: str, path: str, name: str) -> str | None:
        """Return what a table says of an element: by its path, else by its name.

        Args:
            table: ``names`` or ``elements``.
            path: Without indices.
            name: The element's own.
        """
        rules: Mapping[str, str] = getattr(self, table)
        return rules.get(path) or rules.get(name)


@cache
def tables() -> Tables:
    """Read the shipped tables."""
    elements, given = _read("elements.yaml"), _read("defaults.yaml")
    resources, numbers = frozenset(elements.pop("resource")), frozenset(elements["number"])
    known = frozenset(name for names in elements.values() for name in names)
    kinds = {
        name: kind for kind, names in elements.items() if kind not in ("number", "object") for name in names
    }
    identifiers = given.pop("identifiers")
    given |= {f"identifier_{name}": rules for name, rules in identifiers.items()}
    given |= {"kinds": kinds, "numbers": numbers, "known": known, "resources": resources}
    return Tables(**{each.name: _frozen(given[each.name], each.type) for each in fields(Tables)})


def _frozen(value: Any, annotation: object) -> Any:
    if str(annotation).startswith("frozenset"):
        return frozenset(value)
    return tuple(value) if isinstance(value, list) else value


def _read(name: str) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(Path(__file__).with_name(name).read_text(encoding="utf-8"))
    return data
