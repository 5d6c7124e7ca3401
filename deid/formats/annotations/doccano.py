"""doccano JSONL: ``{"id", "text", "label": [[start, end, "TYPE"]]}``, or ``entities`` with relations.

Source: https://doccano.github.io/doccano/ (sequence labeling, import and export). doccano counts in code
points; exports of old versions count in UTF-16 code units, as the browser does (doccano pull request 99).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from deid.errors import UsageError
from deid.formats.annotations.offsets import Utf16Offsets
from deid.formats.annotations.records import (
    Gold,
    checked_mention,
    gold_note,
    read_json_lines,
    record_of,
    without,
)
from deid.formats.atomic import atomic_file
from deid.formats.markup import GoldMention

_LABELS = ("label", "labels", "entities")
_OWN_KEYS = ("id", "text", "data", *_LABELS, "relations", "Comments")


def claims(record: dict[str, Any]) -> bool:
    """Whether a record looks like doccano's."""
    found = next((record[key] for key in _LABELS if isinstance(record.get(key), list)), None)
    if found is None or not isinstance(record.get("text", record.get("data")), str):
        return False
    return not found or isinstance(found[0], list) or "start_offset" in found[0]


def read(path: Path, *, utf16: bool = False) -> Iterator[Gold]:
    """Read an export.

    Args:
        path: JSONL file.
        utf16: The offsets count UTF-16 code units.

    Raises:
        UsageError: for a record that is not as described; names its line, never its text.
        InputOutputError: if the file cannot be read.
    """
    for place, record in read_json_lines(path):
        text = record.get("text", record.get("data"))
        if not isinstance(text, str):
            raise UsageError(f"{place}: needs text")
        units = Utf16Offsets(text) if utf16 else None
        labels = next((record[key] for key in _LABELS if isinstance(record.get(key), list)), None)
        if labels is None:
            raise UsageError(f"{place}: needs label, a list of [start, end, type]; it may be empty")
        mentions = []
        for number, label in enumerate(labels, start=1):
            where = f"{place}: label {number}"
            start, end, kind = _fields(label, where)
            if units is not None and type(start) is int and type(end) is int:
                start, end = (units.to_points(each, place=where) for each in (start, end))
            mentions.append(checked_mention(start, end, kind, length=len(text), place=where))
        # Ours are written with the note's id as text; doccano's own are numbers.
        note_id = record.get("note_id", record.get("id"))
        yield gold_note(note_id, text, mentions, fields=without(record, *_OWN_KEYS), place=place)


def _fields(label: Any, place: str) -> tuple[Any, Any, Any]:
    if isinstance(label, list) and len(label) == 3:
        return label[0], label[1], label[2]
    if isinstance(label, dict):
        return label.get("start_offset"), label.get("end_offset"), label.get("label")
    raise UsageError(
        f"{place}: needs [start, end, type], or an object with start_offset, end_offset and label"
    )


def write(path: Path, notes: Iterable[Gold], *, utf16: bool = False) -> None:
    """Write an import file; links between mentions are left out, which the format cannot hold.

    Args:
        path: The file; replaced if it is there.
        notes: Notes with their mentions.
        utf16: Count in UTF-16 code units.

    Raises:
        InputOutputError: if the file cannot be written.
    """
    with atomic_file(path) as stream:
        for number, (note, mentions) in enumerate(notes, start=1):
            labels = [list(_offsets(note.text, each, utf16)) for each in sorted(mentions)]
            record = {"id": number, **record_of(note), "text": note.text, "label": labels}
            stream.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")


def _offsets(text: str, mention: GoldMention, utf16: bool) -> tuple[int, int, str]:
    if not utf16:
        return mention.start, mention.end, mention.entity_type
    units = Utf16Offsets(text)
    return units.to_units(mention.start), units.to_units(mention.end), mention.entity_type
