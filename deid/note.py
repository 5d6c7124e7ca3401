"""The nouns of the pipeline: frozen, self-checking, offsets half-open in code points of the original text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any

_EMPTY: Mapping[str, Any] = MappingProxyType({})


def _check_offsets(start: int, end: int) -> None:
    if not 0 <= start < end:
        raise ValueError(f"offsets must satisfy 0 <= start < end, got start={start}, end={end}")


@dataclass(frozen=True, slots=True)
class Field:
    """A value beside the note's text of which the source says what it is: a column, an element.

    Args:
        path: Where it stands in the record, such as ``birth_date`` or ``Patient.name[0].family``.
        entity_type: The policy type that it is, whole; the type's operator replaces it.
        text: The value as the source has it.
    """

    path: str
    entity_type: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Note:
    """One clinical note as a reader delivers it.

    Args:
        note_id: Identifies the note within its source; not necessarily unique.
        text: The note; offsets everywhere count its code points.
        patient_id: Groups the notes of one person; without it the note is its own group.
        note_date: Date of writing, where the source has one.
        metadata: Further fields of the record; never mutated.
        fields: Values of the record that the policy names; they are replaced, not read.
        joins: Stretches, half-open, sorted and disjoint, of signs that the reader put between pieces of the
            record, such as rows; what is found over one is replaced in each of its pieces.
    """

    note_id: str
    text: str = field(repr=False)
    patient_id: str | None = field(default=None, repr=False)
    note_date: date | None = field(default=None, repr=False)
    metadata: Mapping[str, Any] = field(default_factory=lambda: _EMPTY, repr=False, hash=False)
    fields: tuple[Field, ...] = ()
    joins: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What one detector says about one stretch of text; findings may overlap.

    Args:
        start: First code point.
        end: One past the last code point.
        entity_type: Name of a policy type, such as ``PATIENT_NAME``.
        score: Confidence in 0..1.
        detector: ``rules``, ``encoder``, ``known`` or ``propagation``.
        evidence: Why, in terms of the detector: a rule's name, a known field; never note text.

    Raises:
        ValueError: if the offsets or the score are out of range.
    """

    start: int
    end: int
    entity_type: str
    score: float
    detector: str
    evidence: str = ""

    def __post_init__(self) -> None:
        _check_offsets(self.start, self.end)
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"score must lie in 0..1, got {self.score}")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A resolved stretch of PHI; the spans of a note are sorted and disjoint, and carry no text.

    Args:
        start: First code point.
        end: One past the last code point.
        entity_type: The type that won.
        score: Highest score among the findings of that type.
        findings: Everything that was found inside, sorted.
    """

    start: int
    end: int
    entity_type: str
    score: float
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        _check_offsets(self.start, self.end)

    @property
    def detectors(self) -> tuple[str, ...]:
        """Names of the detectors that contributed, sorted, each once."""
        return tuple(sorted({finding.detector for finding in self.findings}))


@dataclass(frozen=True, slots=True)
class Replacement:
    """What an operator put in the place of a span.

    Args:
        span: The span replaced.
        operator: Name of the operator that produced the text (``redact`` after a fallback).
        text: The new text.
        new_start: First code point of the new text in the de-identified note.
        new_end: One past its last code point; equal to ``new_start`` for empty text.
    """

    span: Span
    operator: str
    text: str = field(repr=False)
    new_start: int
    new_end: int


@dataclass(frozen=True, slots=True)
class ReplacedField:
    """What an operator put in the place of a field.

    Args:
        path: Where it stands in the record.
        entity_type: The type it is.
        operator: Name of the operator that produced the text (``redact`` after a fallback).
        text: The new value.
    """

    path: str
    entity_type: str
    operator: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeidentifiedNote:
    """A note after the operators ran.

    Args:
        note_id: The source note's id.
        text: The note without PHI.
        replacements: One for each span, in order.
        fields: One for each field, in order.
    """

    note_id: str
    text: str = field(repr=False)
    replacements: tuple[Replacement, ...]
    fields: tuple[ReplacedField, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownValue:
    """Something the source already knows about a patient, to be hidden in all its written forms.

    Args:
        kind: What it is: a name of `deid.detect.known.KINDS`, such as ``family_name`` or ``birth_date``.
        text: The value as the source has it.
    """

    kind: str
    text: str = field(repr=False)
