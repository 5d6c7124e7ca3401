"""A second reading of the notes with the marks hidden: how often two readers disagree.

    python benchmarks/dataset/second_reading.py sample FOLDER [--notes 100] [--seed 1] [--batches 'train-p?']
    python benchmarks/dataset/second_reading.py compare FOLDER [--list SPLIT]

`sample` writes plain texts ``NNN.txt`` and ``index.json``. The reader writes beside each a file
``NNN.json``: all mentions in reading order, ``[["surface", "TYPE"], ...]``. `compare` aligns them with
the marks and counts mentions that only one of the two has, those whose type differs and those whose ends
differ.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from check import HERE, SHORT, MarkedNote, read_note

from deid.policy import load_policy

Spans = set[tuple[int, int, str]]


def sample(folder: Path, count: int, seed: int, batches: str) -> None:
    """Draw notes and write them without marks."""
    paths = [path for path in sorted((HERE / "notes").glob(f"{batches}/*.txt")) if path.parent.name != SHORT]
    drawn = random.Random(seed).sample(paths, count)
    folder.mkdir(parents=True, exist_ok=True)
    index = {}
    for number, path in enumerate(drawn, start=1):
        note = read_note(path, load_policy("base").type_names)
        index[f"{number:03}"] = path.relative_to(HERE).as_posix()
        (folder / f"{number:03}.txt").write_text(note.text, encoding="utf-8")
    (folder / "index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")


def aligned(text: str, marks: list[list[str]]) -> tuple[Spans, list[str]]:
    """Find the second reader's mentions in the text, one after the other."""
    spans: Spans = set()
    lost: list[str] = []
    position = 0
    for surface, kind in marks:
        start = text.find(surface, position)
        if start < 0:
            lost.append(surface)
            continue
        spans.add((start, start + len(surface), kind))
        position = start + len(surface)
    return spans, lost


def differences(note: MarkedNote, second: Spans) -> Iterator[tuple[str, str]]:
    """Yield kind and wording of each difference."""
    first = {(m.start, m.end, m.entity_type) for m in note.mentions}
    for start, end, kind in sorted(first - second):
        other = next((s for s in second if s[0] < end and start < s[1]), None)
        what = "missed" if other is None else "type" if other[:2] == (start, end) else "ends"
        theirs = "" if other is None else f", second reader {note.text[other[0] : other[1]]!r} {other[2]}"
        yield what, note.at(start, f"{what}: {note.text[start:end]!r} {kind}{theirs}")
    for start, end, kind in sorted(second - first):
        if not any(s < end and start < e for s, e, _ in first):
            yield "added", note.at(start, f"added: {note.text[start:end]!r} {kind}")


def compare(folder: Path, listed: str) -> None:
    """Count the differences; list those of the notes of some splits."""
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    counts: Counter[str] = Counter()
    for number, name in index.items():
        path = folder / f"{number}.json"
        if not path.is_file():
            continue
        note = read_note(HERE / name, load_policy("base").type_names)
        second, lost = aligned(note.text, json.loads(path.read_text(encoding="utf-8")))
        counts["notes"] += 1
        counts["mentions"] += len(note.mentions)
        counts["not found in the text"] += len(lost)
        for what, wording in differences(note, second):
            counts[what] += 1
            if note.path.parent.name.startswith(tuple(filter(None, listed.split(",")))):
                print(wording)
    for what, number in counts.items():
        share = f" ({number / counts['mentions']:.2%})" if what in {"missed", "added", "type", "ends"} else ""
        print(f"{what}: {number}{share}")


def main() -> None:
    """Sample or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("sample", "compare"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--notes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batches", default="*", help="folders of notes to draw from, as a pattern")
    parser.add_argument("--list", default="-", help="splits whose differences are printed, with commas")
    arguments = parser.parse_args()
    if arguments.command == "sample":
        sample(arguments.folder, arguments.notes, arguments.seed, arguments.batches)
    else:
        compare(arguments.folder, arguments.list)


if __name__ == "__main__":
    main()
