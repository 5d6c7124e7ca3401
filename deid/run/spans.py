"""Spans only: a run whose processor detects and replaces nothing, for ``deid detect``."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deid.audit.log import LOG_NAME
from deid.errors import NoteError
from deid.keys import Keys
from deid.note import DeidentifiedNote, Note, ReplacedField, Replacement, Span
from deid.policy import OperatorSpec, Policy, load_policy
from deid.run.execute import RunRequest, execute
from deid.run.pipeline import Deidentifier
from deid.run.work import Group, NoteResult

FACTORY = "deid.run.spans:SpanFinder.from_policy"
_KEPT = ("start", "end", "entity_type", "score", "detectors")


class SpanFinder:
    """Detects, propagates and resolves as a de-identifier does; its notes carry spans and no text.

    Args:
        deidentifier: Finds the spans.
    """

    def __init__(self, deidentifier: Deidentifier) -> None:
        self._deidentifier = deidentifier

    @classmethod
    def from_policy(cls, policy: Policy, *, keys: Keys | None = None, **options: Any) -> SpanFinder:
        """Load a policy with its encoder.

        Args:
            policy: The policy.
            keys: Not needed for finding.
            options: As for `Deidentifier.from_policy`.
        """
        return cls(Deidentifier.from_policy(policy, keys=keys, **options))

    @property
    def model_digest(self) -> str:
        """Digest of the encoder's weights."""
        return self._deidentifier.model_digest

    def process(self, groups: Sequence[Group]) -> tuple[tuple[NoteResult, ...], ...]:
        """Find the spans of groups of notes."""
        found = self._deidentifier.find(groups)
        return tuple(
            tuple(_result(note, spans) for note, spans in zip(group.notes, each, strict=True))
            for group, each in zip(groups, found, strict=True)
        )


def _result(note: Note, spans: tuple[Span, ...] | NoteError) -> NoteResult:
    if isinstance(spans, NoteError):
        return NoteResult(note.note_id, None, spans.reason, spans.detail)
    replacements = tuple(Replacement(span, "", "", 0, 0) for span in spans)
    fields = tuple(ReplacedField(each.path, each.entity_type, "", "") for each in note.fields)
    return NoteResult(note.note_id, DeidentifiedNote(note.note_id, "", replacements, fields))


def find_spans(request: RunRequest) -> Iterator[dict[str, Any]]:
    """Yield for each note of a source its spans, in input order.

    Args:
        request: What is asked; `out`, `keys` and `crosswalk` have no meaning.

    Returns:
        Objects with ``note_id`` and ``spans`` (start, end, entity_type, score, detectors); a note that cannot
        be worked on has a ``reason`` instead of spans.

    Raises:
        DeidError: as `execute`.
    """
    policy = request.policy if isinstance(request.policy, Policy) else load_policy(request.policy)
    redact = OperatorSpec(name="redact")
    types = tuple(kind.model_copy(update={"operator": redact}) for kind in policy.types)
    finding = policy.model_copy(update={"types": types, "default_operator": redact, "fields": {}})
    with tempfile.TemporaryDirectory(prefix="deid-") as folder:
        out = Path(folder) / "run"
        execute(replace(request, policy=finding, out=out, keys=None, crosswalk=None, factory=FACTORY))
        with (out / LOG_NAME).open(encoding="utf-8") as log:
            for line in log:
                entry = json.loads(line)
                if entry["reason"]:
                    yield {"note_id": entry["note_id"], "reason": entry["reason"]}
                else:
                    spans = [{key: span[key] for key in _KEPT} for span in entry["spans"]]
                    yield {"note_id": entry["note_id"], "spans": spans}
