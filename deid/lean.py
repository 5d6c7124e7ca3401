"""Processes that only de-identify do without the large libraries that others would load for them."""

from __future__ import annotations

import sys

# spaCy and Presidio import these wherever they find them: 300 MB and four seconds for every process.
_NEVER_NEEDED = ("torch", "transformers")


def leave_out_training_libraries() -> None:
    """Let torch and transformers look absent in this process, unless they are loaded already.

    Only for processes of our own, the command and its workers: a program around us may need them.
    """
    for name in _NEVER_NEEDED:
        sys.modules.setdefault(name, None)  # type: ignore
