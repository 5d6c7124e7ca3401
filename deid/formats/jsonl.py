"""JSON Lines: an object a line; all but the text is carried through as it was written, digit by digit."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from deid.errors import Reason, UsageError
from deid.formats.atomic import (
    Spool,
    check_unchanged,
    digest_of,
    prepare_folder,
    reading,
    state_of,
    write_shards,
)
from deid.formats.compressed import compression_of, open_bytes
from deid.formats.identifying import UNREADABLE, identifying, readable
from deid.formats.schemas import DEFAULTS, OPTIONS, candidates, check_named, missing_column
from deid.formats.source import Entry, Options, Outcome, Pairing, Source, make_entry
from deid.note import Field

_SPACE = re.compile(r"[ \t\n\r]*")
_SAMPLE = 100
_LONGEST_LINE = 1 << 27


class _Member(NamedTuple):
    key: str
    value: Any
    raw: str


_Members = dict[str, _Member]


class Jsonl:
    """Notes in JSON Lines.

    Args:
        path: The file.
        options: Columns are keys of the objects; without names, ``note_id`` or ``id``, ``text``,
            ``patient_id`` and ``note_date``.

    Raises:
        UsageError: if none of the first objects has the text key, or another key that was named.
        InputOutputError: if the file cannot be read.
    """

    def __init__(self, path: Path, options: Options) -> None:
        self.name = str(path)
        self.path: Path | None = path
        with reading(self.name):
            self._states = {path: state_of(path)}
        self._begin(lambda: open_bytes(path), options)

    @classmethod
    def from_stream(cls, stream: BinaryIO, options: Options) -> Jsonl:
        """Copy a stream, such as standard input, into an unlinked temporary file and read that.

        Args:
            stream: Read to its end.
            options: See the class.
        """
        source = cls.__new__(cls)
        source.name = "-"
        source.path = None
        source._states = {}
        with reading("-"):
            spool = Spool(stream)
        source._begin(spool.open, options)
        return source

    def _begin(self, opener: Callable[[], BufferedReader], options: Options) -> None:
        self._open = opener
        self._options = options
        self._keys = {role: candidates(options.columns, role) for role in DEFAULTS}
        self._check_keys()

    def read(self) -> Iterator[Entry]:
        """Deliver an entry for each line that is not blank; see `deid.formats.source.Source`."""
        return (entry for entry, _ in self._records())

    def write(self, outcomes: Iterator[Outcome], directory: Path) -> tuple[Path, ...]:
        """Write ``part-00000.jsonl`` and so on; see `deid.formats.source.Source`."""
        check_unchanged(self.name, self._states)
        prepare_folder(directory, source=self.path)
        return write_shards(
            self.lines(outcomes),
            directory,
            suffix=f"jsonl{compression_of(self.path) if self.path else ''}",
            size=self._options.shard_notes,
            write=_write_lines,
        )

    def lines(self, outcomes: Iterator[Outcome]) -> Iterator[bytes]:
        """Yield the lines of the output.

        Args:
            outcomes: One per entry, in order.

        Raises:
            IntegrityError: if the outcomes do not belong to this source.
        """
        pairing = Pairing(outcomes, self.name)
        for entry, members in self._records():
            new = pairing.take(entry)
            if new is not None:
                yield self._line(members, {**new.fields, self._keys["text"][0]: new.text})
        pairing.finish()

    def passed_through(self) -> tuple[str, ...]:
        """Name the keys (nested: dotted paths) that look identifying; see `deid.formats.source.Source`."""
        gone = {self._keys["text"][0], *self._options.drop, *self._options.fields}
        carried = (name for top, name in self._names if top not in gone)
        return identifying(carried, always=(*self._keys["patient_id"], *self._keys["note_date"]))

    def digest(self) -> str:
        """Digest the input; see `deid.formats.source.Source`."""
        with reading(self.name), self.path.open("rb") if self.path else self._open() as stream:
            return digest_of(stream)

    def size(self) -> int:
        """Return the size of the input in bytes."""
        with reading(self.name), self.path.open("rb") if self.path else self._open() as stream:
            return stream.seek(0, os.SEEK_END)

    def _check_keys(self) -> None:
        sample = [members for _, members in islice(self._records(), _SAMPLE) if members]
        names = list(dict.fromkeys(key for members in sample for key in members))
        for role, wanted in self._keys.items():
            named = role == "text" or getattr(self._options.columns, role) is not None
            if sample and named and not any(wanted[0] in members for members in sample):
                hint = f"choose another with {OPTIONS[role]}"
                raise missing_column(wanted[0], names, hint=hint, place=self.name)
            if role != "text" and self._keys["text"][0] == next(
                (key for key in wanted if key in names), None
            ):
                raise UsageError(
                    f"{self.name}: key {self._keys['text'][0]!r} is chosen as text and as something else"
                )
        for role, given in self._options.named():
            if given:
                every = list(dict.fromkeys(top for top, _ in self._names))
                check_named(given, every, role=role, place=self.name, text=self._keys["text"][0])

    @cached_property
    def _names(self) -> tuple[tuple[str, str], ...]:
        """Every key of every object: the top-level key it lies under, and its dotted path."""
        found: dict[tuple[str, str], None] = {}
        for _, members in self._records():
            for key, member in members.items():
                found.update(((key, name), None) for name in _paths(key, member.value))
        return tuple(found)

    def _records(self) -> Iterator[tuple[Entry, _Members]]:
        ordinal = 0
        with reading(self.name), self._open() as stream:
            for number, line in numbered_lines(stream):
                yield self._record(ordinal, f"line-{number}", line)
                ordinal += 1

    def _record(self, ordinal: int, place: str, line: bytes | None) -> tuple[Entry, _Members]:
        if line is None:
            return Entry(ordinal, place, None, Reason.TOO_LONG, "line"), {}
        try:
            members = _parse(line.decode())
        except UnicodeDecodeError as error:
            return Entry(ordinal, place, None, Reason.INVALID_UTF8, f"byte {error.start}"), {}
        except (ValueError, RecursionError):
            return Entry(
                ordinal, place, None, Reason.INVALID_RECORD, "not a JSON object with distinct keys"
            ), {}
        fields = {role: self._field(members, role) for role in self._keys}
        told = self._options.told(members)
        known = {name: members[name].value for name in told if name in members}
        limit = self._options.max_characters
        fields["metadata"] = known
        fields["fields"] = tuple(self._replaced_whole(members))
        surrogate = Reason.LONE_SURROGATE
        return make_entry(ordinal, fields, place=place, surrogate=surrogate, max_characters=limit), members

    def _field(self, members: _Members, role: str) -> Any:
        """Return a string or None; numbers may be ids, but not texts."""
        member = next((members[key] for key in self._keys[role] if key in members), None)
        if member is None or not isinstance(member.value, str):
            return None
        return member.value if role != "text" or member.raw.startswith('"') else None

    def _replaced_whole(self, members: _Members) -> Iterator[Field]:
        """Yield the values that the policy names; a list or object is replaced as it is written."""
        for key, kind in self._options.fields.items():
            if key in members and key not in (*self._keys["text"], *self._options.drop):
                value = members[key].value
                if value is not None:
                    yield Field(key, kind, value if isinstance(value, str) else members[key].raw)

    def _line(self, members: _Members, new: Mapping[str, str]) -> bytes:
        pairs = (
            f"{member.key}: {json.dumps(new[key], ensure_ascii=False) if key in new else member.raw}"
            for key, member in members.items()
            if key not in self._options.drop
        )
        return f"{{{', '.join(pairs)}}}\n".encode()


def write_stream(source: Source, outcomes: Iterator[Outcome], stream: BinaryIO) -> None:
    """Write to a stream, such as standard output, what `Jsonl.write` writes to files.

    Args:
        source: A JSONL source.
        outcomes: One per entry, in order.
        stream: Left open.

    Raises:
        UsageError: if the source is of another format.
        IntegrityError: if the outcomes do not belong to the source.
    """
    if not isinstance(source, Jsonl):
        raise UsageError(
            f"input {source.name}: only jsonl can be written to standard output; give a folder with --out"
        )
    _write_lines(stream, source.lines(outcomes))
    stream.flush()


def _write_lines(stream: BinaryIO, lines: Iterator[bytes]) -> None:
    stream.writelines(lines)


def numbered_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Yield the lines that are not blank with their numbers from 1; None for one too long to hold.

    Args:
        stream: Read to its end.
    """
    number = 0
    while line := stream.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            while (rest := stream.readline(_LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            yield number, None
            continue
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if line.strip():
            yield number, line


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON.

    Args:
        pairs: Its keys and values.

    Raises:
        ValueError: if a key occurs twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


# Numbers become strings, so that an id keeps its digits; what is carried is the raw text of the value.
_DECODER = json.JSONDecoder(object_pairs_hook=distinct, parse_float=str, parse_int=str)


def _parse(line: str) -> _Members:
    """Split an object into its members with the raw text of each key and value.

    Raises:
        ValueError: if the line is not a JSON object, or a key occurs twice.
    """
    members: _Members = {}
    at = _expect(line, 0, "{")
    if line[at : at + 1] == "}":
        at += 1
    else:
        more = True
        while more:
            key, end = _DECODER.raw_decode(line, at)
            if not isinstance(key, str) or line[at] != '"' or key in members:
                raise ValueError("not a key, or one that occurs twice")
            begin = _expect(line, _skip(line, end), ":")
            value, stop = _DECODER.raw_decode(line, begin)
            members[key] = _Member(line[at:end], value, line[begin:stop])
            at = _skip(line, stop)
            more = line[at : at + 1] == ","
            at = _expect(line, at, "," if more else "}")
    if _skip(line, at) != len(line):
        raise ValueError("more than one object")
    return members


def _skip(line: str, at: int) -> int:
    match = _SPACE.match(line, at)
    return match.end() if match else at


def _expect(line: str, at: int, sign: str) -> int:
    """Return the place after a sign and the white space behind it."""
    at = _skip(line, at)
    if line[at : at + 1] != sign:
        raise ValueError(f"expected {sign!r}")
    return _skip(line, at + 1)


def _paths(path: str, value: Any) -> Iterator[str]:
    yield path if all(readable(part) for part in path.split(".")) else UNREADABLE
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _paths(f"{path}.{key}", below)
    elif isinstance(value, list):
        for below in value:
            yield from _paths(path, below)
