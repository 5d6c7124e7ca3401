"""The figures of the i2b2-2014 de-identification track, as its official script defines them.

Source: Stubbs, Kotfila and Uzuner 2015, doi:10.1016/j.jbi.2015.06.007, and the track's evaluation script.
Micro figures add up all notes; macro figures are means over notes, a note without gold (or without
predictions) counting as 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from deid.audit.measures import Stretch

# The script's list. It means to have IDNUM too, but asks for "IDNUM " with a blank, which no tag is.
HIPAA = frozenset(
    {
        "PATIENT",
        "CITY",
        "STREET",
        "ZIP",
        "ORGANIZATION",
        "DATE",
        "PHONE",
        "FAX",
        "EMAIL",
        "SSN",
        "MEDICALRECORD",
        "HEALTHPLAN",
        "ACCOUNT",
        "LICENSE",
        "VEHICLE",
        "DEVICE",
        "BIOID",
        "AGE",
    }
)
RELAXED_ENDS = 2
_TOKEN = re.compile(r"[a-zA-Z0-9]+")
Tagged = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Rates:
    """Precision, recall and F1.

    Args:
        precision: Share of the predicted tags that are right.
        recall: Share of the gold tags that were predicted.
        f1: Their harmonic mean.
    """

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class TaggedNote:
    """A note with i2b2 tags.

    Args:
        text: The note.
        gold: (start, end, tag).
        system: (start, end, tag).
    """

    text: str
    gold: tuple[Tagged, ...]
    system: tuple[Tagged, ...]


def tagged(
    text: str, gold: Iterable[Stretch], spans: Iterable[Stretch], tags: Mapping[str, str]
) -> TaggedNote:
    """Translate types into i2b2 tags.

    Args:
        text: The note.
        gold: Mentions.
        spans: Predicted spans.
        tags: Tag by entity type; a type without one keeps its name.
    """
    pair = (
        tuple((each.start, each.end, tags.get(each.entity_type, each.entity_type)) for each in side)
        for side in (gold, spans)
    )
    return TaggedNote(text, *pair)


def i2b2_figures(notes: Sequence[TaggedNote]) -> dict[str, dict[str, Rates]]:
    """Return micro and macro rates by setting: token, strict and relaxed, for all tags and HIPAA's only."""
    figures: dict[str, dict[str, Rates]] = {}
    for scope, keep in (("all", lambda tag: True), ("hipaa", HIPAA.__contains__)):
        kept = [_only(note, keep) for note in notes]
        for name, count in (
            ("token", _token_counts),
            ("strict", _strict_counts),
            ("relaxed", _relaxed_counts),
        ):
            counts = [count(note) for note in kept]
            figures[f"{scope}_{name}"] = {"micro": _micro(counts), "macro": _macro(counts)}
    return figures


def _only(note: TaggedNote, keep: Callable[[str], bool]) -> TaggedNote:
    gold, system = (tuple(each for each in side if keep(each[2])) for side in (note.gold, note.system))
    return TaggedNote(note.text, gold, system)


Counts = tuple[int, int, int]  # right, predicted, gold


def _strict_counts(note: TaggedNote) -> Counts:
    return len(set(note.gold) & set(note.system)), len(set(note.system)), len(set(note.gold))


def _token_counts(note: TaggedNote) -> Counts:
    gold, system = (
        {
            (start + match.start(), start + match.end(), tag)
            for start, end, tag in side
            for match in _TOKEN.finditer(note.text[start:end])
        }
        for side in (note.gold, note.system)
    )
    return len(gold & system), len(system), len(gold)


def _relaxed_counts(note: TaggedNote) -> Counts:
    """Count tags that begin alike and whose ends are at most two apart, each gold tag once."""
    left = list(note.system)
    right = 0
    for start, end, tag in note.gold:
        near = [
            each
            for each in left
            if each[0] == start and each[2] == tag and abs(each[1] - end) <= RELAXED_ENDS
        ]
        if near:
            left.remove(near[0])
            right += 1
    return right, len(note.system), len(note.gold)


def _rates(precision: float, recall: float) -> Rates:
    total = precision + recall
    return Rates(precision, recall, 2 * precision * recall / total if total else 0.0)


def _micro(counts: Sequence[Counts]) -> Rates:
    right, predicted, gold = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0)
    return _rates(right / predicted if predicted else 0.0, right / gold if gold else 0.0)


def _macro(counts: Sequence[Counts]) -> Rates:
    if not counts:
        return _rates(0.0, 0.0)
    precision = sum(right / predicted for right, predicted, _ in counts if predicted) / len(counts)
    recall = sum(right / gold for right, _, gold in counts if gold) / len(counts)
    return _rates(precision, recall)
