"""What encoders find alone, and what they find together: are their errors the same?

    python benchmarks/together.py MODEL [MODEL ...]

Reads the dev notes with each model folder, and with the mean of all models' logits: no rules, one threshold
for all types of `safe-harbor` that the encoder looks for. Results go to results/together.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from encoder_speed import judged
from throughput import machine

from deid.audit.measures import notes_without_leak, precision, recall, typed_strict_f1
from deid.encoder.decode import decode
from deid.encoder.describe import Described
from deid.encoder.model import DescriptionEncoder
from deid.encoder.weights import ModelFolder
from deid.encoder.words import WordPieces, Words
from deid.formats.gold import Gold, read_gold
from deid.note import Finding
from deid.policy import load_policy

HERE = Path(__file__).resolve().parent
THRESHOLDS = (0.04, 0.06, 0.1, 0.15, 0.25, 0.4)
MEASURES = {
    "recall": recall,
    "notes_without_leak": notes_without_leak,
    "precision": precision,
    "typed_strict_f1": typed_strict_f1,
}
TOGETHER = "together"
LEAST = 1e-6  # of a probability, so that its logit is finite

Logits = npt.NDArray[np.float32]


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", type=Path)
    models: list[Path] = parser.parse_args().models
    gold = list(read_gold(HERE / "dataset" / "dev.jsonl"))
    types = {kind.name: kind for kind in load_policy("safe-harbor").types if "encoder" in kind.detect}
    # Every vocabulary cuts the same words.
    split = WordPieces(ModelFolder.open(models[0]).vocabulary()).split
    words = [split(note.text) for note, _ in gold]
    read = {path.name: logits(path, gold, types) for path in models}
    if len(models) > 1:
        read[TOGETHER] = [np.mean(each, axis=0) for each in zip(*read.values(), strict=True)]
    rows = []
    print("model", "threshold", *MEASURES, sep="  ")
    for name, scores in read.items():
        for threshold in THRESHOLDS:
            row = measure(gold, words, scores, tuple(types), threshold)
            rows.append({"model": name, "threshold": threshold, **row})
            print(name, threshold, *row.values(), sep="  ")
    result = {
        "notes": len(gold),
        "models": {path.name: ModelFolder.open(path).digest for path in models},
        "rows": rows,
        "machine": machine(),
    }
    target = HERE / "results" / "together.json"
    target.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def logits(model: Path, gold: Sequence[Gold], types: Mapping[str, Described]) -> list[Logits]:
    """Return [2, W, T] for each note: inside and begin logits of its words.

    Args:
        model: Model folder.
        gold: The notes.
        types: T types by name.
    """
    encoder = DescriptionEncoder(model)
    scores = encoder.scores([encoder.split(note.text) for note, _ in gold], encoder.describe(types))
    limited = (np.clip(np.stack(each), LEAST, 1 - LEAST) for each in scores)
    return [np.log(each / (1 - each)) for each in limited]


def measure(
    gold: Sequence[Gold],
    words: Sequence[Words],
    scores: Sequence[Logits],
    names: Sequence[str],
    threshold: float,
) -> dict[str, float]:
    """Return what one threshold for all types finds in the notes.

    Args:
        gold: The notes with their mentions.
        words: The W words of each.
        scores: [2, W, T] logits of each.
        names: The T types.
        threshold: In 0..1.
    """
    limits = np.full(len(names), threshold, dtype=np.float32)
    found = []
    for (note, _), own, each in zip(gold, words, scores, strict=True):
        inside, begin = 1 / (1 + np.exp(-each))
        mentions = decode(note.text, own, (inside, begin), limits)
        found.append([Finding(m.start, m.end, names[m.type_index], m.score, "encoder") for m in mentions])
    notes = judged(gold, found)
    return {name: round(of(notes), 4) for name, of in MEASURES.items()}


if __name__ == "__main__":
    main()
