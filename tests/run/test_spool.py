from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deid.note import KnownValue
from deid.run.spool import Item, Spool

_TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
_ITEMS = st.builds(
    Item,
    st.integers(0, 10**9),
    _TEXTS,
    _TEXTS,
    st.none() | _TEXTS,
    st.sampled_from([None, "2079-03-04"]),
    st.sampled_from([None, "ECG"]),
    st.lists(st.builds(KnownValue, st.just("mrn"), _TEXTS), max_size=2).map(tuple),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3), _ITEMS), max_size=30))
def test_notes_come_back_by_partition_in_order(tmp_path: Path, added: list[tuple[int, Item]]) -> None:
    with Spool(tmp_path, 4) as spool:
        for partition, item in added:
            spool.add(partition, item)
        for partition in range(4):
            expected = [item for where, item in added if where == partition]
            assert list(spool.read(partition)) == expected
            assert (partition in spool.filled()) == bool(expected)


def test_large_notes_are_written_in_chunks_and_come_back(tmp_path: Path) -> None:
    items = [Item(number, f"n{number}", "é" * 50_000, f"p{number}") for number in range(12)]
    with Spool(tmp_path, 2) as spool:
        for item in items:
            spool.add(item.ordinal % 2, item)
        assert list(spool.read(0)) == items[::2]
        assert list(spool.read(1)) == items[1::2]


def test_the_file_has_no_name(tmp_path: Path) -> None:
    with Spool(tmp_path, 1) as spool:
        spool.add(0, Item(0, "n0", "x" * 200_000))
        assert list(tmp_path.iterdir()) == []


def test_a_shortened_file_is_an_error(tmp_path: Path) -> None:
    with Spool(tmp_path, 1) as spool:
        spool.add(0, Item(0, "n0", "x" * 200_000))
        os.ftruncate(spool._file.fileno(), 10)
        with pytest.raises(OSError, match="shorter"):
            list(spool.read(0))


def test_a_note_keeps_what_the_work_needs() -> None:
    item = Item(3, "n3", "text", "p1", "2079-03-04", "ECG", (KnownValue("mrn", "77"),), joins=((2, 3),))
    note = Item.from_json(item.to_json()).to_note()
    assert (note.note_id, note.text, note.patient_id) == ("n3", "text", "p1")
    assert note.note_date is not None
    assert note.note_date.isoformat() == "2079-03-04"
    assert "text" not in repr(item)
    assert "p1" not in repr(item)
