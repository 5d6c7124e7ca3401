"""A Parquet export of a million rows, killed twice and resumed, against a run that nobody killed.

    python benchmarks/resume_million.py [--rows 1000000]

The rows are short notes, half of them with patients, beside columns that are carried along. `deid run`
redacts five types by rules, so that it takes minutes: what is tried is the run, not the encoder. One run goes
to its end; another is ended with SIGKILL when a third of the rows are done, resumed, ended again at two
thirds, and resumed to its end. Then the rows are counted, their order and the carried columns are compared
with the input, and every file of both runs is compared by its digest.

All runs use a copy of the package made at the start: a change to the code in between would rightly be
refused. Exits with 1 if anything differs. With a million rows results go to results/resume-million.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from kill_resume import COMPARED, MANIFEST, copy_package
from throughput import machine

from deid.formats.atomic import digest_of

HERE = Path(__file__).resolve().parent
MILLION = 1_000_000
GROUP_ROWS = 50_000
TIMING = "timing.json"
CARRIED = ("note_id", "patient_id", "site", "weight_kg")
POLICY = """
policy: by-rules
version: "1"
method: custom
default_operator: redact
types:
  DATE: {description: A day of the calendar, detect: [rules]}
  PHONE: {description: A telephone number, detect: [rules]}
  EMAIL: {description: An electronic mail address, detect: [rules]}
  MRN: {description: The number of a medical record, detect: [rules]}
  SSN: {description: A social security number, detect: [rules]}
"""
LINES = (
    "Seen on {month}/{day}/20{year:02}, stable, on metoprolol 25 mg BID.",
    "MRN: {number:08}. Call 212-555-{phone:04} with results.",
    "Sodium {sodium}, potassium 4.{tenth}, creatinine 1.{tenth}. No acute distress.",
    "Follow-up 20{year:02}-{month:02}-{day:02}, write to clinic{phone}@example.org.",
    "Lungs clear, no edema, ambulates with a walker. Diet as tolerated.",
)


def main() -> None:
    """Make the rows, run, kill, resume, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=MILLION)
    parser.add_argument("--seed", type=int, default=1)
    rows, seed = vars(parser.parse_args()).values()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_package(folder)
        (folder / "by-rules.yaml").write_text(POLICY, encoding="utf-8")
        write_rows(folder / "rows.parquet", rows, random.Random(seed))
        results = compare(folder, rows)
    results["machine"] = machine()
    print(json.dumps(results, indent=2))
    if rows == MILLION:
        path = HERE / "results" / "resume-million.json"
        path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if all(results["checks"].values()) else 1)


def write_rows(path: Path, rows: int, chance: random.Random) -> None:
    """Write the export, a row group at a time."""
    texts = pa.schema([("note_id", pa.string()), ("patient_id", pa.string()), ("text", pa.string())])
    schema = texts.append(pa.field("site", pa.int32())).append(pa.field("weight_kg", pa.float64()))
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, GROUP_ROWS):
            numbers = range(start, min(start + GROUP_ROWS, rows))
            writer.write_table(pa.Table.from_pylist([row(each, chance) for each in numbers], schema))


def row(number: int, chance: random.Random) -> dict[str, Any]:
    """Return a row; every second one has a patient, who has five or so."""
    values = {
        "month": chance.randrange(1, 13),
        "day": chance.randrange(1, 29),
        "year": chance.randrange(10, 27),
        "number": chance.randrange(10**8),
        "phone": chance.randrange(10**4),
        "sodium": chance.randrange(130, 146),
        "tenth": chance.randrange(10),
    }
    text = "\n".join(chance.sample(LINES, 3)).format(**values)
    patient = f"p{chance.randrange(MILLION // 10)}" if number % 2 else None
    return {
        "note_id": f"n{number}",
        "patient_id": patient,
        "text": text,
        "site": number % 7,
        "weight_kg": number % 90 + 0.5,
    }


def compare(folder: Path, rows: int) -> dict[str, Any]:
    """Run to the end once, and once with two kills; return what was checked."""
    straight, broken = folder / "straight", folder / "broken"
    finish(start(folder, straight))
    legs = []
    for part in (1 / 3, 2 / 3):
        done, seconds = kill(folder, broken, at=int(rows * part))
        legs.append({"killed_after_rows": done, "seconds": seconds})
        print(f"killed after {done:,} of {rows:,} rows", file=sys.stderr)
    begin = time.monotonic()
    finish(start(folder, broken))
    legs.append({"to_the_end": True, "seconds": round(time.monotonic() - begin, 1)})
    before, after = digests(straight), digests(broken)
    timing = json.loads((straight / TIMING).read_text(encoding="utf-8"))
    counts = json.loads((straight / MANIFEST).read_text(encoding="utf-8"))["counts"]
    given, found = columns(folder / "rows.parquet"), columns(broken / "notes")
    return {
        "rows": rows,
        "parquet_bytes": (folder / "rows.parquet").stat().st_size,
        "workers": timing["workers"],
        "spans": counts["spans"]["total"],
        "seconds_unbroken": timing["seconds"],
        "peak_memory_bytes": timing["peak_memory_bytes"],
        "broken_run": legs,
        "files_compared": len(before),
        "files_that_differ": sorted(name for name in before | after if before.get(name) != after.get(name)),
        "digest": hashlib.sha256(json.dumps(before, sort_keys=True).encode()).hexdigest(),
        "checks": {
            "killed_twice": all(0 < leg["killed_after_rows"] < rows for leg in legs[:2]),
            "all_rows": found.num_rows == rows == counts["notes"],
            "same_order_and_carried_columns": found.select(CARRIED).equals(given.select(CARRIED)),
            "no_telephone_number_left": not pc.any(pc.match_substring(found["text"], "212-555-")).as_py(),
            "same_digest": before == after,
        },
    }


def columns(path: Path) -> pa.Table:
    """Read a Parquet file or a folder of shards in their order."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return ds.dataset([str(each) for each in files], format="parquet").to_table()


def start(folder: Path, out: Path) -> subprocess.Popen[bytes]:
    """Start a run, or go on with one."""
    workers = str(len(os.sched_getaffinity(0)))
    command = ["run", "rows.parquet", "--policy", "by-rules.yaml", "--out", str(out), "--workers", workers]
    return subprocess.Popen(
        [sys.executable, "-m", "deid", *command, "--resume"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a run."""
    _, errors = process.communicate()
    if process.returncode:
        sys.exit(f"a run failed with exit code {process.returncode}:\n{errors.decode()}")


def kill(folder: Path, out: Path, *, at: int) -> tuple[int, float]:
    """Start a run, end it with SIGKILL when so many rows are done; return how many were, and the seconds."""
    begin = time.monotonic()
    process = start(folder, out)
    units: dict[str, int] = {}
    while process.poll() is None and sum(units.values()) < at:
        time.sleep(0.05)
        count_rows(out / "work", units)
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    if process.returncode != -signal.SIGKILL:
        sys.exit(f"a run ended before it could be killed:\n{errors.decode()}")
    count_rows(out / "work", units)
    return sum(units.values()), round(time.monotonic() - begin, 1)


def count_rows(work: Path, units: dict[str, int]) -> None:
    """Enter the rows of the units that were finished meanwhile."""
    for path in work.glob("*.jsonl"):
        if path.name not in units:
            with path.open("rb") as stream:
                units[path.name] = json.loads(stream.readline())["notes"]


def digests(out: Path) -> dict[str, str]:
    """Return the digest of each file of a run that must be the same."""
    found = {}
    for name in COMPARED:
        for path in sorted((out / name).rglob("*")) if (out / name).is_dir() else [out / name]:
            with path.open("rb") as stream:
                found[path.relative_to(out).as_posix()] = digest_of(stream)
    return found


if __name__ == "__main__":
    main()
