"""Parquet: a file or a folder, read batch by batch; columns keep their types, the schema its metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from deid.errors import InputOutputError, UsageError
from deid.formats.arrow_rows import BATCH_ROWS, ArrowRows
from deid.formats.atomic import (
    check_unchanged,
    digest_of,
    digest_of_folder,
    prepare_folder,
    reading,
    state_of,
)
from deid.formats.source import Entry, Options, Outcome

# Pages that carry a checksum are held against it: most damage shows in no other way.
_READING: Mapping[str, Any] = {
    "buffer_size": 1 << 20,
    "pre_buffer": False,
    "page_checksum_verification": True,
}


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
        self._root = path if path.is_dir() else path.parent
        place = f"input {path}"
        with reading(self.name):
            self._files = _parquet_files(path)
            self._states = {each: state_of(each) for each in self._files}
            self._fragments, self._schema = _open_fragments(self._files, self._root, place=place)
        self._rows = ArrowRows(self._schema, options, name=self.name, place=place)

    def read(self) -> Iterator[Entry]:
        """Deliver an entry for each row; see `deid.formats.source.Source`."""
        return self._rows.entries(self._batches(self._rows.read_schema))

    def write(self, outcomes: Iterator[Outcome], directory: Path) -> tuple[Path, ...]:
        """Write ``part-00000.parquet`` and so on; see `deid.formats.source.Source`."""
        check_unchanged(self.name, self._states)
        prepare_folder(directory, source=self.path)
        batches = self._batches(self._schema)
        return self._rows.write(batches, outcomes, directory, compression=self._compression())

    def passed_through(self) -> tuple[str, ...]:
        """Name the carried columns and fields that look identifying; see `deid.formats.source.Source`."""
        return self._rows.passed_through()

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
            rows = 0
            try:
                with pq.ParquetFile(fragment.path, **_READING) as file:
                    for batch in file.iter_batches(BATCH_ROWS, columns=present or None, use_threads=False):
                        yield _conform(batch, schema, partition)
                        rows += batch.num_rows
            except (pa.ArrowException, OSError) as error:
                why = getattr(error, "strerror", None) or type(error).__name__
                raise InputOutputError(f"cannot read {fragment.path} after row {rows}: {why}") from None

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
