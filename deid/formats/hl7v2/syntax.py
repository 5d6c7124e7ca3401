"""The syntax of HL7 v2 (chapter 2 of the standard): segments, fields, escapes; bytes can be written back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import BinaryIO

_HEADERS = (b"MSH", b"FHS", b"BHS", b"BTS", b"FTS")
_FRAME = b"\x0b\x1c"  # MLLP puts these around a message
_LONGEST_SEGMENT = 1 << 27
_ENDS = re.compile(rb"(\r\n|\r|\n)")
# Chapter 2.7: separators, highlighting, hexadecimal bytes, character sets, formatting.
_COMMANDS = (
    r"[FSTREHN]|X(?:[0-9A-Fa-f]{2})+|[CM](?:[0-9A-Fa-f]{2}){2,3}"
    r"|\.(?:br|ce|fi|nf|sp\+?\d{0,3}|in[+-]?\d{0,3}|ti[+-]?\d{0,3}|sk[+-]?\d{0,3})"
)


class SyntaxProblem(ValueError):
    """A message is not HL7 v2; says where, and nothing of its content."""


@dataclass(frozen=True, slots=True)
class Separators:
    """The signs that a message's MSH-1 and MSH-2 declare.

    Args:
        field: Between fields.
        component: Between components.
        repetition: Between repetitions of a field.
        escape: Around escape sequences; empty if there is none.
        subcomponent: Between parts of a component; empty if there is none.
    """

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str

    @classmethod
    def of(cls, header: str) -> Separators:
        """Read them from a header segment.

        Args:
            header: An MSH segment.

        Raises:
            SyntaxProblem: if they are missing, or two of them are the same.
        """
        sign = header[3:4]
        others = header[4:].split(sign, 1)[0] if sign else ""
        signs = sign + others[:4]
        if len(signs) < 3 or len(set(signs)) != len(signs) or any(each.isalnum() for each in signs):
            raise SyntaxProblem("MSH-1 and MSH-2 do not say what separates")
        return cls(sign, others[0], others[1], others[2:3], others[3:4])


@dataclass(slots=True)
class Segment:
    """A line of a message.

    Args:
        text: Without its end.
        end: The line end as it stands in the file, with framing bytes if there are any.
        before: Framing bytes before the segment.
    """

    text: str = field(repr=False)
    end: bytes
    before: bytes = b""

    @property
    def name(self) -> str:
        """The three letters it begins with."""
        return self.text[:3]


def read_messages(stream: BinaryIO) -> Iterator[list[tuple[bytes, bytes, bytes]]]:
    """Yield messages as lists of (framing before, line, line end); the headers of a batch are lists of one.

    Args:
        stream: A file of messages; read line by line.

    Raises:
        SyntaxProblem: if a segment is longer than can be held.
    """
    message: list[tuple[bytes, bytes, bytes]] = []
    for line, end in _lines(stream):
        bare = line.lstrip(_FRAME)
        if bare.startswith(_HEADERS) and message:
            yield message
            message = []
        rest = bare.rstrip(_FRAME)
        message.append((line[: len(line) - len(bare)], rest, bare[len(rest) :] + end))
        if bare.startswith(_HEADERS[1:]):
            yield message
            message = []
    if message:
        yield message


def _lines(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield lines and their ends: carriage returns as in the standard, or line feeds as files have them."""
    waiting = b""
    while True:
        block = stream.read(1 << 16)
        waiting += block
        parts = _ENDS.split(waiting)
        # A carriage return at the end of a block may be half of a line end.
        keep = 3 if block and len(parts) > 2 and not parts[-1] else 1
        for at in range(0, len(parts) - keep, 2):
            yield parts[at], parts[at + 1]
        waiting = b"".join(parts[-keep:])
        if len(waiting) > _LONGEST_SEGMENT:
            raise SyntaxProblem("a segment is longer than 128 MiB")
        if not block:
            if waiting:
                found = _ENDS.split(waiting)
                yield found[0], b"".join(found[1:])
            return


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text of a field without its escapes, and where each of its parts comes from.

    Args:
        text: What people read.
        pieces: Offsets in `text`, half-open.
        raw: How each piece is written in the message.
    """

    text: str = field(repr=False)
    pieces: tuple[tuple[int, int], ...]
    raw: tuple[str, ...] = field(repr=False)


def decode(raw: str, signs: Separators) -> Decoded:
    """Read a field as text: repetitions and commands for a new line become one, escapes what they stand for.

    What looks like an escape and is none, such as a path with backslashes, is text.

    Args:
        raw: As it stands in the message.
        signs: The message's separators.

    Raises:
        SyntaxProblem: for an escape that switches the character set.
    """
    parts = _parts(signs).split(raw)
    texts = [part if at % 2 == 0 else _meaning(part, signs) for at, part in enumerate(parts)]
    pieces, at = [], 0
    for text in texts:
        pieces.append((at, at + len(text)))
        at += len(text)
    return Decoded("".join(texts), tuple(pieces), tuple(parts))


@cache
def _parts(signs: Separators) -> re.Pattern[str]:
    repetition = re.escape(signs.repetition)
    if not signs.escape:
        return re.compile(f"({repetition})")
    escape = re.escape(signs.escape)
    return re.compile(f"({escape}(?:{_COMMANDS}){escape}|{repetition})")


def _meaning(sequence: str, signs: Separators) -> str:
    if sequence == signs.repetition:
        return "\n"
    command = sequence[1:-1]
    if command[0] == ".":
        return "\n"
    if command[0] == "X":
        return bytes.fromhex(command[1:]).decode("latin-1")
    if command[0] in "CM":
        raise SyntaxProblem("an escape switches the character set")
    letters = {
        "F": signs.field,
        "S": signs.component,
        "T": signs.subcomponent,
        "R": signs.repetition,
        "E": signs.escape,
    }
    return letters.get(command, "")  # highlighting begins and ends with no sign


def encode(decoded: Decoded, texts: Sequence[str], signs: Separators) -> str:
    """Write a field back; what was not replaced stands as it stood, digit by digit.

    Args:
        decoded: What was read.
        texts: The new text of each of its pieces.
        signs: The message's separators.
    """
    old = (decoded.text[start:end] for start, end in decoded.pieces)
    return "".join(
        raw if new == before else escaped(new, signs)
        for raw, before, new in zip(decoded.raw, old, texts, strict=True)
    )


def escaped(text: str, signs: Separators) -> str:
    """Write text so that no sign of it separates anything.

    Args:
        text: What is to stand in a field.
        signs: The message's separators.
    """
    letters = {signs.field: "F", signs.component: "S", signs.subcomponent: "T", signs.repetition: "R"}
    if not signs.escape:
        return "".join(" " if sign in letters or sign in "\r\n" else sign for sign in text)
    written = []
    for sign in text:
        if sign == signs.escape:
            written.append(f"{signs.escape}E{signs.escape}")
        elif sign and sign in letters:
            written.append(f"{signs.escape}{letters[sign]}{signs.escape}")
        elif sign in "\r\n":
            written.append(f"{signs.escape}.br{signs.escape}")
        else:
            written.append(sign)
    return "".join(written)
