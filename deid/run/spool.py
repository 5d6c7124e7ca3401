"""A note store without a name on disk: notes go in as they are read and come out by partition."""

from __future__ import annotations

import json
import os
import tempfile
from array import array
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

from deid.note import Field, KnownValue, Note

_BUFFER_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Item:
    """A readable note with its place in the input, in a form that travels between processes.

    Args:
        ordinal: Place in the input, from 0.
        note_id: The note's id.
        text: The note.
        patient_id: Whose note it is, if known.
        note_date: Date of writing as YYYY-MM-DD, if known.
        kind: The source's word for the kind of note, if it has one.
        known: What the note's record says about the patient.
        fields: Values of the record that are replaced whole.
        joins: Where pieces of the record were put together; see `Note`.
    """

    ordinal: int
    note_id: str
    text: str = field(repr=False)
    patient_id: str | None = field(default=None, repr=False)
    note_date: str | None = field(default=None, repr=False)
    kind: str | None = None
    known: tuple[KnownValue, ...] = ()
    fields: tuple[Field, ...] = ()
    joins: tuple[tuple[int, int], ...] = ()

    def to_json(self) -> bytes:
        """Return one line of JSON, with its line break."""
        return json.dumps(astuple(self), separators=(",", ":")).encode("ascii") + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> Item:
        """Read what `to_json` wrote.

        Args:
            line: One line.
        """
        values = dict(zip(cls.__slots__, json.loads(line), strict=True))
        values["known"] = tuple(KnownValue(*each) for each in values["known"])
        values["fields"] = tuple(Field(*each) for each in values["fields"])
        values["joins"] = tuple((start, end) for start, end in values["joins"])
        return cls(**values)

    def to_note(self) -> Note:
        """Return the note for a processor."""
        day = date.fromisoformat(self.note_date) if self.note_date is not None else None
        return Note(self.note_id, self.text, self.patient_id, day, fields=self.fields, joins=self.joins)


class Spool:
    """Holds notes by partition in one file that has no name, so that a killed run leaves nothing to read.

    Memory: one small buffer for each partition, and 16 bytes for each chunk written.

    Args:
        directory: Says on which file system the file lies; best that of the output.
        partitions: How many partitions there are.
    """

    def __init__(self, directory: Path, partitions: int) -> None:
        self._file = tempfile.TemporaryFile(dir=directory, buffering=0)  # noqa: SIM115 (closed by close)
        self._end = 0
        self._buffers = [bytearray() for _ in range(partitions)]
        self._chunks = [array("Q") for _ in range(partitions)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the space back to the file system."""
        self._file.close()

    def add(self, partition: int, item: Item) -> None:
        """Store a note.

        Args:
            partition: Where it belongs.
            item: The note.

        Raises:
            OSError: if it cannot be written.
        """
        buffer = self._buffers[partition]
        buffer += item.to_json()
        if len(buffer) >= _BUFFER_BYTES:
            self._flush(partition)

    def filled(self) -> tuple[int, ...]:
        """Return the partitions that hold notes, in order."""
        both = zip(self._chunks, self._buffers, strict=True)
        return tuple(number for number, (chunks, buffer) in enumerate(both) if chunks or buffer)

    def read(self, partition: int) -> Iterator[Item]:
        """Yield a partition's notes in the order they were added.

        Args:
            partition: Which one.

        Raises:
            OSError: if they cannot be read back.
        """
        self._flush(partition)
        chunks = self._chunks[partition]
        for index in range(0, len(chunks), 2):
            for line in self._pread(chunks[index], chunks[index + 1]).splitlines():
                yield Item.from_json(line)

    def _flush(self, partition: int) -> None:
        buffer = self._buffers[partition]
        if not buffer:
            return
        view = memoryview(buffer)
        written = 0
        while written < len(view):
            written += os.pwrite(self._file.fileno(), view[written:], self._end + written)
        self._chunks[partition].extend((self._end, written))
        self._end += written
        view.release()
        self._buffers[partition] = bytearray()

    def _pread(self, offset: int, length: int) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            part = os.pread(self._file.fileno(), length - len(parts), offset + len(parts))
            if not part:
                raise OSError("the spool file is shorter than what was written to it")
            parts += part
        return bytes(parts)
