"""Errors: what went wrong, where, how to mend it; never note text or an identifier's value."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum
from typing import ClassVar


class Reason(StrEnum):
    """Why a note was quarantined: the closed list that logs and reports may name."""

    INVALID_UTF8 = "invalid-utf8"
    LONE_SURROGATE = "lone-surrogate"
    NUL_CHARACTER = "nul-character"
    TOO_LONG = "too-long"
    INVALID_RECORD = "invalid-record"
    MISSING_ID = "missing-id"
    MISSING_TEXT = "missing-text"
    UNSAFE_NOTE_ID = "unsafe-note-id"
    DETECTOR_FAILED = "detector-failed"
    OPERATOR_FAILED = "operator-failed"


class DeidError(Exception):
    """Base of every error the project raises on purpose; commands exit with ``exit_code``."""

    exit_code: ClassVar[int] = 2


class UsageError(DeidError):
    """The call cannot be carried out as asked: an option, a column, a path, a name."""


class PolicyError(DeidError):
    """A policy cannot be loaded or is unsafe to run."""


class KeyMaterialError(DeidError):
    """A secret is missing, too short or readable by others."""


class GateFailed(DeidError):
    """A release gate was missed."""

    exit_code: ClassVar[int] = 1


class InputOutputError(DeidError):
    """A file cannot be read or written."""

    exit_code: ClassVar[int] = 4


class IntegrityError(DeidError):
    """Something that must match does not: a digest, a hash chain, a resumed run's input."""

    exit_code: ClassVar[int] = 5


class NoteError(DeidError):
    """One note cannot be de-identified and goes to quarantine.

    Args:
        reason: Member of the closed list; the message is its value.
        detail: Name of the part that failed (a detector, an exception class); never text of the note.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, reason: Reason, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason.value} ({detail})" if detail else reason.value)


def unknown_name(kind: str, name: str, valid: Iterable[str], *, hint: str = "") -> str:
    """Word the message for a name that is not among the valid ones.

    Args:
        kind: What the name stands for, such as ``policy``.
        name: The name given; it must come from a command line or a policy file, not from a note.
        valid: The names there are.
        hint: A further sentence on how to go on.
    """
    names = sorted(valid)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    parts = [f"unknown {kind} {name!r}"]
    if close:
        parts.append(f"did you mean {close[0]!r}?")
    parts.append(f"valid: {', '.join(names) or '(none)'}")
    if hint:
        parts.append(hint)
    return "; ".join(parts)
