from __future__ import annotations

import io
import json
import os
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deid.errors import IntegrityError, Reason, UsageError
from deid.formats.csv_table import CsvTable
from deid.formats.jsonl import Jsonl
from deid.formats.mixed import Mixed
from deid.formats.parquet import Parquet
from deid.formats.source import (
    FORMATS,
    Columns,
    Entry,
    Options,
    Outcome,
    Pairing,
    make_entry,
    open_source,
    parse_date,
)
from deid.formats.text_folder import TextFolder

LINE = b'{"note_id": "a", "text": "Seen today."}\n'


def fields(**changes: object) -> dict[str, object]:
    return {"note_id": "a", "text": "t", "patient_id": None, "note_date": None, "metadata": {}, **changes}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2079-03-04", date(2079, 3, 4)),
        ("2079-03-04T10:15:00Z", date(2079, 3, 4)),
        ("2079-03-04 10:15:00+01:00", date(2079, 3, 4)),
        ("20790304", date(2079, 3, 4)),
        ("20790304T1015", date(2079, 3, 4)),
        ("2079-02-30", None),
        ("2079-03-041", None),
        ("207903041", None),
        ("03/04/2079", None),
        ("2079", None),
        ("", None),
        (None, None),
    ],
)
def test_dates(value: str | None, expected: date | None) -> None:
    assert parse_date(value) == expected


@pytest.mark.parametrize(
    ("changes", "note_id", "reason"),
    [
        ({"note_id": None}, "row-1", Reason.MISSING_ID),
        ({"note_id": " "}, "row-1", Reason.MISSING_ID),
        ({"note_id": "a\udc80"}, "row-1", Reason.INVALID_UTF8),
        ({"patient_id": "p\udc80"}, "row-1", Reason.INVALID_UTF8),
        ({"text": None}, "a", Reason.MISSING_TEXT),
        ({"text": "x\0y"}, "a", Reason.NUL_CHARACTER),
        ({"text": "x\ud800y"}, "a", Reason.INVALID_UTF8),
        ({"text": "x" * 11}, "a", Reason.TOO_LONG),
        ({"text": "x" * 10}, "a", None),
        ({"text": ""}, "a", None),
        ({"note_id": "../../x"}, "../../x", None),
    ],
)
def test_records_are_judged(changes: dict[str, object], note_id: str, reason: Reason | None) -> None:
    entry = make_entry(0, fields(**changes), place="row-1", max_characters=10)
    assert (entry.note_id, entry.reason) == (note_id, reason)
    assert (entry.note is None) == (reason is not None)


def test_empty_patient_is_no_patient() -> None:
    entry = make_entry(0, fields(patient_id=""), place="row-1", max_characters=10)
    assert entry.note is not None
    assert entry.note.patient_id is None


def test_an_entry_is_a_note_or_a_reason() -> None:
    with pytest.raises(ValueError, match="either"):
        Entry(0, "a", None, None)


def test_repr_shows_no_text() -> None:
    assert "Seen" not in repr(Outcome(0, "Seen today."))
    assert "Seen" not in repr(make_entry(0, fields(text="Seen"), place="p", max_characters=9))


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        ([0, 1, 2], "no entry for outcome 2"),
        ([0], "no outcome for entry 1"),
        ([1, 0], "outcome 1 given for entry 0"),
        ([0, 0], "outcome 0 given for entry 1"),
    ],
)
def test_outcomes_of_another_source(outcomes: list[int], message: str) -> None:
    entries = [make_entry(ordinal, fields(), place="p", max_characters=9) for ordinal in range(2)]
    pairing = Pairing((Outcome(ordinal, "t") for ordinal in outcomes), "notes")
    with pytest.raises(IntegrityError, match=message):
        [pairing.take(entry) for entry in entries]
        pairing.finish()


def test_a_text_for_what_was_no_note() -> None:
    pairing = Pairing(iter([Outcome(0, "t")]), "notes")
    with pytest.raises(IntegrityError, match="entry 0, which is missing-id"):
        pairing.take(Entry(0, "row-1", None, Reason.MISSING_ID))


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("n.txt", b"x", TextFolder),
        ("n.TXT", b"x", TextFolder),
        ("n.jsonl", LINE, Jsonl),
        ("n.ndjson", LINE, Jsonl),
        ("n.csv", b"id,text\n", CsvTable),
        ("n.tsv", b"id\ttext\n", CsvTable),
    ],
)
def test_format_by_suffix(tmp_path: Path, name: str, content: bytes, kind: type) -> None:
    (tmp_path / name).write_bytes(content)
    assert type(open_source(tmp_path / name)) is kind


def test_format_by_folder(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "readme.md").write_bytes(b"")
    with pytest.raises(UsageError, match="no files of a format that is read"):
        open_source(tmp_path)
    pq.write_table(pa.table({"id": ["a"], "text": ["t"]}), tmp_path / "deep" / "n.parquet")
    assert type(open_source(tmp_path)) is Parquet
    (tmp_path / "deep" / "n.txt").write_bytes(b"t")
    assert type(open_source(tmp_path)) is Mixed
    assert type(open_source(tmp_path, format="txt")) is TextFolder


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("notse.jsonl", r"did you mean 'notes\.jsonl'\?"),
        ("no/notes.jsonl", "there is no folder"),
        ("notes.xls", r"suffix '\.xls' .* --format: .*csv, .*parquet, txt"),
        ("notes.csv.zip", "unpack"),
        ("notes.parquet.gz", "unpack"),
    ],
)
def test_paths_that_cannot_be_read(tmp_path: Path, name: str, message: str) -> None:
    for existing in ("notes.jsonl", "notes.xls", "notes.csv.zip", "notes.parquet.gz"):
        (tmp_path / existing).write_bytes(LINE)
    with pytest.raises(UsageError, match=message):
        open_source(str(tmp_path / name))


def test_a_pipe_is_not_opened_as_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "n.jsonl")
    with pytest.raises(UsageError, match="only once; give '-'"):
        open_source(tmp_path / "n.jsonl")


def test_unknown_format(tmp_path: Path) -> None:
    (tmp_path / "n").write_bytes(LINE)
    with pytest.raises(UsageError, match="did you mean 'jsonl'"):
        open_source(tmp_path / "n", format="json")
    assert [entry.note_id for entry in open_source(tmp_path / "n", format="jsonl").read()] == ["a"]


def test_schema_drop_and_settings_reach_the_format(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_text("note_id,person_id,note_date,note_text,mrn\n1,7,2079-03-04,Seen,001\n")
    source = open_source(
        path, schema="omop-note", drop=("mrn",), max_characters=4, known_columns={"mrn": "mrn"}, shard_notes=1
    )
    (entry,) = source.read()
    assert entry.note is not None
    assert (entry.note.patient_id, entry.note.note_date) == ("7", date(2079, 3, 4))
    assert entry.note.metadata == {"mrn": "001"}
    assert source.passed_through() == ("person_id", "note_date")


@pytest.mark.parametrize(
    "settings", [{"max_characters": 0}, {"shard_notes": 0}, {"known_columns": {"a": "names"}}]
)
def test_settings_out_of_range(settings: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"at least 1|unknown kind"):
        Options(**settings)  # type: ignore[arg-type]


def test_standard_input_can_be_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(LINE * 3)))
    source = open_source("-")
    assert (source.name, source.path) == ("-", None)
    first, second = source.read(), source.read()
    assert next(first).ordinal == 0
    assert [entry.ordinal for entry in second] == [0, 1, 2]
    assert [entry.ordinal for entry in first] == [1, 2]
    assert source.size() == 3 * len(LINE)


def test_standard_input_is_jsonl_only() -> None:
    with pytest.raises(UsageError, match="read as jsonl, not as csv"):
        open_source("-", format="csv")
    with pytest.raises(UsageError, match="unknown format"):
        open_source("-", format="cvs")


def test_one_set_of_notes_in_four_formats_reads_the_same(tmp_path: Path) -> None:
    notes = {"a": 'Line one.\nLine, "two" ✓\n', "b": "", "c d": "x"}
    (tmp_path / "txt").mkdir()
    for note_id, text in notes.items():
        (tmp_path / "txt" / f"{note_id}.txt").write_bytes(text.encode())
    records = [{"note_id": note_id, "text": text} for note_id, text in notes.items()]
    (tmp_path / "n.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    quoted = [f'{note_id},"{text.replace(chr(34), chr(34) * 2)}"\n' for note_id, text in notes.items()]
    (tmp_path / "n.csv").write_text("note_id,text\n" + "".join(quoted))
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "n.parquet")
    for name in ("txt", "n.jsonl", "n.csv", "n.parquet"):
        found = [entry.note for entry in open_source(tmp_path / name).read()]
        assert {note.note_id: note.text for note in found if note} == notes, name
    assert {"txt", "jsonl", "csv", "parquet"} <= set(FORMATS.names())
    assert Columns() == Columns(None, None, None, None)
