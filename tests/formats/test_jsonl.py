from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.errors import IntegrityError, Reason, UsageError
from deid.formats.jsonl import Jsonl, write_stream
from deid.formats.source import Columns, Options, Outcome, Source
from deid.formats.text_folder import TextFolder

GOOD = '{"note_id": "ok", "text": "fine"}'
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def same(source: Source) -> Iterator[Outcome]:
    return (Outcome(each.ordinal, each.note.text if each.note else None) for each in source.read())


def opened(folder: Path, *lines: str | bytes, options: Options | None = None) -> Jsonl:
    path = folder / "n.jsonl"
    path.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines))
    return Jsonl(path, options or Options())


def written(source: Source, outcomes: Iterator[Outcome] | None = None) -> str:
    stream = io.BytesIO()
    write_stream(source, outcomes or same(source), stream)
    return stream.getvalue().decode()


@pytest.mark.parametrize(
    ("line", "note_id", "reason"),
    [
        ('{"note_id": "a", "text": ""}', "a", None),
        ('{"id": "a", "text": "x"}', "a", None),
        ('{"id": 12345678901234567890123, "text": "x"}', "12345678901234567890123", None),
        ('{"id": 1.10, "text": "x"}', "1.10", None),
        ('{"note_id": "../../x", "text": "x"}', "../../x", None),
        (' {"note_id":"a" ,"text":"x\\u00e9\\ud83d\\ude00" } ', "a", None),
        ('{"note_id": "a", "text": "x", "y": NaN, "z": [-Infinity]}', "a", None),
        ('{"text": "x"}', "line-2", Reason.MISSING_ID),
        ('{"id": null, "text": "x"}', "line-2", Reason.MISSING_ID),
        ('{"id": "", "text": "x"}', "line-2", Reason.MISSING_ID),
        ('{"id": true, "text": "x"}', "line-2", Reason.MISSING_ID),
        ('{"id": NaN, "text": "x"}', "line-2", Reason.MISSING_ID),
        ('{"id": ["a"], "text": "x"}', "line-2", Reason.MISSING_ID),
        ('{"id": "a"}', "a", Reason.MISSING_TEXT),
        ('{"id": "a", "text": null}', "a", Reason.MISSING_TEXT),
        ('{"id": "a", "text": 7}', "a", Reason.MISSING_TEXT),
        ('{"id": "a", "text": ["x"]}', "a", Reason.MISSING_TEXT),
        ('{"id": "a", "text": "x\\ud800y"}', "a", Reason.LONE_SURROGATE),
        ('{"id": "\\udfff", "text": "x"}', "line-2", Reason.LONE_SURROGATE),
        ('{"id": "a", "text": "x\\u0000y"}', "a", Reason.NUL_CHARACTER),
        (b'{"id": "a", "text": "caf\xe9"}', "line-2", Reason.INVALID_UTF8),
        (b'{"id": "a", "text": "x", "other": "\xff"}', "line-2", Reason.INVALID_UTF8),
        (json.dumps({"id": "a", "text": "x" * 101}), "a", Reason.TOO_LONG),
        ('{"id": "a", "text": "x"', "line-2", Reason.INVALID_RECORD),
        ('{"id": "a", "text": "x"} {}', "line-2", Reason.INVALID_RECORD),
        ('{"id": "a", "text": "x",}', "line-2", Reason.INVALID_RECORD),
        ('{"id": "a" "text": "x"}', "line-2", Reason.INVALID_RECORD),
        ('{"id": "a", "text": "x", 7: 8}', "line-2", Reason.INVALID_RECORD),
        ('{"id": "a", "text": "x", NaN: 8}', "line-2", Reason.INVALID_RECORD),
        ("{'id': 'a'}", "line-2", Reason.INVALID_RECORD),
        ('["a", "x"]', "line-2", Reason.INVALID_RECORD),
        ('"text"', "line-2", Reason.INVALID_RECORD),
        ("{", "line-2", Reason.INVALID_RECORD),
        ('{"id": "a", "text": "x", "text": "y"}', "line-2", Reason.INVALID_RECORD),
        ('{"id": "a", "text": "x", "te\\u0078t": "y"}', "line-2", Reason.INVALID_RECORD),
        ('{"id": "a", "text": "x", "m": {"b": 1, "b": 2}}', "line-2", Reason.INVALID_RECORD),
        ('{"id": "a", "text": "x", "m": ' + "[" * 20000 + "]" * 20000 + "}", "line-2", Reason.INVALID_RECORD),
    ],
    ids=count(),
)
def test_records(tmp_path: Path, line: str | bytes, note_id: str, reason: Reason | None) -> None:
    source = opened(tmp_path, GOOD, line, "", "  ", GOOD, options=Options(max_characters=100))
    before, entry, after = source.read()
    assert before.note == after.note
    assert after.ordinal == 2
    assert (entry.note_id, entry.reason) == (note_id, reason)
    assert written(source).count("\n") == (2 if reason else 3)


def test_place_counts_blank_lines(tmp_path: Path) -> None:
    entries = list(opened(tmp_path, "", GOOD, "", "{").read())
    assert [(entry.ordinal, entry.note_id) for entry in entries] == [(0, "ok"), (1, "line-4")]


def test_no_message_shows_the_line(tmp_path: Path) -> None:
    _, entry = opened(tmp_path, GOOD, '{"id": "Vandermolen", "text": "Seen by Vandermolen').read()
    assert "Vandermolen" not in repr(entry)


def test_patient_and_date(tmp_path: Path) -> None:
    (entry,) = opened(
        tmp_path, '{"id": 1, "text": "x", "patient_id": 7, "note_date": "2079-03-04T10:00"}'
    ).read()
    assert entry.note is not None
    assert (entry.note.patient_id, str(entry.note.note_date)) == ("7", "2079-03-04")


def test_everything_but_the_text_is_carried_as_it_was_written(tmp_path: Path) -> None:
    line = (
        '{"z": 1.10, "text": "secret", "big": 123456789012345678901234567890, '
        '"e": 1E400, "neg": -0, "nan": NaN, "u": "\\u00e9\\ud800", "deep": {"b":[1.0,  2.50], "a": null}, '
        '"é": true, "note_id": "a"}'
    )
    source = opened(tmp_path, line)
    assert written(source, iter([Outcome(0, "né\nw")])) == line.replace('"secret"', '"né\\nw"') + "\n"


def test_dropped_keys_are_gone(tmp_path: Path) -> None:
    source = opened(tmp_path, '{"mrn": 1, "id": 2, "text": "x"}', options=Options(drop=("mrn",)))
    assert written(source) == '{"id": 2, "text": "x"}\n'
    assert source.passed_through() == ()


@given(
    st.lists(
        st.tuples(st.text(min_size=1), texts, st.dictionaries(st.text(), values, max_size=3)), max_size=4
    )
)
@settings(max_examples=60)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, records: list[tuple[str, str, dict[str, object]]]
) -> None:
    rows = [{**other, "note_id": note_id, "text": text} for note_id, text, other in records]
    folder = tmp_path_factory.mktemp("j")
    source = opened(folder, *(json.dumps(row) for row in rows), options=Options(shard_notes=2))
    kept = [row for row, entry in zip(rows, source.read(), strict=True) if entry.note]
    paths = source.write(same(source), folder / "out")
    found = [json.loads(line) for path in paths for line in path.read_text("utf-8").split("\n") if line]
    assert repr(found) == repr(kept)
    assert [list(row) for row in found] == [list(row) for row in kept]


def test_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    (entry,) = opened(tmp_path, b"\xef\xbb\xbf" + GOOD.encode()).read()
    assert entry.note_id == "ok"


def test_last_line_without_line_end(tmp_path: Path) -> None:
    path = tmp_path / "n.jsonl"
    path.write_bytes(GOOD.encode() + b"\r\n" + GOOD.encode())
    assert written(Jsonl(path, Options())) == f"{GOOD}\n{GOOD}\n"


def test_line_too_long_to_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deid.formats.jsonl._LONGEST_LINE", 100)
    entries = list(opened(tmp_path, GOOD, json.dumps({"id": "b", "text": "x" * 450}), GOOD).read())
    assert [(each.note_id, each.reason) for each in entries] == [
        ("ok", None),
        ("line-2", Reason.TOO_LONG),
        ("ok", None),
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            Columns(text="txt"),
            r"no column 'txt'; did you mean 'text'\?; columns: note_id, text; .*--text-column",
        ),
        (Columns(note_id="mrn"), "--id-column"),
        (Columns(patient_id="mrn"), "--patient-column"),
        (Columns(note_id="text"), "chosen as text and as something else"),
        (Columns(text="note_id"), "chosen as text and as something else"),
    ],
)
def test_key_that_is_nowhere(tmp_path: Path, columns: Columns, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        opened(tmp_path, GOOD, options=Options(columns=columns))


def test_named_keys(tmp_path: Path) -> None:
    columns = Columns(text="body", note_id="k", patient_id="p", note_date="d")
    line = '{"k": "a", "body": "x", "p": "7", "d": "2079-03-04", "text": "Seen"}'
    source = opened(tmp_path, line, options=Options(columns=columns))
    (entry,) = source.read()
    assert entry.note is not None
    assert (entry.note.text, entry.note.patient_id) == ("x", "7")
    assert source.passed_through() == ("p", "d")


@pytest.mark.parametrize("name", ["mnr", "text"])
def test_key_to_drop_must_be_there_and_not_the_text(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="--drop"):
        opened(tmp_path, GOOD, '{"note_id": "a", "text": "x", "mrn": 1}', options=Options(drop=(name,)))


def test_identifying_keys_are_found_in_every_line_and_depth(tmp_path: Path) -> None:
    rare = (
        '{"note_id": "a", "text": "x", "category": "c", "visits": [{"mrn": 1, "kind": "k"}], "2079-03-04": 1}'
    )
    source = opened(tmp_path, *[GOOD] * 300, rare)
    assert source.passed_through() == ("visits.mrn", "(a key that does not read as a name)")


def test_known_columns_become_metadata(tmp_path: Path) -> None:
    line = '{"id": 1, "text": "x", "kin": ["Ada", "Bo"], "mrn": 001, "c": 1}'.replace("001", "12.0")
    options = Options(known_columns={"kin": "relative_name", "mrn": "mrn"})
    (entry,) = opened(tmp_path, line, options=options).read()
    assert entry.note is not None
    assert entry.note.metadata == {"kin": ["Ada", "Bo"], "mrn": "12.0"}


def test_shards_and_lazy_writing(tmp_path: Path) -> None:
    source = opened(tmp_path, *[GOOD] * 5, options=Options(shard_notes=2))

    def outcomes() -> Iterator[Outcome]:
        for ordinal in range(5):
            assert len(list((tmp_path / "out").glob("part-*"))) == max(0, (ordinal - 1) // 2)
            yield Outcome(ordinal, None if ordinal == 1 else f"n{ordinal}")

    paths = source.write(outcomes(), tmp_path / "out")
    assert [path.name for path in paths] == ["part-00000.jsonl", "part-00001.jsonl"]
    assert [json.loads(line)["text"] for line in paths[1].read_text().splitlines()] == ["n3", "n4"]


def test_reading_is_lazy(tmp_path: Path) -> None:
    source = opened(tmp_path, *[json.dumps({"id": "a", "text": "x" * 10_000})] * 500)
    tracemalloc.start()
    try:
        assert sum(1 for _ in source.read()) == 500
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_source_that_changed_is_not_written(tmp_path: Path) -> None:
    source = opened(tmp_path, GOOD)
    outcomes = same(source)
    opened(tmp_path, GOOD, GOOD)
    with pytest.raises(IntegrityError, match="changed since it was opened"):
        source.write(outcomes, tmp_path / "out")


def test_failure_leaves_no_half_shard(tmp_path: Path) -> None:
    source = opened(tmp_path, GOOD, GOOD)
    with pytest.raises(IntegrityError, match="no outcome for entry 1"):
        source.write(iter([Outcome(0, "x")]), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_from_stream_and_to_stream() -> None:
    source = Jsonl.from_stream(io.BytesIO(f"{GOOD}\n".encode()), Options())
    assert written(source, iter([Outcome(0, "new")])) == '{"note_id": "ok", "text": "new"}\n'
    assert source.digest().startswith("sha256:")


def test_only_jsonl_goes_to_a_stream(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only jsonl"):
        write_stream(TextFolder(tmp_path, Options()), iter(()), io.BytesIO())
