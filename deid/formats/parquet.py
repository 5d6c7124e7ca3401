"""Parquet: a file or a folder, read batch by batch; columns keep their types, the schema its metadata."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from deid.errors import InputOutputError, UsageError
from deid.formats.atomic import (
    atomic_file,
    check_unchanged,
    digest_of,
    digest_of_folder,
    prepare_folder,
    reading,
    shard_path,
    state_of,
)
from deid.formats.identifying import identifying
from deid.formats.schemas import check_named, resolve_roles, table_fields
from deid.formats.source import Entry, Options, Outcome, Pairing, make_entry
from deid.note import Field

_BATCH_ROWS = 256
_GROUP_ROWS = 8192
_GROUP_BYTES = 32 << 20
_BUFFER_BYTES = 1 << 20


class Parquet:
    """Notes in a Parquet file, or a folder of them with or without hive partitions.

    Files of a folder are read in the order of their relative paths. The output has the columns and types of
    the input, partition columns included.

    Args:
        path: File or folder.
        options: Columns are named as in the schema; ids may have any type.

    Raises:
        UsageError: for what is not Parquet, files of different types, a column that is not there or not text.
        InputOutputError: if a file cannot be read.
    """

    def __init__(self, path: Path, options: Options) -> None:
        self.name = str(path)
        self.path: Path | None = path
        self._options = options
        self._root = path if path.is_dir() else path.parent
        place = f"input {path}"
        with reading(self.name):
            self._files = _parquet_files(path)
            self._states = {each: state_of(each) for each in self._files}
            self._fragments, self._schema = _open_fragments(self._files, self._root, place=place)
        self._roles = resolve_roles(options.columns, self._schema.names, place=place)
        kind = self._schema.field(self._roles.text).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise UsageError(
                f"{place}: column {self._roles.text!r} holds {kind}, not text; choose --text-column"
            )
        for role, given in options.named():
            check_named(given, self._schema.names, role=role, place=place, text=self._roles.text)
        self._fields = table_fields(options.fields, self._schema.names, roles=self._roles, drop=options.drop)
        self._told = options.told(self._schema.names)
        self._carried = pa.schema(
            [field for field in self._schema if field.name not in options.drop], self._schema.metadata
        )

    def read(self) -> Iterator[Entry]:
        """Deliver an entry for each row; see `deid.formats.source.Source`."""
        roles = self._roles
        named = (roles.text, roles.note_id, roles.patient_id, roles.note_date, *self._told, *self._fields)
        columns = [name for name in self._schema.names if name in named]
        schema = pa.schema([self._schema.field(name) for name in columns])
        ordinal = 0
        for batch in self._batches(schema):
            yield from self._entries(batch, ordinal)
            ordinal += batch.num_rows

    def write(self, outcomes: Iterator[Outcome], directory: Path) -> tuple[Path, ...]:
        """Write ``part-00000.parquet`` and so on; see `deid.formats.source.Source`."""
        check_unchanged(self.name, self._states)
        prepare_folder(directory, source=self.path)
        groups = _row_groups(self._replaced(outcomes), self._carried, shard=self._options.shard_notes)
        paths: list[Path] = []
        for number, tables in groupby(groups, key=itemgetter(0)):
            paths.append(shard_path(directory, number, "parquet"))
            with (
                atomic_file(paths[-1]) as stream,
                pq.ParquetWriter(stream, self._carried, compression=self._compression()) as writer,
            ):
                for _, table in tables:
                    writer.write_table(table)
        return tuple(paths)

    def passed_through(self) -> tuple[str, ...]:
        """Name the carried columns and fields that look identifying; see `deid.formats.source.Source`."""
        replaced = {self._roles.text, *self._fields}
        names = (name for field in self._carried if field.name not in replaced for name in _paths(field))
        return identifying(names, always=(self._roles.patient_id, self._roles.note_date))

    def digest(self) -> str:
        """Digest the input; see `deid.formats.source.Source`."""
        if Path(self.name).is_dir():
            return digest_of_folder(
                self._root, [each.relative_to(self._root).as_posix() for each in self._files]
            )
        with reading(self.name), Path(self.name).open("rb") as stream:
            return digest_of(stream)

    def size(self) -> int:
        """Return the bytes of all files."""
        return sum(size for size, _ in self._states.values())

    def _batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Read the columns of a schema; a buffered stream keeps a batch in memory instead of a row group."""
        for fragment in self._fragments:
            present = [name for name in schema.names if name in fragment.physical_schema.names]
            partition = ds.get_partition_keys(fragment.partition_expression)
            try:
                with (
                    reading(fragment.path),
                    pq.ParquetFile(fragment.path, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file,
                ):
                    for batch in file.iter_batches(_BATCH_ROWS, columns=present or None, use_threads=False):
                        yield _conform(batch, schema, partition)
            except pa.ArrowException as error:
                raise InputOutputError(f"cannot read {fragment.path}: {type(error).__name__}") from None

    def _entries(self, batch: pa.RecordBatch, ordinal: int) -> Iterator[Entry]:
        roles = self._roles
        limit = self._options.max_characters
        texts, ids, patients, dates = (
            _strings(batch.column(name)) if name is not None else [None] * batch.num_rows
            for name in (roles.text, roles.note_id, roles.patient_id, roles.note_date)
        )
        known = {name: _strings(batch.column(name)) for name in self._told}
        replaced = {name: _strings(batch.column(name)) for name in self._fields}
        for row in range(batch.num_rows):
            fields = {
                "text": texts[row],
                "note_id": ids[row],
                "patient_id": patients[row],
                "note_date": dates[row],
                "metadata": {name: values[row] for name, values in known.items() if values[row] is not None},
                "fields": tuple(
                    Field(name, kind, value)
                    for name, kind in self._fields.items()
                    if (value := replaced[name][row]) is not None
                ),
            }
            yield make_entry(ordinal + row, fields, place=f"row-{ordinal + row + 1}", max_characters=limit)

    def _replaced(self, outcomes: Iterator[Outcome]) -> Iterator[pa.RecordBatch]:
        pairing = Pairing(outcomes, self.name)
        kind = self._schema.field(self._roles.text).type
        ordinal = 0
        for batch in self._batches(self._schema):
            taken = [pairing.take(entry) for entry in self._entries(batch, ordinal)]
            ordinal += batch.num_rows
            kept = batch.filter(pa.array([each is not None for each in taken], pa.bool_()))
            present = [each for each in taken if each is not None]
            new = {self._roles.text: pa.array([each.text for each in present], kind)}
            for name in self._fields:
                new[name] = _cast([each.fields.get(name) for each in present], self._schema.field(name).type)
            arrays = [new[name] if name in new else kept.column(name) for name in self._carried.names]
            yield pa.RecordBatch.from_arrays(arrays, schema=self._carried)
        pairing.finish()

    def _compression(self) -> str:
        """Return the codec of the first file's first column; zstd if it has none to show."""
        with reading(self.name), pq.ParquetFile(self._files[0]) as file:
            if not file.metadata.num_row_groups:
                return "zstd"
            codec = file.metadata.row_group(0).column(0).compression.lower()
        return "none" if codec == "uncompressed" else codec


def _parquet_files(path: Path) -> tuple[Path, ...]:
    if path.is_file():
        return (path,)
    found = sorted(
        (each.relative_to(path).as_posix(), each) for each in path.rglob("*.parquet") if each.is_file()
    )
    files = tuple(each for name, each in found if not any(part[0] in "._" for part in name.split("/")))
    if not files:
        raise UsageError(f"input {path}: the folder holds no .parquet files")
    return files


def _open_fragments(files: tuple[Path, ...], root: Path, *, place: str) -> tuple[tuple[Any, ...], pa.Schema]:
    """Return the files as fragments of one dataset, and a schema for all of them and the partitions."""
    schemas = [_schema(each) for each in files]
    try:
        dataset = ds.dataset(
            [str(each) for each in files], format="parquet", partitioning="hive", partition_base_dir=str(root)
        )
        return tuple(dataset.get_fragments()), pa.unify_schemas([*schemas, dataset.schema])
    except pa.ArrowException:
        raise UsageError(f"{place}: the files have columns of one name but of different types") from None


def _schema(path: Path) -> pa.Schema:
    try:
        schema = pq.read_schema(path)
    except pa.ArrowException:
        raise UsageError(f"input {path}: not a Parquet file") from None
    if len(set(schema.names)) != len(schema.names):
        raise UsageError(f"input {path}: two columns have the same name; rename one of them")
    return schema


def _conform(batch: pa.RecordBatch, schema: pa.Schema, partition: dict[str, Any]) -> pa.RecordBatch:
    """Bring a batch of one file to the schema of all: order, null columns, columns from the folder's name."""
    arrays = []
    for field in schema:
        if field.name in batch.schema.names:
            column = batch.column(field.name)
            arrays.append(column if column.type == field.type else column.cast(field.type))
        else:
            value = pa.scalar(partition.get(field.name), field.type)
            arrays.append(pa.repeat(value, batch.num_rows))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _strings(column: pa.Array) -> list[str | None]:
    """Return values as strings; bytes that are not UTF-8, which Arrow lets pass, become lone surrogates."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column = column.cast(pa.binary() if pa.types.is_string(kind) else pa.large_binary())
    elif pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        column = column.cast(pa.string())
    return [_string(value) for value in column.to_pylist()]


def _string(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    return None if value is None else str(value)


def _cast(values: list[str | None], kind: pa.DataType) -> pa.Array:
    """Bring new values back to their column's type; what does not fit it any more becomes null."""
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
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
