"""Build the training corpora: ``python benchmarks/training/build.py [--data DIR]`` writes ``build/``.

What the trainer draws from at every step (`deid.encoder.sources`) comes from three kinds of text:

- the train split of the dataset's notes, refilled with surrogates of the same shape;
- the catalogue of types: contexts and texts without, filled with surfaces and set next to each other, and the
  passages in which its types are sought;
- public corpora under ``--data`` (see README.md here), with their labels mapped to described types, quiet
  clinical text that lines of the notes are written into, and clinical text with its identifiers marked by a
  reader.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from deid.detect.rule_engine import RuleEngine
from deid.detect.rule_file import shipped_rules
from deid.formats.markup import GoldMention, read_marked
from deid.policy import load_policy

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
DATASET = HERE.parent / "dataset"
PACKAGE = HERE.parents[1] / "deid"
sys.path.insert(0, str(DATASET))

from check import MarkedNote, read_note  # noqa: E402
from families import CatalogueType, read_families  # noqa: E402
from sought import read_sought  # noqa: E402

Record = dict[str, Any]
TELLING = re.compile(
    r"\b(Dr|Doctor|Mr|Mrs|Ms|Miss|Prof|name is|call me|retired|work(s|ed|ing)?|employed|occupation|job)\b",
    re.IGNORECASE,
)
WHOLE = (
    "HOSPITAL",
    "ORGANIZATION",
    "LOCATION_OTHER",
    "PROFESSION",
)  # types whose surfaces are exchanged whole
SLOT = "{X}"
COMMON = (  # families whose types occur unmarked in any text
    *("admin_codes", "attributes", "bodies_and_organisms", "clinical", "diseases", "drugs", "general"),
    *("measures", "procedures_and_devices", "world"),
)


def main() -> None:
    """Build everything and say how much there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with the public corpora")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    rng = random.Random(arguments.seed)
    notes = {split: read_notes(split) for split in ("train", "dev")}
    for split, own in notes.items():
        write(
            f"{split}-notes.jsonl",
            (record(note.text, note.mentions, patient=patient_of(note)) for note in own),
        )
    types, contexts, surfaces = read_catalogue()
    (BUILD / "types.json").write_text(json.dumps({"types": types}, ensure_ascii=False), encoding="utf-8")
    write("catalogue.jsonl", contexts)
    write("sought.jsonl", sought_passages())
    pools = read_pools(notes["train"]) | {name: list(found) for name, found in surfaces.items()}
    (BUILD / "pools.json").write_text(json.dumps(pools, ensure_ascii=False), encoding="utf-8")
    if arguments.data:
        mapping = yaml.safe_load((HERE / "corpora.yaml").read_text(encoding="utf-8"))
        for name, spec in mapping["corpora"].items():
            write(f"{name}.jsonl", public_corpus(arguments.data, spec, rng))
        write("clinical.jsonl", quiet_clinical_text(arguments.data, mapping["quiet"]))
        write("reviewed.jsonl", reviewed_clinical_text(arguments.data))


def write(name: str, records: Iterable[Record]) -> None:
    """Write records as JSONL and say how many."""
    count = spans = 0
    with (BUILD / name).open("w", encoding="utf-8") as stream:
        for item in records:
            stream.write(json.dumps(item, ensure_ascii=False) + "\n")
            count += 1
            spans += len(item["spans"])
    print(f"{name}: {count} texts, {spans} spans")


def record(text: str, mentions: Iterable[GoldMention], **more: Any) -> Record:
    """Word a text and its mentions as a training record."""
    spans = [{"start": m.start, "end": m.end, "label": m.entity_type} for m in sorted(mentions)]
    return {"text": text, "spans": spans, **more}


def read_notes(split: str) -> list[MarkedNote]:
    """Read the notes of a split."""
    types = load_policy("base").type_names
    paths = sorted((DATASET / "notes").glob(f"{split}-*/*.txt"))
    return [read_note(path, types) for path in paths]


def patient_of(note: MarkedNote) -> str:
    """Return whose note it is."""
    return note.header["patient_id"]


def read_catalogue() -> tuple[dict[str, Record], list[Record], dict[str, tuple[str, ...]]]:
    """Read the types of both catalogues; return types, their texts, and their surfaces."""
    types: dict[str, Record] = {}
    texts: list[Record] = []
    surfaces: dict[str, tuple[str, ...]] = {}
    for path in sorted((HERE / "catalogue").glob("*.yaml")):
        common = path.stem in COMMON
        for name, kind in yaml.safe_load(path.read_text(encoding="utf-8"))["types"].items():
            fields = ("description", "views", "examples", "contrast", "overlaps")
            types[name] = {key: kind[key] for key in fields if key in kind} | {"common": common}
            surfaces[name] = tuple(kind.get("surfaces") or kind.get("examples") or ())
            texts += filled(name, kind.get("contexts", ()), kind.get("without", ()), surfaces[name])
    for stem, family in read_families(DATASET / "catalogue" / "train").items():
        for name, kind in family.types.items():
            if name not in types:
                types[name] = described(kind, common=stem.startswith(COMMON))
                surfaces[name] = kind.surfaces
                texts += filled(name, kind.contexts, kind.without, kind.surfaces)
    near = {kind for each in types.values() for kind in each.get("near", ())} & types.keys()
    for each in types.values():
        each["near"] = [kind for kind in each.get("near", ()) if kind in near]
    return types, texts, surfaces


def described(kind: CatalogueType, *, common: bool) -> Record:
    """Return a type of the dataset's catalogue as the trainer reads it."""
    return {
        "description": kind.line,
        "views": [kind.rich, kind.terse, kind.colloquial],
        "examples": list(kind.surfaces),
        "contrast": kind.contrast,
        "overlaps": list(kind.overlaps),
        "near": list(kind.near),
        "common": common,
    }


def filled(
    name: str, contexts: Iterable[str], without: Iterable[str], surfaces: tuple[str, ...]
) -> Iterator[Record]:
    """Yield a type's texts, a surface in each slot; the trainer exchanges it at every draw."""
    for number, context in enumerate(contexts):
        marked = context.replace(SLOT, f"⟦{name}|{surfaces[number % len(surfaces)]}⟧")
        text, mentions = read_marked(marked, place=name)
        yield record(text, mentions, own=[name])
    for context in without:
        text, mentions = read_marked(context, place=name)
        yield record(text, mentions, own=[name])


def sought_passages() -> Iterator[Record]:
    """Yield passages in which types of the catalogue are sought among ordinary identifiers."""
    for passage in read_sought(DATASET / "sought", load_policy("base").type_names):
        yield record(passage.text, passage.mentions, own=list(passage.sought))


def read_pools(notes: Iterable[MarkedNote]) -> dict[str, list[str]]:
    """Collect what surrogates are made from: the package's lists, and surfaces of the training notes."""
    pools = {
        name: column(PACKAGE / "operate" / "lists" / f"{file}.tsv")
        for name, file in (
            ("given", "given_names"),
            ("family", "family_names"),
            ("city", "cities"),
            ("country", "countries"),
            ("state_code", "states"),
            ("street", "street_names"),
            ("place", "place_names"),
        )
    }
    pools["state"] = column(PACKAGE / "operate" / "lists" / "states.tsv", 1)
    generic: set[str] = set()
    for file in ("facility_words", "organization_words", "street_stops"):
        generic.update(column(PACKAGE / "detect" / "lists" / f"{file}.txt"))
    for words in column(PACKAGE / "operate" / "lists" / "head_words.tsv", 1):
        generic.update(words.split())
    pools["generic"] = sorted(generic)
    found: dict[str, set[str]] = defaultdict(set)
    for note in notes:
        for mention in note.mentions:
            if mention.entity_type in WHOLE:
                found[mention.entity_type].add(note.surface(mention))
    for words in column(PACKAGE / "operate" / "lists" / "professions.tsv", 1):
        found["PROFESSION"].update(word.strip() for word in words.split(";"))
    return pools | {kind: sorted(surfaces) for kind, surfaces in found.items()}


def column(path: Path, number: int = 0) -> list[str]:
    """Return a column of a table, comments left out."""
    rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line[:1] != "#")
    return list(
        dict.fromkeys(row[number].strip() for row in rows if len(row) > number and row[number].strip())
    )


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
    """Yield clinical texts in which no rule finds anything and no word announces a name or a job.

    The sources of the dataset's patched notes are left out.
    """
    engine = RuleEngine(shipped_rules())
    patches = map(json.loads, (DATASET / "standoff.jsonl").read_text(encoding="utf-8").splitlines())
    patched = {(patch["source"], patch["id"]) for patch in patches}
    seen: set[str] = set()
    for path in files:
        for line in (data / path).open(encoding="utf-8"):
            source = json.loads(line)
            text = source["text"]
            if (Path(path).stem, source["id"]) in patched or text in seen or TELLING.search(text):
                continue
            if not engine.find(text):
                seen.add(text)
                yield {"text": text, "spans": []}


def reviewed_clinical_text(data: Path) -> Iterator[Record]:
    """Yield clinical texts whose few identifiers a reader has marked.

    ``clinical_marks.jsonl`` names each text (file, id, SHA-256) and holds offsets; a mark without a type is
    ground of which nobody knows, such as a placeholder for a name.

    Raises:
        SystemExit: if a text is another one than was read.
    """
    rows = map(json.loads, (HERE / "clinical_marks.jsonl").read_text(encoding="utf-8").splitlines())
    marks = {(row["source"], row["id"]): row for row in rows}
    for path in sorted({source for source, _ in marks}):
        for line in (data / "clinical_text" / f"{path}.jsonl").open(encoding="utf-8"):
            source = json.loads(line)
            row = marks.pop((path, source["id"]), None)
            if row is None:
                continue
            if hashlib.sha256(source["text"].encode()).hexdigest()[:16] != row["sha256"]:
                raise SystemExit(f"{path} {source['id']}: the text is another one than was marked")
            spans = [dict(zip(("start", "end", "label"), mark, strict=True)) for mark in row["marks"]]
            yield {"text": source["text"], "spans": spans}


if __name__ == "__main__":
    main()
