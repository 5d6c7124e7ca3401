"""Answers to suggested candidates: as a sheet for spreadsheets, and as gold for training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deid.authoring.suggest import Candidate, Pool, Suggestion, context
from deid.errors import IntegrityError, UsageError
from deid.formats.gold import Gold, write_gold
from deid.formats.markup import GoldMention
from deid.formats.sheet import OWNER_ONLY, read_sheet, write_sheet
from deid.note import Note

COLUMNS = ("id", "note_id", "start", "end", "score", "kind", "context", "answer")
_ANSWERS = {
    **dict.fromkeys(("y", "yes", "accept", "accepted"), True),
    **dict.fromkeys(("n", "no", "reject", "rejected"), False),
}
_SKIPPED = ("", "s", "skip")
_PASSAGE = 300  # characters on each side of a candidate


def write_suggestions(path: Path, suggestions: Sequence[Suggestion]) -> None:
    """Write a sheet to answer in the column ``answer``; it holds note text, and only its owner can open it.

    Args:
        path: The file, which is not there yet.
        suggestions: What to answer.

    Raises:
        UsageError: if the file is there already: it may hold answers.
        InputOutputError: if it cannot be written.
    """
    _refuse_existing(path)
    write_sheet(path, COLUMNS, map(_row, suggestions))


def _row(suggestion: Suggestion) -> tuple[object, ...]:
    each = suggestion.candidate
    around = context(each)
    shown = " ".join(f"{around.before}⟦{around.surface}⟧{around.after}".split())
    score = f"{each.score:.3f}"
    return each.id, each.note.note_id, each.start, each.end, score, suggestion.kind, shown, ""


def read_answers(path: Path, pool: Pool) -> dict[str, bool]:
    """Read a sheet that somebody filled in.

    Args:
        path: The sheet; of its columns only ``id`` and ``answer`` are looked at.
        pool: The candidates of the same notes.

    Returns:
        Whether a candidate is accepted, by id; those without an answer, or with ``s`` or ``skip``, are left
        out.

    Raises:
        UsageError: if it is no such sheet, an answer is none, or a candidate stands there twice.
        IntegrityError: if a candidate is none of the pool.
    """
    known = {each.id for each in pool.candidates}
    seen: set[str] = set()
    answers: dict[str, bool] = {}
    for number, row in read_sheet(path, COLUMNS, needed=("id", "answer"), what="answers"):
        place = f"answers {path}: row {number}"
        name, answer = row["id"].strip(), row["answer"].strip().casefold()
        if not name and not answer:
            continue
        if name not in known:
            raise IntegrityError(
                f"{place}: there is no such candidate: the sheet was made of other notes, or with another "
                "wording of the type, model, --limit or --seed; make a new one with --sheet"
            )
        if name in seen:
            raise UsageError(f"{place}: this candidate stands there twice")
        seen.add(name)
        if answer in _ANSWERS:
            answers[name] = _ANSWERS[answer]
        elif answer not in _SKIPPED:
            raise UsageError(f"{place}: the answer is none: write y or n, or leave it empty")
    return answers


def write_passages(path: Path, pool: Pool, answers: Mapping[str, bool]) -> int:
    """Write the judged candidates with the text around them as gold JSONL; only its owner can open the file.

    A passage ends before the next candidate that nobody judged, so that it says everything of the type: what
    is accepted is marked, and there is no other mention. ``only`` names the type, ``rejected`` what was
    rejected; of other types a passage says nothing. Its id is the note's with the passage's first offset.

    Args:
        path: The file, which is not there yet.
        pool: All candidates.
        answers: Whether a candidate is accepted, by id.

    Returns:
        The number of passages.

    Raises:
        UsageError: if the file is there already.
        InputOutputError: if it cannot be written.
    """
    _refuse_existing(path)
    made = list(_passages(pool, answers))
    write_gold(path, made, mode=OWNER_ONLY)
    return len(made)


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise UsageError(f"{path} is there already: name another file")


def _passages(pool: Pool, answers: Mapping[str, bool]) -> Iterator[Gold]:
    by_note: dict[int, list[Candidate]] = {}
    for each in pool.candidates:
        by_note.setdefault(each.ordinal, []).append(each)
    for own in by_note.values():
        judged = [each for each in own if each.id in answers]
        for start, end in _merged(_stretch(each, own, answers) for each in judged):
            inside = [each for each in judged if start <= each.start and each.end <= end]
            yield _passage(inside, (start, end), pool.kind.name, answers)


def _stretch(candidate: Candidate, own: Sequence[Candidate], answers: Mapping[str, bool]) -> tuple[int, int]:
    """Return where a passage around a candidate begins and ends: between words, in no other candidate."""
    text = candidate.note.text
    start = max(candidate.start - _PASSAGE, 0)
    end = min(candidate.end + _PASSAGE, len(text))
    for each in own:
        if each.end <= candidate.start and (each.id not in answers or each.start < start < each.end):
            start = max(start, each.end)
        if candidate.end <= each.start and (each.id not in answers or each.start < end < each.end):
            end = min(end, each.start)
    while 0 < start < candidate.start and text[start - 1].isalnum():
        start += 1
    while candidate.end < end < len(text) and text[end].isalnum():
        end -= 1
    return start, end


def _merged(stretches: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join stretches that overlap or touch."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _passage(
    inside: Sequence[Candidate], place: tuple[int, int], name: str, answers: Mapping[str, bool]
) -> Gold:
    start, end = place
    note = inside[0].note
    marks = {
        accepted: [
            GoldMention(each.start - start, each.end - start, name)
            for each in inside
            if answers[each.id] is accepted
        ]
        for accepted in (True, False)
    }
    rejected = [{"start": each.start, "end": each.end, "entity_type": name} for each in marks[False]]
    passage = Note(
        f"{note.note_id}@{start}",
        note.text[start:end],
        note.patient_id,
        note.note_date,
        {"only": [name], "rejected": rejected},
    )
    return passage, tuple(marks[True])
