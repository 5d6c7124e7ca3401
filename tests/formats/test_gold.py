from __future__ import annotations

import json
from datetime import date
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.errors import UsageError
from deid.formats.gold import read_gold, write_gold
from deid.formats.markup import GoldMention
from deid.note import Note

SPAN = {"start": 0, "end": 3, "entity_type": "PATIENT_NAME"}
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=3)


def gold_file(folder: Path, *records: object) -> Path:
    path = folder / "gold.jsonl"
    path.write_text(
        "\n".join(each if isinstance(each, str) else json.dumps(each) for each in records) + "\n\n"
    )
    return path


@pytest.mark.parametrize(
    "record",
    [
        {"note_id": "7", "text": "Ada came", "spans": [SPAN]},
        {"id": 7, "text": "Ada came", "entities": [{"start": 0, "end": 3, "label": "PATIENT_NAME"}]},
        {"note_id": "7", "text": "Ada came", "spans": [{**SPAN, "score": 1.0, "link": None}]},
    ],
)
def test_accepted_shapes(tmp_path: Path, record: dict[str, object]) -> None:
    ((note, mentions),) = read_gold(gold_file(tmp_path, record))
    assert (note.note_id, note.text) == ("7", "Ada came")
    assert mentions == (GoldMention(0, 3, "PATIENT_NAME"),)


def test_further_fields(tmp_path: Path) -> None:
    record = {
        "note_id": "7",
        "text": "Ada",
        "patient_id": 9,
        "note_date": "2079-03-04",
        "kind": "nursing",
        "spans": [],
    }
    ((note, mentions),) = read_gold(gold_file(tmp_path, record))
    assert (note.patient_id, note.note_date, dict(note.metadata), mentions) == (
        "9",
        date(2079, 3, 4),
        {"kind": "nursing"},
        (),
    )


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("{", "line 2: not JSON"),
        ("[]", "line 2: not a JSON object"),
        ({"text": "Ada", "spans": []}, "needs note_id"),
        ({"id": "a", "spans": []}, "needs note_id .* and text"),
        ({"id": "a", "text": "Ada"}, "needs spans"),
        ({"id": "a", "text": "Ada", "spans": {}}, "needs spans"),
        ({"id": "a", "text": "Ada", "spans": [7]}, "span 1: not a JSON object"),
        ({"id": "a", "text": "Ada", "spans": [SPAN, {"start": 0, "end": 1}]}, "span 2: needs entity_type"),
        ({"id": "a", "text": "Ada", "spans": [{**SPAN, "end": 4}]}, "0 <= start < end <= 3"),
        ({"id": "a", "text": "Ada", "spans": [{**SPAN, "start": 3}]}, "start < end"),
        ({"id": "a", "text": "Ada", "spans": [{**SPAN, "start": True}]}, "integers"),
        ({"id": "a", "text": "Ada", "spans": [{**SPAN, "start": "0"}]}, "integers"),
    ],
    ids=count(),
)
def test_bad_gold_is_refused_with_its_line(tmp_path: Path, record: object, message: str) -> None:
    path = gold_file(tmp_path, {"id": "ok", "text": "Ada", "spans": []}, record)
    with pytest.raises(UsageError, match=message) as caught:
        list(read_gold(path))
    assert "line 2" in str(caught.value)
    assert "Ada" not in str(caught.value)


@given(
    st.lists(st.tuples(texts, st.none() | st.dates(), st.sampled_from(["", "1"]), st.booleans()), max_size=4)
)
@settings(max_examples=40)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, date | None, str, bool]]
) -> None:
    notes = [
        (
            Note(f"n{at}", text, "p" if grouped else None, written, {"kind": "x"} if grouped else {}),
            (GoldMention(0, 1, "CITY"), GoldMention(1, 3, "PATIENT_NAME", link)),
        )
        for at, (text, written, link, grouped) in enumerate(rows)
    ]
    path = tmp_path_factory.mktemp("g") / "gold.jsonl"
    write_gold(path, notes)
    assert list(read_gold(path)) == notes


def test_marked_folder(tmp_path: Path) -> None:
    head = "note_id: d-1\npatient_id: p1\nnote_date: 2079-03-04\nkind: ED triage\n\n"
    (tmp_path / "b.txt").write_text(head + "Name: ⟦PATIENT_NAME#1|Ada⟧\n\nSeen.\n")
    (tmp_path / "a.txt").write_bytes(b"kind:\r\n\r\nSeen\r\n")
    (first, none), (second, mentions) = read_gold(tmp_path)
    assert (first.note_id, first.text, dict(first.metadata), none) == ("a", "Seen\r\n", {"kind": ""}, ())
    assert (second.note_id, second.patient_id, second.note_date) == ("d-1", "p1", date(2079, 3, 4))
    assert second.text == "Name: Ada\n\nSeen.\n"
    assert mentions == (GoldMention(6, 9, "PATIENT_NAME", "1"),)
    assert second.metadata == {"kind": "ED triage"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Seen today by Ada.\n", "line 1 is neither"),
        ("kind: x\nSeen by Ada\n\n", "line 2 is neither"),
        ("kind: x\nkind: y\n\n", "header 'kind' occurs twice"),
        ("kind: x\n", "no blank line"),
        ("", "no blank line"),
        ("kind: x\n\n⟦PATIENT_NAME|Ada\n", "malformed mark"),
    ],
    ids=count(),
)
def test_bad_marked_files(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.txt").write_text(content)
    with pytest.raises(UsageError, match=message) as caught:
        list(read_gold(tmp_path))
    assert "a.txt" in str(caught.value)
    assert "Ada" not in str(caught.value)


def test_marked_file_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"kind: x\n\ncaf\xe9")
    with pytest.raises(UsageError, match="not UTF-8"):
        list(read_gold(tmp_path))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_gold(tmp_path / "gold.jsonl")
    with pytest.raises(UsageError, match=r"no \.txt files"):
        list(read_gold(tmp_path))


def test_reading_is_lazy(tmp_path: Path) -> None:
    notes = read_gold(gold_file(tmp_path, {"id": "ok", "text": "Ada", "spans": []}, "{"))
    assert next(notes)[0].note_id == "ok"
