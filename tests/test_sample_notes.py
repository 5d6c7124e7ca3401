from __future__ import annotations

import csv
import importlib.util
import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest

from deid.formats.gold import Gold, read_gold
from deid.formats.markup import read_marked
from deid.formats.source import open_source
from deid.policy import load_policy

SAMPLES = Path(__file__).parents[1] / "sample_notes"
FORMATS = ("notes.jsonl", "notes.csv", "notes.parquet", "txt")

# A surface that is marked in one place of a note and, rightly, not in another.
UNMARKED = {
    ("n028", "Parkinson"): "the patient is called like the disease she does not have",
}


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample_notes_build", SAMPLES / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def gold() -> list[Gold]:
    return list(read_gold(SAMPLES / "gold.jsonl"))


def test_there_are_enough_notes_of_enough_kinds(gold: list[Gold]) -> None:
    patients = Counter(note.patient_id for note, _ in gold)

    assert len(gold) >= 34
    assert len({note.metadata["kind"] for note, _ in gold}) >= 16
    assert sorted(count for count in patients.values() if count > 1) == [4, 5, 5, 6, 6]


def test_notes_are_of_the_size_of_notes(gold: list[Gold]) -> None:
    words = {note.note_id: len(note.text.split()) for note, _ in gold}

    assert {note_id: count for note_id, count in words.items() if not 90 <= count <= 300} == {}


def test_every_type_of_the_policies_occurs_at_least_twice(gold: list[Gold]) -> None:
    counts = Counter(mention.entity_type for _, mentions in gold for mention in mentions)
    names = {each.name for each in load_policy("safe-harbor").types}

    assert set(counts) == names
    assert min(counts.values()) >= 2


def test_old_ages_and_sparsely_populated_zip_areas_occur(gold: list[Gold]) -> None:
    surfaces = [
        (each.entity_type, note.text[each.start : each.end]) for note, mentions in gold for each in mentions
    ]
    old = [text for kind, text in surfaces if kind == "AGE" and text.isdigit() and int(text) > 89]
    zips = {text[:3] for kind, text in surfaces if kind == "ZIP_CODE"}

    assert len(old) >= 2
    assert {"036", "692"} < zips


def test_committed_files_are_what_build_writes(build: ModuleType, tmp_path: Path) -> None:
    build.build(SAMPLES / "marked", tmp_path)

    for name in ("notes.jsonl", "notes.csv", "gold.jsonl"):
        assert (tmp_path / name).read_bytes() == (SAMPLES / name).read_bytes(), name
    texts = {path.name: path.read_bytes() for path in (SAMPLES / "txt").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "txt").iterdir()} == texts
    # Parquet names the version of its writer, so that only the contents can be the same everywhere.
    assert pq.read_table(tmp_path / "notes.parquet").equals(pq.read_table(SAMPLES / "notes.parquet"))


def test_build_gives_the_same_bytes_again(build: ModuleType, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        build.build(SAMPLES / "marked", tmp_path / name)

    written = [
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("first", "second")
    ]
    assert written[0] == written[1]


def test_build_wants_a_patient_and_a_date(build: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("note_id: a\nkind: phone call\n\ntext\n")

    with pytest.raises(ValueError, match="a: patient_id and note_date"):
        build.build(tmp_path, tmp_path)


def test_gold_offsets_are_those_of_the_marks(gold: list[Gold]) -> None:
    for note, mentions in gold:
        marked = (SAMPLES / "marked" / f"{note.note_id}.txt").read_text(encoding="utf-8").split("\n\n", 1)[1]
        surfaces = re.findall(r"⟦([A-Z_]+)#\d+\|([^⟧]+)⟧", marked)

        assert [(each.entity_type, note.text[each.start : each.end]) for each in mentions] == surfaces
        assert read_marked(marked) == (note.text, mentions)
        assert all(one.end <= other.start for one, other in pairwise(mentions))


def test_a_surface_marked_once_is_marked_throughout_the_note(gold: list[Gold]) -> None:
    unmarked = set()
    for note, mentions in gold:
        inside = {at for each in mentions for at in range(each.start, each.end)}
        # A bare number of years is also a dose or a pulse.
        for surface in {note.text[each.start : each.end] for each in mentions if each.entity_type != "AGE"}:
            for hit in re.finditer(rf"(?<!\w){re.escape(surface)}(?!\w)", note.text):
                if not inside.issuperset(range(*hit.span())):
                    unmarked.add((note.note_id, surface))

    assert unmarked == set(UNMARKED)


def test_names_are_marked_without_titles_and_possessive(gold: list[Gold]) -> None:
    outside = re.compile(
        r"(?:Dr|Mrs?|Ms|Fr|Prof|Ofc|Mister)\b\.? .*|.*['’]s|.*, ?(?:MD|DO|RN|NP|PA-C)", re.IGNORECASE
    )

    for note, mentions in gold:
        for each in mentions:
            if each.entity_type in ("PATIENT_NAME", "RELATIVE_NAME", "CLINICIAN_NAME"):
                assert not outside.fullmatch(note.text[each.start : each.end]), (note.note_id, each)


def test_marks_with_one_link_have_one_type(gold: list[Gold]) -> None:
    for note, mentions in gold:
        types = {(each.link, each.entity_type) for each in mentions}
        assert len(types) == len({each.link for each in mentions}), note.note_id


@pytest.mark.parametrize("name", FORMATS)
def test_formats_hold_the_same_notes(gold: list[Gold], name: str) -> None:
    entries = list(open_source(SAMPLES / name).read())

    assert all(entry.note is not None for entry in entries)
    found = {entry.note_id.removesuffix(".txt"): entry.note for entry in entries}
    assert {key: note.text for key, note in found.items() if note} == {n.note_id: n.text for n, _ in gold}
    if name != "txt":
        heads = {key: (note.patient_id, note.note_date) for key, note in found.items() if note}
        assert heads == {note.note_id: (note.patient_id, note.note_date) for note, _ in gold}


def test_kinds_are_the_same_in_all_tables() -> None:
    lines = (SAMPLES / "notes.jsonl").read_text(encoding="utf-8").splitlines()
    with (SAMPLES / "notes.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))

    assert rows == [json.loads(line) for line in lines]
    table = pq.read_table(SAMPLES / "notes.parquet", columns=list(rows[0]))
    assert table.to_pylist() == rows


def test_what_is_known_of_patients_is_marked_in_their_notes(gold: list[Gold]) -> None:
    with (SAMPLES / "patients.csv").open(encoding="utf-8", newline="") as stream:
        patients = list(csv.DictReader(stream))
    assert [row["patient_id"] for row in patients] == sorted({str(note.patient_id) for note, _ in gold})

    for row in patients:
        marked = [
            _letters(note.text[each.start : each.end])
            for note, mentions in gold
            if note.patient_id == row["patient_id"]
            for each in mentions
        ]
        cells = (text for name, text in row.items() if name not in ("patient_id", "birth_date"))
        for value in (each for cell in cells for each in cell.split(";") if each):
            assert any(_letters(value) in surface for surface in marked), (row["patient_id"], value)


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text).casefold()
