"""The text of PDF, page by page; a page without text is a picture of one, which nobody here can read."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from deid.errors import NoteError, Reason, UsageError

_MOST_PAGES = 5_000


def pdf_text(content: bytes) -> str:
    """Return the text of a PDF file, a line break between pages; pictures, forms' scripts and files in it go.

    Args:
        content: The file.

    Raises:
        NoteError: if it is damaged or encrypted, or a page has no text.
        UsageError: if pypdf is not installed.
    """
    try:
        import pypdf
    except ModuleNotFoundError:
        raise UsageError(
            "the input holds PDF, which needs pypdf: pip install 'clinical-deid[formats]'"
        ) from None
    if not content[:1024].lstrip().startswith(b"%PDF-"):
        raise NoteError(Reason.INVALID_RECORD, "not PDF")
    with _silent():
        try:
            reader = pypdf.PdfReader(io.BytesIO(content), strict=False)
            if reader.is_encrypted:
                raise NoteError(Reason.INVALID_RECORD, "an encrypted PDF")
            if len(reader.pages) > _MOST_PAGES:
                raise NoteError(Reason.TOO_LONG, "pages")
            texts = [page.extract_text() for page in reader.pages]
        except NoteError:
            raise
        except Exception:  # whatever a damaged file makes of its reader, nothing of it comes out
            raise NoteError(Reason.INVALID_RECORD, "cannot be read as PDF") from None
    if not texts:
        raise NoteError(Reason.MISSING_TEXT, "no pages")
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            raise NoteError(Reason.MISSING_TEXT, f"page {number} holds no text; is it scanned?")
    return "\n".join(texts)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep quiet a library whose log lines quote the file."""
    log = logging.getLogger("pypdf")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)
