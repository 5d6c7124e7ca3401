"""Notes that a table holds in many rows, a part of the text in each: read as one text, written as rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from deid.errors import Reason
from deid.formats.pieces import divide, joins
from deid.formats.source import Entry, Options, Outcome, Pairing, Source
from deid.note import Field, Note

_BETWEEN = "\n"


class Grouped:
    """Rows that follow one another under one note id, as one note; its text is the rows' texts, a line each.

    The rows come back as they were, each with its part of the new text; a mention over a row's end is
    replaced in both rows. A note goes to quarantine if one of its rows cannot be read, or two have the same
    place. Rows of one note apart from each other are notes of their own.

    Args:
        rows: The table, an entry a row.
        options: `order_by` names the column of whole numbers that says in which order the rows are read.
    """

    def __init__(self, rows: Source, options: Options) -> None:
        self.rows, self._options = rows, options
        self.name, self.path = rows.name, rows.path

    def read(self) -> Iterator[Entry]:
        """Deliver an entry for each note; see `deid.formats.source.Source`."""
        return notes_of_rows(self.rows.read(), self._options)

    def write(self, outcomes: Iterator[Outcome], directory: Path) -> tuple[Path, ...]:
        """Write the rows, those of quarantined notes left out; see `deid.formats.source.Source`."""
        return self.rows.write(self._row_outcomes(outcomes), directory)

    def passed_through(self) -> tuple[str, ...]:
        """Name the carried columns that look identifying; see `deid.formats.source.Source`."""
        return self.rows.passed_through()

    def digest(self) -> str:
        """Digest the table; see `deid.formats.source.Source`."""
        return self.rows.digest()

    def size(self) -> int:
        """Return the size of the table in bytes."""
        return self.rows.size()

    def _row_outcomes(self, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        pairing = Pairing(outcomes, self.name)
        for ordinal, rows in enumerate(_groups(self.rows.read())):
            new = pairing.take(_note(ordinal, rows, self._options))
            if new is None:
                yield from (Outcome(row.ordinal, None) for row in rows)
                continue
            order = _order(rows, self._options) or []
            pieces = _pieces(rows[place].note for place in order)
            texts = dict(zip(order, divide(new.text, new.moves, pieces), strict=True))
            for place, row in enumerate(rows):
                own = row.note.fields if row.note else ()
                fields = {field.path: new.fields[_path(row, field)] for field in own}
                yield Outcome(row.ordinal, texts[place], fields)
        pairing.finish()


def notes_of_rows(rows: Iterable[Entry], options: Options) -> Iterator[Entry]:
    """Yield the entry of each note whose rows follow one another.

    Args:
        rows: Entries of rows, each with the note's id.
        options: As for `Grouped`.
    """
    return (_note(ordinal, own, options) for ordinal, own in enumerate(_groups(rows)))


def _groups(rows: Iterable[Entry]) -> Iterator[list[Entry]]:
    return (list(own) for _, own in groupby(rows, key=lambda entry: entry.note_id))


def _note(ordinal: int, rows: list[Entry], options: Options) -> Entry:
    first = rows[0]
    unread = next((row for row in rows if row.reason is not None), None)
    if unread is not None:
        return Entry(ordinal, first.note_id, None, unread.reason, f"row {unread.ordinal + 1}")
    order = _order(rows, options)
    if order is None:
        return Entry(ordinal, first.note_id, None, Reason.INVALID_RECORD, "order of the rows")
    notes = [rows[at].note for at in order]
    text = _BETWEEN.join(note.text for note in notes if note)
    places = joins(_pieces(notes))
    if len(text) > options.max_characters:
        return Entry(ordinal, first.note_id, None, Reason.TOO_LONG)
    if first.note is None or len({note.patient_id for note in notes if note}) > 1:
        return Entry(ordinal, first.note_id, None, Reason.INVALID_RECORD, "rows of several patients")
    fields = tuple(
        replace(field, path=_path(row, field))
        for row in rows
        for field in (row.note.fields if row.note else ())
    )
    return Entry(ordinal, first.note_id, replace(first.note, text=text, fields=fields, joins=places), None)


def _order(rows: list[Entry], options: Options) -> list[int] | None:
    """Return the rows' places in reading order; None where the column does not say it."""
    column = options.order_by
    if column is None:
        return list(range(len(rows)))
    values = [str(row.note.metadata.get(column, "")) if row.note else "" for row in rows]
    try:
        numbers = [int(value) for value in values]
    except ValueError:
        return None
    if len(set(numbers)) != len(numbers):
        return None
    return sorted(range(len(rows)), key=numbers.__getitem__)


def _pieces(notes: Iterable[Note | None]) -> list[tuple[int, int]]:
    """Return where each row's text stands in the note's."""
    pieces, at = [], 0
    for note in notes:
        end = at + len(note.text if note else "")
        pieces.append((at, end))
        at = end + len(_BETWEEN)
    return pieces


def _path(row: Entry, field: Field) -> str:
    return f"row {row.ordinal + 1}: {field.path}"
