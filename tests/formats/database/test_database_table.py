"""Tables as sources and targets, without a run: PostgreSQL and DuckDB alike."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from stores import Store

from deid.errors import DeidError, InputOutputError, IntegrityError, Reason, UsageError
from deid.formats.database import table as table_module
from deid.formats.database.connection import Connection, quoted
from deid.formats.database.table import DatabaseTable
from deid.formats.database.target import Target
from deid.formats.grouped import Grouped
from deid.formats.source import Columns, Options, Outcome, Source, open_source

SECRET = "PEPPERCORN"  # stands in notes; must never stand in a message
_CODE = "6ecd8c99-4036-403d-bf7e-cf8400f67836"
_NOTE = "CREATE TABLE note (note_id {key}, text text, patient_id integer, note_date date)"
_ROWS = "INSERT INTO note SELECT g, '{secret} ' || g, g % 7, DATE '2079-03-04' FROM {series}"


def fill(store: Store, count: int, *, key: str = "bigint PRIMARY KEY") -> None:
    series = f"generate_series(1, {count}) AS s(g)"
    store.run(_NOTE.format(key=key), _ROWS.format(secret=SECRET, series=series))


def opened(store: Store, name: str = "note", **settings: Any) -> DatabaseTable:
    return DatabaseTable(store.parsed(name), Options(**settings))


def same(source: Source) -> Iterator[Outcome]:
    for each in source.read():
        fields = {field.path: field.text for field in each.note.fields} if each.note else {}
        yield Outcome(each.ordinal, each.note.text if each.note else None, fields)


def loaded(source: Source, store: Store, folder: Path, outcomes: Iterator[Outcome] | None = None) -> None:
    source.write(iter([*(outcomes or same(source))]), folder / "out")
    Target(store.parsed("out")).load(folder / "out", "sha256:0")


def described(store: Store, name: str) -> list[tuple[Any, ...]]:
    kinds = {
        "postgresql": "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = to_regclass('{name}') AND attnum > 0 ORDER BY attnum",
        "duckdb": "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = '{name}'"
        " ORDER BY ordinal_position",
    }
    return store.rows(kinds[store.kind].format(name=name))


_VALUES = {
    "postgresql": [
        ("smallint", "-3"),
        ("integer", "2147483647"),
        ("bigint", "-9223372036854775808"),
        ("real", "0.1"),
        ("double precision", "1e-300"),
        ("boolean", "false"),
        ("text", "''"),
        ("character varying(5)", "'NA'"),
        ("character(4)", "'ab'"),
        ("date", "'0001-01-01'"),
        ("time without time zone", "'23:59:59.999999'"),
        ("timestamp without time zone", "'9999-12-31 23:59:59.999999'"),
        ("timestamp(3) with time zone", "'2079-03-04 10:15:00.123+02'"),
        ("bytea", r"'\xff00'"),
        ("numeric(10,2)", "-1.10"),
        ("numeric", "1e50"),
        ("numeric(50,3)", "12345678901234567890123456789012345678901234567.125"),
        ("uuid", "'6ecd8c99-4036-403d-bf7e-cf8400f67836'"),
        ("jsonb", """'{"a": [1, null]}'"""),
        ("interval", "'1 mon -2 days 03:00'"),
        ("integer[]", "'{1,NULL,3}'"),
        ("inet", "'192.0.2.1/24'"),
        ("money", "12.5"),
        ('"char"', "'x'"),
    ],
    "duckdb": [
        ("TINYINT", "-3"),
        ("UBIGINT", "18446744073709551615"),
        ("HUGEINT", "-170141183460469231731687303715884105727"),
        ("DOUBLE", "1e-300"),
        ("BOOLEAN", "false"),
        ("VARCHAR", "''"),
        ("DATE", "'0001-01-01'"),
        ("TIME", "'23:59:59.999999'"),
        ("TIMESTAMP_NS", "'2079-03-04 10:15:00.123456789'"),
        ("TIMESTAMP WITH TIME ZONE", "'2079-03-04 10:15:00.123+02'"),
        ("BLOB", r"'\xff\x00'"),
        ("DECIMAL(10,2)", "-1.10"),
        ("UUID", "'6ecd8c99-4036-403d-bf7e-cf8400f67836'"),
        ("INTERVAL", "'1 month -2 days'"),
        ("INTEGER[]", "[1, NULL, 3]"),
        ("STRUCT(a INTEGER, b VARCHAR)", "{'a': 1, 'b': 'it''s'}"),
        ("MAP(VARCHAR, INTEGER)", "MAP {'k': 1}"),
        ("ENUM('a', 'b')", "'b'"),
    ],
}


def test_other_columns_keep_their_types_and_values(store: Store, tmp_path: Path) -> None:
    kinds, values = zip(*_VALUES[store.kind], strict=True)
    columns = ", ".join(f'"c {at}" {kind}' for at, kind in enumerate(kinds))
    store.run(
        f"CREATE TABLE note (note_id bigint, text character varying(40), {columns})",
        f"INSERT INTO note VALUES (1, 'one', {', '.join(values)})",
        f"INSERT INTO note VALUES (2, 'two', {', '.join(['NULL'] * len(kinds))})",
    )
    source = opened(store)
    loaded(source, store, tmp_path)
    # The text may have become longer than its column; all else is as it was.
    assert [pair for pair in described(store, "out") if pair[0] != "text"] == [
        pair for pair in described(store, "note") if pair[0] != "text"
    ]
    texts = ", ".join(f"{quoted(name)}::text" for name, _ in described(store, "note"))
    expected = store.rows(f"SELECT {texts} FROM note ORDER BY note_id")
    assert store.rows(f"SELECT {texts} FROM out ORDER BY note_id") == expected
    carried = pq.read_schema(tmp_path / "out" / "part-00000.parquet")
    assert carried.field("note_id").type == "int64"


@pytest.mark.parametrize(
    ("key", "expression"),
    [
        ("bigint", "g"),
        ("numeric(20,3)", "g / 8.0"),
        ("character varying(9)", "'a''b' || (g % 10) || '-' || g"),
        ("uuid", "('00000000-0000-4000-8000-' || lpad((g * 7 % 601)::text, 12, '0'))::uuid"),
        ("timestamp", "TIMESTAMP '2079-03-04 10:15:00' + g * INTERVAL '1 second'"),
    ],
)
def test_ids_of_any_type_are_read_in_their_order(store: Store, key: str, expression: str) -> None:
    store.run(
        f"CREATE TABLE note (id {key}, text text)",
        f"INSERT INTO note SELECT {expression}, 'n' || g FROM generate_series(1, 600) AS s(g)",
    )
    expected = [text for (text,) in store.rows("SELECT text FROM note ORDER BY id")]
    found = list(opened(store).read())
    assert [each.note.text for each in found if each.note] == expected
    assert len({each.note_id for each in found}) == 600


def test_roles_and_what_cannot_be_read(store: Store, tmp_path: Path) -> None:
    store.run(
        _NOTE.format(key="integer"),
        "INSERT INTO note VALUES (3, NULL, 1, NULL), (1, 'one', 7, DATE '2079-03-04'),"
        " (2, 'too long', NULL, NULL)",
    )
    source = opened(store, max_characters=5, drop=("patient_id",))
    one, two, three = source.read()
    assert one.note is not None
    assert (one.note_id, one.note.patient_id, one.note.note_date) == ("1", "7", date(2079, 3, 4))
    assert (two.reason, three.reason) == (Reason.TOO_LONG, Reason.MISSING_TEXT)
    loaded(source, store, tmp_path)
    assert store.rows("SELECT * FROM out") == [(1, "one", date(2079, 3, 4))]
    assert source.passed_through() == ("note_date",)
    assert opened(store).passed_through() == ("patient_id", "note_date")


def test_fields_are_replaced_and_texts_may_outgrow_their_columns(store: Store, tmp_path: Path) -> None:
    store.run(
        "CREATE TABLE note (note_id integer, text text, mrn integer, code uuid, name character varying(5),"
        " dob date)",
        f"INSERT INTO note VALUES (1, 'x', 77, '{_CODE}', 'Ana', DATE '2001-02-03')",
    )
    types = dict.fromkeys(("mrn", "code", "name", "dob"), "MRN")
    source = opened(store, fields=types)
    (entry,) = source.read()
    assert entry.note is not None
    assert {field.path: field.text for field in entry.note.fields} == {
        "mrn": "77",
        "code": _CODE,
        "name": "Ana",
        "dob": "2001-02-03",
    }
    new = {"mrn": "[MRN]", "code": "[MRN]", "name": "[PATIENT_NAME]", "dob": "2001-02-09"}
    loaded(source, store, tmp_path, iter([Outcome(0, "y", new)]))
    assert store.rows("SELECT * FROM out") == [(1, "y", None, "[MRN]", "[PATIENT_NAME]", date(2001, 2, 9))]


def test_views_schemas_and_names_that_need_quotes(store: Store, tmp_path: Path) -> None:
    store.run(
        'CREATE SCHEMA "Omop 5"',
        'CREATE TABLE "Omop 5"."the ""Note""" ("Note Id" integer, "it\'s text" text)',
        'INSERT INTO "Omop 5"."the ""Note""" VALUES (1, \'one\'), (2, \'two\')',
        'CREATE VIEW "Omop 5".some AS SELECT * FROM "Omop 5"."the ""Note""" WHERE "Note Id" > 1',
    )
    columns = Columns("it's text", "Note Id")
    for name, expected in (('the "Note"', ["one", "two"]), ("some", ["two"])):
        source = opened(store, f"Omop 5.{name}", columns=columns)
        assert [each.note.text for each in source.read() if each.note] == expected
    source.write(same(source), tmp_path / "out")
    Target(store.parsed("Omop 5.my out")).load(tmp_path / "out", "sha256:0")
    assert store.rows('SELECT * FROM "Omop 5"."my out"') == [(2, "two")]


def test_no_such_table_or_column(store: Store) -> None:
    fill(store, 1)
    with pytest.raises(UsageError, match="no table 'nte'; did you mean 'note'"):
        opened(store, "nte")
    with pytest.raises(UsageError, match=r"no table 'omop\.note'; write table=SCHEMA"):
        opened(store, "omop.note")
    with pytest.raises(UsageError, match=r"no column 'note_text'.*did you mean 'note_date'"):
        opened(store, columns=Columns("note_text"))
    with pytest.raises(UsageError, match="'note_date' holds date32"):
        opened(store, columns=Columns("note_date", note_date="patient_id"))
    with pytest.raises(UsageError, match=r"no column 'mrn'.*--drop"):
        opened(store, drop=("mrn",))


@pytest.mark.parametrize("extra", [300, 256, 1], ids=["in-a-range", "at-its-end", "first"])
def test_ids_that_two_rows_have(store: Store, extra: int) -> None:
    fill(store, 600, key="bigint")
    store.run(f"INSERT INTO note SELECT * FROM note WHERE note_id = {extra}")
    with pytest.raises(UsageError, match="'note_id'") as raised:
        opened(store).digest()
    assert "--id-column" in str(raised.value)


@pytest.mark.parametrize("count", [3, 256])
def test_rows_without_id(store: Store, count: int) -> None:
    fill(store, count, key="bigint")
    store.run(f"INSERT INTO note VALUES (NULL, '{SECRET}', 1, NULL)")
    with pytest.raises(UsageError, match="'note_id'"):
        opened(store).digest()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE note SET text = 'changed' WHERE note_id = 1",
        "UPDATE note SET patient_id = 99 WHERE note_id = 599",
        "UPDATE note SET text = NULL WHERE note_id = 300",
        "DELETE FROM note WHERE note_id = 600",
        "INSERT INTO note VALUES (601, 'more', 1, NULL)",
    ],
)
def test_a_table_that_changes_is_seen(store: Store, tmp_path: Path, change: str) -> None:
    fill(store, 600)
    source = opened(store)
    before, outcomes = source.digest(), list(same(source))
    assert opened(store).digest() == before
    store.run(change)
    with pytest.raises(IntegrityError):
        list(source.read())
    with pytest.raises(IntegrityError) as raised:
        source.write(iter(outcomes), tmp_path / "out")
    assert SECRET not in str(raised.value)
    assert opened(store).digest() != before


def test_columns_that_are_left_out_may_change(store: Store) -> None:
    store.run(
        "CREATE TABLE note (id integer, text text, seen integer)", "INSERT INTO note VALUES (1, 'x', 1)"
    )
    whole, without = opened(store), opened(store, drop=("seen",))
    before = whole.digest(), without.digest()
    store.run("UPDATE note SET seen = 2")
    assert [each.note_id for each in without.read()] == ["1"]
    assert opened(store).digest() != before[0]
    assert opened(store, drop=("seen",)).digest() == before[1]


def test_rows_of_one_note(store: Store, tmp_path: Path) -> None:
    store.run(
        "CREATE TABLE line (id integer, line integer, text text)",
        "INSERT INTO line SELECT (g - g % 3) / 3, 2 - g % 3, 'l' || g FROM generate_series(0, 599) AS s(g)",
    )
    source = open_source(store.address("line"), group_by="id", order_by="line")
    assert isinstance(source, Grouped)
    found = list(source.read())
    assert len(found) == 200
    assert found[85].note is not None
    assert found[85].note.text == "l257\nl256\nl255"
    loaded(source, store, tmp_path)
    ordered = "SELECT * FROM {} ORDER BY id, line"
    assert store.rows(ordered.format("out")) == store.rows(ordered.format("line"))
    with pytest.raises(UsageError, match="--order-by too"):
        open_source(store.address("line"), group_by="id")


def test_an_empty_table(store: Store, tmp_path: Path) -> None:
    fill(store, 0)
    loaded(opened(store), store, tmp_path)
    assert described(store, "out") == described(store, "note")
    assert store.rows("SELECT * FROM out") == []


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("date", "infinity"),
        ("timestamp", "-infinity"),
        ("date", "10000-01-01"),
        ("timestamp", "0044-03-15 00:00:00 BC"),
    ],
)
def test_times_that_parquet_does_not_know(store: Store, kind: str, value: str) -> None:
    value = value.replace(" 00:00:00 BC", " (BC) 00:00:00") if store.kind == "duckdb" else value
    store.run(
        f"CREATE TABLE note (id integer, text text, seen {kind})",
        f"INSERT INTO note VALUES (1, 'x', NULL), (2, '{SECRET}', '{value}')",
    )
    with pytest.raises(UsageError, match="column 'seen' holds a value") as raised:
        opened(store).digest()
    assert SECRET not in str(raised.value)
    assert len(list(opened(store, drop=("seen",)).read())) == 2


def test_a_number_that_is_none(postgresql: Store) -> None:
    postgresql.run(
        "CREATE TABLE note (id integer, text text, dose numeric(5,2))",
        "INSERT INTO note VALUES (1, 'x', 'NaN')",
    )
    with pytest.raises(UsageError, match="column 'dose' holds a value"):
        opened(postgresql).digest()


def test_a_large_table_needs_an_index(postgresql: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "_MOST_WITHOUT_INDEX", 2)
    fill(postgresql, 3, key="bigint")
    with pytest.raises(UsageError, match=r"no index.*CREATE UNIQUE INDEX ON note \(note_id\)"):
        opened(postgresql).digest()
    postgresql.run("CREATE INDEX ON note (text, note_id)")
    with pytest.raises(UsageError, match="no index"):
        opened(postgresql).digest()
    postgresql.run("CREATE INDEX ON note (note_id, text)", "CREATE VIEW part AS SELECT * FROM note")
    assert opened(postgresql).digest() == opened(postgresql, "part").digest()


def test_what_a_server_says_of_values_stays_out(store: Store) -> None:
    fill(store, 2)
    store.run("CREATE VIEW broken AS SELECT note_id, text, text::integer AS number FROM note")
    with pytest.raises(InputOutputError) as raised:
        opened(store, "broken").digest()
    assert SECRET not in str(raised.value)
    assert store.kind == "duckdb" or "a value does not fit its type (SQLSTATE 22P02)" in str(raised.value)


def test_reading_writes_nothing(postgresql: Store) -> None:
    fill(postgresql, 2)
    postgresql.run(
        "CREATE FUNCTION leak() RETURNS text LANGUAGE sql AS 'DELETE FROM note RETURNING text'",
        "CREATE VIEW trap AS SELECT note_id, leak() AS text FROM note",
    )
    with pytest.raises(InputOutputError, match="read-only"):
        opened(postgresql, "trap").digest()
    assert len(postgresql.rows("SELECT * FROM note")) == 2


def test_a_duckdb_file_reads_no_other_file(duckdb: Store, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("note_id,text\n1,x\n")
    fill(duckdb, 1)
    import adbc_driver_duckdb.dbapi as driver

    with driver.connect(str(tmp_path / "notes.duckdb")) as open_file, open_file.cursor() as cursor:
        cursor.execute(f"CREATE VIEW other AS SELECT * FROM read_csv('{tmp_path / 'other.csv'}')")
        open_file.commit()
    with pytest.raises(DeidError) as raised:
        opened(duckdb, "other").digest()
    assert "other.csv" not in str(raised.value)


def test_a_target_is_there_as_a_whole_or_not_at_all(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, 300)
    source, target = opened(store), Target(store.parsed("out"))
    source.write(same(source), tmp_path / "out")

    def stop(self: Connection) -> None:
        raise InputOutputError("stopped")

    target.check()
    with monkeypatch.context() as patched:
        patched.setattr(Connection, "commit", stop)
        with pytest.raises(InputOutputError):
            target.load(tmp_path / "out", "sha256:1")
    assert described(store, "out") == []
    for _ in range(2):
        target.load(tmp_path / "out", "sha256:1")
        assert store.rows("SELECT count(*) FROM out") == [(300,)]
    for refused in (target.check, lambda: target.load(tmp_path / "out", "sha256:2")):
        with pytest.raises(UsageError, match="exists already"):
            refused()


def test_from_one_kind_of_database_to_the_other(postgresql: Store, duckdb: Store, tmp_path: Path) -> None:
    postgresql.run(
        "CREATE TABLE note (note_id bigint, text text, code uuid, price numeric(8,2), seen timestamptz)",
        f"INSERT INTO note VALUES (1, 'x', '{_CODE}', 1.5, '2079-03-04 10:15+02')",
    )
    loaded(opened(postgresql), duckdb, tmp_path)
    assert [kind for _, kind in described(duckdb, "out")] == [
        "BIGINT",
        "VARCHAR",
        "VARCHAR",
        "DECIMAL(8,2)",
        "TIMESTAMP WITH TIME ZONE",
    ]
    (there,) = duckdb.rows("SELECT note_id, text, code, price::text, epoch(seen) FROM out")
    (here,) = postgresql.rows(
        "SELECT note_id, text, code::text, price::text, extract(epoch FROM seen)::float FROM note"
    )
    assert there == here
