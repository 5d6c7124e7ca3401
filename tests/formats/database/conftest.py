"""A PostgreSQL server of the tests' own, on a Unix socket, and databases of both kinds to fill."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from stores import Store

from deid.formats.database.address import DUCKDB, POSTGRESQL
from deid.formats.database.connection import Connection

_NUMBERS = count()
_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
_SETTINGS = "-c listen_addresses='' -c fsync=off -c max_connections=20"


def _binaries() -> Path | None:
    """Return the newest server's folder; Debian keeps it off the PATH."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parents[1].name)
    )
    path = shutil.which("initdb")
    return found[-1].parent if found else Path(path).resolve().parent if path else None


@pytest.fixture(scope="session", name="server")
def _server() -> Iterator[Path]:
    """Start a server and return the folder of its socket, which must have a short name."""
    pytest.importorskip("adbc_driver_postgresql", reason="needs the extra [postgres]")
    binaries = _binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    root = os.geteuid() == 0
    if root and shutil.which(_NOBODY[0]) is None:
        pytest.skip("PostgreSQL does not run as root, and there is no setpriv to run it as nobody")
    prefix = _NOBODY if root else ()
    with tempfile.TemporaryDirectory(prefix="deid-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if root:
            shutil.chown(folder, "nobody", "nogroup")

        def call(program: str, *arguments: str) -> None:
            command = [*prefix, str(binaries / program), *arguments, "-D", str(folder / "data")]
            with (folder / f"{program}.log").open("ab") as log:
                subprocess.run(command, check=True, cwd=folder, stdout=log, stderr=log)

        call("initdb", "--auth=trust", "--username=deid", "--encoding=UTF8", "--locale=C", "--no-sync")
        access = folder / "data" / "pg_hba.conf"
        access.write_text("local all ehr_login scram-sha-256\nlocal all all trust\n")
        call("pg_ctl", "--wait", f"--options={_SETTINGS} -k {folder}", f"--log={folder / 'log'}", "start")
        try:
            yield folder
        finally:
            call("pg_ctl", "--wait", "--mode=immediate", "stop")


@pytest.fixture(scope="session", name="session")
def _session(server: Path) -> Iterator[Connection]:
    from adbc_driver_postgresql import dbapi

    url = f"postgresql://deid@/postgres?host={server}"
    with dbapi.connect(url, autocommit=True) as driver:
        yield Connection(driver, "session")


@pytest.fixture(name="postgresql")
def _postgresql(server: Path, session: Connection, monkeypatch: pytest.MonkeyPatch) -> Store:
    for name in [name for name in os.environ if name.startswith(("PG", "DEID_"))]:
        monkeypatch.delenv(name)
    schema = f"s{next(_NUMBERS)}"
    environment = {
        "PGHOST": str(server),
        "PGUSER": "deid",
        "PGDATABASE": "postgres",
        "PGOPTIONS": f"-c search_path={schema}",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    store = Store(POSTGRESQL, "postgresql://", session)
    store.run(f"CREATE SCHEMA {schema}", f"SET search_path = {schema}")
    return store


@pytest.fixture(name="duckdb")
def _duckdb(tmp_path: Path) -> Store:
    pytest.importorskip("adbc_driver_duckdb", reason="needs the extra [duckdb]")
    return Store(DUCKDB, f"duckdb:{tmp_path / 'notes.duckdb'}")


@pytest.fixture(params=[POSTGRESQL, DUCKDB], name="store")
def _store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found
