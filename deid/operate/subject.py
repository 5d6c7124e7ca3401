"""Whom a note is about, as far as the operators need to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

Mentions = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """The person behind a note and what was found in that person's notes.

    Args:
        key_name: Patient id, or the note id where there is none; input of every keyed choice.
        mentions: Sorted (entity type, surface) pairs of everything found in that person's notes.
        code: The random record code from the crosswalk, where one was asked for.
        note_date: Date of writing of the note at hand, where the source has one.
    """

    key_name: str = field(repr=False)
    mentions: Mentions = field(default=(), repr=False)
    code: str | None = field(default=None, repr=False)
    note_date: date | None = field(default=None, repr=False)
