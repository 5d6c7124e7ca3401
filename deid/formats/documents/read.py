"""Which documents are read, and the text in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deid.registry import Registry

_READERS: Mapping[str, str] = {
    ".rtf": "deid.formats.documents.rtf:rtf_file_text",
    ".docx": "deid.formats.documents.docx:docx_text",
    ".pdf": "deid.formats.documents.pdf:pdf_text",
}
SUFFIXES = tuple(_READERS)
LONGEST = 1 << 27
"""Bytes of the longest document that is read."""
_FUNCTIONS: Registry[Callable[[bytes], str]] = Registry("document", _READERS)


def document_text(content: bytes, suffix: str) -> str:
    """Return the text of a document.

    Args:
        content: The file.
        suffix: One of `SUFFIXES`.

    Raises:
        NoteError: if it is damaged, encrypted, too long, or has a page without text.
        UsageError: if the library that reads it is not installed.
    """
    return _FUNCTIONS.get(suffix)(content).replace("\r\n", "\n").replace("\r", "\n")
