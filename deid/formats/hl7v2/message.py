"""A message: its reports, the values beside them, and how it is written again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from deid.formats.hl7v2.elements import SegmentKind
from deid.formats.hl7v2.syntax import Decoded, Segment, Separators, SyntaxProblem, decode, encode, escaped
from deid.note import Field

_HEADERS = ("MSH", "FHS", "BHS")
_TEXTS = ("TX", "FT", "ST", "")
_BINARY = ("ED", "RP")
_DATES = ("DT", "TS", "DTM")
_NAMES = ("PN", "XPN", "XCN", "CX", "XAD", "XTN", "EI")
_CODED = ("NM", "SN", "CE", "CWE", "CF", "CNE", "ID", "IS", "TM", "SI", "MO", "CP", "NA", "MA")
_CHARSETS = {
    "": "utf-8",
    "ASCII": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "8859/1": "latin-1",
    "8859/15": "iso8859-15",
}
_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")

Place = tuple[int, int]  # a segment's number, a field's


@dataclass(frozen=True, slots=True)
class Report:
    """One text of a message.

    Args:
        suffix: What is added to the message's place for the note's id.
        places: Where its parts stand.
        parts: The parts, without escapes.
        text: The parts, a line each.
    """

    suffix: str
    places: tuple[Place, ...]
    parts: tuple[Decoded, ...]
    text: str = field(repr=False)

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """Offsets in `text` of all pieces of all parts."""
        found, at = [], 0
        for part in self.parts:
            found += [(at + start, at + end) for start, end in part.pieces]
            at += len(part.text) + 1
        return found

    def divided(self, texts: Sequence[str], signs: Separators) -> Iterator[tuple[Place, str]]:
        """Yield how each part is written.

        Args:
            texts: What is to stand in each piece.
            signs: The message's separators.
        """
        at = 0
        for place, part in zip(self.places, self.parts, strict=True):
            yield place, encode(part, texts[at : at + len(part.pieces)], signs)
            at += len(part.pieces)


@dataclass(frozen=True, slots=True)
class Message:
    """A message, cut into segments and fields.

    Args:
        segments: Its lines.
        fields_of: Each segment's fields; the first is its name.
        signs: What separates.
        charset: Python's name of its encoding.
        kinds: What the fields of segments are.
    """

    segments: tuple[Segment, ...]
    fields_of: tuple[tuple[str, ...], ...] = field(repr=False)
    signs: Separators
    charset: str
    kinds: Mapping[str, SegmentKind] = field(repr=False)

    @property
    def kind(self) -> str:
        """Message type and trigger, such as ``MDM_T02``; empty for the headers of a batch."""
        parts = self._first("MSH", 9).split(self.signs.component)
        return "_".join(parts[:2]) if parts[0] else ""

    @property
    def patient_id(self) -> str:
        """The first identifier of PID-3, or else of PID-2; empty without either."""
        for number in (3, 2):
            first = self._first("PID", number).split(self.signs.repetition)[0]
            if value := first.split(self.signs.component)[0].strip():
                return value
        return ""

    @property
    def date(self) -> str | None:
        """Date of observation, of the document's origin, or of the message, as ``YYYYMMDD``."""
        for name, number in (("OBR", 7), ("TXA", 4), ("MSH", 7)):
            if found := re.match(r"\d{8}", self._first(name, number)):
                return found[0]
        return None

    def values(self) -> Iterator[tuple[str, str]]:
        """Yield what all fields of known types say: ``PID-5.1`` and the like, without repetition numbers."""
        for each in self.fields():
            yield re.sub(r"^(...)\[\d+\]-(\d+)\[\d+\]", r"\1-\2", each.path), each.text

    def fields(self) -> tuple[Field, ...]:
        """Return the values that are replaced whole: ``PID[2]-5[1].1``, numbered from 1."""
        return tuple(
            Field(path, kind, self._plain(text))
            for path, kind, text in self._typed()
            if text.strip() and text != '""'
        )

    def reports(self) -> tuple[Report, ...]:
        """Return the message's texts; an empty one if there is none, so that its fields are replaced."""
        groups: list[list[Place]] = []
        before = ""
        for at, segment in enumerate(self.segments):
            name = segment.name
            if name == "OBX" and self._value_type(at) in _TEXTS and len(self.fields_of[at]) > 5:
                if before != "OBX":
                    groups.append([])
                groups[-1].append((at, 5))
                before = "OBX"
            elif name == "NTE" and len(self.fields_of[at]) > 3:
                if before != "NTE":
                    groups.append([])
                groups[-1].append((at, 3))
                before = "NTE"
            elif name != "OBX":
                before = name
                kind = self.kinds.get(name)
                numbers = sorted(kind.text) if kind else []
                groups += [[(at, number)] for number in numbers if number < len(self.fields_of[at])]
        filled = [group for group in groups if any(self._raw(place) for place in group)]
        if not filled:
            return (Report("", (), (), ""),)
        return tuple(
            self._report("" if number == 0 else f"#{number + 1}", group)
            for number, group in enumerate(filled)
        )

    def written(self, fields: Mapping[str, str], texts: Mapping[Place, str]) -> bytes:
        """Return the message's bytes with what was replaced; what nobody vouches for is emptied.

        Args:
            fields: New values by path, as in `fields`.
            texts: New fields of free text, escaped.
        """
        lines = []
        for at, segment in enumerate(self.segments):
            if not segment.text.strip():  # framing
                line = segment.text
            elif kind := self.kinds.get(segment.name):
                line = self._line(at, kind, fields, texts)
            else:
                continue
            lines.append(segment.before + line.encode(self.charset, "replace") + segment.end)
        return b"".join(lines)

    def _line(self, at: int, kind: SegmentKind, new: Mapping[str, str], texts: Mapping[Place, str]) -> str:
        segment = self.segments[at]
        values = list(self.fields_of[at])
        typed = {int(place.split(".")[0]) for place in kind.types}
        header = segment.name in _HEADERS
        for number in range(1, len(values)):
            if (at, number) in texts:
                values[number] = texts[at, number]
            elif segment.name == "OBX" and number == 5:
                values[number] = self._observation(at, new)
            elif number in typed:
                values[number] = self._replaced(at, number, new)
            elif number not in kind.plain and not (header and number <= 2):
                values[number] = ""
        # MSH-1 is the separator itself.
        return self.signs.field.join(values[:1] + values[2:] if header else values)

    def _observation(self, at: int, new: Mapping[str, str]) -> str:
        """Return what stands in OBX-5 where it is no text: codes and numbers stay, documents in base64 go."""
        kind = self._value_type(at)
        if kind in _CODED:
            return self.fields_of[at][5]
        if kind in _DATES:
            return self._replaced(at, 5, new)
        return ""

    def _replaced(self, at: int, number: int, new: Mapping[str, str]) -> str:
        """Write a field with its components replaced; those of no type go."""
        parts: dict[tuple[int, int], str] = {}
        for path, repetition, component, text in self._components(at, number):
            value = text if text == '""' else escaped(new[path], self.signs) if path in new else ""
            parts[repetition, component] = value
        repetitions = []
        for repetition in sorted({repetition for repetition, _ in parts}):
            components = [text for (each, _), text in sorted(parts.items()) if each == repetition]
            repetitions.append(self.signs.component.join(components).rstrip(self.signs.component))
        return self.signs.repetition.join(repetitions).rstrip(self.signs.repetition)

    def _typed(self) -> Iterator[tuple[str, str, str]]:
        """Yield path, type and raw text of each component that has a type."""
        for at, segment in enumerate(self.segments):
            kind = self.kinds.get(segment.name)
            if kind is None:
                continue
            numbers = {int(place.split(".")[0]) for place in kind.types}
            types = dict(kind.types)
            if segment.name == "OBX" and self._value_type(at) in _DATES:
                numbers, types = numbers | {5}, {**types, "5": "DATE"}
            for number in sorted(numbers):
                for path, _, component, text in self._components(at, number):
                    entity_type = types.get(f"{number}.{component}") or types.get(str(number))
                    if entity_type:
                        yield path, entity_type, text

    def _components(self, at: int, number: int) -> Iterator[tuple[str, int, int, str]]:
        """Yield path, repetition, component and raw text; a field typed as a whole is one component."""
        kind = self.kinds[self.segments[at].name]
        raw = self._raw((at, number))
        whole = str(number) in kind.types or (self.segments[at].name == "OBX" and number == 5)
        for repetition, part in enumerate(raw.split(self.signs.repetition), start=1):
            components = [part] if whole else part.split(self.signs.component)
            for component, text in enumerate(components, start=1):
                # Of a whole field the first component is the value: the assigning authority behind it goes.
                value = text.split(self.signs.component)[0] if whole else text
                suffix = "" if whole else f".{component}"
                name = self.segments[at].name
                yield f"{name}[{at + 1}]-{number}[{repetition}]{suffix}", repetition, component, value

    def _report(self, suffix: str, places: Sequence[Place]) -> Report:
        parts = tuple(decode(self._raw(place), self.signs) for place in places)
        return Report(suffix, tuple(places), parts, "\n".join(part.text for part in parts))

    def _plain(self, raw: str) -> str:
        return decode(raw, self.signs).text

    def _raw(self, place: Place) -> str:
        values = self.fields_of[place[0]]
        return values[place[1]] if place[1] < len(values) else ""

    def _value_type(self, at: int) -> str:
        return self._raw((at, 2)).strip().upper()

    def _first(self, name: str, number: int) -> str:
        for at, segment in enumerate(self.segments):
            if segment.name == name:
                return self._raw((at, number))
        return ""


def parse_message(lines: Sequence[tuple[bytes, bytes, bytes]], kinds: Mapping[str, SegmentKind]) -> Message:
    """Cut a message into segments and fields.

    Args:
        lines: Framing before, line and line end, as `deid.formats.hl7v2.syntax.read_messages` yields them.
        kinds: What the fields of segments are.

    Raises:
        SyntaxProblem: if it is none.
        UnicodeDecodeError: if its bytes are not of the character set that it names.
    """
    header = next((line for _, line, _ in lines if line.strip()), b"")
    if header[:3] not in (b"MSH", b"FHS", b"BHS", b"BTS", b"FTS"):
        raise SyntaxProblem("does not begin with a header segment")
    charset = "utf-8"
    if header.startswith(b"MSH"):
        named = header.split(header[3:4])
        label = named[17].split(b"~")[0].decode("ascii", "replace").strip() if len(named) > 17 else ""
        if label not in _CHARSETS:
            raise SyntaxProblem("MSH-18 names a character set that is not read")
        charset = _CHARSETS[label]
    text = header.decode(charset)
    signs = Separators.of(text if text[:3] in _HEADERS else "MSH|^~\\&")
    segments, fields = [], []
    for before, line, end in lines:
        segment = Segment(line.decode(charset), end, before)
        if segment.text.strip() and not _NAME.fullmatch(segment.name):
            raise SyntaxProblem("a line does not begin with the name of a segment")
        values = tuple(segment.text.split(signs.field))
        # MSH-1 is the separator itself: MSH|^~\& has two fields.
        fields.append((values[0], signs.field, *values[1:]) if segment.name in _HEADERS else values)
        segments.append(segment)
    return Message(tuple(segments), tuple(fields), signs, charset, kinds)
