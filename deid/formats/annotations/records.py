"""What the readers of annotated records share: one place that judges a record and words its errors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from deid.errors import UsageError
from deid.formats.atomic import reading
from deid.formats.markup import GoldMention
from deid.formats.source import parse_date
from deid.note import Note

Gold = tuple[Note, tuple[GoldMention, ...]]

_OF_THE_NOTE = frozenset({"note_id", "patient_id", "note_date"})


def read_json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read JSON objects line by line, each with its place for errors.

    Args:
        path: JSONL file in UTF-8; blank lines are skipped.

    Raises:
        UsageError: for a line that is no JSON object; names the line, never its text.
        InputOutputError: if the file cannot be read.
    """
    with reading(str(path)), path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            place = f"gold {path}: line {number}"
            try:
                record = json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError):
                raise UsageError(f"{place}: not JSON in UTF-8") from None
            if not isinstance(record, dict):
                raise UsageError(f"{place}: not a JSON object")
            yield place, record


def checked_mention(start: Any, end: Any, kind: Any, *, length: int, place: str) -> GoldMention:
    """Make a mention of what a record says.

    Args:
        start: First code point.
        end: One past the last.
        kind: Entity type.
        length: Of the text, in code points.
        place: For errors.

    Raises:
        UsageError: if the offsets or the type are of no use.
    """
    if not isinstance(kind, str) or not kind:
        raise UsageError(f"{place}: needs entity_type (or label)")
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= length:
        raise UsageError(f"{place}: start and end must be integers with 0 <= start < end <= {length}")
    return GoldMention(start, end, kind)


def gold_note(
    note_id: Any, text: str, mentions: Iterable[GoldMention], *, fields: Mapping[str, Any], place: str
) -> Gold:
    """Make a gold note of what a record says.

    Args:
        note_id: Text or integer.
        text: The note.
        mentions: Its mentions in any order.
        fields: ``patient_id`` and ``note_date`` are taken from it, the rest becomes metadata.
        place: For errors.

    Raises:
        UsageError: without an id.
    """
    if not isinstance(note_id, (str, int)) or isinstance(note_id, bool) or note_id == "":
        raise UsageError(f"{place}: needs an id")
    patient = fields.get("patient_id")
    note = Note(
        note_id=str(note_id),
        text=text,
        patient_id=None if patient is None else str(patient),
        note_date=parse_date(str(fields.get("note_date"))),
        metadata={key: fields[key] for key in fields if key not in _OF_THE_NOTE},
    )
    return note, tuple(sorted(mentions))


def record_of(note: Note) -> dict[str, Any]:
    """Return what `gold_note` reads back: id, patient and date where there are any, and metadata.

    Args:
        note: The note; its metadata must be what JSON can hold.
    """
    date = note.note_date and note.note_date.isoformat()
    optional = {"patient_id": note.patient_id, "note_date": date}
    known = {key: value for key, value in optional.items() if value is not None}
    return {"note_id": note.note_id, **known, **note.metadata}


def without(record: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Return a record without some of its keys."""
    return {key: value for key, value in record.items() if key not in keys}
