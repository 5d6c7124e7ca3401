"""Training types, and where training texts come from: drawn afresh at every step, seeded."""

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
        overlaps: Types whose mentions may also be of this one, so that neither is a counterexample.
        near: Types it is easily mistaken for; they are drawn into the same batch.
        common: It occurs unmarked in any clinical text, so that a text says nothing of it but where marked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    views: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    contrast: str | None = None
    overlaps: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    common: bool = False


class CorpusSpec(BaseModel):
    """A file of training texts.

    Args:
        path: JSONL with ``text`` and ``spans`` of ``start``, ``end``, ``label``; relative to the config.
            ``patient`` keeps the surrogates of a patient's texts alike; ``own`` lists types of which the text
            says everything.
        weight: Share of the texts of a batch, against the other corpora.
        labels: Maps the file's labels to type names; null marks unknown ground. Without it: as they are.
        absent: What it means that a type is not among the corpus's labels: ``negative`` (there is none of it
            in the text) or ``unknown``.
        optional: Skip the corpus if the file is not there.
        refill: How often mentions are replaced by others of the same shape.
        assemble: Most texts in an example: texts of types near each other, one below the other.
        carrier: Texts without PHI, between whose sentences lines of this corpus are written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    weight: float = 1.0
    labels: Mapping[str, str | None] | None = None
    absent: Literal["negative", "unknown"] = "unknown"
    optional: bool = False
    refill: float = 0.0
    assemble: int = 1
    carrier: str | None = None


@dataclass(frozen=True, slots=True)
class TrainingText:
    """A text with labelled spans.

    Args:
        text: The text.
        spans: Sorted (start, end, type name); an empty type name marks ground of unknown type.
        own: Stretches (start, end, type name) within which everything is known of a type.
        patient: Whose text it is; empty if nobody knows.
    """

    text: str
    spans: tuple[tuple[int, int, str], ...]
    own: tuple[tuple[int, int, str], ...] = ()
    patient: str = ""


def read_types(paths: tuple[str, ...], folder: Path) -> dict[str, TrainingType]:
    """Read training types by name.

    Args:
        paths: ``policy:NAME`` for a policy's types, or files of entries in YAML or JSON (globs allowed).
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
        raw = file.read_text(encoding="utf-8")
        content = json.loads(raw) if file.suffix == ".json" else yaml.safe_load(raw)
        for name, entry in content["types"].items():
            fields = {key: entry[key] for key in TrainingType.model_fields if key in entry}
            yield TrainingType(name=name, **fields)
