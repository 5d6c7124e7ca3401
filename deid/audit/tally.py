"""What came of the notes of a run, counted: for its manifest, and again from its log when that is checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OTHER_KIND = "other"
_MOST_KINDS = 200


@dataclass(slots=True)
class Tally:
    """Counts what came of the notes, as they go by."""

    notes: int = 0
    deidentified: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    detectors: Counter[str] = field(default_factory=Counter)
    operators: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)

    def add(self, line: Mapping[str, Any]) -> None:
        """Count a note.

        Args:
            line: A line of a unit file, or an entry of an audit log, which does not say the kind.
        """
        self.notes += 1
        if (kind := line.get("kind")) is not None:
            known = kind in self.kinds or len(self.kinds) < _MOST_KINDS
            self.kinds[kind if known else OTHER_KIND] += 1
        if (reason := line.get("reason")) is not None:
            self.quarantined[reason] += 1
            return
        self.deidentified += 1
        for span in line["spans"]:
            self.types[span["entity_type"]] += 1
            self.operators[span["operator"]] += 1
            self.detectors.update(span["detectors"])
        self.fields.update(each["entity_type"] for each in line.get("fields", ()))

    def as_json(self) -> dict[str, Any]:
        """Return the counts for a manifest."""
        return {
            "notes": self.notes,
            "deidentified": self.deidentified,
            "quarantined": dict(self.quarantined),
            "spans": {
                "total": sum(self.types.values()),
                "by_type": dict(self.types),
                "by_detector": dict(self.detectors),
                "by_operator": dict(self.operators),
            },
            "fields": {"total": sum(self.fields.values()), "by_type": dict(self.fields)},
            "note_kinds": dict(self.kinds),
        }
