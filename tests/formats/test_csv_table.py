from __future__ import annotations

import csv
import tracemalloc
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.errors import InputOutputError, IntegrityError, Reason, UsageError
from deid.formats.csv_table import CsvTable
from deid.formats.source import Columns, Options, Outcome, Source

cells = st.text(st.characters(exclude_categories=["Cs"]))


def same(source: Source) -> Iterator[Outcome]:
    return (Outcome(each.ordinal, each.note.text if each.note else None) for each in source.read())


def opened(
    folder: Path, content: str | bytes, *, name: str = "n.csv", options: Options | None = None
) -> CsvTable:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return CsvTable(path, options or Options())


def written(source: CsvTable, folder: Path, outcomes: Iterator[Outcome] | None = None) -> bytes:
    return b"".join(path.read_bytes() for path in source.write(outcomes or same(source), folder / "out"))


@pytest.mark.parametrize(
    "content",
    [
        b"note_id,text,mrn,surname,x\na,Seen,001234,NA,\n",
        b'note_id,text\r\na,"one, ""two""\r\nthree"\r\nb,\r\n',
        b"\xef\xbb\xbfnote_id,text\na,x\n",
        b"note_id,text,place\na,x,caf\xe9\n",
        b'note_id,text,memo\na,x,"one\rtwo"\n',
        b'note_id,text,memo\na,x,"one\ntwo"\n',
        b'note_id,text,h\na,5\'10" tall,6" nail\n'.replace(b"5'10\" tall", b"tall").replace(
            b'6" nail', b'"6"" nail"'
        ),
        b"note_id,text,,\na,x,1,2\n",
        "note_id,text\nä,naïve ✓ 😀\n".encode(),
        b"note_id,text,NULL,null,float\na,x,NULL,null,1.10\n",
    ],
    ids=count(),
)
def test_bytes_survive(tmp_path: Path, content: bytes) -> None:
    assert written(opened(tmp_path, content), tmp_path) == content


def test_only_the_text_is_replaced(tmp_path: Path) -> None:
    source = opened(tmp_path, "note_id,text,mrn\na,secret,001234\nb,secret,NA\nc,secret,x\n")
    outcomes = iter([Outcome(0, 'now "new",\n'), Outcome(1, None), Outcome(2, "")])
    assert written(source, tmp_path, outcomes) == b'note_id,text,mrn\na,"now ""new"",\n",001234\nc,,x\n'


@pytest.mark.parametrize(
    ("row", "note_id", "reason"),
    [
        (b"a,x,1", "a", None),
        (b"a,,1", "a", None),
        (b"../../x,x,1", "../../x", None),
        (b"a,x", "row-2", Reason.INVALID_RECORD),
        (b"a,x,1,2", "row-2", Reason.INVALID_RECORD),
        (b",x,1", "row-2", Reason.MISSING_ID),
        (b"a,caf\xe9,1", "a", Reason.INVALID_UTF8),
        (b"\xe9,x,1", "row-2", Reason.INVALID_UTF8),
        (b"a,x\0y,1", "a", Reason.NUL_CHARACTER),
        (b"a," + b"x" * 11 + b",1", "a", Reason.TOO_LONG),
        (b"a," + b"x" * 200_000 + b",1", "a", Reason.TOO_LONG),
    ],
    ids=count(),
)
def test_records(tmp_path: Path, row: bytes, note_id: str, reason: Reason | None) -> None:
    content = b"note_id,text,mrn\nok,fine,1\n" + row + b"\n\nok,fine,1\n"
    source = opened(tmp_path, content, options=Options(max_characters=10))
    before, entry, after = source.read()
    assert before.note == after.note
    assert (entry.ordinal, entry.note_id, entry.reason) == (1, note_id, reason)
    assert written(source, tmp_path).count(b"\n") == (3 if reason else 4)


@given(st.lists(st.tuples(st.text(min_size=1), cells, cells, st.binary())), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=60)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, records: list[tuple[str, str, str, bytes]], end: str
) -> None:
    header = ["note_id", "text", "memo", "raw"]
    rows = [[*record[:3], record[3].decode(errors="surrogateescape")] for record in records]
    folder = tmp_path_factory.mktemp("c")
    path = folder / "n.csv"
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream:
        csv.writer(stream, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    source = CsvTable(path, Options(shard_notes=3))
    kept = [row for row, entry in zip(rows, source.read(), strict=True) if entry.note]
    found = []
    for part in source.write(same(source), folder / "out"):
        with part.open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
            first, *rest = csv.reader(stream)
        assert first == header
        found += rest
    assert found == kept


@pytest.mark.parametrize(
    ("name", "delimiter", "sign"),
    [
        ("n.csv", None, ","),
        ("n.tsv", None, "\t"),
        ("n.csv", "tab", "\t"),
        ("n.csv", ";", ";"),
        ("n.tsv", "|", "|"),
    ],
)
def test_delimiters(tmp_path: Path, name: str, delimiter: str | None, sign: str) -> None:
    content = (
        sign.join(["note_id", "text"])
        + "\n"
        + sign.join(["a", "x,y\tz" if sign not in ",\t" else "x"])
        + "\n"
    )
    source = opened(tmp_path, content, name=name, options=Options(delimiter=delimiter))
    assert written(source, tmp_path) == content.encode()
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"part-00000{name[1:]}"]


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n"])
def test_what_is_no_delimiter(tmp_path: Path, delimiter: str) -> None:
    if delimiter == "":
        assert list(opened(tmp_path, "id,text\n", options=Options(delimiter=delimiter)).read()) == []
        return
    with pytest.raises(UsageError, match="delimiter"):
        opened(tmp_path, "id,text\n", options=Options(delimiter=delimiter))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "header row is needed"),
        (b"\xef\xbb\xbf", "header row is needed"),
        ("note_id,text\n".encode("utf-16"), "UTF-16"),
        (b"note_id,note\n", r"no column 'text'; .*columns: note_id, note; .*--text-column"),
        (b"note_id;text\n", "header row missing"),
        (b"key,text\n", "--id-column"),
        (b"1,Seen by Vandermolen today\n", "header row missing"),
    ],
    ids=count(),
)
def test_headers_that_do_not_do(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        opened(tmp_path, content)
    assert "Vandermolen" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    ['id,text\nok,"fine"\na,"one" two\nb,x\n', 'id,text\nok,"fi\nne"\na,"never closed\nb,x\n'],
    ids=count(),
)
def test_broken_quoting_stops_with_the_line_and_no_text(tmp_path: Path, content: str) -> None:
    source = opened(tmp_path, content)
    entries = source.read()
    assert next(entries).note_id == "ok"
    with pytest.raises(
        InputOutputError, match=rf"begins on line {content[: content.index('a,')].count(chr(10)) + 1};"
    ) as caught:
        next(entries)
    assert "two" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_roles_metadata_and_passed_through(tmp_path: Path) -> None:
    content = "ROW_ID,SUBJECT_ID,CHARTDATE,CATEGORY,TEXT,dob,2079\n1,007,2079-03-04 10:00,c,x,3/4/79,y\n"
    columns = Columns("TEXT", "ROW_ID", "SUBJECT_ID", "CHARTDATE")
    options = Options(columns=columns, known_columns={"dob": "birth_date"})
    source = opened(tmp_path, content, options=options)
    (entry,) = source.read()
    assert entry.note is not None
    assert (entry.note.note_id, entry.note.patient_id, str(entry.note.note_date)) == (
        "1",
        "007",
        "2079-03-04",
    )
    assert entry.note.metadata == {"dob": "3/4/79", "CATEGORY": "c"}
    assert source.passed_through() == (
        "SUBJECT_ID",
        "CHARTDATE",
        "dob",
        "(a key that does not read as a name)",
    )


def test_drop(tmp_path: Path) -> None:
    source = opened(tmp_path, "mrn,id,text,dob\n1,a,x,2\n", options=Options(drop=("mrn", "dob")))
    assert written(source, tmp_path) == b"id,text\na,x\n"
    assert source.passed_through() == ()


@pytest.mark.parametrize("name", ["text", "mnr"])
def test_what_cannot_be_dropped(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="--drop"):
        opened(tmp_path, "mrn,id,text\n", options=Options(drop=(name,)))


def test_header_without_rows_is_kept(tmp_path: Path) -> None:
    assert written(opened(tmp_path, "id,text,x\n"), tmp_path) == b"id,text,x\n"


def test_every_shard_has_the_header(tmp_path: Path) -> None:
    source = opened(tmp_path, "id,text\n1,a\n2,b\n3,c\n", options=Options(shard_notes=2))
    paths = source.write(same(source), tmp_path / "out")
    assert [path.read_text() for path in paths] == ["id,text\n1,a\n2,b\n", "id,text\n3,c\n"]


def test_reading_is_lazy(tmp_path: Path) -> None:
    source = opened(tmp_path, "id,text\n" + f"a,{'x' * 10_000}\n" * 500)
    tracemalloc.start()
    try:
        assert sum(1 for _ in source.read()) == 500
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_source_that_changed_is_not_written(tmp_path: Path) -> None:
    source = opened(tmp_path, "id,text\n1,a\n")
    opened(tmp_path, "id,text\n1,a\n2,b\n")
    with pytest.raises(IntegrityError, match="changed"):
        source.write(iter([Outcome(0, "a")]), tmp_path / "out")


def test_digest_and_size(tmp_path: Path) -> None:
    source = opened(tmp_path, "id,text\n1,a\n")
    assert source.size() == 12
    assert source.digest() != opened(tmp_path, "id,text\n1,b\n").digest()
