"""Databases that tests fill and look into."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from deid.formats.database.address import Address
from deid.formats.database.connection import Connection, connected

PASSWORD = "w@sser:fall/7#"  # its characters have a meaning in URLs


@dataclass(frozen=True)
class Store:
    """A database to put tables into.

    Args:
        kind: ``postgresql`` or ``duckdb``.
        place: A database's URL, or a file.
        session: A connection that is kept for statements; a file is opened anew for each.
    """

    kind: str
    place: str
    session: Connection | None = None

    def address(self, table: str = "note") -> str:
        """Return what a command line says."""
        return f"{self.place}?table={table}"

    def parsed(self, table: str = "note") -> Address:
        """Return an address in parts."""
        return Address(self.kind, self.place.removeprefix("duckdb:"), table)

    def run(self, *statements: str) -> None:
        """Carry out statements."""
        if self.session is not None:
            for statement in statements:
                self.session.run(statement)
            return
        with connected(self.parsed(), write=True) as connection:
            for statement in statements:
                connection.run(statement)
            connection.commit()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with nullcontext(self.session) if self.session else connected(self.parsed()) as connection:
            table = connection.query(query)
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
