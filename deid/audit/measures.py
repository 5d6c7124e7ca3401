"""What a de-identification is measured by: leaks, clinical text taken along, types; DESIGN.md, section 12.

Letters and digits count, signs and white space do not: a mention is found if each of its letters and
digits lies inside a predicted span, whatever its type; else it leaks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class Stretch(Protocol):
    """A gold mention or a predicted span."""

    @property
    def start(self) -> int:
        """First code point."""

    @property
    def end(self) -> int:
        """One past the last code point."""

    @property
    def entity_type(self) -> str:
        """Name of its type."""


@dataclass(frozen=True, slots=True)
class JudgedMention:
    """What became of a gold mention.

    Args:
        start: First code point.
        end: One past the last code point.
        entity_type: Its gold type.
        found: Every letter and digit lies inside predicted spans.
        removed: The same, without spans whose operator keeps the text.
        exact: A predicted span has its offsets and type.
        touched: A predicted span of its type overlaps it.
    """

    start: int
    end: int
    entity_type: str
    found: bool
    removed: bool
    exact: bool
    touched: bool


@dataclass(frozen=True, slots=True)
class JudgedSpan:
    """What a predicted span hit.

    Args:
        start: First code point.
        end: One past the last code point.
        entity_type: Its predicted type.
        touched: A gold mention of its type overlaps it.
        beside: Its letters and digits outside gold.
    """

    start: int
    end: int
    entity_type: str
    touched: bool
    beside: int


@dataclass(frozen=True, slots=True)
class JudgedNote:
    """A note compared with its gold; holds no text.

    Args:
        note_id: The note.
        group: Its patient, or itself where there is none.
        kind: What kind of note it is.
        origins: Name origins of its persons.
        mentions: Its gold mentions.
        spans: The predicted spans.
        marked: Letters and digits inside gold.
        covered: Letters and digits inside predicted spans.
        both: Letters and digits inside both.
        letters: All letters and digits.
    """

    note_id: str
    group: str
    kind: str
    origins: tuple[str, ...]
    mentions: tuple[JudgedMention, ...]
    spans: tuple[JudgedSpan, ...]
    marked: int
    covered: int
    both: int
    letters: int

    @property
    def leaks(self) -> int:
        """Number of mentions that are not found whole."""
        return sum(not mention.found for mention in self.mentions)


def judge(
    text: str,
    gold: Sequence[Stretch],
    spans: Sequence[Stretch],
    *,
    kept: Collection[str] = (),
    about: Mapping[str, str],
) -> JudgedNote:
    """Compare the spans of a note with its gold.

    Args:
        text: The note.
        gold: Its mentions, disjoint.
        spans: What was predicted, disjoint.
        kept: Types whose operator leaves the text as it is.
        about: ``note_id``, ``group``, ``kind`` and ``origins`` (with commas).
    """
    marked = _letters(text, gold)
    covered = _letters(text, spans)
    gone = _letters(text, [span for span in spans if span.entity_type not in kept])
    exact = {(span.start, span.end, span.entity_type) for span in spans}
    mentions = []
    for mention in sorted(gold, key=lambda each: each.start):
        own = _letters(text, [mention])
        mentions.append(
            JudgedMention(
                mention.start,
                mention.end,
                mention.entity_type,
                found=own <= covered,
                removed=own <= gone,
                exact=(mention.start, mention.end, mention.entity_type) in exact,
                touched=any(_same_place(mention, span) for span in spans),
            )
        )
    judged = tuple(
        JudgedSpan(
            span.start,
            span.end,
            span.entity_type,
            touched=any(_same_place(span, mention) for mention in gold),
            beside=len(_letters(text, [span]) - marked),
        )
        for span in spans
    )
    return JudgedNote(
        note_id=about["note_id"],
        group=about["group"],
        kind=about.get("kind", ""),
        origins=tuple(filter(None, (origin.strip() for origin in about.get("origins", "").split(",")))),
        mentions=tuple(mentions),
        spans=judged,
        marked=len(marked),
        covered=len(covered),
        both=len(marked & covered),
        letters=sum(sign.isalnum() for sign in text),
    )


def _letters(text: str, stretches: Iterable[Stretch]) -> set[int]:
    return {at for each in stretches for at in range(each.start, each.end) if text[at].isalnum()}


def _same_place(one: Stretch, other: Stretch) -> bool:
    return one.entity_type == other.entity_type and one.start < other.end and other.start < one.end


def recall(notes: Iterable[JudgedNote]) -> float:
    """Return the share of mentions found whole."""
    return _share(mention.found for note in notes for mention in note.mentions)


def removed(notes: Iterable[JudgedNote]) -> float:
    """Return the share of mentions that are found whole and not kept in the output by an operator."""
    return _share(mention.removed for note in notes for mention in note.mentions)


def notes_without_leak(notes: Iterable[JudgedNote]) -> float:
    """Return the share of notes in which no mention leaks."""
    return _share(note.leaks == 0 for note in notes)


def patients_without_leak(notes: Iterable[JudgedNote]) -> float:
    """Return the share of patients in whose notes no mention leaks."""
    leaks: dict[str, int] = {}
    for note in notes:
        leaks[note.group] = leaks.get(note.group, 0) + note.leaks
    return _share(number == 0 for number in leaks.values())


def precision(notes: Iterable[JudgedNote]) -> float:
    """Return the share of the letters and digits predicted that lie inside gold."""
    return _ratio(notes, lambda note: note.both, lambda note: note.covered)


def over_redaction(notes: Iterable[JudgedNote]) -> float:
    """Return the share of the letters and digits outside gold that are covered."""
    return _ratio(notes, lambda note: note.covered - note.both, lambda note: note.letters - note.marked)


def typed_strict_f1(notes: Iterable[JudgedNote]) -> float:
    """Return F1 over mentions, with exact offsets and type (Dice's form: 2 TP / (gold + predicted))."""
    hits = total = 0
    for note in notes:
        hits += 2 * sum(mention.exact for mention in note.mentions)
        total += len(note.mentions) + len(note.spans)
    return hits / total if total else float("nan")


def typed_relaxed_f1(notes: Iterable[JudgedNote]) -> float:
    """Return F1 over mentions, where any overlap with the right type counts."""
    notes = tuple(notes)
    found = _share(mention.touched for note in notes for mention in note.mentions)
    right = _share(span.touched for note in notes for span in note.spans)
    return 2 * found * right / (found + right) if found + right else float("nan")


MEASURES: Mapping[str, Callable[[Iterable[JudgedNote]], float]] = {
    "recall": recall,
    "removed": removed,
    "notes_without_leak": notes_without_leak,
    "patients_without_leak": patients_without_leak,
    "precision": precision,
    "over_redaction": over_redaction,
    "typed_strict_f1": typed_strict_f1,
    "typed_relaxed_f1": typed_relaxed_f1,
}


def _share(values: Iterable[bool]) -> float:
    hits = total = 0
    for value in values:
        hits += value
        total += 1
    return hits / total if total else float("nan")


def _ratio(
    notes: Iterable[JudgedNote], part: Callable[[JudgedNote], int], whole: Callable[[JudgedNote], int]
) -> float:
    above = below = 0
    for note in notes:
        above += part(note)
        below += whole(note)
    return above / below if below else float("nan")
