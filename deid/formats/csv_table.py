"""CSV: every cell is a string; bytes of the other columns survive, also where they are not UTF-8."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from deid.errors import InputOutputError, Reason, UsageError
from deid.formats.atomic import check_unchanged, digest_of, prepare_folder, reading, state_of, write_shards
from deid.formats.compressed import compression_of, open_bytes, suffix_of
from deid.formats.identifying import UNREADABLE, identifying, readable
from deid.formats.schemas import check_named, resolve_roles, table_fields
from deid.formats.source import Entry, Options, Outcome, Pairing, make_entry
from deid.note import Field

_FIELD_LIMIT = 1 << 27
_DELIMITERS = {"tab": "\t", "\\t": "\t", None: None}


class CsvTable:
    """Notes in a CSV file with a header row, quoted as in RFC 4180, in UTF-8 with or without byte order mark.

    Rows with too many or too few cells go to quarantine. Broken quoting stops the run: behind it nobody
    can tell where a record ends, and text of a note could end up in a column that is carried through.

    Args:
        path: The file.
        options: Columns are named as in the header.

    Raises:
        UsageError: for a file without header, a column that is not there, a delimiter that is none.
        InputOutputError: if the file cannot be read.
    """

    def __init__(self, path: Path, options: Options) -> None:
        self.name = str(path)
        self.path: Path | None = path
        self._file = path
        self._options = options
        self._delimiter = _delimiter(path, options.delimiter)
        # The limit is the process's own; a note that is too long must be quarantined, not fail the reader.
        csv.field_size_limit(max(csv.field_size_limit(), _FIELD_LIMIT))
        if not path.is_file():
            raise UsageError(f"input {path}: csv is read from a single file")
        with reading(self.name):
            self._states = {path: state_of(path)}
            with open_bytes(path) as stream:
                first = stream.readline(_FIELD_LIMIT)
        if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise UsageError(f"input {path}: the file is in UTF-16; convert it to UTF-8")
        self._mark = codecs.BOM_UTF8 if first.startswith(codecs.BOM_UTF8) else b""
        self._line_end = next((end for end in ("\r\n", "\n", "\r") if end.encode() in first), "\n")
        self._header = next((row for _, row in self._rows()), [])
        if not self._header:
            raise UsageError(f"input {path}: the file is empty; a header row is needed")
        self._roles = resolve_roles(options.columns, self._header, place=f"input {path}")
        for role, given in options.named():
            check_named(given, self._header, role=role, place=f"input {path}", text=self._roles.text)
        self._told = options.told(self._header)
        self._fields = table_fields(options.fields, self._header, roles=self._roles, drop=options.drop)
        self._carried = [at for at, name in enumerate(self._header) if name not in options.drop]

    def read(self) -> Iterator[Entry]:
        """Deliver an entry for each row that is not blank; see `deid.formats.source.Source`."""
        return (entry for entry, _ in self._records())

    def write(self, outcomes: Iterator[Outcome], directory: Path) -> tuple[Path, ...]:
        """Write ``part-00000.csv`` (or ``.tsv``) and so on; see `deid.formats.source.Source`."""
        check_unchanged(self.name, self._states)
        prepare_folder(directory, source=self._file)
        return write_shards(
            self._replaced(outcomes),
            directory,
            suffix=("tsv" if suffix_of(self._file) == ".tsv" else "csv") + compression_of(self._file),
            size=self._options.shard_notes,
            write=self._write_file,
        )

    def passed_through(self) -> tuple[str, ...]:
        """Name the carried columns that look identifying; see `deid.formats.source.Source`."""
        replaced = {self._roles.text, *self._fields}
        names = (self._header[at] for at in self._carried if self._header[at] not in replaced)
        shown = (name if readable(name) or not name else UNREADABLE for name in names)
        return identifying(dict.fromkeys(shown), always=(self._roles.patient_id, self._roles.note_date))

    def digest(self) -> str:
        """Digest the file; see `deid.formats.source.Source`."""
        with reading(self.name), self._file.open("rb") as stream:
            return digest_of(stream)

    def size(self) -> int:
        """Return the size of the file in bytes."""
        with reading(self.name):
            return self._file.stat().st_size

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows that are not blank and the line each begins on; the header is the first."""
        with (
            reading(self.name),
            open_bytes(self._file) as content,
            io.TextIOWrapper(content, "utf-8-sig", "surrogateescape", newline="") as stream,
        ):
            reader = csv.reader(stream, delimiter=self._delimiter, strict=True)
            line = 1
            try:
                for row in reader:
                    if row:
                        yield line, row
                    line = reader.line_num + 1
            except csv.Error:
                raise InputOutputError(
                    f"{self.name}: the quoting is broken in the record that begins on line {line}; what "
                    "follows cannot be told apart; double the quotes inside of cells, or check the delimiter"
                ) from None

    def _records(self) -> Iterator[tuple[Entry, list[str]]]:
        rows = self._rows()
        next(rows, None)
        for ordinal, (_, row) in enumerate(rows):
            yield self._entry(ordinal, row), row

    def _entry(self, ordinal: int, row: list[str]) -> Entry:
        place = f"row-{ordinal + 1}"
        if len(row) != len(self._header):
            detail = f"{len(row)} cells, the header has {len(self._header)}"
            return Entry(ordinal, place, None, Reason.INVALID_RECORD, detail)
        cells = dict(zip(self._header, row, strict=True))
        roles = self._roles
        fields = {
            "text": cells[roles.text],
            "note_id": cells[roles.note_id],
            "patient_id": cells[roles.patient_id] if roles.patient_id else None,
            "note_date": cells[roles.note_date] if roles.note_date else None,
            "metadata": {name: cells[name] for name in self._told},
            "fields": tuple(Field(name, kind, cells[name]) for name, kind in self._fields.items()),
        }
        return make_entry(ordinal, fields, place=place, max_characters=self._options.max_characters)

    def _replaced(self, outcomes: Iterator[Outcome]) -> Iterator[list[str]]:
        pairing = Pairing(outcomes, self.name)
        at = self._header.index(self._roles.text)
        for entry, row in self._records():
            new = pairing.take(entry)
            if new is not None:
                cells = [new.fields.get(name, cell) for name, cell in zip(self._header, row, strict=True)]
                cells[at] = new.text
                yield cells
        pairing.finish()

    def _write_file(self, stream: BinaryIO, rows: Iterator[list[str]]) -> None:
        stream.write(self._mark + self._line(self._header))
        for row in rows:
            stream.write(self._line(row))

    def _line(self, row: list[str]) -> bytes:
        # The module quotes a cell for the line end it is given: with \r\n it quotes lone \r and \n too.
        buffer = io.StringIO()
        csv.writer(buffer, delimiter=self._delimiter, lineterminator="\r\n").writerow(
            row[at] for at in self._carried
        )
        line = buffer.getvalue().removesuffix("\r\n") + self._line_end
        return line.encode(errors="surrogateescape")


def _delimiter(path: Path, given: str | None) -> str:
    delimiter = _DELIMITERS.get(given, given) or ("\t" if suffix_of(path) == ".tsv" else ",")
    if len(delimiter) != 1 or delimiter in '"\r\n ':
        raise UsageError(f"input {path}: the delimiter must be one character, such as ',', ';', '|' or 'tab'")
    return delimiter
