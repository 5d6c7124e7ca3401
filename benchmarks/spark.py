"""`deid run --engine spark --master local[N]` against `--workers N` on the same notes; N cores.

    python benchmarks/spark.py [--notes 200] [--rounds 3] [--driver 40000]

Both read the same JSONL files, the notes and a quarter of them; the time between the two is that of the other
three quarters, with every process at work and its model loaded. Rounds are interleaved and the medians are
compared. The outputs must be the same, byte for byte. `--driver N` also runs N notes through tasks that leave
them as they are: what reading, sending, writing and merging take, and so how many notes one driver can keep
up with.

Needs Java 17 and pyspark. Results go to results/spark.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from throughput import empty, machine, texts, write_notes

from deid.note import DeidentifiedNote
from deid.policy import load_policy
from deid.run.execute import RunRequest, execute
from deid.run.spark import Cluster
from deid.run.work import Group, NoteResult

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--notes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--driver", type=int, default=40_000, help="notes that are sent around unread")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = compare(Path(folder), arguments.notes, arguments.rounds)
        results["driver"] = driver(Path(folder), arguments.driver)
    java = subprocess.run(["java", "--version"], capture_output=True, text=True, check=True)
    results["machine"] = {
        **machine(),
        "load_average": [round(each, 1) for each in os.getloadavg()],
        "pyspark": version("pyspark"),
        "java": java.stdout.splitlines()[0],
    }
    path = HERE / "results" / "spark.json"
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=2))


def compare(folder: Path, count: int, rounds: int) -> dict[str, Any]:
    """Run both in turn; return the median speeds, what starting and the first quarter cost, and the ratio."""
    path, quarter = folder / "notes.jsonl", folder / "quarter.jsonl"
    characters = write_notes(path, texts(), count)
    write_notes(quarter, texts(), count // 4)
    cores = len(os.sched_getaffinity(0))
    engines = {
        "workers": ["--workers", str(cores)],
        "spark": ["--engine", "spark", "--master", f"local[{cores}]"],
    }
    speeds: dict[str, list[float]] = {name: [] for name in engines}
    starts: dict[str, list[float]] = {name: [] for name in engines}
    for index in range(rounds):
        outs = {name: folder / f"{name}-{index}" for name in engines}
        for name, options in engines.items():
            starts[name].append(timed(quarter, folder / f"{name}-{index}-quarter", options))
            seconds = timed(path, outs[name], options) - starts[name][-1]
            speeds[name].append((count - count // 4) / seconds)
        first, second = ((out / "notes" / "part-00000.jsonl").read_bytes() for out in outs.values())
        if first != second:
            raise SystemExit("the outputs differ")
    medians = {name: round(statistics.median(values), 2) for name, values in speeds.items()}
    return {
        "notes": count,
        "mean_characters": round(characters / count),
        "rounds": rounds,
        "notes_per_second": medians,
        "seconds_for_a_quarter": {name: round(statistics.median(each), 1) for name, each in starts.items()},
        "ratio": round(medians["spark"] / medians["workers"], 2),
        "rounds_notes_per_second": {name: [round(v, 2) for v in values] for name, values in speeds.items()},
    }


def timed(path: Path, out: Path, options: Sequence[str]) -> float:
    """Run `deid run` and return its seconds."""
    command = [sys.executable, "-m", "deid", "run", str(path), "--policy", "safe-harbor", "--out", str(out)]
    begin = time.perf_counter()
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def driver(folder: Path, count: int) -> dict[str, Any]:
    """Return how many notes a second go through the driver where tasks do nothing; Java is started before."""
    path = folder / "many.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        for index in range(count):
            note = {"note_id": str(index), "patient_id": f"p{index % (count // 5)}", "text": "x" * 1000}
            stream.write(json.dumps(note) + "\n")
    small = empty(path)
    unread(small, folder / "unread-first")
    one, many = unread(small, folder / "unread-one"), unread(path, folder / "unread-many")
    return {
        "notes": count,
        "mean_characters": 1000,
        "seconds_for_one": round(one, 1),
        "seconds": round(many, 1),
        "notes_per_second": round(count / (many - one)),
    }


def unread(path: Path, out: Path) -> float:
    """Run with tasks that leave notes as they are, and return the seconds."""
    request = RunRequest(input=path, policy=load_policy("safe-harbor"), out=out, factory="spark:Unread")
    settings = {"spark.executorEnv.PYTHONPATH": str(HERE)}
    begin = time.perf_counter()
    execute(request, engine=Cluster(settings=settings).engine)
    return time.perf_counter() - begin


class Unread:
    """Stands in for the de-identifier where its work is not to be measured: notes come out as they are."""

    model_digest = runtime = ""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def process(self, groups: Sequence[Group]) -> tuple[tuple[NoteResult, ...], ...]:
        """Return each note unchanged."""
        return tuple(
            tuple(
                NoteResult(note.note_id, DeidentifiedNote(note.note_id, note.text, ()))
                for note in group.notes
            )
            for group in groups
        )


if __name__ == "__main__":
    main()
