"""Connections to PostgreSQL and DuckDB through their ADBC drivers; what a server says of values stays out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa

from deid.errors import InputOutputError, UsageError
from deid.formats.database.address import POSTGRESQL, Address

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection as Driver

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_STATES: Mapping[str, str] = {
    "22": "a value does not fit its type",
    "28": "the server refuses this user",
    "42501": "permission denied",
    "42704": "a type that a column has is not known there",
    "42P01": "the table is gone",
    "42P07": "the table exists already",
    "42703": "a column is gone",
    "53": "the server lacks disk, memory or connections",
    "57": "the server ended the statement or is stopping",
    "08": "the connection broke",
    "25006": "the server is read-only",
    "3F000": "there is no such schema",
}
_PHRASES: Mapping[str, str] = {
    "no password supplied": "the server asks for a password: set PGPASSWORD or PGPASSFILE",
    "password authentication failed": "the server refuses user or password",
    "authentication failed": "the server refuses this user",
    "no pg_hba.conf entry": "the server does not let this user in from here",
    "invalid URI": "the URL is not one that libpq reads",
    "could not translate host name": "no such host",
    "Connection refused": "nothing listens there",
    "timeout expired": "no answer in time",
    "SSL": "no secure connection could be made",
    "service file": "the service file of PGSERVICE cannot be read",
    "definition of service": "PGSERVICE names no known service",
    "Could not set lock": "another program has the file open",
    "not a valid DuckDB database": "not a DuckDB file",
    "different configuration": "this program has the file open already",
    "server closed the connection": "the connection broke",
    "No space left": "no space left on device",
    "Permission denied": "permission denied",
    "No such file or directory": "nothing is there; PGHOST names the host or the folder of the socket",
    "does not exist": "there is no such database, user, file, table or column",
}


class Connection:
    """A connection to the database of a table.

    Args:
        driver: What ADBC opened.
        name: The table, for errors.
    """

    def __init__(self, driver: Driver, name: str) -> None:
        self._driver, self._name = driver, name

    def query(self, sql: str, parameters: Sequence[str | None] = ()) -> pa.Table:
        """Return the rows of a query.

        Args:
            sql: With ``$1`` and so on in the places of the parameters.
            parameters: Values.

        Raises:
            InputOutputError: if the server refuses or is gone.
        """
        with asking(self._name), self._driver.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetch_arrow_table()

    def run(self, sql: str) -> None:
        """Carry out a statement that gives no rows.

        Args:
            sql: The statement.

        Raises:
            InputOutputError: if the server refuses or is gone.
        """
        with asking(self._name), self._driver.cursor() as cursor:
            cursor.execute(sql)

    def load(self, table: str, rows: pa.RecordBatchReader) -> None:
        """Make a table that this connection alone sees, and load it.

        Args:
            table: Its name.
            rows: Read to their end.

        Raises:
            InputOutputError: if the server refuses or is gone.
        """
        with asking(self._name), self._driver.cursor() as cursor:
            cursor.adbc_ingest(table, rows, mode="create", temporary=True)

    def commit(self) -> None:
        """Make what was done since the connection began visible to others.

        Raises:
            InputOutputError: if the server cannot.
        """
        with asking(self._name):
            self._driver.commit()


@contextmanager
def connected(address: Address, *, write: bool = False) -> Iterator[Connection]:
    """Connect to a database; what was not committed at the end is undone.

    Args:
        address: Where.
        write: Whether tables may be made. Each statement stands for itself without.

    Raises:
        UsageError: if the driver is not installed.
        InputOutputError: if there is no connection.
    """
    with closing(_open(address, write=write)) as driver:
        connection = Connection(driver, address.name)
        connection.run("SET TimeZone = 'UTC'")
        if address.kind == POSTGRESQL:
            connection.run("SET DateStyle = 'ISO, YMD'")
            connection.run("SET IntervalStyle = 'postgres'")
            if not write:
                connection.run("SET default_transaction_read_only = on")
        yield connection


@contextmanager
def asking(name: str) -> Iterator[None]:
    """Turn failures of a database into errors of ours that repeat nothing of what it says.

    Args:
        name: The table.

    Raises:
        InputOutputError: instead of an error of the driver.
    """
    from adbc_driver_manager import Error

    try:
        yield
    except Error as error:
        raise InputOutputError(f"{name}: {_why(error.sqlstate, str(error))}") from None


def quoted(name: str) -> str:
    """Return a name as SQL writes it.

    Args:
        name: Of a schema, table or column.
    """
    return '"' + name.replace('"', '""') + '"'


def _open(address: Address, *, write: bool) -> Driver:
    extra = "postgres" if address.kind == POSTGRESQL else "duckdb"
    try:
        from adbc_driver_manager import dbapi

        if address.kind == POSTGRESQL:
            from adbc_driver_postgresql.dbapi import connect
        else:
            from adbc_driver_duckdb import driver_path
    except ImportError:
        raise UsageError(
            f"{address.name}: the driver is not installed: pip install 'clinical-deid[{extra}]'"
        ) from None
    with asking(address.name):
        if address.kind == POSTGRESQL:
            driver: Driver = connect(address.connection, autocommit=not write)
            return driver
        # A view in a file that somebody else made reads no other file and no address.
        settings = {
            "path": address.connection,
            "access_mode": "READ_WRITE" if write else "READ_ONLY",
            "enable_external_access": "false",
        }
        return dbapi.connect(
            driver=driver_path(), entrypoint="duckdb_adbc_init", db_kwargs=settings, autocommit=not write
        )


def _why(state: str | None, message: str) -> str:
    if state:
        return f"{_STATES.get(state) or _STATES.get(state[:2]) or 'the server refuses'} (SQLSTATE {state})"
    found = (words for phrase, words in _PHRASES.items() if phrase in message)
    return next(found, "the database cannot do it, and what it says might hold text of a note")
