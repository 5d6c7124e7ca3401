"""The text of RTF: without pictures, objects, headers, footnotes and remarks, which striprtf leaves out."""

from __future__ import annotations

import codecs
import re

from deid.errors import NoteError, Reason, UsageError

_CODE_PAGE = re.compile(rb"\\ansicpg(\d{3,5})")
_SIGN = re.compile(r"\\[\\{}]|[{}]")
_DEFAULT = "cp1252"


def rtf_text(source: str) -> str:
    """Return the text of RTF.

    Args:
        source: The RTF.

    Raises:
        NoteError: if it is none, or is cut off.
        UsageError: if striprtf is not installed.
    """
    try:
        from striprtf.striprtf import rtf_to_text
    except ModuleNotFoundError:
        raise UsageError(
            "the input holds RTF, which needs striprtf: pip install 'clinical-deid[formats]'"
        ) from None
    if not source.lstrip().startswith("{\\rtf"):
        raise NoteError(Reason.INVALID_RECORD, "not RTF")
    signs = _SIGN.findall(source)
    if signs.count("{") != signs.count("}"):
        raise NoteError(Reason.INVALID_RECORD, "RTF that is cut off")
    try:
        text: str = rtf_to_text(source, errors="strict")  # type: ignore[no-untyped-call]
    except Exception:  # whatever a damaged file makes of its reader, nothing of it comes out
        raise NoteError(Reason.INVALID_RECORD, "cannot be read as RTF") from None
    return text


def rtf_file_text(content: bytes) -> str:
    """Return the text of an RTF file: ASCII as a rule, else UTF-8 or of the code page that it names.

    Args:
        content: The file.

    Raises:
        NoteError: if it cannot be read.
        UsageError: if striprtf is not installed.
    """
    named = _CODE_PAGE.search(content)
    for encoding in ("utf-8", f"cp{named[1].decode()}" if named else _DEFAULT):
        try:
            codecs.lookup(encoding)
            return rtf_text(content.decode(encoding))
        except (LookupError, UnicodeDecodeError):
            continue
    raise NoteError(Reason.INVALID_UTF8, "not of its code page")
