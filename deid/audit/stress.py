"""What recall the pipeline loses when notes are perturbed, and whether it finds all people's names alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from deid.audit.evaluate import evaluate
from deid.audit.measures import JudgedNote, recall
from deid.audit.perturb import NAME_TYPES, PERTURBATIONS, Marked, name_swaps
from deid.formats.annotations.records import Gold
from deid.run.pipeline import Deidentifier

# Identifiers that are recognized by their form alone.
FORMATTED = frozenset({"EMAIL", "FAX", "IP_ADDRESS", "PHONE", "SSN", "URL"})


@dataclass(frozen=True, slots=True)
class Stressed:
    """Recall on perturbed notes against recall on the notes as they are.

    Args:
        perturbation: What was done to the notes.
        recall: Share of the mentions found, perturbed.
        lost: Recall before, less recall after; of all mentions, or for swapped names of the names.
        lost_formatted: The same for identifiers that are recognized by their form.
        quarantined: Notes that could not be worked on after it.
    """

    perturbation: str
    recall: float
    lost: float
    lost_formatted: float
    quarantined: int


def stress(
    gold: Sequence[Gold],
    deidentifier: Deidentifier,
    *,
    names: bool = True,
    seed: int = 1,
    report: Callable[[str], object] = lambda _: None,
) -> tuple[Stressed, ...]:
    """Evaluate on perturbed copies of gold notes.

    Args:
        gold: Notes with their mentions.
        deidentifier: Policy, detectors and model.
        names: Also swap names, over 16 origins and two sexes.
        seed: Makes the perturbations.
        report: Told the perturbation that begins.
    """
    before = evaluate(gold, deidentifier).notes
    kinds: dict[str, Callable[[Marked, Random], Marked]] = {
        **PERTURBATIONS,
        **(name_swaps() if names else {}),
    }
    results = []
    for name, perturb in kinds.items():
        report(name)
        evaluation = evaluate(perturbed(gold, perturb, seed=seed), deidentifier)
        only = NAME_TYPES if name.startswith("names:") else None
        found, plain = (recall(_only(notes, only)) for notes in (evaluation.notes, before))
        formatted = recall(_only(before, FORMATTED)) - recall(_only(evaluation.notes, FORMATTED))
        results.append(Stressed(name, found, plain - found, formatted, len(evaluation.quarantined)))
    return tuple(results)


def perturbed(gold: Iterable[Gold], perturb: Callable[[Marked, Random], Marked], *, seed: int) -> list[Gold]:
    """Perturb notes; each has its own draws, so that a note's copy does not depend on the others.

    Args:
        gold: Notes with their mentions.
        perturb: One of `deid.audit.perturb`.
        seed: Makes the draws, together with the note's id.
    """
    copies = []
    for note, mentions in gold:
        text, moved = perturb((note.text, mentions), Random(f"{seed}:{note.note_id}"))
        copies.append((replace(note, text=text), moved))
    return copies


def largest_gap(results: Iterable[Stressed]) -> float:
    """Return the largest difference of name recall between origins, sexes together; 0 without swaps."""
    by_origin: dict[str, list[float]] = {}
    for each in results:
        if each.perturbation.startswith("names:"):
            origin = each.perturbation.removeprefix("names: ").partition(",")[0]
            by_origin.setdefault(origin, []).append(each.recall)
    means = [sum(values) / len(values) for values in by_origin.values()]
    return max(means) - min(means) if means else 0.0


def _only(notes: Iterable[JudgedNote], kinds: frozenset[str] | None) -> list[JudgedNote]:
    """Keep only mentions of some types."""
    if kinds is None:
        return list(notes)
    return [
        replace(note, mentions=tuple(m for m in note.mentions if m.entity_type in kinds)) for note in notes
    ]


def as_json(results: Sequence[Stressed]) -> Mapping[str, object]:
    """Return results as JSON values."""
    rows = [
        {
            "perturbation": each.perturbation,
            "recall": round(each.recall, 6),
            "lost": round(each.lost, 6),
            "lost_formatted": round(each.lost_formatted, 6),
            "quarantined": each.quarantined,
        }
        for each in results
    ]
    return {"perturbations": rows, "largest_gap_between_name_origins": round(largest_gap(results), 6)}
