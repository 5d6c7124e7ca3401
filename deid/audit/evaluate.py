"""Evaluation: a policy's pipeline over gold notes, and what a privacy board asks of the result."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from deid.audit.bounds import interval, upper_bound
from deid.audit.gates import Gate
from deid.audit.i2b2 import TaggedNote, i2b2_figures, tagged
from deid.audit.measures import MEASURES, JudgedMention, JudgedNote, judge
from deid.audit.problems import Cause, Problem, causes, find_problems
from deid.errors import NoteError, UsageError, unknown_name
from deid.formats.annotations.records import Gold
from deid.note import KnownValue, Span
from deid.policy import Policy
from deid.run.pipeline import Deidentifier
from deid.run.work import Group


@dataclass(frozen=True)
class Evaluation:
    """The figures of a policy on gold notes.

    Args:
        policy: The policy.
        model: Digest of the encoder's model; empty without one.
        gold: Digest of the gold notes.
        notes: The notes compared; no text.
        tagged: The notes with i2b2 tags; not part of any report.
        problems: All leaks and all clinical text taken along.
        quarantined: Reasons of the notes that could not be worked on; they leak nothing and count nowhere.
    """

    policy: Policy
    model: str
    gold: str
    notes: tuple[JudgedNote, ...]
    tagged: tuple[TaggedNote, ...]
    problems: tuple[Problem, ...]
    quarantined: tuple[tuple[str, str], ...]

    @cached_property
    def figures(self) -> dict[str, float]:
        """All measures over all notes, by name; see `deid.audit.measures`."""
        return {name: measure(self.notes) for name, measure in MEASURES.items()}

    @cached_property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """Intervals of the measures, 95 %; see `deid.audit.bounds`. Exact where cases are counted."""
        groups = list(_grouped(self.notes, lambda note: (note.group,)).values())
        bounds = {
            name: interval(groups, _over_groups(measure))
            for name, measure in MEASURES.items()
            if not name.endswith("without_leak")
        }
        leaking = sum(note.leaks > 0 for note in self.notes)
        patients = sum(any(note.leaks for note in group) for group in groups)
        bounds["notes_without_leak"] = (1 - upper_bound(leaking, len(self.notes)), 1.0)
        bounds["patients_without_leak"] = (1 - upper_bound(patients, len(groups)), 1.0)
        return bounds

    def recall_by(
        self, part: Callable[[JudgedNote, JudgedMention], Iterable[str]]
    ) -> dict[str, tuple[int, int]]:
        """Return (found, all) mentions of each part.

        Args:
            part: Names the parts that a mention of a note belongs to.
        """
        total: Counter[str] = Counter()
        found: Counter[str] = Counter()
        for note in self.notes:
            for mention in note.mentions:
                for name in part(note, mention):
                    total[name] += 1
                    found[name] += mention.found
        return {name: (found[name], total[name]) for name in sorted(total)}

    @cached_property
    def by_type(self) -> dict[str, tuple[int, int]]:
        """Mentions found and all, by gold type."""
        return self.recall_by(lambda _, mention: (mention.entity_type,))

    @cached_property
    def by_item(self) -> dict[str, tuple[int, int]]:
        """Mentions found and all, by item of 45 CFR 164.514(b)(2)(i); ``-`` for what it does not name."""
        return self.recall_by(lambda _, mention: self._items.get(mention.entity_type, ("-",)))

    @cached_property
    def _items(self) -> dict[str, tuple[str, ...]]:
        kinds = (*self.policy.types, *self.policy.dropped)  # what nothing looks for leaks from its item
        return {kind.name: tuple(kind.hipaa or "-") for kind in kinds}

    def types_of(self, letter: str) -> list[str]:
        """Return the gold types whose mentions count for an item of `by_item`, sorted.

        Args:
            letter: ``A`` to ``R``, or ``-``.
        """
        return [name for name in self.by_type if letter in self._items.get(name, ("-",))]

    @cached_property
    def by_kind(self) -> dict[str, tuple[int, int]]:
        """Mentions found and all, by kind of note."""
        return self.recall_by(lambda note, _: (note.kind,) if note.kind else ())

    @cached_property
    def by_origin(self) -> dict[str, tuple[int, int]]:
        """Names found and all, by name origin of the note's persons."""
        return self.recall_by(
            lambda note, mention: note.origins if mention.entity_type.endswith("_NAME") else ()
        )

    @cached_property
    def causes(self) -> tuple[Cause, ...]:
        """The problems by cause, the most frequent first."""
        return causes(self.problems)

    def figure(self, name: str) -> float:
        """Return a measure, or ``recall:TYPE``.

        Raises:
            UsageError: if there is none of that name.
        """
        measure, colon, kind = name.partition(":")
        if colon and measure == "recall":
            if kind not in self.by_type:
                raise UsageError(f"gate: {unknown_name('entity type of the gold', kind, self.by_type)}")
            found, total = self.by_type[kind]
            return found / total
        if measure not in self.figures or colon:
            raise UsageError(f"gate: {unknown_name('measure', name, self.figures)}")
        return self.figures[measure]

    def as_json(self, *, i2b2: bool = True) -> dict[str, Any]:
        """Return everything as JSON values.

        Args:
            i2b2: With the figures of the i2b2-2014 track.
        """
        tables = ("type", "kind", "origin")
        return {
            "policy": {
                "name": self.policy.name,
                "version": self.policy.version,
                "digest": self.policy.digest,
            },
            "model": self.model,
            "gold": self.gold,
            "notes": len(self.notes),
            "patients": len({note.group for note in self.notes}),
            "mentions": sum(len(note.mentions) for note in self.notes),
            "quarantined": [{"note_id": name, "reason": reason} for name, reason in self.quarantined],
            "figures": {
                name: {"value": _number(value), "bounds_95": [_number(each) for each in self.bounds[name]]}
                for name, value in self.figures.items()
            },
            **{
                f"recall_by_{table}": {
                    name: {"found": found, "mentions": total}
                    for name, (found, total) in getattr(self, f"by_{table}").items()
                }
                for table in tables
            },
            "recall_by_item": {
                letter: {"found": found, "mentions": total, "types": self.types_of(letter)}
                for letter, (found, total) in self.by_item.items()
            },
            "causes": [asdict(cause) for cause in self.causes],
            "problems": [_without_empty(asdict(each)) for each in self.problems],
        } | (
            {
                "i2b2_2014": {
                    name: {average: asdict(rates) for average, rates in both.items()}
                    for name, both in i2b2_figures(self.tagged).items()
                }
            }
            if i2b2
            else {}
        )


def evaluate(
    gold: Iterable[Gold],
    deidentifier: Deidentifier,
    *,
    known: Mapping[str, tuple[KnownValue, ...]] | None = None,
    with_text: bool = False,
) -> Evaluation:
    """Run a de-identifier over gold notes, patient by patient, and compare.

    Args:
        gold: Notes with their mentions.
        deidentifier: Policy, detectors and model.
        known: What a source knows of each patient, by patient id; nothing when None.
        with_text: Keep the surroundings of each problem; they hold PHI.

    Raises:
        UsageError: without notes.
    """
    golden = list(gold)
    if not golden:
        raise UsageError("the gold holds no notes")
    policy = deidentifier.policy
    kept = {kind.name for kind in policy.types if kind.operator.name == "keep"}
    tags = {kind.name: kind.i2b2 or kind.name for kind in policy.types}
    tagged_notes: list[TaggedNote] = []
    compared: list[tuple[str, JudgedNote, tuple[Span, ...]]] = []
    quarantined: list[tuple[str, str]] = []
    for (note, mentions), spans in zip(golden, _spans(golden, deidentifier, known or {}), strict=True):
        if isinstance(spans, NoteError):
            quarantined.append((note.note_id, str(spans.reason)))
            continue
        about = {
            "note_id": note.note_id,
            "group": note.patient_id or note.note_id,
            "kind": str(note.metadata.get("kind", "")),
            "origins": str(note.metadata.get("origins", "")),
        }
        compared.append((note.text, judge(note.text, mentions, spans, kept=kept, about=about), spans))
        tagged_notes.append(tagged(note.text, mentions, spans, tags))
    return Evaluation(
        policy,
        deidentifier.model_digest,
        gold_digest(golden),
        tuple(judged for _, judged, _ in compared),
        tuple(tagged_notes),
        tuple(find_problems(compared, policy, with_text=with_text)),
        tuple(quarantined),
    )


def gold_digest(gold: Sequence[Gold]) -> str:
    """Return ``sha256:`` and a digest of ids, texts and mentions."""
    total = hashlib.sha256()
    for note, mentions in gold:
        marks = [(mention.start, mention.end, mention.entity_type) for mention in sorted(mentions)]
        total.update(json.dumps([note.note_id, note.text, marks]).encode())
    return f"sha256:{total.hexdigest()}"


def _spans(
    gold: Sequence[Gold], deidentifier: Deidentifier, known: Mapping[str, tuple[KnownValue, ...]]
) -> Iterator[tuple[Span, ...] | NoteError]:
    """Yield the spans of each note, in order; the notes of a patient are worked on together."""
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, (note, _) in enumerate(gold):
        key = ("note", str(index)) if note.patient_id is None else ("patient", note.patient_id)
        places[key].append(index)
    groups = [
        Group(tuple(gold[index][0] for index in own), known=known.get(name, ()) if whose == "patient" else ())
        for (whose, name), own in places.items()
    ]
    found = chain.from_iterable(deidentifier.find(groups))
    by_index = dict(zip(chain.from_iterable(places.values()), found, strict=True))
    return (by_index[index] for index in range(len(gold)))


def gates_of(evaluation: Evaluation, limits: Mapping[str, float]) -> tuple[Gate, ...]:
    """Look up what was measured for each limit.

    Args:
        evaluation: What was measured.
        limits: From `deid.audit.gates.read_gates` or a policy's ``gates``.

    Raises:
        UsageError: for ``recall:TYPE`` of a type that the gold does not have.
    """
    return tuple(Gate(name, limit, evaluation.figure(name)) for name, limit in limits.items())


def _grouped(
    notes: Iterable[JudgedNote], key: Callable[[JudgedNote], tuple[str, ...]]
) -> Mapping[tuple[str, ...], list[JudgedNote]]:
    groups: dict[tuple[str, ...], list[JudgedNote]] = defaultdict(list)
    for note in notes:
        groups[key(note)].append(note)
    return groups


def _over_groups(
    measure: Callable[[Iterable[JudgedNote]], float],
) -> Callable[[Sequence[list[JudgedNote]]], float]:
    return lambda groups: measure(chain.from_iterable(groups))


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def _without_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in ("", ())}
