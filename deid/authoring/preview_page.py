"""What the preview page shows: notes in pieces, counts by type, problems by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from deid.errors import NoteError
from deid.formats.source import Entry
from deid.note import Span
from deid.policy import EntityType, Policy

Change = Literal["", "same", "added", "lost"]
Found = tuple[tuple[Span, ...] | NoteError, ...]

_FAMILIES = {"A": "name", "B": "place", "C": "date", **dict.fromkeys("DEFNO", "contact")}
_PLACES = ("STATE", "COUNTRY")  # places that no item of the list names


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a note: plain, or a mention.

    Args:
        text: The note's own text.
        change: Against the saved policy; empty for plain text.
        family: Family of its type, for the color.
        title: Type, score and detectors.
    """

    text: str = field(repr=False)
    change: Change = ""
    family: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class NoteView:
    """A note as the page shows it.

    Args:
        note_id: Its id.
        pieces: Together the note's text; empty if there is a failure.
        added: Mentions that the saved policy does not find so.
        lost: Mentions that only the saved policy finds so.
        failure: Why the note cannot be shown; empty if it can.
    """

    note_id: str
    pieces: tuple[Piece, ...] = ()
    added: int = 0
    lost: int = 0
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """Mentions of a type.

    Args:
        entity_type: The type.
        family: Its family, for the color.
        now: Under the edited text.
        saved: Under the saved file; None if that does not load.
    """

    entity_type: str
    family: str
    now: int
    saved: int | None

    @property
    def difference(self) -> str:
        """What the edit adds or takes away, with its sign."""
        change = 0 if self.saved is None else self.now - self.saved
        return f"{change:+d}".replace("-", "−") if change else ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong or unsafe in the edited text.

    Args:
        severity: ``error`` or ``warning``.
        what: What is wrong and how to mend it.
        line: Line of the text, from 1; None if it stands in a parent or nowhere.
        source: That line.
    """

    severity: str
    what: str
    line: int | None = None
    source: str = ""

    @property
    def short(self) -> str:
        """What is wrong without the key path, for a place beside the line."""
        key, _, rest = self.what.partition(": ")
        return rest if rest and " " not in key else self.what


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the page shows.

    Args:
        text: The edited text.
        base: Digest of the saved file that the edit began from.
        changed: Whether the text differs from the saved one.
        problems: What is wrong with the text.
        stale: Whether the notes are shown as an earlier text found them, since this one does not load.
        types: Names of the types that an example can be added to, those of the file itself first.
        counts: By type, in the policy's order; types that nothing was found of are left out.
        unfound: The types left out.
        notes: In input order.
        message: What came of the last action.
        failed: Whether the message says that it failed.
        entity_type: The type chosen for examples.
        surface: The example in the making.
    """

    text: str
    base: str
    changed: bool
    problems: tuple[Problem, ...]
    stale: bool
    types: tuple[str, ...]
    counts: tuple[Count, ...]
    unfound: tuple[str, ...]
    notes: tuple[NoteView, ...]
    message: str = ""
    failed: bool = False
    entity_type: str = ""
    surface: str = field(default="", repr=False)

    @property
    def found(self) -> int:
        """Number of mentions."""
        return sum(each.now for each in self.counts)

    @property
    def added(self) -> int:
        """Number of mentions that are new."""
        return sum(note.added for note in self.notes)

    @property
    def lost(self) -> int:
        """Number of mentions that are gone."""
        return sum(note.lost for note in self.notes)

    @property
    def marked_lines(self) -> dict[int, Problem]:
        """Lines with a problem, and the worst of each."""
        backwards = sorted(reversed(self.problems), key=lambda each: each.severity == "error")
        return {each.line: each for each in backwards if each.line is not None}


@dataclass(frozen=True, slots=True)
class Result:
    """What a policy finds.

    Args:
        policy: The policy.
        types: Names of its types, those that stand in the file itself first.
        found: For each readable note its spans, or why there are none.
    """

    policy: Policy
    types: tuple[str, ...]
    found: Found


def problem_at(line: int | None, severity: str, what: str, text: str) -> Problem:
    """Return a problem with the line that it stands in.

    Args:
        line: Line of the text, from 1; None if it stands in none.
        severity: ``error`` or ``warning``.
        what: What is wrong and how to mend it.
        text: The edited text.
    """
    lines = text.split("\n")
    known = line is not None and 0 < line <= len(lines)
    return Problem(severity, what, line, lines[line - 1].strip() if line and known else "")


def _family(kind: EntityType) -> str:
    """Return the family of a type, by its letter of 45 CFR 164.514(b)(2)(i) where it has one."""
    if kind.hipaa:
        return _FAMILIES.get(kind.hipaa[0], "number")
    return "place" if (kind.i2b2 or kind.name) in _PLACES else "other"


def _tally(result: Result) -> Counter[str]:
    return Counter(
        span.entity_type for spans in result.found if not isinstance(spans, NoteError) for span in spans
    )


def counts(now: Result | None, saved: Result | None) -> Iterator[Count]:
    """Count mentions by type, the edited policy's types first.

    Args:
        now: What the edited text finds.
        saved: What the saved one finds.
    """
    new = _tally(now) if now else Counter[str]()
    old = _tally(saved) if saved else None
    for name, family in _families(now, saved).items():
        yield Count(name, family, new[name], None if old is None else old[name])


def _families(*results: Result | None) -> dict[str, str]:
    families: dict[str, str] = {}
    for result in filter(None, results):
        for kind in result.policy.types:
            families.setdefault(kind.name, _family(kind))
    return families


def note_views(entries: Sequence[Entry], now: Result | None, saved: Result | None) -> Iterator[NoteView]:
    """Lay out every note with what is found in it.

    Args:
        entries: The notes, those that cannot be read among them.
        now: What the edited text finds in those that can.
        saved: What the saved one finds.
    """
    families = _families(now, saved)
    at = 0
    for entry in entries:
        if entry.note is None:
            yield NoteView(entry.note_id, failure=f"cannot be read: {entry.reason}")
            continue
        new = now.found[at] if now else ()
        old = saved.found[at] if saved else new
        at += 1
        if isinstance(new, NoteError):
            yield NoteView(entry.note_id, failure=f"cannot be worked on: {new.reason}")
        else:
            old = new if isinstance(old, NoteError) else old
            yield _view(entry.note_id, entry.note.text, new, old, families)


def _view(
    note_id: str, text: str, now: Sequence[Span], saved: Sequence[Span], families: Mapping[str, str]
) -> NoteView:
    """Lay what is found now over what the saved policy finds.

    Of a lost mention only what lies outside all present ones is marked; the others' titles name it.
    """
    now_keys, saved_keys = ({_key(span) for span in spans} for spans in (now, saved))
    gone = [span for span in saved if _key(span) not in now_keys]
    marks: list[tuple[int, int, Piece]] = []
    for span in now:
        same = _key(span) in saved_keys
        was = [each.entity_type for each in gone if each.start < span.end and span.start < each.end]
        title = f"{span.entity_type}, {span.score:.2f}, {', '.join(span.detectors)}"
        title += "" if same else f"; saved policy: {', '.join(was) or 'nothing here'}"
        piece = Piece(
            text[span.start : span.end], "same" if same else "added", families[span.entity_type], title
        )
        marks.append((span.start, span.end, piece))
    for span in gone:
        title = f"{span.entity_type}, lost; the saved policy finds it with {span.score:.2f}"
        marks += (
            (start, end, Piece(text[start:end], "lost", families[span.entity_type], title))
            for start, end in _outside(span, now)
        )
    added = sum(piece.change == "added" for _, _, piece in marks)
    return NoteView(note_id, tuple(_filled(text, sorted(marks, key=_start))), added, len(gone))


def _key(span: Span) -> tuple[int, int, str]:
    return span.start, span.end, span.entity_type


def _start(mark: tuple[int, int, Piece]) -> int:
    return mark[0]


def _outside(span: Span, others: Sequence[Span]) -> Iterator[tuple[int, int]]:
    """Yield the parts of a span that none of some sorted, disjoint spans covers."""
    start = span.start
    for other in others:
        if other.start < span.end and start < other.end:
            if start < other.start:
                yield start, other.start
            start = other.end
    if start < span.end:
        yield start, span.end


def _filled(text: str, marks: Sequence[tuple[int, int, Piece]]) -> Iterator[Piece]:
    """Yield marks with the plain text between them."""
    position = 0
    for start, end, piece in marks:
        if position < start:
            yield Piece(text[position:start])
        yield piece
        position = end
    if position < len(text):
        yield Piece(text[position:])
