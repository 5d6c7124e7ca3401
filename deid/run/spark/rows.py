"""Rows of a DataFrame in, rows out, the notes of a patient worked on together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import pyarrow as pa

from deid.formats.arrow_rows import ArrowRows, cast, strings
from deid.formats.schemas import Columns
from deid.formats.source import Entry, Options
from deid.run.spark.executor import Order, processor_of
from deid.run.work import Group, NoteResult
from deid.run.workers import process

ADDED = ("deid patient", "deid note", "deid date")
"""Columns of text that stand last while the work is done: whose note it is, its id, its date."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a task is told about its rows, which come sorted by patient.

    Args:
        text: Name of the column of notes.
        reason: Name of the column to add that says why a note has no text any more.
        max_characters: Longest note.
    """

    text: str
    reason: str
    max_characters: int

    def reader(self, schema: pa.Schema, order: Order) -> ArrowRows:
        """Return what makes entries of batches.

        Args:
            schema: Of the batches, with the columns `ADDED`.
            order: Its policy says which columns are replaced whole.
        """
        patient, note, date = ADDED
        options = Options(
            columns=Columns(self.text, note, patient, date),
            fields=order.recipe.policy.fields,
            max_characters=self.max_characters,
        )
        return ArrowRows(schema, options, name="rows", place="the DataFrame")


def deidentify_rows(
    batches: Iterable[pa.RecordBatch], *, order: Order, rows: Rows
) -> Iterator[pa.RecordBatch]:
    """De-identify the text of rows, the notes of a patient together; memory for a batch and one patient.

    Args:
        batches: Rows sorted by patient.
        order: What to do.
        rows: What the columns are.

    Raises:
        DeidError: if the processor cannot be built or fails as a whole; names no text.
    """
    processor = processor_of(order)
    for table in _whole_patients(batches):
        (batch,) = table.combine_chunks().to_batches()
        reader = rows.reader(batch.schema, order)
        entries = list(reader.entries([batch]))
        bounds = [0, *_changes(strings(batch.column(ADDED[0]))), len(entries)]
        slices = (entries[start:end] for start, end in pairwise(bounds))
        notes = (tuple(entry.note for entry in each if entry.note is not None) for each in slices)
        results = process(processor, (Group(each) for each in notes if each), place="rows")
        replaced = (rows.text, *reader.fields)
        yield _with(batch, _new_values(entries, chain.from_iterable(results), rows, replaced))


def _whole_patients(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield rows in pieces that end with a patient's last row."""
    waiting: list[pa.RecordBatch] = []
    last: list[str | None] = []
    for batch in batches:
        patients = [*last, *strings(batch.column(ADDED[0]))]
        if changes := _changes(patients):
            cut = changes[-1] - len(last)
            yield pa.Table.from_batches([*waiting, batch.slice(0, cut)])
            waiting = [batch.slice(cut)]
        elif batch.num_rows:
            waiting.append(batch)
        last = patients[-1:]
    if waiting:
        yield pa.Table.from_batches(waiting)


def _changes(patients: Sequence[str | None]) -> list[int]:
    """Return where another patient begins; rows without one stand alone."""
    pairs = enumerate(pairwise(patients), start=1)
    return [at for at, (before, patient) in pairs if patient is None or patient != before]


def _new_values(
    entries: Iterable[Entry], results: Iterator[NoteResult], rows: Rows, replaced: Iterable[str]
) -> dict[str, list[str | None]]:
    """Return new columns; a note that came to nothing has neither text nor the values beside it."""
    columns: dict[str, list[str | None]] = {name: [] for name in (*replaced, rows.reason)}
    for entry in entries:
        result = next(results) if entry.note is not None else None
        new: dict[str, str] = {}
        if result is not None and result.deidentified is not None:
            new = {each.path: each.text for each in result.deidentified.fields}
            new[rows.text] = result.deidentified.text
        elif reason := result.reason if result is not None else entry.reason:
            new[rows.reason] = reason.value
        for name, column in columns.items():
            column.append(new.get(name))
    return columns


def _with(batch: pa.RecordBatch, columns: dict[str, list[str | None]]) -> pa.RecordBatch:
    """Put new columns in the place of old ones or behind them, and leave out what was added for the work."""
    kept = {name: batch.column(name) for name in batch.schema.names if name not in ADDED}
    for name, values in columns.items():
        kept[name] = cast(values, batch.schema.field(name).type if name in kept else pa.string())
    return pa.RecordBatch.from_pydict(kept)
