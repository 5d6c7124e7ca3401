"""The notes of a finished run as a new table of a database: there as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from deid.errors import UsageError
from deid.formats.arrow_rows import BATCH_ROWS
from deid.formats.database.address import DUCKDB, Address
from deid.formats.database.columns import declared_type, describe
from deid.formats.database.connection import Connection, connected, quoted

_STAGING = "deid_staging"


class Target:
    """A table to be made.

    Args:
        address: The table.
    """

    def __init__(self, address: Address) -> None:
        self._address = address

    def check(self) -> None:
        """Check that there is no such table yet, and that the database answers.

        Raises:
            UsageError: if there is one.
            InputOutputError: if the database cannot be read.
        """
        if self._address.kind == DUCKDB and not Path(self._address.connection).exists():
            return
        with connected(self._address) as connection:
            self._is_there(connection, mark=None)

    def load(self, folder: Path, mark: str) -> None:
        """Make the table and load it in one transaction; if this run has made it before, nothing is done.

        Args:
            folder: Parquet files, loaded in the order of their names.
            mark: Identifies the run, by letters, digits and colons; the table's comment names it.

        Raises:
            UsageError: if there is a table of that name from elsewhere.
            InputOutputError: if the database refuses it.
        """
        files = sorted(folder.glob("*.parquet"))
        schema = pq.read_schema(files[0])
        bare = pa.schema([field.remove_metadata() for field in schema])
        with connected(self._address, write=True) as connection:
            if self._is_there(connection, mark=mark):
                return
            connection.load(_STAGING, pa.RecordBatchReader.from_batches(bare, _batches(files, bare)))
            columns = ", ".join(self._typed(field) for field in schema)
            connection.run(f"CREATE TABLE {self._relation} AS SELECT {columns} FROM {_STAGING}")
            connection.run(f"DROP TABLE {_STAGING}")
            connection.run(f"COMMENT ON TABLE {self._relation} IS '{_comment(mark)}'")
            connection.commit()

    @property
    def _relation(self) -> str:
        return ".".join(quoted(each) for each in self._address.schema_and_table if each is not None)

    def _is_there(self, connection: Connection, *, mark: str | None) -> bool:
        """Tell whether this run has made the table."""
        found = describe(connection, self._address)
        if found is not None and (mark is None or found.comment != _comment(mark)):
            raise UsageError(f"{self._address.name}: exists already; name another with --to, or drop it")
        return found is not None

    def _typed(self, field: pa.Field) -> str:
        declared = declared_type(field, kind=self._address.kind)
        name = quoted(field.name)
        return name if declared is None else f"{name}::{declared} AS {name}"


def _batches(files: Sequence[Path], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for path in files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)


def _comment(mark: str) -> str:
    return f"de-identified by deid, run {mark}"
