"""Attachments: which of them are text, and how it comes out of their bytes and goes back."""

from __future__ import annotations

import base64
import binascii
import codecs
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from deid.errors import NoteError, Reason
from deid.formats.documents.rtf import rtf_text
from deid.formats.fhir.markup import Markup
from deid.formats.fhir.syntax import GONE, Number, Unreadable, leave_out
from deid.formats.source import NewTexts

_MIME = re.compile(r"\s*([A-Za-z]+/[A-Za-z0-9.+-]+)\s*(?:;.*)?", re.DOTALL)
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([A-Za-z0-9_.:-]+)\"?", re.IGNORECASE)
_ENCODINGS = re.compile(r"utf-8|utf-16(?:-[lb]e)?|ascii|iso8859-\d+|cp125\d|koi8-r|shift_jis|gb18030|big5")
_Syntax = Literal["plain", "html", "xhtml", "rtf"]
_SYNTAX: dict[str, _Syntax] = {
    "text/plain": "plain",
    "text/markdown": "plain",
    "text/html": "html",
    "application/xhtml+xml": "xhtml",
    "text/rtf": "rtf",
    "application/rtf": "rtf",
}


@dataclass(frozen=True, slots=True)
class AttachedText:
    """A text in the data of an attachment.

    Args:
        holder: The attachment; changed when the text is put back.
        mime: Its type without parameters.
        charset: Python's name of its encoding.
        text: The text, as people read it.
        markup: The markup around it; None for plain text and RTF, which comes back as plain text.
    """

    holder: dict[str, Any] = field(repr=False)
    mime: str
    charset: str
    text: str = field(repr=False)
    markup: Markup | None = field(repr=False)

    def put(self, new: NewTexts) -> None:
        """Write the new text into the attachment, with its size and hash."""
        content = self.markup.write(new) if self.markup is not None else new.text
        charset = self.charset
        try:
            data = content.encode(charset)
        except UnicodeEncodeError:
            charset = "utf-8"
            data = content.encode()
        mime = "text/plain" if _SYNTAX[self.mime] == "rtf" else self.mime
        if charset != self.charset or mime != self.mime or self.markup is not None:
            self.holder["contentType"] = f"{mime}; charset={charset}"
        self.holder["data"] = base64.b64encode(data).decode()
        if "size" in self.holder:
            self.holder["size"] = Number(str(len(data)))
        if "hash" in self.holder:
            # R4: "Hash of the data (sha-1, base64ed)".
            self.holder["hash"] = base64.b64encode(
                hashlib.sha1(data, usedforsecurity=False).digest()
            ).decode()

    def remove(self) -> None:
        """Leave the data out."""
        leave_out_data(self.holder)


def plain_mime(content_type: object) -> str:
    """Return a content type without parameters but its charset; empty if it is none.

    Args:
        content_type: As the attachment has it.
    """
    match = _MIME.fullmatch(content_type) if isinstance(content_type, str) else None
    if match is None:
        return ""
    charset = _CHARSET.search(str(content_type))
    return f"{match[1]}; charset={charset[1]}" if charset else match[1]


def leave_out_data(holder: dict[str, Any]) -> None:
    """Leave out the data of an attachment, and what tells of them.

    Args:
        holder: Changed.
    """
    holder["size"] = holder["hash"] = GONE
    leave_out(holder, "data")


def attached_text(holder: dict[str, Any], data: str, place: str) -> AttachedText | None:
    """Return the text in an attachment; None if its type is none that is read.

    Args:
        holder: The attachment, with the content type as `plain_mime` gives it.
        data: Base64.
        place: For errors: its path.

    Raises:
        Unreadable: if it should be text and cannot be read as such.
        UsageError: for RTF, if striprtf is not installed.
    """
    content_type = holder.get("contentType")
    mime = str(content_type).partition(";")[0].lower()
    if mime not in _SYNTAX:
        return None
    try:
        content = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable(Reason.INVALID_RECORD, f"{place}: not base64") from None
    charset = _charset(str(content_type), place)
    try:
        text = content.removeprefix(codecs.BOM_UTF8 if charset == "utf-8" else b"").decode(charset)
    except UnicodeError:
        raise Unreadable(Reason.INVALID_UTF8, f"{place}: not in its charset") from None
    if "\0" in text:
        raise Unreadable(Reason.NUL_CHARACTER, place)
    syntax = _SYNTAX[mime]
    if syntax == "rtf":
        return AttachedText(holder, mime, "utf-8", _rtf(text, place), None)
    if syntax == "plain" or not text.strip():
        return AttachedText(holder, mime, charset, text, None)
    try:
        markup = Markup(text, syntax)
    except Unreadable as error:
        raise Unreadable(error.reason, f"{place}: {error.detail}") from None
    return AttachedText(holder, mime, "utf-8", markup.text, markup)


def _charset(content_type: str, place: str) -> str:
    declared = _CHARSET.search(content_type)
    try:
        name = codecs.lookup(declared[1]).name if declared else "utf-8"
    except (LookupError, ValueError):
        name = ""
    if not _ENCODINGS.fullmatch(name):
        raise Unreadable(Reason.INVALID_UTF8, f"{place}: an unknown charset")
    return name


def _rtf(source: str, place: str) -> str:
    try:
        text = rtf_text(source)
    except NoteError as error:
        raise Unreadable(error.reason, f"{place}: {error.detail}") from None
    if "\0" in text:
        raise Unreadable(Reason.NUL_CHARACTER, place)
    return text
