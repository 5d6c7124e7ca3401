"""What `elements.yaml` says of clinical documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of this format; see the remarks in the file.

    Args:
        types: End of an element's path to type.
        roots: Root of an identifier to type.
        telecom: Scheme of an address to type.
        dates: Elements that hold dates.
        date_kinds: Data types that hold dates.
        number_kinds: Data types that hold numbers.
        bare_codes: Elements whose codes need no code system.
        enumerated: Attributes with values of the schema.
        public: Beginnings of code systems of standards.
        not_public: Code systems among them whose codes identify.
        styles: Styles of narratives.
    """

    types: Mapping[str, str]
    roots: Mapping[str, str]
    telecom: Mapping[str, str]
    dates: frozenset[str]
    date_kinds: frozenset[str]
    number_kinds: frozenset[str]
    bare_codes: frozenset[str]
    enumerated: frozenset[str]
    public: tuple[str, ...]
    not_public: frozenset[str]
    styles: frozenset[str]

    def is_public(self, system: str | None) -> bool:
        """Tell whether a code system is a standard's.

        Args:
            system: Its OID.
        """
        return system is not None and system.startswith(self.public) and system not in self.not_public


@cache
def tables() -> Tables:
    """Read the shipped tables."""
    path = Path(__file__).with_name("elements.yaml")
    given: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    for each in fields(Tables):
        if isinstance(given[each.name], list):
            given[each.name] = (frozenset if str(each.type).startswith("frozenset") else tuple)(
                given[each.name]
            )
    return Tables(**given)


def type_of(path: Sequence[str], given: Mapping[str, str]) -> str | None:
    """Return what an element is, by the longest end of its path that a rule names.

    Args:
        path: Names from the root.
        given: The policy's rules, which overrule the shipped ones.
    """
    ends = [".".join(path[at:]) for at in range(len(path))]
    return next((rules[end] for rules in (given, tables().types) for end in ends if end in rules), None)
