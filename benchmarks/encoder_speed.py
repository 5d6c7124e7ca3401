"""What it costs to ask for more types: the encoder's time over notes, against the same pass with one type.

    python benchmarks/encoder_speed.py [--model DIR] [--rounds 5]

Reads the training notes with 1, 20, 100 and 500 types on one core, interleaved, and prints medians and
ratios; also how long it takes to read the descriptions, once a policy. Results go to
results/encoder-speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from throughput import machine, texts

from deid.encoder.model import DescriptionEncoder
from deid.policy import load_policy

HERE = Path(__file__).resolve().parent
COUNTS = (1, 20, 100, 500)
NOTES = 60


@dataclass(frozen=True, slots=True)
class Kind:
    """A description as the encoder takes it."""

    description: str
    views: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    contrast: str | None = None


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    encoder = DescriptionEncoder(arguments.model)
    shipped = [kind.description for kind in load_policy("base").types]
    described = {
        count: encoder.describe(
            {f"T{at}": Kind(f"{shipped[at % len(shipped)]} Number {at}.") for at in range(count)}
        )
        for count in COUNTS
    }
    words = [encoder.split(text) for text in texts()[:NOTES]]
    pieces = sum(int(each.first_piece[-1]) for each in words)
    seconds: dict[int, list[float]] = {count: [] for count in COUNTS}
    for _ in range(arguments.rounds + 1):  # the first round warms up
        for count in COUNTS:
            begin = time.perf_counter()
            encoder.scores(words, described[count])
            seconds[count].append(time.perf_counter() - begin)
    medians = {count: statistics.median(values[1:]) for count, values in seconds.items()}
    begin = time.perf_counter()
    encoder.describe({f"T{at}": Kind(text) for at, text in enumerate(shipped)})
    reading = time.perf_counter() - begin
    results = {
        "notes": len(words),
        "pieces": pieces,
        "runtime": encoder.runtime,
        "pieces_per_second_with_one_type": round(pieces / medians[1]),
        "ratio_to_one_type": {count: round(value / medians[1], 3) for count, value in medians.items()},
        "seconds_to_read_29_descriptions": round(reading, 3),
        "machine": machine(),
    }
    print(json.dumps({key: value for key, value in results.items() if key != "machine"}, indent=2))
    if arguments.model is None:
        path = HERE / "results" / "encoder-speed.json"
        path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
