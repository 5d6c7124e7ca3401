"""Incremental runs from the command line, with the real rules and operators: tonight as last night."""

from __future__ import annotations

import csv
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from deid.cli import main
from deid.policy import load_policy

SAMPLES = Path(__file__).parents[2] / "sample_notes"
# Surrogates, shifted dates, random record codes, and a column of its own type.
POLICY = """\
policy: research-rules
version: "1"
method: hhs-expert-determination
extends: research-surrogates
types:
{types}
  MRN: {{detect: [rules, known, propagation], operator: {{pseudonym: {{code: random}}}}}}
fields: {{ward_clerk: CLINICIAN_NAME}}
"""
Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No secret from outside; the code may be edited while the tests run; a folder with policy and secret."""
    monkeypatch.delenv("DEID_KEY", raising=False)
    monkeypatch.setattr("deid.run.manifest.code_digest", lambda: "sha256:code")
    monkeypatch.chdir(tmp_path)
    names = load_policy("research-surrogates").type_names
    types = "\n".join(f"  {name}: {{detect: [rules, known, propagation]}}" for name in names if name != "MRN")
    Path("rules.yaml").write_text(POLICY.format(types=types))
    assert _deid("key", "new", "deid.key").exit_code == 0


def _deid(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], catch_exceptions=False)


def _run(source: str, out: str, *more: str) -> Result:
    keyed = ("--policy", "rules.yaml", "--key-file", "deid.key", "--crosswalk", "codes.csv")
    return _deid("run", source, "--out", out, *keyed, *more)


def _rows() -> Rows:
    lines = (SAMPLES / "notes.jsonl").read_text(encoding="utf-8").splitlines()[:14]
    return [{**json.loads(line), "ward_clerk": f"Ada Zyxquill {number}"} for number, line in enumerate(lines)]


def _write(name: str, rows: Rows) -> str:
    columns = sorted({key for row in rows for key in row})
    if name.endswith(".jsonl"):
        Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif name.endswith(".csv"):
        with Path(name).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, columns)
            writer.writeheader()
            writer.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist([{key: row.get(key) for key in columns} for row in rows]), name)
    return name


def _read(out: str) -> Rows:
    (path,) = Path(out, "notes").iterdir()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))
    return list(pq.read_table(path).to_pylist())


def _contents(out: str) -> dict[str, bytes]:
    own = ("timing.json", "results.sqlite", "manifest.json")
    files = (path for path in Path(out).rglob("*") if path.is_file() and path.name not in own)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(files)}


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_tonight_is_as_last_night_but_for_what_is_new(suffix: str) -> None:
    rows = _rows()
    assert _run(_write(f"monday.{suffix}", rows), "monday").exit_code == 0
    patient = rows[0]["patient_id"]
    added = {**rows[0], "note_id": "added", "text": "Seen again on 11/05/2080 by Dr. Zyxquill. MRN 4471902."}
    tonight = [*rows[:9], *rows[10:], added]
    call = _run(_write(f"tuesday.{suffix}", tonight), "tuesday", "--since-manifest", "monday", "--json")
    assert call.exit_code == 0, call.stderr
    group = sum(row["patient_id"] == patient for row in rows)
    mates = sum(row["patient_id"] == rows[9]["patient_id"] for row in rows) - 1
    since = json.loads(call.stdout)["since"]
    assert since == {
        "differing": [],
        "carried_over": len(rows) - 1 - group - mates,
        "new": 1,
        "again": group + mates,
        "gone": 1,
    }
    assert f"{since['carried_over']} notes carried over, 1 new or changed" in call.stderr
    assert _run(f"tuesday.{suffix}", "full").exit_code == 0
    assert _contents("tuesday") == _contents("full")
    assert _deid("audit", "verify", "tuesday", "--notes", "--key-file", "deid.key").exit_code == 0

    before, after = _read("monday"), _read("tuesday")
    assert after[:-1] == [*before[:9], *before[10:]]
    text = after[-1]["text"]
    assert "11/05/2080" not in text
    codes = csv.DictReader(Path("codes.csv").read_text().splitlines())
    (code,) = (row["code"] for row in codes if row["patient_id"] == patient)
    assert f"[MRN {code}]" in text
    assert f"[MRN {code}]" in before[0]["text"]
    assert _shift(rows[0]["text"], before[0]["text"]) == _shift(added["text"], text) != 0


def _shift(before: str, after: str) -> int:
    """Return by how many days the last date that is written like 11/03/2080 was moved."""
    days = []
    for text in (before, after):
        month, day, year = re.findall(r"(\d\d)/(\d\d)/(\d{4})", text)[-1]
        days.append(date(int(year), int(month), int(day)))
    return (days[1] - days[0]).days
