"""Build the training corpora: ``python benchmarks/training/build.py [--data DIR]`` writes ``build/*.jsonl``.

Three kinds of text come together:

- the marked notes under ``notes/``, each with copies in which every mention is replaced by a surrogate of
  the same shape, so that the context has to do the work; every seventh note is held out as ``dev.jsonl``;
- passages from the catalogue of types: a context with one of the type's surfaces in its slot;
- public corpora under ``--data`` (see README.md here), with their labels mapped to described types.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from deid.detect.rule_engine import RuleEngine
from deid.detect.rule_file import shipped_rules
from deid.formats.markup import GoldMention, read_marked
from deid.keys import Keys
from deid.note import Note, Span
from deid.operate.apply import Operators
from deid.operate.subject import Subject
from deid.policy import load_policy

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
Record = dict[str, Any]
TELLING = re.compile(
    r"\b(Dr|Doctor|Mr|Mrs|Ms|Miss|Prof|name is|call me|retired|work(s|ed|ing)?|employed|occupation|job)\b",
    re.IGNORECASE,
)


def main() -> None:
    """Build everything and say how much there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with the public corpora")
    parser.add_argument("--copies", type=int, default=12, help="surrogate copies of each note")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    rng = random.Random(arguments.seed)
    train, dev = read_notes()
    write("notes.jsonl", [copy for note in train for copy in copies(note, arguments.copies, rng)])
    write("marked.jsonl", [record(text, mentions) for _, text, mentions in train])
    write("dev.jsonl", [record(text, mentions) for _, text, mentions in dev])
    write("catalogue.jsonl", catalogue_passages(rng))
    if arguments.data:
        mapping = yaml.safe_load((HERE / "corpora.yaml").read_text(encoding="utf-8"))
        for name, spec in mapping["corpora"].items():
            write(f"{name}.jsonl", public_corpus(arguments.data, spec, rng))
        write("clinical.jsonl", quiet_clinical_text(arguments.data, mapping["quiet"]))


def write(name: str, records: Iterable[Record]) -> None:
    """Write records as JSONL and say how many."""
    count = spans = 0
    with (BUILD / name).open("w", encoding="utf-8") as stream:
        for item in records:
            stream.write(json.dumps(item, ensure_ascii=False) + "\n")
            count += 1
            spans += len(item["spans"])
    print(f"{name}: {count} texts, {spans} spans")


def record(text: str, mentions: Iterable[GoldMention]) -> Record:
    """Word a text and its mentions as a training record."""
    spans = [{"start": m.start, "end": m.end, "label": m.entity_type} for m in sorted(mentions)]
    return {"text": text, "spans": spans}


MarkedNote = tuple[str, str, tuple[GoldMention, ...]]


def read_notes() -> tuple[list[MarkedNote], list[MarkedNote]]:
    """Read the marked notes; return training notes and held-out notes."""
    types = load_policy("base").type_names
    train: list[MarkedNote] = []
    dev: list[MarkedNote] = []
    for path in sorted((HERE / "notes").rglob("*.txt")):
        header, _, body = path.read_text(encoding="utf-8").partition("\n\n")
        del header
        text, mentions = read_marked(body, types=types, place=path.name)
        held_out = int(hashlib.sha256(path.name.encode()).hexdigest(), 16) % 7 == 0
        (dev if held_out else train).append((path.stem, text, mentions))
    return train, dev


def copies(note: MarkedNote, count: int, rng: random.Random) -> Iterator[Record]:
    """Yield a note and copies of it with other names, dates, places and numbers."""
    name, text, mentions = note
    yield record(text, mentions)
    policy = load_policy("research-surrogates")
    spans = tuple(Span(m.start, m.end, m.entity_type, 1.0) for m in mentions)
    surfaces = tuple(sorted({(m.entity_type, text[m.start : m.end]) for m in mentions}))
    for _ in range(count if spans else 0):
        operators = Operators(policy, keys=Keys.from_bytes(rng.randbytes(32)))
        result = operators.apply(Note(name, text), spans, Subject(key_name=name, mentions=surfaces))
        parts: list[str] = []
        moved: list[GoldMention] = []
        position = length = 0
        for replacement in result.replacements:
            span = replacement.span
            surface = text[span.start : span.end]
            # A copy keeps what no surrogate could be made for.
            new = surface if replacement.operator == "redact" else replacement.text
            parts += (text[position : span.start], new)
            start = length + span.start - position
            length = start + len(new)
            moved.append(GoldMention(start, length, span.entity_type))
            position = span.end
        yield record("".join([*parts, text[position:]]), moved)


def catalogue_passages(rng: random.Random) -> Iterator[Record]:
    """Yield the catalogue's contexts, each with several of its type's surfaces."""
    for path in sorted((HERE / "catalogue").glob("*.yaml")):
        for name, kind in yaml.safe_load(path.read_text(encoding="utf-8"))["types"].items():
            for context in kind.get("contexts", ()):
                surfaces = kind.get("surfaces") or kind["examples"]
                for surface in rng.sample(surfaces, min(3, len(surfaces))):
                    marked = context.replace("{X}", f"⟦{name}|{surface}⟧")
                    text, mentions = read_marked(marked, place=f"{path.name}: {name}")
                    yield record(text, mentions)
            for context in kind.get("without", ()):
                text, mentions = read_marked(context, place=f"{path.name}: {name}")
                yield record(text, mentions)


def public_corpus(data: Path, spec: Record, rng: random.Random) -> Iterator[Record]:
    """Yield a public corpus with its labels mapped; texts with a label that has no entry are left out."""
    rows = [json.loads(line) for path in spec["files"] for line in (data / path).open(encoding="utf-8")]
    for field, value in spec.get("where", {}).items():
        rows = [row for row in rows if row.get(field) == value]
    rng.shuffle(rows)
    labels: dict[str, str | None] = spec.get("labels", {})
    kept = 0
    for row in rows:
        spans = row.get("spans", [])
        if any(span["label"] not in labels for span in spans) or kept >= spec.get("limit", 10**9):
            continue
        kept += 1
        mapped = [{**span, "label": labels[span["label"]] or ""} for span in spans]
        keys = ("start", "end", "label")
        yield {"text": row["text"], "spans": [{key: span[key] for key in keys} for span in mapped]}


def quiet_clinical_text(data: Path, files: list[str]) -> Iterator[Record]:
    """Yield clinical texts in which no rule finds anything and no word announces a name or a job."""
    engine = RuleEngine(shipped_rules())
    seen: set[str] = set()
    for path in files:
        for line in (data / path).open(encoding="utf-8"):
            text = json.loads(line)["text"]
            if text not in seen and not TELLING.search(text) and not engine.find(text):
                seen.add(text)
                yield {"text": text, "spans": []}


if __name__ == "__main__":
    main()
