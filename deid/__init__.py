"""De-identify clinical notes: find PHI by description, redact or replace it, keep the evidence."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deid.note import DeidentifiedNote, Finding, Note, Replacement, Span
    from deid.policy import Policy, load_policy
    from deid.run.pipeline import Deidentifier

__version__ = "0.1.0"

_EXPORTS = {
    "DeidentifiedNote": "deid.note",
    "Deidentifier": "deid.run.pipeline",
    "Finding": "deid.note",
    "Note": "deid.note",
    "Policy": "deid.policy",
    "Replacement": "deid.note",
    "Span": "deid.note",
    "load_policy": "deid.policy",
}

__all__ = [
    "DeidentifiedNote",
    "Deidentifier",
    "Finding",
    "Note",
    "Policy",
    "Replacement",
    "Span",
    "load_policy",
]


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that ``import deid`` loads neither torch nor presidio."""
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'deid' has no attribute {name!r}")
