"""Training texts and training types, and what a text says about a type it does not mention."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from deid.errors import UsageError
from deid.policy import load_policy


class TrainingType(BaseModel):
    """A described type as the trainer uses it; an entry of a policy or of a catalogue file.

    Args:
        name: Keys the type in the corpora; never shown to the network.
        description: One to three sentences.
        views: Further wordings.
        examples: Real surface forms.
        contrast: What is not meant.
        overlaps: Types whose mentions may also be mentions of this one, so that neither is a counterexample.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    views: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    contrast: str | None = None
    overlaps: tuple[str, ...] = ()


class CorpusSpec(BaseModel):
    """A file of training texts.

    Args:
        path: JSONL with ``text`` and ``spans`` of ``start``, ``end``, ``label``; relative to the config.
        weight: Share of the texts of a batch, against the other corpora.
        labels: Maps the file's labels to type names; null marks unknown ground. Without it: as they are.
        absent: What it means that a type is not among the corpus's labels: ``negative`` (there is none of it
            in the text) or ``unknown``.
        optional: Skip the corpus if the file is not there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    weight: float = 1.0
    labels: Mapping[str, str | None] | None = None
    absent: Literal["negative", "unknown"] = "unknown"
    optional: bool = False


@dataclass(frozen=True, slots=True)
class TrainingText:
    """A text with labelled spans.

    Args:
        text: The text.
        spans: Sorted (start, end, type name); an empty type name marks ground of unknown type.
    """

    text: str
    spans: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Texts that share one labelling.

    Args:
        name: File name, for the log.
        texts: The texts.
        labels: Type names that the corpus labels wherever they occur.
        negative: Whether all other types are absent from its texts.
        weight: Share in a batch.
    """

    name: str
    texts: tuple[TrainingText, ...]
    labels: frozenset[str]
    negative: bool
    weight: float


def read_types(paths: tuple[str, ...], folder: Path) -> dict[str, TrainingType]:
    """Read training types by name.

    Args:
        paths: ``policy:NAME`` for a policy's types, or YAML files of catalogue entries (globs allowed).
        folder: What relative paths start from.

    Raises:
        UsageError: if nothing matches a path or a type is defined twice.
    """
    types: dict[str, TrainingType] = {}
    for path in paths:
        for kind in _types_of(path, folder):
            if kind.name in types:
                raise UsageError(f"{path}: type {kind.name} is defined already")
            types[kind.name] = kind
    return types


def _types_of(path: str, folder: Path) -> Iterator[TrainingType]:
    if path.startswith("policy:"):
        for entry in load_policy(path.removeprefix("policy:")).types:
            yield TrainingType(
                name=entry.name,
                description=entry.description,
                views=entry.views,
                examples=entry.examples,
                contrast=entry.contrast,
            )
        return
    files = sorted(folder.glob(path))
    if not files:
        raise UsageError(f"training types: nothing matches {path}")
    for file in files:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        for name, entry in content["types"].items():
            fields = {key: entry[key] for key in TrainingType.model_fields if key in entry}
            yield TrainingType(name=name, **fields)


def read_corpus(spec: CorpusSpec, folder: Path) -> Corpus | None:
    """Read a corpus into memory; None if it is optional and not there.

    Args:
        spec: Where and how.
        folder: What relative paths start from.

    Raises:
        UsageError: if the file is missing or a label is not mapped.
    """
    path = folder / spec.path
    if not path.is_file():
        if spec.optional:
            return None
        raise UsageError(f"training corpus {spec.path} is not there; build it first or mark it optional")
    texts = []
    labels: set[str] = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        record = json.loads(line)
        spans = []
        for span in record["spans"]:
            name = _mapped(spec, span["label"], f"{spec.path}, line {number}")
            labels.add(name)
            spans.append((span["start"], span["end"], name))
        texts.append(TrainingText(record["text"], tuple(sorted(spans))))
    return Corpus(path.name, tuple(texts), frozenset(labels - {""}), spec.absent == "negative", spec.weight)


def _mapped(spec: CorpusSpec, label: str, place: str) -> str:
    if spec.labels is None:
        return label
    if label not in spec.labels:
        raise UsageError(f"{place}: label {label} has no entry under labels")
    return spec.labels[label] or ""
