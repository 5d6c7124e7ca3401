"""Rows of a DataFrame in, rows out, the notes of a patient worked on together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import pyarrow as pa

from deid.formats.arrow_rows import ArrowRows, strings
from deid.formats.schemas import Columns
from deid.formats.source import Entry, NewTexts, Options
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
        """Return what makes entries of batches, and batches without the columns `ADDED` of new texts.

        Args:
            schema: Of the batches; in what is made of them each column may be null.
            order: Its policy says which columns are replaced whole.
        """
        patient, note, date = ADDED
        options = Options(
            columns=Columns(self.text, note, patient, date),
            drop=ADDED,
            fields=order.recipe.policy.fields,
            max_characters=self.max_characters,
        )
        nullable = pa.schema([field.with_nullable(True) for field in schema])
        return ArrowRows(nullable, options, name="rows", place="the DataFrame")


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
        texts, reasons = zip(*_outcomes(entries, chain.from_iterable(results)), strict=True)
        yield reader.renewed(batch, texts).append_column(rows.reason, pa.array(reasons, pa.string()))


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


def _outcomes(
    entries: Iterable[Entry], results: Iterator[NoteResult]
) -> Iterator[tuple[NewTexts | None, str | None]]:
    """Yield for each row its new texts, or the reason why it has none."""
    for entry in entries:
        result = next(results) if entry.note is not None else None
        if result is not None and result.deidentified is not None:
            fields = {each.path: each.text for each in result.deidentified.fields}
            yield NewTexts(result.deidentified.text, fields), None
        else:
            reason = result.reason if result is not None else entry.reason
            yield None, reason.value if reason is not None else None
