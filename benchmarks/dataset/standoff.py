"""Notes by other hands with PHI written into them: kept as patches, built where the source texts are at hand.

    python benchmarks/dataset/standoff.py build --data DIR [--out FILE]
    python benchmarks/dataset/standoff.py make SOURCES EDITS --data DIR [--dry-run] [--show NN]

A patch names its source (file, id, SHA-256) and holds what we wrote with the offsets where it goes,
and the offsets of what was identifying there already; nothing of the source text. `make` writes the patches
from edits that point into the sources by anchors.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deid.errors import DeidError, UsageError
from deid.formats.gold import Gold, write_gold
from deid.formats.markup import GoldMention, read_marked, write_marked
from deid.note import Note
from deid.policy import load_policy

HERE = Path(__file__).resolve().parent
PATCHES = HERE / "standoff.jsonl"
Patch = dict[str, Any]


def read_sources(data: Path, names: set[str]) -> dict[tuple[str, str], str]:
    """Read the texts of some source files by (file, id)."""
    texts = {}
    for name in sorted(names):
        for line in (data / "clinical_text" / f"{name}.jsonl").open(encoding="utf-8"):
            record = json.loads(line)
            texts[name, record["id"]] = record["text"]
    return texts


def apply_patch(patch: Patch, text: str) -> Gold:
    """Apply a patch to its source.

    Raises:
        UsageError: if the source is not the one the patch was made for.
    """
    if hashlib.sha256(text.encode()).hexdigest() != patch["sha256"]:
        raise UsageError(f"{patch['note_id']}: the source text is another one than the patch was made for")
    marks = [GoldMention(m["start"], m["end"], m["entity_type"]) for m in patch["marks"]]
    parts: list[str] = []
    position = 0
    for insert in [*patch["inserts"], {"at": len(text), "text": ""}]:
        stretch = [m for m in marks if position <= m.start and m.end <= insert["at"]]
        moved = [GoldMention(m.start - position, m.end - position, m.entity_type) for m in stretch]
        parts += (write_marked(text[position : insert["at"]], moved), insert["text"])
        position = insert["at"]
    whole, mentions = read_marked(
        "".join(parts), types=load_policy("base").type_names, place=patch["note_id"]
    )
    note = Note(patch["note_id"], whole, metadata={"kind": patch["kind"], "source": patch["source"]})
    return note, mentions


def build(data: Path) -> list[Gold]:
    """Build all patched notes."""
    patches = [json.loads(line) for line in PATCHES.read_text(encoding="utf-8").splitlines()]
    sources = read_sources(data, {patch["source"] for patch in patches})
    return [apply_patch(patch, sources[patch["source"], patch["id"]]) for patch in patches]


def make_patch(number: str, source: dict[str, str], text: str, edits: Patch) -> Patch:
    """Turn edits with anchors into a patch.

    Raises:
        UsageError: for an anchor that does not occur exactly once, or a surface that does not occur.
    """
    inserts = []
    for anchor, inserted in edits["insert"]:
        at = 0 if anchor == "" else len(text) if anchor == "$" else _after(text, anchor, number)
        inserts.append({"at": at, "text": inserted})
    marks = [mark for surface, kind in edits["mark"] for mark in _marks(text, surface, kind, number)]
    return {
        "note_id": f"s{number}",
        "source": source["source"],
        "id": source["id"],
        "kind": source["source"],
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "inserts": sorted(inserts, key=lambda insert: insert["at"]),
        "marks": sorted(marks, key=lambda mark: mark["start"]),
    }


def _after(text: str, anchor: str, number: str) -> int:
    if text.count(anchor) != 1:
        raise UsageError(f"{number}: the anchor {anchor!r} occurs {text.count(anchor)} times, not once")
    return text.index(anchor) + len(anchor)


def _marks(text: str, surface: str, kind: str, number: str) -> Iterator[dict[str, Any]]:
    plain, mentions = read_marked(surface if not kind else f"⟦{kind}|{surface}⟧", place=number)
    found = [match.start() for match in re.finditer(rf"(?<!\w){re.escape(plain)}(?!\w)", text)]
    if not found:
        raise UsageError(f"{number}: the surface {plain!r} does not occur")
    for start in found:
        for mention in mentions:
            where = {"start": start + mention.start, "end": start + mention.end}
            yield where | {"entity_type": mention.entity_type}


def make(sources: Path, edits: Path, data: Path, show: str) -> tuple[list[Patch], list[str]]:
    """Make all patches; return them with what is wrong."""
    index = json.loads((sources / "index.json").read_text(encoding="utf-8"))
    texts = read_sources(data, {entry["source"] for entry in index})
    patches, findings = [], []
    for entry in index:
        number = f"{entry['n']:02}"
        path = edits / f"{number}.json"
        if not path.is_file():
            continue
        text = texts[entry["source"], entry["id"]]
        try:
            patch = make_patch(number, entry, text, json.loads(path.read_text(encoding="utf-8")))
            note, mentions = apply_patch(patch, text)
        except (DeidError, ValueError) as error:
            findings.append(f"{number}: {error}")
            continue
        patches.append(patch)
        if show == number:
            print(write_marked(note.text, mentions))
    return patches, findings


def main() -> None:
    """Build the notes, or make the patches."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build")
    building.add_argument("--out", type=Path, default=HERE / "build" / "standoff.jsonl")
    making = commands.add_parser("make")
    making.add_argument("sources", type=Path)
    making.add_argument("edits", type=Path)
    making.add_argument("--dry-run", action="store_true")
    making.add_argument("--show", default="")
    for command in (building, making):
        command.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.command == "build":
        notes = build(arguments.data)
        arguments.out.parent.mkdir(exist_ok=True)
        write_gold(arguments.out, notes)
        print(f"{len(notes)} notes, {sum(len(mentions) for _, mentions in notes)} mentions")
        return
    patches, findings = make(arguments.sources, arguments.edits, arguments.data, arguments.show)
    for finding in findings:
        print(finding)
    if not arguments.dry_run:
        PATCHES.write_text(
            "".join(json.dumps(p, ensure_ascii=False) + "\n" for p in patches), encoding="utf-8"
        )
    print(f"{len(patches)} patches")
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
