"""Rows of Arrow batches: what their columns mean, as entries, and with other texts, in Parquet too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deid.errors import UsageError
from deid.formats.atomic import atomic_file, shard_path
from deid.formats.identifying import identifying
from deid.formats.schemas import check_named, resolve_roles, table_fields
from deid.formats.source import Entry, NewTexts, Options, Outcome, Pairing, make_entry
from deid.note import Field

BATCH_ROWS = 256
_GROUP_ROWS = 8192
_GROUP_BYTES = 32 << 20


class ArrowRows:
    """What the columns of a table mean to a run.

    Args:
        schema: Columns and types of the table.
        options: Columns are named as in the schema; ids may have any type.
        name: The table, for errors while it is read.
        place: The table, for errors about its columns.

    Raises:
        UsageError: for a column that is not there or not text.
    """

    def __init__(self, schema: pa.Schema, options: Options, *, name: str, place: str) -> None:
        self._schema, self._options, self._name = schema, options, name
        self.roles = resolve_roles(options.columns, schema.names, place=place)
        kind = schema.field(self.roles.text).type
        if not is_text(kind):
            raise UsageError(
                f"{place}: column {self.roles.text!r} holds {kind}, not text; choose --text-column"
            )
        for role, given in options.named():
            check_named(given, schema.names, role=role, place=place, text=self.roles.text)
        self.fields = table_fields(options.fields, schema.names, roles=self.roles, drop=options.drop)
        self._told = options.told(schema.names)
        self.carried = pa.schema(
            [self._carried(field) for field in schema if field.name not in options.drop], schema.metadata
        )

    @property
    def read_schema(self) -> pa.Schema:
        """The columns that entries are made of."""
        roles = self.roles
        named = {roles.text, roles.note_id, roles.patient_id, roles.note_date, *self._told, *self.fields}
        return pa.schema([field for field in self._schema if field.name in named])

    def entries(self, batches: Iterable[pa.RecordBatch]) -> Iterator[Entry]:
        """Deliver an entry for each row.

        Args:
            batches: Columns of `read_schema`, at least.
        """
        ordinal = 0
        for batch in batches:
            yield from self._entries(batch, ordinal)
            ordinal += batch.num_rows

    def renewed(self, batch: pa.RecordBatch, texts: Sequence[NewTexts | None]) -> pa.RecordBatch:
        """Return rows with other texts and fields, and the columns of `carried`.

        Args:
            batch: All columns of the schema.
            texts: One per row; without it, text and fields are null.
        """
        new = {self.roles.text: [each.text if each else None for each in texts]}
        for name in self.fields:
            new[name] = [each.fields.get(name) if each else None for each in texts]
        arrays = [
            cast(new[field.name], field.type) if field.name in new else batch.column(field.name)
            for field in self.carried
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.carried)

    def write(
        self,
        batches: Iterable[pa.RecordBatch],
        outcomes: Iterator[Outcome],
        directory: Path,
        *,
        compression: str,
    ) -> tuple[Path, ...]:
        """Write ``part-00000.parquet`` and so on with the outcomes; see `deid.formats.source.Source`.

        Args:
            batches: All columns of the schema.
            outcomes: One per row, in order.
            directory: An existing folder.
            compression: Codec of the files.
        """
        groups = _row_groups(self._replaced(batches, outcomes), self.carried, shard=self._options.shard_notes)
        paths: list[Path] = []
        for number, tables in groupby(groups, key=itemgetter(0)):
            paths.append(shard_path(directory, number, "parquet"))
            with (
                atomic_file(paths[-1]) as stream,
                pq.ParquetWriter(
                    stream, self.carried, compression=compression, write_page_checksum=True
                ) as writer,
            ):
                for _, table in tables:
                    writer.write_table(table)
        return tuple(paths)

    def passed_through(self) -> tuple[str, ...]:
        """Name the carried columns and fields that look identifying; see `deid.formats.source.Source`."""
        replaced = {self.roles.text, *self.fields}
        names = (name for field in self.carried if field.name not in replaced for name in _paths(field))
        return identifying(names, always=(self.roles.patient_id, self.roles.note_date))

    def _carried(self, field: pa.Field) -> pa.Field:
        """Let a column be null where a new value may not fit its type."""
        return field.with_nullable(True) if field.name in self.fields and not is_text(field.type) else field

    def _entries(self, batch: pa.RecordBatch, ordinal: int) -> Iterator[Entry]:
        roles = self.roles
        limit = self._options.max_characters
        texts, ids, patients, dates = (
            strings(batch.column(name)) if name is not None else [None] * batch.num_rows
            for name in (roles.text, roles.note_id, roles.patient_id, roles.note_date)
        )
        known = {name: strings(batch.column(name)) for name in self._told}
        replaced = {name: strings(batch.column(name)) for name in self.fields}
        for row in range(batch.num_rows):
            fields = {
                "text": texts[row],
                "note_id": ids[row],
                "patient_id": patients[row],
                "note_date": dates[row],
                "metadata": {name: values[row] for name, values in known.items() if values[row] is not None},
                "fields": tuple(
                    Field(name, kind, value)
                    for name, kind in self.fields.items()
                    if (value := replaced[name][row]) is not None
                ),
            }
            yield make_entry(ordinal + row, fields, place=f"row-{ordinal + row + 1}", max_characters=limit)

    def _replaced(
        self, batches: Iterable[pa.RecordBatch], outcomes: Iterator[Outcome]
    ) -> Iterator[pa.RecordBatch]:
        pairing = Pairing(outcomes, self._name)
        ordinal = 0
        for batch in batches:
            taken = [pairing.take(entry) for entry in self._entries(batch, ordinal)]
            ordinal += batch.num_rows
            kept = batch.filter(pa.array([each is not None for each in taken], pa.bool_()))
            yield self.renewed(kept, [each for each in taken if each is not None])
        pairing.finish()


def is_text(kind: pa.DataType) -> bool:
    """Tell whether a type holds strings.

    Args:
        kind: Type of a column.
    """
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def strings(column: pa.Array) -> list[str | None]:
    """Return values as strings; bytes that are not UTF-8, which Arrow lets pass, become lone surrogates.

    Args:
        column: Of any type.
    """
    kind = column.type
    if is_text(kind):
        column = column.cast(pa.binary() if pa.types.is_string(kind) else pa.large_binary())
    elif pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        column = column.cast(pa.string())
    return [_string(value) for value in column.to_pylist()]


def _string(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    return None if value is None else str(value)


def cast(values: list[str | None], kind: pa.DataType) -> pa.Array:
    """Bring new values back to their column's type; what does not fit it any more becomes null.

    Args:
        values: New values.
        kind: Type of the column.
    """
    if is_text(kind):
        return pa.array(values, kind)
    return pa.concat_arrays([_cast_one(value, kind) for value in values] or [pa.array([], kind)])


def _cast_one(value: str | None, kind: pa.DataType) -> pa.Array:
    try:
        return pa.array([value], pa.string()).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(1, kind)


def _row_groups(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, *, shard: int
) -> Iterator[tuple[int, pa.Table]]:
    """Collect batches into row groups that no shard boundary crosses; yield the shard's number with each.

    Without rows there is one empty table, so that the schema is not lost.
    """
    waiting: list[pa.RecordBatch] = []
    done = rows = size = 0
    for batch in batches:
        rest = batch
        while rest.num_rows:
            room = min(_GROUP_ROWS - rows, shard - (done + rows) % shard)
            waiting.append(rest.slice(0, room))
            rest = rest.slice(room)
            rows += waiting[-1].num_rows
            size += waiting[-1].nbytes
            if rows == _GROUP_ROWS or size >= _GROUP_BYTES or (done + rows) % shard == 0:
                yield done // shard, pa.Table.from_batches(waiting, schema)
                done, waiting, rows, size = done + rows, [], 0, 0
    if rows or not done:
        yield done // shard, pa.Table.from_batches(waiting, schema)


def _paths(field: pa.Field, above: str = "") -> Iterator[str]:
    path = f"{above}{field.name}"
    yield path
    for index in range(field.type.num_fields):
        yield from _paths(field.type.field(index), f"{path}.")
