"""Runs over tables from the command line, with rules alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from stores import PASSWORD, Store

from deid.cli import main
from deid.errors import IntegrityError
from deid.formats.database.address import parse_address
from deid.formats.database.target import Target
from deid.policy import load_policy
from deid.run.crosswalk import Patients
from deid.run.execute import Progress, RunRequest, execute
from deid.run.manifest import code_digest
from deid.run.units import Partitioning

POLICY = """\
policy: tables
version: "1"
fields: {note_source_value: MRN}
types:
  MRN: {description: The chart number of the patient., detect: [rules], operator: redact}
  DATE: {description: A calendar date., detect: [rules], operator: redact}
"""
_OMOP = """
CREATE TABLE omop_note (note_id bigint PRIMARY KEY, person_id bigint, note_date date, note_title varchar(250),
note_text text, note_source_value varchar(9))
"""
_FILL = (
    "INSERT INTO omop_note SELECT g, g % 7, DATE '2079-03-04', 'Progress',"
    " 'Seen 03/04/2079, MRN: 447' || (1000 + g), 'MRN 447' FROM generate_series(1, 300) AS s(g)"
)
_EXPECTED = [(1, 1, "Progress", "Seen [DATE], MRN: [MRN]", "[MRN]")]
_FIRST = "SELECT note_id, person_id, note_title, note_text, note_source_value FROM {} WHERE note_id = 1"


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEID_KEY", raising=False)
    # The code may be edited while the tests run; that is no concern of theirs.
    monkeypatch.setattr("deid.run.manifest.code_digest", lambda: "sha256:code")
    Path("policy.yaml").write_text(POLICY)


@pytest.fixture(name="filled")
def _filled(store: Store) -> Store:
    store.run(_OMOP, _FILL)
    return store


def run(address: str, *options: str, out: str = "out") -> Result:
    words = ["run", address, "--schema", "omop-note", "--policy", "policy.yaml", "--out", out, *options]
    return CliRunner().invoke(main, words, catch_exceptions=False)


def request(store: Store, *, out: Path, partitioning: Partitioning) -> RunRequest:
    policy = load_policy(Path("policy.yaml"))
    return RunRequest(
        input=store.address("omop_note"),
        policy=policy,
        out=out,
        schema="omop-note",
        partitioning=partitioning,
        resume=True,
    )


def tree(folder: Path) -> dict[str, bytes]:
    own = ("timing.json", "results.sqlite")
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in own)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_table_becomes_a_run_directory_and_a_table(filled: Store) -> None:
    source, target = filled.address("omop_note"), filled.address("clean")
    done = run(source, "--to", target)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == "300 notes de-identified in out\n"
    assert "untouched: person_id, note_date" in done.stderr
    assert filled.rows(_FIRST.format("clean")) == _EXPECTED
    assert filled.rows("SELECT count(*) FROM clean") == [(300,)]
    notes = pq.read_table("out/notes")
    assert notes["note_id"].to_pylist() == list(range(1, 301))
    assert set(notes["note_source_value"].to_pylist()) == {"[MRN]"}
    # Where the table was stands nowhere.
    words = [os.environ.get("PGHOST", "notes.duckdb"), "omop_note", "search_path"]
    content = b"".join(tree(Path("out")).values())
    assert [word for word in words if word.encode() in content] == []
    checked = CliRunner().invoke(main, ["audit", "verify", "out", "--notes"])
    assert (checked.exit_code, "300 entries" in checked.stdout) == (0, True)


def test_a_table_that_exists_is_refused_before_anything_is_done(filled: Store) -> None:
    filled.run("CREATE TABLE clean (other integer)")
    done = run(filled.address("omop_note"), "--to", filled.address("clean"))
    assert (done.exit_code, Path("out").exists()) == (2, False)
    assert "clean: exists already" in done.stderr
    into_itself = run(filled.address("omop_note"), "--to", filled.address("omop_note"))
    assert (into_itself.exit_code, Path("out").exists()) == (2, False)


def test_a_finished_run_makes_the_table_later_and_once(filled: Store) -> None:
    source, target = filled.address("omop_note"), ("--to", filled.address("clean"))
    assert run(source).exit_code == 0
    for _ in range(2):
        assert run(source, "--resume", *target).exit_code == 0
        assert filled.rows("SELECT count(*) FROM clean") == [(300,)]
    filled.run("DROP TABLE clean", "CREATE TABLE clean (other integer)")
    refused = run(source, "--resume", *target)
    assert (refused.exit_code, "exists already" in refused.stderr) == (2, True)


@dataclass
class _StopAfter:
    """Stops a run when so many notes are done."""

    notes: int

    def __call__(self, progress: Progress) -> None:
        if progress.notes >= self.notes:
            raise KeyboardInterrupt


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(filled: Store) -> None:
    small = Partitioning(notes=16, partition_bytes=2500)
    asked = request(filled, out=Path("stopped"), partitioning=small)
    with pytest.raises(KeyboardInterrupt):
        execute(asked, progress=_StopAfter(100))
    assert list(Path("stopped/work").glob("*.jsonl"))
    execute(asked)
    execute(request(filled, out=Path("whole"), partitioning=small))
    assert tree(Path("stopped")) == tree(Path("whole"))


def test_patients_are_spread_by_the_size_that_the_manifest_names(filled: Store) -> None:
    sizes = Partitioning(partition_bytes=2500)
    with pytest.raises(KeyboardInterrupt):
        execute(request(filled, out=Path("out"), partitioning=sizes), progress=_StopAfter(300))
    count = sizes.count(json.loads(Path("out/manifest.json").read_text())["input"]["bytes"])
    assert 4 < count < 16
    names = {f"patients-{Patients(count).partition(str(patient)):05d}.jsonl" for patient in range(7)}
    assert {path.name for path in Path("out/work").glob("patients-*")} == names


def test_a_table_that_changed_is_not_resumed(filled: Store) -> None:
    asked = request(filled, out=Path("out"), partitioning=Partitioning())
    with pytest.raises(KeyboardInterrupt):
        execute(asked, progress=_StopAfter(300))
    filled.run("UPDATE omop_note SET note_text = 'Seen MRN: 4471902' WHERE note_id = 300")
    with pytest.raises(IntegrityError, match="changed since the run began: input"):
        execute(asked)


_NIGHT = (
    "UPDATE omop_note SET note_text = 'Seen 03/05/2079' WHERE note_id = 10",
    "DELETE FROM omop_note WHERE note_id = 21",
    "INSERT INTO omop_note VALUES (301, 5, DATE '2079-03-05', 'Progress', 'MRN: 4471902', 'MRN 4471')",
)
_SINCE = {"differing": [], "carried_over": 4 * 43, "new": 2, "again": 42 + 41 + 43, "gone": 2}
"""Of patients 3, 0 and 5 a note is changed, gone and new."""
_CHANGED = "SELECT note_id, note_text FROM {} WHERE note_id IN (10, 21, 301) ORDER BY note_id"


def results(folder: str) -> dict[str, bytes]:
    return {name: content for name, content in tree(Path(folder)).items() if name != "manifest.json"}


def test_the_next_night_works_on_what_is_new_changed_or_gone(filled: Store) -> None:
    source, target = filled.address("omop_note"), filled.address("clean")
    assert run(source, out="monday").exit_code == 0
    filled.run(*_NIGHT)
    done = run(source, "--since-manifest", "monday", "--to", target, "--json", out="tuesday")
    assert (done.exit_code, json.loads(done.stdout)["since"]) == (0, _SINCE)
    assert filled.rows(_CHANGED.format("clean")) == [(10, "Seen [DATE]"), (301, "MRN: [MRN]")]
    assert filled.rows("SELECT count(*) FROM clean") == [(300,)]
    assert run(source, out="full").exit_code == 0
    assert results("tuesday") == results("full")


def test_on_spark_the_driver_reads_the_table(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark", reason="needs the extra [spark]")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("there is no Java, which Spark needs")
    monkeypatch.setattr("deid.run.manifest.code_digest", code_digest)  # as the executors have it
    source, target = filled.address("omop_note"), filled.address("clean")
    assert run(source, out="monday").exit_code == 0
    filled.run(*_NIGHT)
    words = ["run", source, "--schema", "omop-note", "--policy", "policy.yaml", "--out", "tuesday", "--json"]
    words += ["--since-manifest", "monday", "--to", target, "--engine", "spark", "--master", "local[1]"]
    for setting in ("spark.driver.memory=512m", "spark.driver.host=127.0.0.1"):
        words += ["--spark-conf", setting]
    done = subprocess.run([sys.executable, "-m", "deid", *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    since = json.loads(done.stdout)["since"]
    # The code may be edited between the two; then nothing is carried over, and the output is the same.
    assert since["differing"] == ["code"] or since == _SINCE
    assert filled.rows(_CHANGED.format("clean")) == [(10, "Seen [DATE]"), (301, "MRN: [MRN]")]
    assert run(source, out="full").exit_code == 0
    assert results("tuesday") == results("full")


_LOAD_AND_DIE = """
import os, signal, sys
from pathlib import Path
from deid.formats.database.address import parse_address
from deid.formats.database.connection import Connection
from deid.formats.database.target import Target

Connection.commit = lambda self: os.kill(os.getpid(), signal.SIGKILL)
Target(parse_address(sys.argv[1])).load(Path("out/notes"), "sha256:0")
"""


def test_a_kill_while_the_table_is_made_leaves_none(filled: Store) -> None:
    source, target = filled.address("omop_note"), filled.address("clean")
    assert run(source).exit_code == 0
    killed = subprocess.run([sys.executable, "-c", _LOAD_AND_DIE, target], check=False)
    assert killed.returncode == -signal.SIGKILL
    Target(parse_address(target)).check()
    assert run(source, "--resume", "--to", target).exit_code == 0
    assert filled.rows("SELECT count(*) FROM clean") == [(300,)]


def test_passwords_come_from_the_environment_and_go_nowhere(
    postgresql: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = os.environ["PGOPTIONS"].rpartition("=")[2]
    postgresql.run(
        "DROP ROLE IF EXISTS ehr_login",
        f"CREATE ROLE ehr_login LOGIN PASSWORD '{PASSWORD}'",
        _OMOP,
        _FILL,
        f"GRANT USAGE ON SCHEMA {schema} TO ehr_login",
        "GRANT SELECT ON omop_note TO ehr_login",
    )
    table = "?table=omop_note"
    monkeypatch.setenv("PGUSER", "ehr_login")
    missing = run(f"postgresql://{table}")
    assert (missing.exit_code, "the server asks for a password" in missing.stderr) == (4, True)
    monkeypatch.setenv("PGPASSWORD", f"not-{PASSWORD}")
    wrong = run(f"postgresql://{table}")
    assert (wrong.exit_code, "refuses user or password" in wrong.stderr) == (4, True)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert run(f"postgresql://{table}", out="first").exit_code == 0
    denied = run(f"postgresql://{table}", "--to", "postgresql://?table=clean", out="denied")
    assert (denied.exit_code, "permission denied" in denied.stderr) == (4, True)
    assert "--resume" in denied.stderr
    monkeypatch.delenv("PGPASSWORD")
    quoted = "".join(f"%{byte:02X}" for byte in PASSWORD.encode())
    monkeypatch.setenv("DEID_DATABASE_URL", f"postgresql://ehr_login:{quoted}@/postgres")
    named = run(f"env:DEID_DATABASE_URL{table}", out="second")
    assert named.exit_code == 0
    assert tree(Path("first")) == tree(Path("second"))
    everything = b"".join(tree(Path()).values()).decode(errors="replace") + "".join(
        each.output + each.stderr for each in (missing, wrong, denied, named)
    )
    assert [word for word in (PASSWORD, quoted, "ehr_login") if word in everything] == []


def test_a_server_that_is_not_there(
    postgresql: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PGHOST", str(tmp_path))
    done = run(postgresql.address())
    assert (done.exit_code, Path("out").exists()) == (4, False)
    assert "PGHOST names the host or the folder of the socket" in done.stderr


@pytest.mark.parametrize("made", [b"no database", None], ids=["other", "absent"])
def test_a_file_that_is_none(duckdb: Store, made: bytes | None) -> None:
    if made is not None:
        Path("notes.duckdb").write_bytes(made)
    done = run(duckdb.address())
    assert done.exit_code == 4
    assert Path("notes.duckdb").exists() == (made is not None)


@pytest.mark.parametrize(
    ("address", "library", "extra"),
    [
        ("postgresql:///x?table=note", "adbc_driver_postgresql.dbapi", "postgres"),
        ("duckdb:x.duckdb?table=note", "adbc_driver_duckdb", "duckdb"),
    ],
)
def test_a_driver_that_is_not_installed(
    address: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    done = run(address)
    assert (done.exit_code, f"pip install 'clinical-deid[{extra}]'" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("address", "options", "hint"),
    [
        ("postgresql://u:hunter2@h/ehr?table=note", (), "a password in a command line"),
        ("postgresql:///ehr?table=note", ("--to", "postgresql://u:hunter2@h/ehr?table=out"), "a password in"),
        ("postgresql:///ehr?table=note", ("--format", "csv"), "not as csv"),
        ("notes.csv", ("--to", "duckdb:x.duckdb?table=note"), "name tables of databases"),
        ("duckdb:x.duckdb?table=note", ("--to", "clean.parquet"), "name tables of databases"),
    ],
)
def test_what_is_refused(address: str, options: tuple[str, ...], hint: str, duckdb: Store) -> None:
    duckdb.run(_OMOP.replace("omop_note", "note"))
    Path("notes.duckdb").rename("x.duckdb")
    Path("notes.csv").write_text("note_id,person_id,note_date,note_text\n1,1,,x\n")
    done = run(address, *options)
    assert (done.exit_code, Path("out").exists()) == (2, False)
    assert hint in done.stderr
    assert "hunter2" not in done.stderr
