"""When two written values count as the same value."""

from __future__ import annotations

import unicodedata


def normalize(value: str) -> str:
    """Return the form in which values are compared: NFKC, case-folded, white space collapsed and trimmed.

    Args:
        value: A mention as written; ``SMITH``, ``Smith`` and a ``Smith`` broken off by a line end are equal.
    """
    if not value.isascii():
        value = unicodedata.normalize("NFKC", value)
    return " ".join(value.casefold().split())
