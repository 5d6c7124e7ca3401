"""Notes in many rows, from the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from deid.cli import main
from deid.formats.pieces import Move
from deid.formats.source import Outcome, open_source

POLICY = """\
policy: rows
version: "1"
types:
  MRN: {description: The chart number of the patient., detect: [rules], operator: redact}
  DATE: {description: A calendar date., detect: [rules], operator: redact}
  SHIP:
    description: Name of a ship.
    detect: [rules]
    operator: redact
    patterns: [{regex: 'Grey\\s+Heron'}]
"""
ROWS = [
    {"id": "7", "line": "2", "text": "03/04/2079 in clinic.", "ward": "a"},
    {"id": "7", "line": "1", "text": "Seen MRN:", "ward": "b"},
    {"id": "7", "line": "10", "text": "", "ward": "c"},
    {"id": "8", "line": "1", "text": "Stable.", "ward": "d"},
    {"id": "9", "line": "x", "text": "MRN 4471902", "ward": "e"},
    {"id": "10", "line": "1", "text": "Plan for 3/4/2079", "ward": "f"},
]


def run(tmp_path: Path, source: Path, *options: str) -> Result:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    columns = ["--group-by", "id", "--order-by", "line"]
    return CliRunner().invoke(
        main,
        ["run", str(source), "--policy", str(policy), "--out", str(tmp_path / "out"), *columns, *options],
    )


def write_csv(path: Path) -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ROWS[0])
        writer.writeheader()
        writer.writerows(ROWS)
    return path


def test_rows_are_read_as_one_note_and_come_back_as_rows(tmp_path: Path) -> None:
    called = run(tmp_path, write_csv(tmp_path / "notes.csv"))
    assert called.exit_code == 3, called.stderr
    assert "'9': invalid-record" in called.stderr
    with (tmp_path / "out" / "notes" / "part-00000.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["line"], row["text"], row["ward"]) for row in rows] == [
        ("2", "[DATE] in clinic.", "a"),
        ("1", "Seen MRN:", "b"),
        ("10", "", "c"),
        ("1", "Stable.", "d"),
        ("1", "Plan for [DATE]", "f"),
    ]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["counts"]["notes"] == 4


def test_a_mention_over_two_rows_goes_into_the_first(tmp_path: Path) -> None:
    path = tmp_path / "notes.parquet"
    texts = ["wife Mary", "Ann Lima came", "again"]
    rows = [{"id": 1, "line": at, "text": text} for at, text in enumerate(texts)]
    pq.write_table(pa.Table.from_pylist(rows), path)
    source = open_source(path, group_by="id", order_by="line")
    (entry,) = source.read()
    assert entry.note is not None and entry.note.text == "wife Mary\nAnn Lima came\nagain"
    outcome = Outcome(0, "wife [NAME] came\nagain", moves=(Move(5, 18, 5, 11),))
    (written,) = source.write(iter([outcome]), tmp_path / "out")
    assert pq.read_table(written).column("text").to_pylist() == ["wife [NAME]", " came", "again"]


def test_offsets_are_of_the_joined_text(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    source = tmp_path / "notes.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in ROWS[:2]))
    called = CliRunner().invoke(
        main,
        ["detect", str(source), "--policy", str(policy), "--group-by", "id", "--order-by", "line"],
    )
    (span,) = json.loads(called.stdout)["spans"]
    joined = "Seen MRN:\n03/04/2079 in clinic."
    assert joined[span["start"] : span["end"]] == "03/04/2079"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--order-by", "line"], "name --group-by too"),
        (["--group-by", "id", "--order-by", "lime"], "did you mean 'line'"),
        (["--group-by", "note"], "no column 'note'"),
    ],
)
def test_what_cannot_be_grouped(tmp_path: Path, options: list[str], message: str) -> None:
    source = write_csv(tmp_path / "notes.csv")
    called = CliRunner().invoke(
        main, ["run", str(source), "--policy", "safe-harbor", "--out", str(tmp_path / "o"), *options]
    )
    assert called.exit_code == 2
    assert message in called.stderr


def test_text_files_have_no_rows(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("x")
    called = CliRunner().invoke(
        main,
        [
            "run",
            str(tmp_path / "notes"),
            "--policy",
            "safe-harbor",
            "--out",
            str(tmp_path / "o"),
            "--group-by",
            "i",
        ],
    )
    assert called.exit_code == 2


def test_a_mention_over_two_rows_is_replaced_in_both_and_the_log_still_fits(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("id,line,text\n7,2,Heron docked.\n7,1,On the Grey\n8,1,Stable.\n8,2,Again.\n")
    called = run(tmp_path, path, "--shard-notes", "1")
    assert called.exit_code == 0, called.stderr
    parts = sorted((tmp_path / "out" / "notes").iterdir())
    rows = [row for part in parts for row in csv.DictReader(part.read_text().splitlines())]
    assert [row["text"] for row in rows] == ["[SHIP] docked.", "On the [SHIP]", "Stable.", "Again."]
    checked = CliRunner().invoke(main, ["audit", "verify", str(tmp_path / "out"), "--notes"])
    assert checked.exit_code == 0, checked.stderr


def test_rows_cannot_be_checked_without_their_order(tmp_path: Path) -> None:
    called = run(tmp_path, write_csv(tmp_path / "notes.csv"), "--drop", "line")
    assert called.exit_code == 3, called.stderr
    checked = CliRunner().invoke(main, ["audit", "verify", str(tmp_path / "out"), "--notes"])
    assert checked.exit_code == 2
    assert "without column line" in checked.stderr
