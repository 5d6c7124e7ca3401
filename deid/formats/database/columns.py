"""The columns of a table in a database: their types there, and the Arrow types in which they are carried."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import pyarrow as pa

from deid.errors import UsageError
from deid.formats.arrow_rows import is_text
from deid.formats.database.address import DUCKDB, POSTGRESQL, Address
from deid.formats.database.connection import Connection, quoted

_DECIMAL = re.compile(r"numeric\((\d{1,2}),(\d{1,2})\)")
ROWS = "source"
_MOST_DIGITS = 38  # of Arrow's decimal128


@dataclass(frozen=True, slots=True)
class _Dialect:
    """What differs from one database to the other.

    Args:
        describe: Query for the columns of a table, by its schema and name: the table's schema, name and
            comment, the column's name and type.
        native: Types that Arrow and Parquet have too; the others are carried as text.
    """

    describe: str
    native: re.Pattern[str]


_DIALECTS: Mapping[str, _Dialect] = {
    POSTGRESQL: _Dialect(
        "SELECT n.nspname::text, c.relname::text, obj_description(c.oid, 'pg_class'), a.attname::text,"
        " format_type(a.atttypid, a.atttypmod)"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE c.oid = to_regclass(CASE WHEN $1::text = '' THEN '' ELSE quote_ident($1::text) || '.' END"
        " || quote_ident($2::text)) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY a.attnum",
        re.compile(
            r"bigint|integer|smallint|real|double precision|boolean|text|bytea|date"
            r"|character( varying)?(\(\d+\))?|time(\(\d\))? without time zone"
            r"|timestamp(\(\d\))? with(out)? time zone"
        ),
    ),
    DUCKDB: _Dialect(
        "SELECT c.table_schema, c.table_name, t.comment, c.column_name, c.data_type"
        " FROM information_schema.columns c LEFT JOIN duckdb_tables() t ON t.database_name = c.table_catalog"
        " AND t.schema_name = c.table_schema AND t.table_name = c.table_name"
        " WHERE c.table_catalog = current_database() AND c.table_name = $2"
        " AND c.table_schema = coalesce(nullif($1, ''), current_schema()) ORDER BY c.ordinal_position",
        re.compile(
            r"U?(BIGINT|INTEGER|SMALLINT|TINYINT)|FLOAT|DOUBLE|BOOLEAN|VARCHAR|BLOB|DATE|TIME"
            r"|DECIMAL\(\d+,\d+\)|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?"
        ),
    ),
}
_OTHER_TABLES = (
    "SELECT table_name::text FROM information_schema.tables"
    " WHERE table_schema = coalesce(nullif($1, ''), current_schema()) ORDER BY 1"
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table as its database describes it.

    Args:
        relation: Schema and name, as SQL writes them.
        comment: What is said of it there.
        types: Column to the type that it has there.
        schema: Column to the type in which it is carried.
    """

    relation: str
    comment: str
    types: Mapping[str, str]
    schema: pa.Schema

    def selected(self, column: str, *, kind: str) -> str:
        """Return how a query asks for a column.

        Args:
            column: Its name.
            kind: The database.
        """
        return _selected(column, self.types[column], kind)

    def tagged(self, *, kind: str, replaced: Collection[str]) -> pa.Schema:
        """Return the schema, with the types that the columns have in the database in their metadata.

        Args:
            kind: The database.
            replaced: Columns that get other values; texts among them need not fit a narrow type any more.
        """
        return pa.schema(
            [
                field
                if field.name in replaced and is_text(field.type)
                else field.with_metadata({_tag(kind): self.types[field.name]})
                for field in self.schema
            ]
        )


def declared_type(field: pa.Field, *, kind: str) -> str | None:
    """Return the type that a column of `Table.tagged` has in a database; None if it came from another kind.

    Args:
        field: The column.
        kind: The database.
    """
    found = (field.metadata or {}).get(_tag(kind))
    return found.decode() if found is not None else None


def of_table(column: str) -> str:
    """Return how a query names a column of the table, which it reads ``AS`` `ROWS`.

    A bare name in ORDER BY would stand for the output column of that name, which may be a text.

    Args:
        column: Its name.
    """
    return f"{ROWS}.{quoted(column)}"


def describe(connection: Connection, address: Address) -> Table | None:
    """Return the columns of a table; None if there is none of that name.

    Args:
        connection: To its database.
        address: Names it.

    Raises:
        InputOutputError: if the server refuses or is gone.
    """
    schema, name = address.schema_and_table
    found = connection.query(_DIALECTS[address.kind].describe, (schema or "", name))
    if not found.num_rows:
        return None
    schemas, names, comments, columns, kinds = (column.to_pylist() for column in found.columns)
    types = dict(zip(columns, kinds, strict=True))
    relation = f"{quoted(schemas[0])}.{quoted(names[0])}"
    asked = ", ".join(_selected(column, types[column], address.kind) for column in columns)
    empty = connection.query(f"SELECT {asked} FROM {relation} AS {ROWS} LIMIT 0").schema
    fields = [
        pa.field(column, _arrow(types[column], empty.field(at).type)) for at, column in enumerate(columns)
    ]
    return Table(relation, comments[0] or "", types, pa.schema(fields))


def no_such_table(connection: Connection, address: Address) -> UsageError:
    """Word the error for a table that is not there.

    Args:
        connection: To the database.
        address: Names the table.
    """
    schema, name = address.schema_and_table
    names = connection.query(_OTHER_TABLES, (schema or "",)).column(0).to_pylist()
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else "; write table=SCHEMA.NAME for one of another schema"
    return UsageError(f"{address.kind}: there is no table {address.table!r}{hint}")


def _selected(column: str, declared: str, kind: str) -> str:
    native = _DIALECTS[kind].native.fullmatch(declared) is not None
    return of_table(column) if native else f"{of_table(column)}::text"


def _tag(kind: str) -> bytes:
    return f"deid:{kind}".encode()


def _arrow(declared: str, delivered: pa.DataType) -> pa.DataType:
    """Return the type in which a column is carried: as delivered, or a decimal that holds all digits."""
    match = _DECIMAL.fullmatch(declared)
    if match is not None and int(match[1]) <= _MOST_DIGITS:
        return pa.decimal128(int(match[1]), int(match[2]))
    return delivered
