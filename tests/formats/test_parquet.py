from __future__ import annotations

import decimal
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.errors import InputOutputError, IntegrityError, Reason, UsageError
from deid.formats.parquet import Parquet
from deid.formats.source import Columns, Options, Outcome, Source

WHEN = datetime(2079, 3, 4, 10, 15, 0, 123456)


def same(source: Source) -> Iterator[Outcome]:
    return (Outcome(each.ordinal, each.note.text if each.note else None) for each in source.read())


def notes(count: int, **columns: Any) -> pa.Table:
    return pa.table(
        {"note_id": [f"n{at}" for at in range(count)], "text": [f"t{at}" for at in range(count)], **columns}
    )


def opened(folder: Path, table: pa.Table, *, options: Options | None = None, **settings: Any) -> Parquet:
    pq.write_table(table, folder / "n.parquet", **settings)
    return Parquet(folder / "n.parquet", options or Options())


def written(source: Parquet, folder: Path, outcomes: Iterator[Outcome] | None = None) -> pa.Table:
    paths = source.write(outcomes or same(source), folder / "out")
    return pa.concat_tables([pq.read_table(path, partitioning=None) for path in paths])


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.int8(), [1, None, -3]),
        (pa.uint64(), [2**64 - 1, None, 0]),
        (pa.float64(), [float("inf"), None, 0.1]),
        (pa.bool_(), [True, None, False]),
        (pa.string(), ["001234", None, "NA"]),
        (pa.large_string(), ["x", None, ""]),
        (pa.binary(), [b"\xff", None, b""]),
        (pa.binary(2), [b"\xff\x00", None, b"ab"]),
        (pa.date32(), [date(2079, 3, 4), None, date(1900, 1, 1)]),
        (pa.time64("us"), [time(10, 15), None, time(0)]),
        (pa.timestamp("us"), [WHEN, None, WHEN]),
        (pa.timestamp("ns"), [1, None, 3]),
        (pa.timestamp("ms", "America/Chicago"), [datetime(2079, 3, 4, tzinfo=UTC), None, None]),
        (pa.duration("s"), [1, None, 3]),
        (pa.decimal128(20, 2), [decimal.Decimal("1.10"), None, decimal.Decimal("-3.00")]),
        (pa.dictionary(pa.int8(), pa.string()), ["a", None, "b"]),
        (pa.list_(pa.int32()), [[1, None], None, []]),
        (pa.struct([("a", pa.string()), ("b", pa.list_(pa.date32()))]), [{"a": "x", "b": None}, None, {}]),
        (pa.map_(pa.string(), pa.int32()), [[("k", 1)], None, []]),
        (pa.null(), [None, None, None]),
    ],
    ids=str,
)
def test_types_and_nulls_survive(tmp_path: Path, kind: pa.DataType, values: list[Any]) -> None:
    table = notes(3, other=pa.array(values, kind))
    source = opened(tmp_path, table)
    assert written(source, tmp_path).equals(table)
    outcomes = iter([Outcome(0, None), Outcome(1, "new"), Outcome(2, "new")])
    kept = table.slice(1).set_column(1, "text", pa.array(["new", "new"]))
    assert written(source, tmp_path, outcomes).equals(kept)


def test_schema_metadata_nullability_and_order_survive(tmp_path: Path) -> None:
    schema = pa.schema(
        [
            pa.field("z", pa.int32(), nullable=False, metadata={"unit": "mg"}),
            pa.field("text", pa.large_string(), nullable=False),
            pa.field("note_id", pa.int64(), nullable=False),
        ],
        metadata={"origin": "export 7"},
    )
    table = pa.table([[1, 2], ["a", "b"], [10, 20]], schema=schema)
    source = opened(tmp_path, table)
    (path,) = source.write(same(source), tmp_path / "out")
    found = pq.read_schema(path)
    assert found.equals(pq.read_schema(tmp_path / "n.parquet"), check_metadata=True)
    assert (found.metadata[b"origin"], found.field("z").metadata[b"unit"]) == (b"export 7", b"mg")
    assert pq.read_table(path).equals(table)


def test_a_column_whose_new_values_do_not_fit_may_be_null(tmp_path: Path) -> None:
    schema = pa.schema(
        [
            pa.field(name, kind, nullable=False)
            for name, kind in (("id", pa.string()), ("text", pa.string()), ("dob", pa.date32()))
        ]
    )
    table = pa.table([["a", "b"], ["x", "y"], [date(2001, 2, 3)] * 2], schema=schema)
    source = opened(tmp_path, table, options=Options(fields={"id": "MRN", "dob": "DATE"}))
    new = [{"id": "[MRN]", "dob": "2001"}, {"id": "[MRN]", "dob": "2001-02-09"}]
    found = written(source, tmp_path, (Outcome(at, "z", fields) for at, fields in enumerate(new)))
    assert found.to_pylist() == [
        {"id": "[MRN]", "text": "z", "dob": None},
        {"id": "[MRN]", "text": "z", "dob": date(2001, 2, 9)},
    ]
    assert [each.nullable for each in found.schema] == [False, False, True]


@given(
    st.lists(
        st.tuples(st.text(min_size=1), st.none() | st.text(), st.none() | st.integers(-(2**63), 2**63 - 1)),
        max_size=20,
    ),
    st.integers(1, 7),
)
@settings(max_examples=40)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str | None, int | None]], shard: int
) -> None:
    schema = pa.schema([("note_id", pa.string()), ("text", pa.string()), ("n", pa.int64())])
    table = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)
    folder = tmp_path_factory.mktemp("p")
    source = opened(folder, table, options=Options(shard_notes=shard), row_group_size=3)
    keep = [entry.note is not None for entry in source.read()]
    assert len(keep) == len(rows)
    assert written(source, folder).equals(table.filter(pa.array(keep, pa.bool_())))
    sizes = [pq.read_metadata(path).num_rows for path in sorted((folder / "out").iterdir())]
    assert sizes[:-1] == [shard] * (len(sizes) - 1)
    assert 0 < sizes[-1] <= shard or sizes == [0]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array([7]), "7"),
        (pa.array([b"a7"]), "a7"),
        (pa.array([7.5]), "7.5"),
        (pa.array([decimal.Decimal("7.10")]), "7.10"),
        (pa.array([date(2079, 3, 4)]), "2079-03-04"),
        (pa.array(["a"]).dictionary_encode(), "a"),
        (pa.array([1], pa.timestamp("ns")), "1970-01-01 00:00:00.000000001"),
    ],
    ids=str,
)
def test_ids_of_any_type(tmp_path: Path, ids: pa.Array, expected: str) -> None:
    (entry,) = opened(tmp_path, pa.table({"id": ids, "text": ["x"], "patient_id": ids})).read()
    assert entry.note is not None
    assert (entry.note_id, entry.note.patient_id) == (expected, expected)


@pytest.mark.parametrize(
    "dates",
    [
        pa.array([date(2079, 3, 4)]),
        pa.array([WHEN], pa.timestamp("us")),
        pa.array([WHEN], pa.timestamp("ns")),
        pa.array([datetime(2079, 3, 5, 3, tzinfo=UTC)], pa.timestamp("s", "America/Chicago")),
        pa.array(["2079-03-04T10:15"]),
    ],
    ids=lambda each: str(each.type),
)
def test_dates_of_any_type(tmp_path: Path, dates: pa.Array) -> None:
    (entry,) = opened(tmp_path, notes(1, note_date=dates)).read()
    assert entry.note is not None
    assert entry.note.note_date == date(2079, 3, 4)


def test_records(tmp_path: Path) -> None:
    raw = [b"fine", None, b"caf\xe9", b"\xed\xa0\x80", b"a\0b", b"x" * 11, b"", b"fine", b"fine"]
    text = pa.Array.from_buffers(pa.string(), len(raw), pa.array(raw, pa.binary()).buffers())
    table = pa.table({"note_id": [*"abcdefg", None, ""], "text": text})
    source = opened(tmp_path, table, options=Options(max_characters=10))
    found = [(entry.note_id, entry.reason) for entry in source.read()]
    assert found == [
        ("a", None),
        ("b", Reason.MISSING_TEXT),
        ("c", Reason.INVALID_UTF8),
        ("d", Reason.INVALID_UTF8),
        ("e", Reason.NUL_CHARACTER),
        ("f", Reason.TOO_LONG),
        ("g", None),
        ("row-8", Reason.MISSING_ID),
        ("row-9", Reason.MISSING_ID),
    ]
    assert written(source, tmp_path)["text"].to_pylist() == ["fine", ""]


def test_folder_of_files_with_null_columns_and_partitions(tmp_path: Path) -> None:
    for year, name, column in (
        (2079, "b", pa.array([None])),
        (2079, "a", pa.array(["k"])),
        (2078, "c", pa.array(["l"])),
    ):
        folder = tmp_path / "in" / f"year={year}"
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"id": [name], "text": [name], "kind": column}), folder / f"{name}.parquet")
    (tmp_path / "in" / "_SUCCESS").write_bytes(b"")
    (tmp_path / "in" / ".hidden.parquet").write_bytes(b"x")
    source = Parquet(tmp_path / "in", Options())
    assert [entry.note_id for entry in source.read()] == ["c", "a", "b"]
    assert written(source, tmp_path).to_pylist() == [
        {"id": "c", "text": "c", "kind": "l", "year": 2078},
        {"id": "a", "text": "a", "kind": "k", "year": 2079},
        {"id": "b", "text": "b", "kind": None, "year": 2079},
    ]
    digest = source.digest()
    (tmp_path / "in" / "year=2078" / "c.parquet").rename(tmp_path / "in" / "year=2078" / "d.parquet")
    assert Parquet(tmp_path / "in", Options()).digest() != digest
    with pytest.raises(IntegrityError, match="changed"):
        source.write(iter(()), tmp_path / "out")
    with pytest.raises(UsageError, match="inside the input"):
        Parquet(tmp_path / "in", Options()).write(iter(()), tmp_path / "in" / "out")


def test_folder_whose_files_disagree(tmp_path: Path) -> None:
    for name, column in (("a", pa.array([1])), ("b", pa.array(["x"]))):
        pq.write_table(notes(1, other=column), tmp_path / f"{name}.parquet")
    with pytest.raises(UsageError, match="different types"):
        Parquet(tmp_path, Options())


def test_what_is_not_parquet(tmp_path: Path) -> None:
    (tmp_path / "n.parquet").write_bytes(b"note_id,text\na,Vandermolen\n")
    with pytest.raises(UsageError, match="not a Parquet file") as caught:
        Parquet(tmp_path / "n.parquet", Options())
    assert "Vandermolen" not in str(caught.value)
    with pytest.raises(UsageError, match=r"no \.parquet files"):
        (tmp_path / "empty").mkdir()
        Parquet(tmp_path / "empty", Options())


def test_damaged_file(tmp_path: Path) -> None:
    source = opened(tmp_path, notes(2000), use_dictionary=False, compression="gzip")
    content = bytearray((tmp_path / "n.parquet").read_bytes())
    content[40:200] = bytes(160)
    (tmp_path / "n.parquet").write_bytes(content)
    with pytest.raises(InputOutputError, match="cannot read"):
        list(source.read())


def test_one_damaged_letter_is_noticed_where_pages_have_checksums_as_ours_have(tmp_path: Path) -> None:
    plain: dict[str, Any] = {"use_dictionary": False, "compression": "none"}
    source = opened(tmp_path, notes(900), row_group_size=300, write_page_checksum=True, **plain)
    (output,) = source.write(same(source), tmp_path / "out")
    for path in (tmp_path / "n.parquet", output):
        content = path.read_bytes()
        damaged = content.replace(b"t700", b"s700")
        assert damaged != content
        path.write_bytes(damaged)
        with pytest.raises(InputOutputError, match=r"after row [0-9]+: OSError$"):
            list(Parquet(path, Options()).read())


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            Columns(text="txt"),
            r"no column 'txt'; did you mean 'text'\?; columns: note_id, text, n; .*--text-column",
        ),
        (Columns(text="n"), "column 'n' holds int64, not text"),
        (Columns(patient_id="p"), "--patient-column"),
    ],
)
def test_columns_that_do_not_do(tmp_path: Path, columns: Columns, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        opened(tmp_path, notes(1, n=[1]), options=Options(columns=columns))


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    table = pa.table([["a"], ["x"], ["y"]], names=["note_id", "text", "text"])
    with pytest.raises(UsageError, match="same name"):
        opened(tmp_path, table)


def test_drop_known_and_passed_through(tmp_path: Path) -> None:
    columns = {"mrn": ["1"], "dob": ["2"], "kind": ["k"], "person": pa.array([{"zip": "02134", "w": 1}])}
    options = Options(drop=("mrn",), known_columns={"mrn": "mrn", "kind": "other_id"})
    source = opened(tmp_path, notes(1, patient_id=[7], **columns), options=options)
    (entry,) = source.read()
    assert entry.note is not None
    assert entry.note.metadata == {"mrn": "1", "kind": "k"}
    assert source.passed_through() == ("patient_id", "dob", "person", "person.zip", "person.w")
    assert written(source, tmp_path).column_names == [
        "note_id",
        "text",
        "patient_id",
        "dob",
        "kind",
        "person",
    ]
    with pytest.raises(UsageError, match="--drop"):
        opened(tmp_path, notes(1), options=Options(drop=("mnr",)))


@pytest.mark.parametrize(
    ("codec", "expected"),
    [("snappy", "SNAPPY"), ("zstd", "ZSTD"), ("none", "UNCOMPRESSED"), ("gzip", "GZIP")],
)
def test_compression_is_the_source_s(tmp_path: Path, codec: str, expected: str) -> None:
    source = opened(tmp_path, notes(2), compression=codec)
    (path,) = source.write(same(source), tmp_path / "out")
    assert pq.read_metadata(path).row_group(0).column(0).compression == expected


def test_row_groups_do_not_follow_the_reader_s_batches(tmp_path: Path) -> None:
    source = opened(tmp_path, notes(1000), options=Options(shard_notes=900), row_group_size=100)
    paths = source.write(same(source), tmp_path / "out")
    assert [pq.read_metadata(path).num_row_groups for path in paths] == [1, 1]
    assert [pq.read_metadata(path).num_rows for path in paths] == [900, 100]


def test_no_rows_keep_the_schema(tmp_path: Path) -> None:
    table = notes(0, n=pa.array([], pa.int16())).cast(
        pa.schema([("note_id", pa.string()), ("text", pa.string()), ("n", pa.int16())])
    )
    source = opened(tmp_path, table)
    assert list(source.read()) == []
    assert written(source, tmp_path).schema == table.schema


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    source = opened(tmp_path, notes(600, other=pa.array(["a", None] * 300).dictionary_encode()))
    outputs = [source.write(same(source), tmp_path / name)[0].read_bytes() for name in ("one", "two")]
    assert outputs[0] == outputs[1]


def test_reading_holds_a_batch_and_not_the_file(tmp_path: Path) -> None:
    table = pa.table(
        {"note_id": list(map(str, range(8000))), "text": [f"{at:09d}" * 500 for at in range(8000)]}
    )
    source = opened(tmp_path, table, use_dictionary=False, compression="none")
    size = table.nbytes
    del table
    before = pa.total_allocated_bytes()
    entries = source.read()
    held = max(pa.total_allocated_bytes() - before for entry in entries if entry.ordinal % 100 == 0)
    assert size > 36_000_000
    assert held < 9_000_000


def test_a_source_that_changed_is_not_written(tmp_path: Path) -> None:
    source = opened(tmp_path, notes(1))
    opened(tmp_path, notes(3))
    with pytest.raises(IntegrityError, match="changed"):
        source.write(iter([Outcome(0, "a")]), tmp_path / "out")


def test_outcomes_too_few(tmp_path: Path) -> None:
    source = opened(tmp_path, notes(2))
    with pytest.raises(IntegrityError, match="no outcome for entry 1"):
        source.write(iter([Outcome(0, "a")]), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
