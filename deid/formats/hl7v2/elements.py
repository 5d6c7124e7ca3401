"""Which fields of which segments are what; `elements.yaml` says it, a policy's ``fields`` overrule it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_PATH = re.compile(r"([A-Z][A-Z0-9]{2})-(\d{1,2}(?:\.\d{1,2})?)")


@dataclass(frozen=True, slots=True)
class SegmentKind:
    """What the fields of a segment are.

    Args:
        plain: Numbers of fields that are carried through.
        types: Policy type by field (``7``) or component (``5.1``).
        text: Numbers of fields of free text.
    """

    plain: frozenset[int]
    types: Mapping[str, str]
    text: frozenset[int]


@cache
def _shipped() -> Mapping[str, SegmentKind]:
    entries: dict[str, dict[str, Any]] = yaml.safe_load(
        Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    )
    return {
        name: SegmentKind(
            frozenset(entry.get("plain", ())),
            {str(place): kind for place, kind in entry.get("types", {}).items()},
            frozenset(entry.get("text", ())),
        )
        for name, entry in entries.items()
    }


def segment_kinds(fields: Mapping[str, str]) -> Mapping[str, SegmentKind]:
    """Return the kinds of all segments that have any.

    Args:
        fields: A policy's: ``PID-5.1`` or ``ZPI-3`` to a type; other paths are of other formats.
    """
    kinds = dict(_shipped())
    for path, entity_type in fields.items():
        if found := _PATH.fullmatch(path):
            name, place = found.groups()
            before = kinds.get(name, SegmentKind(frozenset(), {}, frozenset()))
            kinds[name] = SegmentKind(before.plain, {**before.types, place: entity_type}, before.text)
    return kinds
