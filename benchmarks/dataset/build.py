"""Build the dataset from what people wrote: ``python benchmarks/dataset/build.py [--check] [--data DIR]``.

Writes ``train.jsonl``, ``dev.jsonl`` and ``test.jsonl`` (gold, see `deid.formats.gold`) beside this file
and, where the sources of the patched notes are at hand (``--data``), ``build/standoff.jsonl``. With
``--check`` it writes nothing, prints counts by kind, type, name origin and split, and exits 1 if anything
is not as GUIDELINES.md and DATASHEET.md say.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from check import HERE, SHORT, MarkedNote, check
from families import check_families, read_families
from passages import check_passages, read_passages
from sought import check_sought, read_sought
from standoff import build as build_standoff

from deid.errors import DeidError
from deid.formats.gold import Gold, write_gold
from deid.note import Note
from deid.policy import load_policy

SPLITS = ("train", "dev", "test")
CLOSELY_FEW = 2  # mentions of a note that counts as nearly free of PHI


@dataclass(frozen=True, slots=True)
class Least:
    """What the dataset must hold at least."""

    notes: int = 600
    kinds: int = 45
    origins: int = 25
    patients_with_several: int = 80
    share_with_few: float = 0.15
    train: int = 420
    dev: int = 60
    test: int = 120
    types: int = 1200
    held_out: int = 150
    passages: int = 1500
    sought: int = 600
    standoff: int = 60


def split_of(note: MarkedNote) -> str:
    """Return the split that a note's folder belongs to."""
    return note.path.parent.name.partition("-")[0]


def to_gold(note: MarkedNote) -> Gold:
    """Return a note as gold."""
    written = note.header.get("note_date")
    kept = ("kind", "origins", "english", "style")
    return (
        Note(
            note_id=note.path.stem,
            text=note.text,
            patient_id=note.header["patient_id"],
            note_date=date.fromisoformat(written) if written else None,
            metadata={key: note.header[key] for key in kept if note.header.get(key)},
        ),
        note.mentions,
    )


def count(notes: Sequence[MarkedNote]) -> None:
    """Print what the notes hold."""
    for split in SPLITS:
        own = [note for note in notes if split_of(note) == split]
        patients = Counter(note.header["patient_id"] for note in own)
        several = sum(count > 2 for count in patients.values())
        mentions = sum(len(note.mentions) for note in own)
        owners = f"{len(patients)} patients ({several} with 3 or more)"
        print(f"{split}: {len(own)} notes, {owners}, {mentions} mentions")
    for title, values in (
        ("types", Counter(mention.entity_type for note in notes for mention in note.mentions)),
        ("origins", Counter(o.strip() for n in notes for o in n.header.get("origins", "").split(",") if o)),
        ("kinds", Counter(note.header["kind"] for note in notes)),
    ):
        listed = ", ".join(f"{name} {number}" for name, number in values.most_common())
        print(f"{len(values)} {title}: {listed}")


def shortfalls(notes: Sequence[MarkedNote], least: Least) -> list[str]:
    """Return what is less than it must be, of the notes."""
    counted = [note for note in notes if note.path.parent.name != SHORT]
    patients = Counter(note.header["patient_id"] for note in counted)
    few = sum(len(note.mentions) <= CLOSELY_FEW for note in counted) / max(len(counted), 1)
    found = {
        "notes": len(counted),
        "kinds": len({note.header["kind"] for note in counted}),
        "origins": len({o.strip() for n in counted for o in n.header.get("origins", "").split(",")} - {""}),
        "patients_with_several": sum(number > 2 for number in patients.values()),
        "share_with_few": round(few, 3),
        **{split: sum(split_of(note) == split for note in counted) for split in SPLITS},
    }
    return [
        f"{name}: {value}, not {getattr(least, name)}"
        for name, value in found.items()
        if value < getattr(least, name)
    ]


def check_splits(notes: Sequence[MarkedNote]) -> list[str]:
    """Return patients that are in more than one split, and ids that occur twice."""
    splits: dict[str, set[str]] = {}
    for note in notes:
        splits.setdefault(note.header["patient_id"], set()).add(split_of(note))
    ids = Counter(note.path.stem for note in notes)
    twice = [f"note {name} occurs {number} times" for name, number in ids.items() if number > 1]
    return [f"patient {name} is in {sorted(own)}" for name, own in splits.items() if len(own) > 1] + twice


def check_types(least: Least) -> list[str]:
    """Count and check the catalogue and the passages of its held-out families."""
    groups = {name: read_families(HERE / "catalogue" / name) for name in ("train", "held-out")}
    families = [family for group in groups.values() for family in group.values()]
    findings = check_families(families)
    held_out = {name for family in groups["held-out"].values() for name in family.types}
    passages = read_passages(HERE / "passages")
    findings += check_passages(passages, held_out)
    sought = read_sought(HERE / "sought", load_policy("base").type_names)
    findings += check_sought(sought, {name for family in groups["train"].values() for name in family.types})
    types = sum(len(family.types) for family in families)
    print(
        f"{types} types in {len(families)} families, {len(held_out)} held out, {len(passages)} passages;"
        f" {len(sought)} passages for training"
    )
    counts = {"types": types, "held_out": len(held_out), "passages": len(passages), "sought": len(sought)}
    for name, value in counts.items():
        if value < getattr(least, name):
            findings.append(f"{name}: {value}, not {getattr(least, name)}")
    return findings


def main() -> None:
    """Build, or check and count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; count, and exit 1 on findings")
    parser.add_argument("--data", type=Path, help="folder with the sources of the patched notes")
    arguments = parser.parse_args()
    notes, findings = check([HERE / "notes"])
    if not arguments.check:
        for split in SPLITS:
            write_gold(HERE / f"{split}.jsonl", [to_gold(note) for note in notes if split_of(note) == split])
        if arguments.data:
            (HERE / "build").mkdir(exist_ok=True)
            write_gold(HERE / "build" / "standoff.jsonl", build_standoff(arguments.data))
        return
    count(notes)
    findings += [*check_splits(notes), *shortfalls(notes, Least())]
    try:
        findings += check_types(Least())
    except DeidError as error:
        findings.append(str(error))
    for finding in findings:
        print(finding)
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
