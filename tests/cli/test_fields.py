"""Columns beside the text, de-identified by the policy's `fields`."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from deid.cli import main
from deid.errors import PolicyError
from deid.policy import load_policy

POLICY = """\
policy: with-fields
version: "1"
extends: safe-harbor
types:
  PATIENT_NAME: {detect: [rules]}
fields: {person: PATIENT_NAME, born: DATE, code: OTHER_ID, elsewhere: MRN}
"""
ROWS: list[dict[str, Any]] = [
    {"note_id": "1", "text": "Foley out.", "person": "Zyxquill, Ada", "born": "1951-03-04", "ward": "3"},
    {"note_id": "2", "text": "No change.", "person": "", "born": "1962-10-11", "ward": "4"},
]


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return path


def run(source: Path, policy: Path, out: Path) -> str:
    called = CliRunner().invoke(main, ["run", str(source), "--policy", str(policy), "--out", str(out)])
    assert called.exit_code == 0, called.stderr
    checked = CliRunner().invoke(main, ["audit", "verify", str(out)])
    assert checked.exit_code == 0, checked.output
    assert "Zyxquill" not in (out / "audit.jsonl").read_text() + (out / "manifest.json").read_text()
    return called.stderr


def test_csv_cells_are_replaced_whole(tmp_path: Path, policy: Path) -> None:
    source, out = tmp_path / "notes.csv", tmp_path / "run"
    with source.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ROWS[0])
        writer.writeheader()
        writer.writerows(ROWS)
    warned = run(source, policy, out)
    assert "person" not in warned and "born" not in warned
    with (out / "notes" / "part-00000.csv").open(newline="") as stream:
        first, second = csv.DictReader(stream)
    assert (first["person"], first["born"], first["ward"]) == ("[PATIENT_NAME]", "1951", "3")
    assert (second["person"], second["born"]) == ("", "1962")
    fields = [json.loads(line).get("fields") for line in (out / "audit.jsonl").read_text().splitlines()]
    assert fields[0] == [
        {"path": "person", "entity_type": "PATIENT_NAME", "operator": "redact"},
        {"path": "born", "entity_type": "DATE", "operator": "generalize"},
    ]
    counts = json.loads((out / "manifest.json").read_text())["counts"]
    assert counts["fields"] == {"total": 4, "by_type": {"PATIENT_NAME": 2, "DATE": 2}}


def test_json_values_are_replaced_whole(tmp_path: Path, policy: Path) -> None:
    source, out = tmp_path / "notes.jsonl", tmp_path / "run"
    rows = [{**ROWS[0], "code": 8812300}, {**ROWS[1], "code": {"system": "x", "value": "8812300"}}]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(source, policy, out)
    first, second = map(json.loads, (out / "notes" / "part-00000.jsonl").read_text().splitlines())
    assert (first["person"], first["code"]) == ("[PATIENT_NAME]", "[OTHER_ID]")
    assert second["code"] == "[OTHER_ID]"


def test_parquet_values_keep_their_columns_type(tmp_path: Path, policy: Path) -> None:
    source, out = tmp_path / "notes.parquet", tmp_path / "run"
    rows = [{**row, "born": date.fromisoformat(row["born"]), "code": 7} for row in ROWS]
    pq.write_table(pa.Table.from_pylist(rows), source)
    run(source, policy, out)
    table = pq.read_table(out / "notes" / "part-00000.parquet")
    assert table.schema.field("born").type == pa.date32()
    assert table.column("born").null_count == 2  # a year is no date
    assert table.column("code").null_count == 2
    assert table.column("person").to_pylist() == ["[PATIENT_NAME]", ""]


def test_spans_know_no_fields(tmp_path: Path, policy: Path) -> None:
    source = tmp_path / "notes.jsonl"
    source.write_text(json.dumps(ROWS[0]) + "\n")
    called = CliRunner().invoke(main, ["detect", str(source), "--policy", str(policy)])
    assert called.exit_code == 0, called.stderr
    assert json.loads(called.stdout) == {"note_id": "1", "spans": []}


def test_a_field_needs_a_type_that_there_is(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.replace("code: OTHER_ID", "code: OTHER_DI"))
    with pytest.raises(PolicyError, match=r"fields\.code: .*OTHER_ID"):
        load_policy(path)


def test_a_parents_field_can_be_taken_away(tmp_path: Path, policy: Path) -> None:
    path = tmp_path / "child.yaml"
    path.write_text(
        'policy: child\nversion: "1"\nextends: ./policy.yaml\nfields: {person: null, nick: CITY}\n'
    )
    assert load_policy(path).fields == {
        "born": "DATE", "code": "OTHER_ID", "elsewhere": "MRN", "nick": "CITY"
    }  # fmt: skip
