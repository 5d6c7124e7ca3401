"""Which clinical words are taken along, by type: ``python benchmarks/over_redaction.py [--texts 400]``.

Counts the words that spans of `safe-harbor` cover outside the marks: on the dataset's dev notes, and on texts
of public corpora whose few identifiers a reader has marked, where training/build.py has built them (the
encoder has learned from these). Writes results/over-redaction.json.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from quality import write
from throughput import machine

from deid.formats.gold import Gold, read_gold
from deid.formats.markup import GoldMention
from deid.note import Note
from deid.policy import load_policy
from deid.run.pipeline import Deidentifier
from deid.run.work import Group

HERE = Path(__file__).resolve().parent
REVIEWED = HERE / "training" / "build" / "reviewed.jsonl"
SHOWN = 8  # words of a type
_WORD = re.compile(r"\w+")


def main() -> None:
    """Count, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=400, help="texts of the public corpora")
    arguments = parser.parse_args()
    deidentifier = Deidentifier.for_detection(load_policy("safe-harbor"))
    results: dict[str, Any] = {"model": deidentifier.model_digest}
    gold = {"dev notes": list(read_gold(HERE / "dataset" / "dev.jsonl"))}
    if REVIEWED.is_file():
        gold["public clinical text"] = list(public_texts(arguments.texts))
    for name, texts in gold.items():
        results[name] = counted = count(texts, deidentifier)
        print(f"{name}: {counted['words taken along']} of {counted['words']} words")
        for kind, words in counted["by type"].items():
            print(f"  {kind:<18}{counted['total by type'][kind]:>5}  " + ", ".join(list(words)[:SHOWN]))
    write(HERE / "results" / "over-redaction.json", {**machine(), **results})


def public_texts(most: int) -> Iterator[Gold]:
    """Yield texts of public corpora with their marks, evenly drawn."""
    texts = [json.loads(line) for line in REVIEWED.read_text(encoding="utf-8").splitlines()]
    for number, text in enumerate(texts[:: max(len(texts) // most, 1)][:most]):
        marks = tuple(GoldMention(each["start"], each["end"], each["label"]) for each in text["spans"])
        yield Note(note_id=str(number), text=text["text"]), marks


def count(gold: Iterable[Gold], deidentifier: Deidentifier) -> dict[str, Any]:
    """Count the words outside the marks, and those of them that a span covers, by its type."""
    texts = list(gold)
    taken: dict[str, Counter[str]] = defaultdict(Counter)
    words = 0
    found = deidentifier.find([Group((note,)) for note, _ in texts])
    for (note, mentions), (spans,) in zip(texts, found, strict=True):
        for match in _WORD.finditer(note.text):
            start, end = match.span()
            if any(mention.start < end and start < mention.end for mention in mentions):
                continue
            words += 1
            for span in spans if isinstance(spans, tuple) else ():
                if span.start < end and start < span.end:
                    taken[span.entity_type][match.group().casefold()] += 1
                    break
    by_type = sorted(taken.items(), key=lambda item: -item[1].total())
    return {
        "words": words,
        "words taken along": sum(each.total() for each in taken.values()),
        "by type": {kind: dict(each.most_common(SHOWN)) for kind, each in by_type},
        "total by type": {kind: each.total() for kind, each in by_type},
    }


if __name__ == "__main__":
    main()
