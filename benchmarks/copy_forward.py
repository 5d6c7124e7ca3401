"""Notes a second on notes that repeat each other, with the scores of repeated windows kept and without.

    python benchmarks/copy_forward.py [--patients 20] [--days 10] [--rounds 3]

Clinicians copy yesterday's note and add to it: Steinkamp et al. (JAMA Network Open 2022) found half of the
text of 104 million notes to be duplicated. Here every patient has notes of some days: the first is two
training notes, each further one is that of the day before under a new first line, with a few lines of another
note put in at one place and at the end. The pipeline reads them on one core, as a run with one worker does, a
patient's notes together; rounds are interleaved and medians compared. It also says how many windows the
network read, and ends with 1 if the results are not the same. Results go to results/copy-forward.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from throughput import machine

from deid.encoder.load import load_encoder
from deid.encoder.model import DescriptionEncoder
from deid.encoder.windows import Batch, FloatArray
from deid.note import Note
from deid.policy import load_policy
from deid.run.pipeline import Deidentifier
from deid.run.work import Group

HERE = Path(__file__).resolve().parent
UNIT_NOTES = 64
KEPT_BYTES = {"kept": 32_000_000, "read every time": 0}


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--patients", type=int, default=20)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    groups = list(patients(arguments.patients, arguments.days))
    results = compare(groups, arguments.rounds)
    path = HERE / "results" / "copy-forward.json"
    path.write_text(json.dumps({**results, "machine": machine()}, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=2))
    sys.exit(0 if results["same_results"] else 1)


def patients(count: int, days: int) -> Iterator[Group]:
    """Yield patients, each with the notes of some days, always the same ones."""
    lines = (HERE / "dataset" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    chance = random.Random(7)
    for patient in range(count):
        text = "\n\n".join(chance.sample(texts, 2))
        notes = []
        for day in range(days):
            if day:
                text = next_day(text, chance.choice(texts), day, chance)
            notes.append(Note(f"{patient}-{day}", text, patient_id=f"p{patient}"))
        yield Group(tuple(notes))


def next_day(text: str, other: str, day: int, chance: random.Random) -> str:
    """Return a note as it is copied on the next day, with a new first line and new lines at two places."""
    kept = text.split("\n")
    new = [line for line in other.split("\n") if line.strip()]
    start = chance.randrange(max(len(new) - 6, 1))
    place = chance.randrange(1, len(kept) + 1)
    return "\n".join([
        f"PROGRESS NOTE, HOSPITAL DAY {day + 1}",
        *kept[1:place],
        *new[start : start + 2],
        *kept[place:],
        f"Day {day + 1}:",
        *new[start + 2 : start + 6],
    ])  # fmt: skip


def compare(groups: Sequence[Group], rounds: int) -> dict[str, Any]:
    """Read the notes in both ways in turn."""
    policy = load_policy("safe-harbor")
    pipeline = Deidentifier.for_detection(policy)
    encoder = load_encoder()
    if not isinstance(encoder, DescriptionEncoder):
        raise TypeError("the shipped encoder is of another kind")
    counter = Counter(encoder)
    notes = [note for group in groups for note in group.notes]
    seconds: dict[str, list[float]] = {name: [] for name in KEPT_BYTES}
    windows, digests = {}, {}
    for _ in range(rounds):
        for name, most in KEPT_BYTES.items():
            encoder.keep_scores(most)
            counter.windows = 0
            begin = time.perf_counter()
            digests[name] = read(pipeline, groups)
            seconds[name].append(time.perf_counter() - begin)
            windows[name] = counter.windows
    speed = {name: round(len(notes) / statistics.median(each), 2) for name, each in seconds.items()}
    kept, plain = KEPT_BYTES
    return {
        "patients": len(groups),
        "notes": len(notes),
        "mean_characters": round(sum(len(note.text) for note in notes) / len(notes)),
        "repeated_lines": round(repeated(groups), 3),
        "runtime": encoder.runtime,
        "rounds": rounds,
        "windows_read": windows,
        "notes_per_second": speed,
        "ratio": round(speed[kept] / speed[plain], 2),
        "same_results": digests[kept] == digests[plain],
    }


class Counter:
    """Counts the windows that an encoder's network reads.

    Args:
        encoder: The encoder.
    """

    def __init__(self, encoder: DescriptionEncoder) -> None:
        self.windows = 0
        self._runtime = encoder._runtime
        self._read = self._runtime.read
        self._runtime.read = self.read  # type: ignore[method-assign]

    def read(self, batches: Iterable[Batch]) -> Iterator[FloatArray]:
        """Read batches as the encoder's runtime does."""
        return self._read(map(self._counted, batches))

    def _counted(self, batch: Batch) -> Batch:
        self.windows += len(batch.ids)
        return batch


def read(pipeline: Deidentifier, groups: Sequence[Group]) -> str:
    """De-identify units of whole patients; return a digest of all that comes of it."""
    digest = hashlib.sha256()
    unit: list[Group] = []
    for group in groups:
        unit.append(group)
        if sum(len(each.notes) for each in unit) >= UNIT_NOTES or group is groups[-1]:
            digest.update(repr(pipeline.process(unit)).encode())
            unit = []
    return digest.hexdigest()


def repeated(groups: Sequence[Group]) -> float:
    """Return the share of lines that stand in an earlier note of the same patient."""
    old = total = 0
    for group in groups:
        seen: set[str] = set()
        for note in group.notes:
            lines = [line for line in note.text.split("\n") if line.strip()]
            total += len(lines)
            old += sum(line in seen for line in lines)
            seen.update(lines)
    return old / total


if __name__ == "__main__":
    main()
