"""Whether a file holds FHIR resources: by its name, and by the beginning of its first object."""

from __future__ import annotations

import re
from pathlib import Path

from deid.formats.compressed import open_bytes, suffix_of

LINES, BUNDLE = ".ndjson", ".json"
_RESOURCE = re.compile(rb'(?<!\\)"resourceType"\s*:\s*"[A-Z][A-Za-z]+"')
_BEGINNING = 1 << 16


def is_export_file(path: Path) -> bool:
    """Tell whether a file of a folder is one that a bulk export writes, by its name.

    Args:
        path: A file or folder.
    """
    return suffix_of(path) == LINES and path.is_file() and not path.is_symlink()


def is_fhir(path: Path) -> bool:
    """Tell whether a file begins with an object that has a ``resourceType``.

    Args:
        path: A file, compressed or not.
    """
    if suffix_of(path) not in (LINES, BUNDLE):
        return False
    try:
        with open_bytes(path) as stream:
            beginning = stream.read(_BEGINNING).lstrip(b"\xef\xbb\xbf \t\r\n")
    except OSError:
        return False  # who reads it will say what is wrong
    first = beginning.split(b"\n", 1)[0] if suffix_of(path) == LINES else beginning
    return first.startswith(b"{") and _RESOURCE.search(first) is not None
