"""The text of DOCX: body, tables, text boxes, headers, footers, notes and remarks, part by part."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator

from lxml import etree

from deid.errors import NoteError, Reason
from deid.formats.xml import parse_xml

# ECMA-376, part 1, 11.3: the parts of a WordprocessingML package that hold text, as they are read.
_PARTS = tuple(
    re.compile(rf"word/{name}\d*\.xml")
    for name in ("header", "document", "footnotes", "endnotes", "footer", "comments")
)
_BODY = re.compile(r"word/document\d*\.xml")
_MOST_BYTES = 1 << 27
_MOST_PARTS = 10_000
_SIGNS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}
_ENDS = {"p": "\n", "tc": "\t", "tr": "\n"}
_GIVES_WAY = {"tc": "\n", "tr": "\t"}


def docx_text(content: bytes) -> str:
    """Return the text of a DOCX file; what was deleted under tracked changes is not shown and left out.

    Args:
        content: The file.

    Raises:
        NoteError: if it is damaged, encrypted, or longer than 128 MiB when unpacked.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            return "\n".join(filter(None, (_text(parse_xml(part)) for part in _parts(package))))
    except NoteError:
        raise
    except Exception:  # a password, a checksum, a way of packing: nothing of a damaged file comes out
        raise NoteError(Reason.INVALID_RECORD, "cannot be read as DOCX, or is encrypted") from None


def _parts(package: zipfile.ZipFile) -> Iterator[bytes]:
    names = package.namelist()
    if not any(map(_BODY.fullmatch, names)) or len(names) > _MOST_PARTS or len(set(names)) != len(names):
        raise NoteError(Reason.INVALID_RECORD, "cannot be read as DOCX")
    left = _MOST_BYTES
    for pattern in _PARTS:
        for name in sorted(filter(pattern.fullmatch, names)):
            with package.open(name) as stream:
                part = stream.read(left + 1)
            left -= len(part)
            if left < 0:
                raise NoteError(Reason.TOO_LONG, "unpacked")
            yield part


def _text(root: etree._Element) -> str:
    """Return the text of a part: a line for each paragraph and row, a tab between cells."""
    pieces: list[str] = []
    skipped: list[etree._Element] = []
    for event, element in etree.iterwalk(root, events=("start", "end")):
        name = etree.QName(element).localname
        if event == "start":
            if name == "Fallback":  # says the same as the choice beside it
                skipped.append(element)
            elif not skipped:
                pieces.append(element.text or "" if name == "t" else _SIGNS.get(name, ""))
        elif skipped and skipped[-1] is element:
            skipped.pop()
        elif not skipped and name in _ENDS:
            _end(pieces, name)
    return "".join(pieces).strip("\n")


def _end(pieces: list[str], name: str) -> None:
    """Put the sign of an end behind what was read; that of what it ends with gives way to it."""
    if pieces and pieces[-1] == _GIVES_WAY.get(name):
        pieces.pop()
    pieces.append(_ENDS[name])
