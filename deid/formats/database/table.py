"""A table of a database as a source of notes: read by ranges of its key, each pass against the first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from deid.errors import IntegrityError, UsageError
from deid.formats.arrow_rows import BATCH_ROWS, ArrowRows, strings
from deid.formats.atomic import prepare_folder
from deid.formats.database.address import POSTGRESQL, Address
from deid.formats.database.columns import ROWS, describe, no_such_table, of_table
from deid.formats.database.connection import Connection, connected
from deid.formats.schemas import resolve_roles
from deid.formats.source import Entry, Options, Outcome

_MOST_WITHOUT_INDEX = 100_000
_INDEX = (
    "SELECT c.relkind IN ('v', 'f') OR EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a"
    " ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
    " WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL AND a.attname = $2)"
    " FROM pg_class c WHERE c.oid = to_regclass($1)"
)
_DAYS = (-719_162, 2_932_896)  # 0001-01-01 and 9999-12-31, from 1970-01-01
_SECONDS_OF_DAY = 86_400
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass(frozen=True, slots=True)
class _Content:
    """What a pass over the table has seen.

    Args:
        digest: Over all values of the columns that are read.
        size: Bytes of these values.
    """

    digest: str
    size: int


class DatabaseTable:
    """Notes in a table or view of PostgreSQL or DuckDB, in the order of their ids.

    The ids, with ``--order-by`` the ids and the order, must be unique. The table is read in ranges of them,
    each by a statement of its own, so that no snapshot is held open. Every pass digests what it reads; the
    table may not change until the run has ended.

    Args:
        address: The table.
        options: Columns are named as in the database; ids may have any type.

    Raises:
        UsageError: if there is no such table, or a column is not there or not text.
        InputOutputError: if the database cannot be read.
    """

    def __init__(self, address: Address, options: Options) -> None:
        self.name = address.name
        self.path: Path | None = None
        self._address = address
        with connected(address) as connection:
            table = describe(connection, address)
            if table is None:
                raise no_such_table(connection, address)
        self._table = table
        names = table.schema.names
        roles = resolve_roles(options.columns, names, place=f"input {self.name}")
        if options.group_by and not options.order_by:
            raise UsageError(
                f"input {self.name}: rows of a table have no order of their own; name --order-by too"
            )
        schema = table.tagged(kind=address.kind, replaced={roles.text, *options.fields})
        self._rows = ArrowRows(schema, options, name=self.name, place=f"input {self.name}")
        self._key = (roles.note_id, *((options.order_by,) if options.order_by else ()))
        needed = {*self._rows.carried.names, *self._rows.read_schema.names}
        self._needed = pa.schema([field for field in schema if field.name in needed])
        self._content: _Content | None = None

    def read(self) -> Iterator[Entry]:
        """Deliver an entry for each row; see `deid.formats.source.Source`."""
        return self._rows.entries(self._pass())

    def write(self, outcomes: Iterator[Outcome], directory: Path) -> tuple[Path, ...]:
        """Write ``part-00000.parquet`` and so on; see `deid.formats.source.Source`."""
        prepare_folder(directory, source=None)
        return self._rows.write(self._pass(), outcomes, directory, compression="zstd")

    def passed_through(self) -> tuple[str, ...]:
        """Name the carried columns that look identifying; see `deid.formats.source.Source`."""
        return self._rows.passed_through()

    def digest(self) -> str:
        """Digest the values of the columns that are read, in the order of the ids."""
        return self._seen().digest

    def size(self) -> int:
        """Return the bytes of the values that are read."""
        return self._seen().size

    def _seen(self) -> _Content:
        if self._content is None:
            for _ in self._pass():
                pass
        if self._content is None:
            raise IntegrityError(f"{self.name}: the table was not read to its end")
        return self._content

    def _pass(self) -> Iterator[pa.RecordBatch]:
        """Read the table; it must be what it was in the first pass."""
        digest, size, rows = hashlib.sha256(), 0, 0
        digest.update(repr(self._needed.names).encode())
        with connected(self._address) as connection:
            count = self._count(connection) if self._content is None else None
            for batch in self._pages(connection):
                rows += batch.num_rows
                size += _digest_into(digest, batch)
                yield batch
        if count is not None and count != rows:
            raise UsageError(
                f"{self.name}: {rows} rows were read of {count}: the others have no {self._words()}, or the"
                " table is being written to; choose a column that tells all rows apart with --id-column"
            )
        content = _Content(f"sha256:{digest.hexdigest()}", size)
        if self._content not in (None, content):
            raise IntegrityError(
                f"{self.name}: changed since it was first read; begin in a new folder, with a copy or a view"
                " of rows that stay as they are"
            )
        self._content = content

    def _pages(self, connection: Connection) -> Iterator[pa.RecordBatch]:
        last: tuple[str, ...] = ()
        while True:
            page = connection.query(self._sql(beyond=bool(last)), last)
            if not page.num_rows:
                return
            page = page.combine_chunks()
            width = len(self._needed)
            keys = [page.column(width + at).chunk(0) for at in range(len(self._key))]
            if any(key.null_count for key in keys) or _repeats(keys):
                raise UsageError(
                    f"{self.name}: rows without {self._words()}, or with one that other rows have too; choose"
                    " a column that tells all rows apart with --id-column, or join the rows of a note with"
                    " --group-by and --order-by"
                )
            yield self._conform([page.column(at).chunk(0) for at in range(width)])
            last = tuple(key[-1].as_py() for key in keys)
            if page.num_rows < BATCH_ROWS:
                return

    def _sql(self, *, beyond: bool) -> str:
        table, kind = self._table, self._address.kind
        asked = [table.selected(name, kind=kind) for name in self._needed.names]
        asked += [f'{of_table(name)}::text AS "key {at}"' for at, name in enumerate(self._key)]
        key = ", ".join(of_table(name) for name in self._key)
        last = ", ".join(f"${at + 1}::text::{table.types[name]}" for at, name in enumerate(self._key))
        where = f" WHERE ({key}) > ({last})" if beyond else ""
        return (
            f"SELECT {', '.join(asked)} FROM {table.relation} AS {ROWS}{where} ORDER BY {key}"
            f" LIMIT {BATCH_ROWS}"
        )

    def _count(self, connection: Connection) -> int:
        """Count the rows; refuse to sort a large table for every range."""
        count: int = connection.query(f"SELECT count(*) FROM {self._table.relation}").column(0)[0].as_py()
        if self._address.kind == POSTGRESQL and count > _MOST_WITHOUT_INDEX:
            found = connection.query(_INDEX, (self._table.relation, self._key[0]))
            if not found.column(0)[0].as_py():
                raise UsageError(
                    f"{self.name}: {count} rows, and no index to read them by: CREATE UNIQUE INDEX ON"
                    f" {self._address.table} ({', '.join(self._key)})"
                )
        return count

    def _conform(self, columns: list[pa.Array]) -> pa.RecordBatch:
        arrays = []
        for column, field in zip(columns, self._needed, strict=True):
            try:
                array = column if column.type == field.type else column.cast(field.type)
            except pa.ArrowInvalid:
                array = None
            if array is None or not _is_common(array):
                raise UsageError(
                    f"{self.name}: column {field.name!r} holds a value that Parquet cannot, such as infinity,"
                    " NaN or a year beyond 9999; leave the column out with --drop, or read a view without"
                )
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, schema=self._needed)

    def _words(self) -> str:
        return " and ".join(repr(name) for name in self._key)


def _digest_into(digest: hashlib._Hash, batch: pa.RecordBatch) -> int:
    """Add the values of a batch, each after its length; return how many bytes they have."""
    total = 0
    for row in zip(*(strings(column) for column in batch.columns), strict=True):
        for value in row:
            content = b"" if value is None else value.encode(errors="surrogateescape")
            digest.update(b"-" if value is None else len(content).to_bytes(8, "big") + content)
            total += len(content)
    return total


def _repeats(keys: list[pa.Array]) -> bool:
    """Tell whether a row has the key of the row before it."""
    same = [pc.equal(key.slice(1), key.slice(0, len(key) - 1)) for key in keys]
    return any(all(values) for values in zip(*(each.to_pylist() for each in same), strict=True))


def _is_common(column: pa.Array) -> bool:
    """Tell whether dates and times are such that all readers of Parquet know; ADBC has no infinity."""
    kind = column.type
    if pa.types.is_date32(kind):
        numbers, (low, high) = column.view(pa.int32()), _DAYS
    elif pa.types.is_timestamp(kind):
        factor = _SECONDS_OF_DAY * _PER_SECOND[kind.unit]
        numbers, low, high = column.view(pa.int64()), _DAYS[0] * factor, (_DAYS[1] + 1) * factor - 1
    elif pa.types.is_time64(kind):
        numbers, low, high = column.view(pa.int64()), 0, _SECONDS_OF_DAY * _PER_SECOND[kind.unit] - 1
    else:
        return True
    found = pc.min_max(numbers)
    return len(column) == column.null_count or bool(
        low <= found["min"].as_py() and found["max"].as_py() <= high
    )
