"""What travels between a run and its workers."""

from __future__ import annotations

from dataclasses import dataclass, field

from deid.errors import Reason
from deid.note import DeidentifiedNote, KnownValue, Note


@dataclass(frozen=True, slots=True)
class Group:
    """All notes of one patient, or a single note where no patient is known; de-identified together.

    Args:
        notes: In input order.
        code: The patient's random record code from the crosswalk, where the policy asks for one.
        known: What the source knows about the patient.
    """

    notes: tuple[Note, ...]
    code: str | None = field(default=None, repr=False)
    known: tuple[KnownValue, ...] = ()


@dataclass(frozen=True, slots=True)
class NoteResult:
    """The outcome of one note: de-identified, or quarantined with a reason; there is no third way.

    Args:
        note_id: The note's id.
        deidentified: The note without PHI; None when quarantined.
        reason: Why it was quarantined; None when de-identified.
        detail: The part that failed, never text of the note.
    """

    note_id: str
    deidentified: DeidentifiedNote | None
    reason: Reason | None = None
    detail: str = ""

    def __post_init__(self) -> None:
        if (self.deidentified is None) == (self.reason is None):
            raise ValueError("a result is either a de-identified note or a reason for quarantine")
