"""Training examples a second that can be drawn: ``python benchmarks/training/draw_speed.py CONFIG``.

One process a core draws, refills, cuts and labels whole batches, as training does, without the network.
It prints examples a second of each process and together; loading is not counted.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from deid.encoder.batches import BatchMaker
from deid.encoder.corpus import read_types
from deid.encoder.refill import Refiller
from deid.encoder.sources import read_corpus
from deid.encoder.train import read_spec
from deid.encoder.words import WordPieces
from deid.run.workers import cores


def draw(config: Path, first: int, seconds: float, ready: Barrier) -> float:
    """Draw batches for some seconds; return examples a second."""
    spec, folder = read_spec(config), config.parent
    types = read_types(spec.types, folder)
    refiller = Refiller.read(folder / spec.pools) if spec.pools else None
    read = (read_corpus(each, folder, refiller=refiller, types=types) for each in spec.corpora)
    corpora = [corpus for corpus in read if corpus is not None]
    vocabulary = Path(__file__).resolve().parents[2] / "deid" / "weights" / "default" / "vocab.txt"
    sizes = (spec.texts, spec.types_per_batch, spec.pieces)
    maker = BatchMaker(corpora, types, WordPieces(vocabulary), sizes=sizes, seed=spec.seed)
    for step in range(40):
        maker.make(first + step)
    ready.wait()
    begin, step = time.perf_counter(), 40
    while time.perf_counter() - begin < seconds:
        maker.make(first + step)
        step += 1
    return (step - 40) * spec.texts / (time.perf_counter() - begin)


def _draw_into(arguments: tuple[Path, int, float], ready: Barrier, results: Queue[float]) -> None:
    results.put(draw(*arguments, ready))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(cores()), context.Queue()
    processes = [
        context.Process(
            target=_draw_into, args=((arguments.config, 10**6 * n, arguments.seconds), ready, results)
        )
        for n in range(cores())
    ]
    for process in processes:
        process.start()
    speeds = [results.get() for _ in processes]
    for process in processes:
        process.join()
    together = {"processes": [round(speed) for speed in speeds], "examples_per_second": round(sum(speeds))}
    print(json.dumps(together))


if __name__ == "__main__":
    main()
