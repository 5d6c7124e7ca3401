from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from standin import DigitRedactor

from deid.errors import InputOutputError, Reason
from deid.formats.source import Entry
from deid.keys import Keys
from deid.note import KnownValue, Note
from deid.run.crosswalk import Patients
from deid.run.spool import Spool
from deid.run.units import (
    Partitioning,
    Unit,
    finished,
    merge_units,
    read_units,
    write_unit,
)

_KEYS = Keys.from_bytes(b"k" * 32)


def _entries(patients: str, metadata: Mapping[str, Any] | None = None) -> list[Entry]:
    """A letter is a patient, a dot a note without one, an exclamation mark a record that cannot be read."""
    entries = []
    for ordinal, sign in enumerate(patients):
        if sign == "!":
            entries.append(Entry(ordinal, f"n{ordinal}", None, Reason.NUL_CHARACTER))
            continue
        note = Note(f"n{ordinal}", f"text {ordinal}", None if sign == "." else sign, None, metadata or {})
        entries.append(Entry(ordinal, note.note_id, note, None))
    return entries


def _units(entries: list[Entry], folder: Path, *, patients: Patients, **sizes: int) -> list[Unit]:
    with Spool(folder, patients.partitions) as spool:
        return list(read_units(entries, spool=spool, patients=patients, partitioning=Partitioning(**sizes)))


def _shape(unit: Unit) -> tuple[str, list[list[int]], list[int]]:
    groups = [[item.ordinal for item in group.items] for group in unit.groups]
    return unit.name, groups, [reject.ordinal for reject in unit.rejects]


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, 1), (1, 1), (1000, 1), (1001, 2), (10_000, 10), (10**9, 16)],
)
def test_partitions_follow_from_the_size(size: int, expected: int) -> None:
    assert Partitioning(partition_bytes=1000, partitions=16).count(size) == expected


@pytest.mark.parametrize(
    ("patients", "expected"),
    [
        ("", []),
        (".", [("unit-00000", [[0]], [])]),
        ("...", [("unit-00000", [[0], [1]], []), ("unit-00001", [[2]], [])]),
        ("!.!", [("unit-00000", [[1]], [0]), ("unit-00001", [], [2])]),
        ("abab", [("patients-00000", [[0, 2], [1, 3]], [])]),
        ("b.a!b", [("unit-00000", [[1]], [3]), ("patients-00000", [[0, 4], [2]], [])]),
    ],
)
def test_cutting(tmp_path: Path, patients: str, expected: list[Any]) -> None:
    units = _units(_entries(patients), tmp_path, patients=Patients(1), notes=2)
    assert [_shape(unit) for unit in units] == expected


def test_a_unit_is_full_by_characters_too(tmp_path: Path) -> None:
    units = _units(_entries("...."), tmp_path, patients=Patients(1), characters=7)
    assert [unit.notes for unit in units] == [2, 2]  # texts of six characters


@pytest.mark.parametrize("keys", [None, _KEYS])
def test_a_patient_is_never_torn_apart(tmp_path: Path, keys: Keys | None) -> None:
    letters = "abcdefghij" * 5
    units = _units(_entries(letters), tmp_path, patients=Patients(4, keys))
    groups = [group for unit in units for group in unit.groups]
    assert sorted(len(group.items) for group in groups) == [5] * 10
    assert len(units) > 1


def test_the_secret_decides_on_the_partition() -> None:
    other = Keys.from_bytes(b"o" * 32)
    spread = [
        [Patients(64, keys).partition(f"p{number}") for number in range(30)] for keys in (None, _KEYS, other)
    ]
    assert spread[0] != spread[1] != spread[2]
    assert all(0 <= partition < 64 for each in spread for partition in each)


def test_known_values_of_file_and_records_reach_the_group(tmp_path: Path) -> None:
    patients = Patients(
        1, known={"a": (KnownValue("city", "Utrecht"),)}, known_columns={"LAST": "family_name"}
    )
    units = _units(_entries("aab.", {"LAST": "Okonkwo"}), tmp_path, patients=patients)
    family = KnownValue("family_name", "Okonkwo")
    known = {group.items[0].ordinal: group.known for unit in units for group in unit.groups}
    assert known == {0: (KnownValue("city", "Utrecht"), family), 2: (family,), 3: (family,)}


@pytest.mark.parametrize(
    ("metadata", "kind"),
    [
        ({}, None),
        ({"category": "Discharge summary"}, "Discharge summary"),
        ({"CATEGORY": "Nursing/other"}, "Nursing/other"),
        ({"note_type_concept_id": 44814637}, "44814637"),
        ({"kind": "617-555-0142"}, "other"),
        ({"kind": "x" * 41}, "other"),
        ({"kind": ""}, None),
        ({"site": "Radiology"}, None),
    ],
)
def test_kinds_of_notes(tmp_path: Path, metadata: dict[str, Any], kind: str | None) -> None:
    (unit,) = _units(_entries(".", metadata), tmp_path, patients=Patients(1))
    assert unit.groups[0].items[0].kind == kind


def _write(unit: Unit, folder: Path, run_id: str = "r1") -> None:
    results = DigitRedactor().process([group.to_group() for group in unit.groups])
    write_unit(folder, unit, results, run_id=run_id)


def test_results_come_back_in_input_order(tmp_path: Path) -> None:
    units = _units(_entries("ab.!cab..c!a."), tmp_path, patients=Patients(3), notes=2)
    for unit in reversed(units):
        _write(unit, tmp_path)
    partitions = [unit.name for unit in units if unit.name.startswith("patients")]
    lines = list(merge_units(tmp_path, stretches=len(units) - len(partitions), partitions=partitions))
    assert [line["ordinal"] for line in lines] == list(range(13))
    assert [line["ordinal"] for line in lines if "reason" in line] == [3, 10]
    assert lines[1]["text"] == "text [N2K0]"
    assert lines[2]["spans"] == [
        {
            "start": 5,
            "end": 6,
            "entity_type": "NUMBER",
            "score": 0.988,
            "detectors": ["rules"],
            "evidence": ["digits"],
            "operator": "redact",
            "new_start": 5,
            "new_end": 11,
        }
    ]


def test_a_finished_unit_is_recognized_only_if_it_is_of_this_run(tmp_path: Path) -> None:
    (unit,) = _units(_entries("..!"), tmp_path, patients=Patients(1))
    assert finished(tmp_path, unit, run_id="r1") is None
    _write(unit, tmp_path)
    receipt = finished(tmp_path, unit, run_id="r1")
    assert receipt is not None
    assert (receipt.notes, receipt.quarantined) == (3, 1)
    assert finished(tmp_path, unit, run_id="r2") is None
    (longer,) = _units(_entries("..!."), tmp_path, patients=Patients(1))
    assert finished(tmp_path, longer, run_id="r1") is None


def test_missing_results_are_no_results(tmp_path: Path) -> None:
    (unit,) = _units(_entries(".."), tmp_path, patients=Patients(1))
    with pytest.raises(ValueError, match="shorter"):
        write_unit(tmp_path, unit, [()], run_id="r1")
    assert not list(tmp_path.iterdir())


def test_a_unit_file_that_is_gone_stops_the_merge(tmp_path: Path) -> None:
    with pytest.raises(InputOutputError, match=r"unit-00000\.jsonl"):
        list(merge_units(tmp_path, stretches=1, partitions=()))


def test_unit_files_hold_no_text_of_the_source(tmp_path: Path) -> None:
    (unit,) = _units(_entries(".", {"LAST": "Okonkwo"}), tmp_path, patients=Patients(1))
    _write(unit, tmp_path)
    head, line = (json.loads(each) for each in (tmp_path / "unit-00000.jsonl").read_text().splitlines())
    assert head == {"run": "r1", "notes": 1, "quarantined": 0}
    assert set(line) == {"ordinal", "note_id", "kind", "text", "spans"}
    assert line["text"] == "text [N1K0]"
