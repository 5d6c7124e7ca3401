"""An evaluation as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import deid
from deid.audit.bounds import exact_interval
from deid.audit.evaluate import Evaluation
from deid.audit.gates import Gate
from deid.audit.i2b2 import i2b2_figures
from deid.audit.measures import JudgedNote
from deid.audit.pages import render
from deid.audit.safe_harbor import ITEMS
from deid.audit.stress import Stressed, largest_gap

_FOUND, _LEAKED, _BESIDE = "#2f6f8f", "#c2410c", "#d9a400"
_MAPS = 12  # notes of which the span map is drawn
_FEWEST = 5  # mentions from which an origin is worth a row
_FLOORS = (0.9, 0.75, 0.5)  # where a scale may begin; else at 0


def evaluation_html(
    evaluation: Evaluation,
    *,
    gates: Sequence[Gate] = (),
    stressed: Sequence[Stressed] = (),
    with_text: bool = False,
) -> str:
    """Return an evaluation as a page; without ``with_text`` no text of a note is in it.

    Args:
        evaluation: What was measured.
        gates: Limits and what was measured for each.
        stressed: Results on perturbed copies.
        with_text: Show leaks with their surroundings, if the evaluation kept them.
    """
    types = _rates(evaluation.by_type)
    origins = [row for row in _rates(evaluation.by_origin) if row[3] >= _FEWEST]
    items = [
        (letter, ITEMS[letter], *evaluation.by_item[letter], exact_interval(*evaluation.by_item[letter]))
        for letter in ITEMS
        if letter in evaluation.by_item
    ]
    return render(
        "evaluation.html.j2",
        evaluation=evaluation,
        gates=gates,
        stressed=stressed,
        gap=largest_gap(stressed),
        with_text=with_text,
        patients=len({note.group for note in evaluation.notes}),
        mentions=sum(len(note.mentions) for note in evaluation.notes),
        types=types,
        floor=scale_floor(value for _, value, _, _ in types),
        items=items,
        kinds=_leaks(evaluation.by_kind),
        origins=origins,
        origins_floor=scale_floor(value for _, value, _, _ in origins),
        maps=_maps(evaluation.notes),
        i2b2=i2b2_figures(evaluation.tagged),
        version=deid.__version__,
    )


def scale_floor(shares: Any) -> float:
    """Return where a scale begins that shows all shares.

    Args:
        shares: Values in 0..1.
    """
    least = min(shares, default=0.0)
    return next((floor for floor in _FLOORS if least >= floor), 0.0)


def _rates(counts: Mapping[str, tuple[int, int]]) -> list[tuple[str, float, tuple[float, float], int]]:
    """Return names with their recall, its interval and the cases, the worst first."""
    rows = [
        (name, found / total, exact_interval(found, total), total)
        for name, (found, total) in counts.items()
        if total
    ]
    return sorted(rows, key=lambda row: (row[1], row[0]))


def _leaks(counts: Mapping[str, tuple[int, int]]) -> list[tuple[str, int, int]]:
    rows = [(name, total - found, total) for name, (found, total) in counts.items() if total > found]
    return sorted(rows, key=lambda row: (-row[1], row[0]))[:30]


def _maps(notes: Sequence[JudgedNote]) -> list[tuple[str, int, list[tuple[int, int, str]]]]:
    """Return the notes with the most leaks, with what was found, leaked and taken along in each."""
    worst = sorted((note for note in notes if note.leaks), key=lambda note: (-note.leaks, note.note_id))
    return [(note.note_id, _end(note), _marks(note)) for note in worst[:_MAPS]]


def _end(note: JudgedNote) -> int:
    ends = [mention.end for mention in note.mentions] + [span.end for span in note.spans]
    return max(ends)


def _marks(note: JudgedNote) -> list[tuple[int, int, str]]:
    spans = [(span.start, span.end, _BESIDE if span.beside else _FOUND) for span in note.spans]
    return spans + [(each.start, each.end, _LEAKED) for each in note.mentions if not each.found]
