from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from deid.audit.log import verify_log
from deid.cli import main
from deid.errors import IntegrityError, Reason, UsageError
from deid.formats.mixed import Mixed
from deid.formats.source import Columns, Outcome, Source, open_source
from deid.run.directory import output_texts

HL7 = (
    "MSH|^~\\&|LAB|SITE|EHR|SITE|20240304||ORU^R01|M-1|P|2.5\rPID|1||4471902||Okafor^Daniel||19810819\r"
    "OBX|1|TX|R||Mr. Okafor seen on 03/04/2024.||||||F\r"
)
PATIENT = {"resourceType": "Patient", "id": "p-1", "name": [{"family": "Zyxquill", "given": ["Bea"]}]}
REMARK = {
    "resourceType": "Observation",
    "id": "o-1",
    "subject": {"reference": "Patient/p-1"},
    "note": [{"text": "Seen today."}],
}


def fill(folder: Path) -> Path:
    (folder / "letters").mkdir(parents=True)
    (folder / "tables").mkdir()
    (folder / "fhir" / "more").mkdir(parents=True)
    (folder / "letters" / "b.txt").write_text("Seen by Dr. Ana Lima.")
    (folder / "letters" / "b.md").write_text("no note")
    (folder / "letters" / ".hidden.txt").write_text("no note")
    (folder / "tables" / "n.csv").write_text("note_id,text,mrn\n1,Call 555-555-0142,77\n2,Stable.,78\n")
    with gzip.open(folder / "tables" / "n.jsonl.gz", "wt") as stream:
        stream.write('{"note_id": "1", "text": "On 03/04/2024."}\nnot json\n')
    pq.write_table(pa.table({"note_id": [5], "text": ["Fine."]}), folder / "tables" / "n.parquet")
    (folder / "feed.hl7").write_text(HL7, newline="")
    (folder / "fhir" / "Patient.ndjson").write_text(json.dumps(PATIENT) + "\n")
    (folder / "fhir" / "more" / "Observation.ndjson").write_text(json.dumps(REMARK) + "\n")
    return folder


def same(source: Source) -> Iterator[Outcome]:
    return (
        Outcome(each.ordinal, each.note.text, {field.path: field.text for field in each.note.fields})
        if each.note
        else Outcome(each.ordinal, None)
        for each in source.read()
    )


def names(folder: Path) -> list[str]:
    return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())


def test_each_file_is_read_by_its_own_format(tmp_path: Path) -> None:
    source = open_source(fill(tmp_path / "in"))
    entries = list(source.read())
    assert [entry.ordinal for entry in entries] == list(range(len(entries)))
    assert [entry.note_id for entry in entries] == [
        "feed.hl7#message-1",
        "fhir/Patient.ndjson#Patient/p-1",
        "fhir/more/Observation.ndjson#Observation/o-1",
        "fhir/more/Observation.ndjson#Observation/o-1#note[0].text",
        "letters/b",
        "tables/n.csv#1",
        "tables/n.csv#2",
        "tables/n.jsonl.gz#1",
        "tables/n.jsonl.gz#line-2",
        "tables/n.parquet#5",
    ]
    assert [entry.reason for entry in entries if entry.reason] == [Reason.INVALID_RECORD]
    assert all(entry.note is None or entry.note.note_id == entry.note_id for entry in entries)
    assert isinstance(source, Mixed)
    assert source.skipped == 2


def test_files_come_back_under_their_paths(tmp_path: Path) -> None:
    source = open_source(fill(tmp_path / "in"))
    written = source.write(same(source), tmp_path / "out")
    expected = [
        name for name in names(tmp_path / "in") if name not in ("letters/b.md", "letters/.hidden.txt")
    ]
    assert names(tmp_path / "out") == expected
    assert sorted(written) == sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    for name in ("tables/n.csv", "letters/b.txt"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "in" / name).read_bytes()
    with gzip.open(tmp_path / "out" / "tables" / "n.jsonl.gz") as stream:
        assert stream.read() == b'{"note_id": "1", "text": "On 03/04/2024."}\n'
    assert pq.read_table(tmp_path / "out" / "tables" / "n.parquet").to_pylist() == [
        {"note_id": 5, "text": "Fine."}
    ]


def test_a_source_that_was_not_read_before_is_written_alike(tmp_path: Path) -> None:
    fill(tmp_path / "in")
    outcomes = list(same(open_source(tmp_path / "in")))
    open_source(tmp_path / "in").write(iter(outcomes), tmp_path / "out")
    assert (tmp_path / "out" / "tables" / "n.csv").read_bytes() == (
        tmp_path / "in" / "tables" / "n.csv"
    ).read_bytes()


@pytest.mark.parametrize("change", [lambda each: each[:-1], lambda each: [*each, Outcome(len(each), "x")]])
def test_outcomes_of_another_folder(tmp_path: Path, change: object) -> None:
    source = open_source(fill(tmp_path / "in"))
    outcomes = change(list(same(source)))  # type: ignore[operator]
    with pytest.raises(IntegrityError):
        source.write(iter(outcomes), tmp_path / "out")
    assert not [name for name in names(tmp_path / "out") if ".deid-" in name]


def test_a_folder_that_changed_is_noticed(tmp_path: Path) -> None:
    source = open_source(fill(tmp_path / "in"))
    outcomes = list(same(source))
    (tmp_path / "in" / "letters" / "b.txt").write_text("Seen by Dr. Eve Moss.")
    with pytest.raises(IntegrityError, match="changed since"):
        source.write(iter(outcomes), tmp_path / "out")


def test_a_run_over_all_of_it(tmp_path: Path) -> None:
    source, out = fill(tmp_path / "in"), tmp_path / "run"
    called = CliRunner().invoke(main, ["run", str(source), "--policy", "safe-harbor", "--out", str(out)])
    assert called.exit_code == 3, called.stderr
    assert "2 files of the folder are no notes" in called.stderr
    assert "tables/n.jsonl.gz#line-2" in called.stderr
    assert "mrn" in called.stderr  # a column that is carried through
    texts = {name: (out / "notes" / name).read_bytes() for name in names(out / "notes")}
    everything = b"".join(texts.values()) + (out / "audit.jsonl").read_bytes()
    for planted in (
        b"Okafor",
        b"Daniel",
        b"4471902",
        b"Lima",
        b"0142",
        b"03/04",
        b"Zyxquill",
        b"p-1",
        b"o-1",
    ):
        assert planted not in everything, planted
    new = json.loads(texts["fhir/Patient.ndjson"])["id"]
    assert json.loads(texts["fhir/more/Observation.ndjson"])["subject"]["reference"] == f"Patient/{new}"
    check = verify_log(out, texts=output_texts(out))
    assert check.ok, check.fault


def test_what_one_file_knows_is_hidden_in_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "n.csv").write_text("note_id,patient_id,text\n1,4471902,Cut with 4471902 units.\n")
    found = []
    for name in ("without", "with"):
        called = CliRunner().invoke(
            main, ["run", str(folder), "--policy", "safe-harbor", "--out", str(tmp_path / name)]
        )
        assert called.exit_code == 0, called.stderr
        (row,) = csv.DictReader(io.StringIO((tmp_path / name / "notes" / "n.csv").read_text()))
        found.append("4471902" in row["text"])
        (folder / "feed.hl7").write_text(HL7, newline="")
    assert found == [True, False]


def test_columns_are_those_of_all_tables(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text("K,T,X\nk,one,x\n")
    (folder / "b.tsv").write_text("K\tT\tX\nk\ttwo\tx\n")
    (folder / "c.txt").write_text("three")
    options = {"columns": Columns("T", "K"), "drop": ("X",)}
    source = open_source(folder, **options)  # type: ignore[arg-type]
    assert [entry.note.text for entry in source.read() if entry.note] == ["one", "two", "three"]
    source.write(same(source), tmp_path / "out")
    assert (tmp_path / "out" / "b.tsv").read_text() == "K\tT\nk\ttwo\n"
    (folder / "d.csv").write_text("K,X\nk,x\n")
    with pytest.raises(UsageError, match=r"d\.csv: there is no column 'T'"):
        open_source(folder, **options)  # type: ignore[arg-type]


def test_rows_of_one_note_in_tables_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text("id,line,text\nn,2,end\nn,1,begin\n")
    (folder / "b.txt").write_text("x")
    source = open_source(folder, group_by="id", order_by="line")
    notes = [entry.note for entry in source.read()]
    assert [(note.note_id, note.text) for note in notes if note] == [("a.csv#n", "begin\nend"), ("b", "x")]


def test_the_folder_of_a_text_is_its_patient(tmp_path: Path) -> None:
    folder = fill(tmp_path / "in")
    source = open_source(folder, columns=Columns(patient_id="folder"))
    patients = {entry.note_id: entry.note.patient_id for entry in source.read() if entry.note}
    assert patients["letters/b"] == "letters"
    assert patients["tables/n.csv#1"] is None


def test_tables_alone_are_a_folder_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\n1,x\n")
    source = open_source(tmp_path)
    assert [entry.note_id for entry in source.read()] == ["a.csv#1"]
    assert source.size() == len("id,text\n1,x\n")


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    folder = fill(tmp_path / "in")
    (tmp_path / "secret.csv").write_text("id,text\n1,secret\n")
    os.symlink(tmp_path / "secret.csv", folder / "tables" / "z.csv")
    source = open_source(folder)
    assert not [entry for entry in source.read() if "z.csv" in entry.note_id]
    assert isinstance(source, Mixed) and source.skipped == 3


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.csv", "wb") as stream:
        stream.write(b"id,text\n1,x\n")
    (entry,) = open_source(tmp_path).read()
    assert (entry.note_id, entry.reason) == ("entry-1", Reason.UNSAFE_NOTE_ID)


def test_only_a_folder_is_mixed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(UsageError, match="only a folder"):
        open_source(tmp_path / "a.txt", format="mixed")
