"""How a command line names a table: the server and the table, and never a password."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

from deid.errors import UsageError

POSTGRESQL, DUCKDB = "postgresql", "duckdb"
_ENVIRONMENT = "env"
_ADDRESS = re.compile(r"(postgresql|postgres|duckdb|env):")
_SECRETS = {"password", "sslpassword"}
_FORMS = "postgresql://USER@HOST/DATABASE?table=NAME, env:VARIABLE?table=NAME or duckdb:FILE?table=NAME"
_SPARED = "set PGPASSWORD, PGPASSFILE or PGSERVICE, or give env:VARIABLE?table=NAME"


@dataclass(frozen=True, slots=True)
class Address:
    """A table of a database.

    Args:
        kind: ``postgresql`` or ``duckdb``.
        connection: What the driver connects to: a URL, which may hold a password if the environment gave it,
            or a file.
        table: Name of the table, after its schema's and a dot where it has one.
    """

    kind: str
    connection: str = field(repr=False)
    table: str

    @property
    def name(self) -> str:
        """What messages call it: no host, no user, no database."""
        return f"{self.kind} table {self.table}"

    @property
    def schema_and_table(self) -> tuple[str | None, str]:
        """The table's schema, None for the one that the connection looks in first, and its own name."""
        schema, _, table = self.table.rpartition(".")
        return schema or None, table


def is_address(value: str) -> bool:
    """Tell whether a word of a command line names a table of a database.

    Args:
        value: A path or an address.
    """
    return _ADDRESS.match(value) is not None


def parse_address(value: str, environment: Mapping[str, str] = os.environ) -> Address:
    """Read ``postgresql://…?table=note``, ``env:VARIABLE?table=note`` or ``duckdb:FILE?table=note``.

    The parameters of a PostgreSQL URL are those of libpq, apart from ``table``; what it does not say, libpq
    takes from PGHOST, PGUSER, PGPASSWORD, PGSERVICE and so on.

    Args:
        value: As given on the command line; no part of it is repeated in an error.
        environment: Holds the URL that ``env:`` names.

    Raises:
        UsageError: for another form, no table, or a password.
    """
    before, sign, query = value.rpartition("?")
    parameters = parse_qsl(query, keep_blank_values=True) if sign else []
    tables = [text for name, text in parameters if name == "table"]
    if len(tables) != 1 or not all(tables[0].split(".", 1)):
        raise UsageError(f"a database is given with one table: {_FORMS}")
    rest = [pair for pair in parameters if pair[0] != "table"]
    scheme, _, place = before.partition(":")
    if scheme == DUCKDB:
        if not place or rest:
            raise UsageError("a DuckDB file is given as duckdb:FILE?table=NAME, without further parameters")
        return Address(DUCKDB, place, tables[0])
    if scheme == _ENVIRONMENT:
        return Address(POSTGRESQL, _from_environment(place, rest, environment), tables[0])
    return Address(POSTGRESQL, _without_password(before, rest), tables[0])


def _from_environment(name: str, rest: list[tuple[str, str]], environment: Mapping[str, str]) -> str:
    url = environment.get(name, "")
    if rest:
        raise UsageError("env:VARIABLE takes table alone; further parameters belong into the variable's URL")
    if not url:
        raise UsageError(f"the environment variable that {_ENVIRONMENT}: names is not set or empty")
    if not url.startswith(("postgresql://", "postgres://")):
        raise UsageError(f"the variable that {_ENVIRONMENT}: names does not hold a postgresql:// URL")
    return url


def _without_password(before: str, rest: list[tuple[str, str]]) -> str:
    parts = urlsplit(before)
    user, _, hosts = parts.netloc.rpartition("@")
    if ":" in user or any(name in _SECRETS for name, _ in rest):
        raise UsageError(f"a password in a command line is seen by others: leave it out and {_SPARED}")
    # A password with an @, / or # in it splits the URL elsewhere than its writer thought.
    odd = "@" in user or "@" in parts.path or parts.fragment or not before.startswith(f"{parts.scheme}://")
    if odd or not _ports_are_numbers(hosts):
        raise UsageError(f"a database is given as {_FORMS}")
    return f"{POSTGRESQL}://{parts.netloc}{parts.path or '/'}?{urlencode(rest)}"


def _ports_are_numbers(hosts: str) -> bool:
    ports = (host.rpartition("]")[2].partition(":")[2] for host in hosts.split(","))
    return all(port.isdigit() or not port for port in ports)
