"""What went wrong in an evaluation, told by form and place: every leak, and all clinical text taken along.

A problem holds offsets, a shape and the kind of place it stands in; no text unless it is asked for.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from deid.audit.measures import JudgedMention, JudgedNote, Stretch
from deid.note import Span
from deid.policy import Policy

LEAK, OVER_REDACTION = "leak", "over-redaction"
_AROUND = 30  # characters on either side of an error, where texts are asked for
_EDGE = 4  # lines at the head and at the foot of a note
_LONGEST_EDGE = 90  # characters; longer lines are paragraphs
_FEWEST_CAPITALS = 8
_LABEL = re.compile(r"[A-Za-z][\w .()/&'-]{0,40}[:=#]\s{0,8}$")
_CELL = re.compile(r"[|\t^]|\S {3,}\S")
_BULLET = re.compile(r"\s*(?:[-*•>]|\d{1,2}[.)])\s")
# Types that the shipped rules know by form or by label, wherever they stand.
_OF_RULES = frozenset({
    "ACCOUNT_NUMBER", "DATE", "EMAIL", "FAX", "HEALTH_PLAN_ID", "IP_ADDRESS", "LICENSE_NUMBER", "MRN",
    "PHONE", "SSN", "URL", "ZIP_CODE",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Problem:
    """A leak, or clinical text taken along.

    Args:
        kind: ``leak`` or ``over-redaction``.
        note_id: The note.
        start: First code point.
        end: One past the last code point.
        entity_type: Gold type of a leak; predicted type of text taken along.
        shape: Its form without its letters, such as ``Aa-Aa`` or ``99/99``.
        part: ``all``, or ``part`` where a mention was found in part or a span reaches beyond one.
        place: Where it stands: after a ``label``, in a ``table``, in a line of ``capitals``, at the ``edge``
            (head or foot of the note), in a ``list``, or in ``prose``.
        detectors: Of text taken along, who found it; of a leak, who should have found it.
        text: The mention with its surroundings; empty unless texts were asked for.
    """

    kind: str
    note_id: str
    start: int
    end: int
    entity_type: str
    shape: str
    part: str
    place: str
    detectors: tuple[str, ...]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """Problems of one cause.

    Args:
        kind: ``leak`` or ``over-redaction``.
        entity_type: As in `Problem`.
        part: As in `Problem`.
        place: As in `Problem`.
        detectors: As in `Problem`.
        count: How many there are.
        shapes: The most frequent shapes among them.
    """

    kind: str
    entity_type: str
    part: str
    place: str
    detectors: tuple[str, ...]
    count: int
    shapes: tuple[str, ...]


def causes(problems: Iterable[Problem], *, shapes: int = 4) -> tuple[Cause, ...]:
    """Group problems by kind, type, part, place and detectors; the most frequent first.

    Args:
        problems: What went wrong.
        shapes: How many shapes to name.
    """
    groups: dict[tuple[str, str, str, str, tuple[str, ...]], Counter[str]] = defaultdict(Counter)
    for each in problems:
        groups[each.kind, each.entity_type, each.part, each.place, each.detectors][each.shape] += 1
    found = (
        Cause(*key, sum(seen.values()), tuple(shape for shape, _ in seen.most_common(shapes)))
        for key, seen in groups.items()
    )
    return tuple(
        sorted(
            found, key=lambda cause: (cause.kind, -cause.count, cause.entity_type, cause.place, cause.part)
        )
    )


def find_problems(
    notes: Sequence[tuple[str, JudgedNote, Sequence[Span]]], policy: Policy, *, with_text: bool
) -> Iterator[Problem]:
    """Yield what went wrong in compared notes.

    Args:
        notes: Texts, comparisons and predicted spans.
        policy: Says which detectors look for a type.
        with_text: Keep the surroundings; they hold PHI.
    """
    known = {kind.name: kind.detect for kind in policy.types}
    elsewhere = _found_surfaces(notes)
    for text, note, spans in notes:
        problems = [
            *_leaks(text, note, spans, known, elsewhere[note.group]),
            *_taken_along(text, note, spans),
        ]
        for each in problems:
            around = text[max(each.start - _AROUND, 0) : each.end + _AROUND]
            yield replace(each, text=around) if with_text else each


def _leaks(
    text: str,
    note: JudgedNote,
    spans: Sequence[Span],
    known: Mapping[str, tuple[str, ...]],
    elsewhere: Collection[str],
) -> Iterator[Problem]:
    for mention in note.mentions:
        if not mention.found:
            surface = text[mention.start : mention.end]
            should = _should(mention, known, repeated=_folded(surface) in elsewhere)
            extent = (mention.start, mention.end)
            part = "part" if _touches(extent, spans) else "all"
            place = place_of(text, mention.start)
            yield Problem(
                LEAK, note.note_id, *extent, mention.entity_type, shape_of(surface), part, place, should
            )


def _taken_along(text: str, note: JudgedNote, spans: Sequence[Span]) -> Iterator[Problem]:
    for judged, span in zip(note.spans, spans, strict=True):
        if judged.beside:
            extent = (span.start, span.end)
            part = "part" if _touches(extent, note.mentions) else "all"
            yield Problem(
                OVER_REDACTION,
                note.note_id,
                *extent,
                span.entity_type,
                shape_of(text[span.start : span.end]),
                part,
                place_of(text, span.start),
                span.detectors,
            )


def _touches(extent: tuple[int, int], others: Iterable[Stretch]) -> bool:
    return any(extent[0] < each.end and each.start < extent[1] for each in others)


def _found_surfaces(
    notes: Iterable[tuple[str, JudgedNote, Sequence[Span]]],
) -> Mapping[str, set[str]]:
    """Return the mentions found of each patient, folded."""
    found: dict[str, set[str]] = defaultdict(set)
    for text, note, _ in notes:
        found[note.group] |= {_folded(text[each.start : each.end]) for each in note.mentions if each.found}
    return found


def _should(
    mention: JudgedMention, known: Mapping[str, tuple[str, ...]], *, repeated: bool
) -> tuple[str, ...]:
    """Say which detectors should have found a mention: by its form, its description, or its other places."""
    asked = known.get(mention.entity_type, ())
    wanted = {
        "encoder": True,
        "rules": mention.entity_type in _OF_RULES,
        "propagation": repeated,
    }
    return tuple(name for name in asked if wanted.get(name, False))


def place_of(text: str, position: int) -> str:
    """Name the kind of place in a note; see `Problem`.

    Args:
        text: The note.
        position: Code point in it.
    """
    begin = text.rfind("\n", 0, position) + 1
    line = text[begin : stop if (stop := text.find("\n", position)) >= 0 else len(text)]
    letters = [sign for sign in line if sign.isalpha()]
    if _LABEL.search(text[begin:position]):
        return "label"
    if _CELL.search(line):
        return "table"
    if len(letters) >= _FEWEST_CAPITALS and all(sign.isupper() for sign in letters):
        return "capitals"
    above, below = text[:begin], text[begin + len(line) :]
    from_edge = min(above.count("\n"), below.rstrip().count("\n"))
    if from_edge < _EDGE and text.count("\n") > 2 * _EDGE and len(line) <= _LONGEST_EDGE:
        return "edge"
    return "list" if _BULLET.match(line) else "prose"


def shape_of(surface: str) -> str:
    """Return the form of a surface without its content: ``O'Neil-Lima, 3/4`` is ``A'Aa-Aa, 9/9``.

    Args:
        surface: A stretch of a note.
    """
    signs = ["9" if c.isdigit() else "A" if c.isupper() else "a" if c.isalpha() else c for c in surface]
    shortened = re.sub(r"a+", "a", re.sub(r"A{3,}", "AA", "".join(signs)))
    return re.sub(r"\s+", " ", shortened)


def _folded(surface: str) -> str:
    return " ".join(surface.casefold().split())
