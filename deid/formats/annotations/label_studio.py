"""Label Studio tasks, as a JSON list, JSONL or JSON-MIN; offsets count UTF-16 code units, as JavaScript does.

A task is ``{"data": {"text"}, "annotations": [{"result": [{"type": "labels", "value": {...}}]}]}``, a value
``{"start", "end", "text", "labels"}``. Source: https://labelstud.io/guide/task_format.html; its issue 1347
(offsets after characters beyond the basic plane).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
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
from deid.formats.atomic import atomic_file, reading
from deid.formats.markup import GoldMention


def claims(record: dict[str, Any]) -> bool:
    """Whether a record looks like a task of Label Studio."""
    whole = isinstance(record.get("data"), dict) and ("annotations" in record or "predictions" in record)
    label = record.get("label")
    return whole or (
        isinstance(label, list) and bool(label) and isinstance(label[0], dict) and "labels" in label[0]
    )


def read(path: Path) -> Iterator[Gold]:
    """Read an export; of a task with several annotations the last that was not cancelled counts.

    Args:
        path: JSON list of tasks, or JSONL.

    Raises:
        UsageError: for a task that is not as described, or whose offsets do not point at the text stored with
            them; names the task, never text.
        InputOutputError: if the file cannot be read.
    """
    for place, task in _tasks(path):
        data: dict[str, Any] = task["data"] if isinstance(task.get("data"), dict) else task
        text = data.get("text")
        if not isinstance(text, str):
            raise UsageError(f"{place}: needs data.text")
        units = Utf16Offsets(text)
        mentions: list[GoldMention] = []
        for number, (value, link) in enumerate(_values(task, place), start=1):
            mentions += _mentions(value, link, text, units, f"{place}: result {number}")
        note_id = data.get("note_id", task.get("id"))
        fields = without(data, "text", "label", *_MIN_KEYS)
        yield gold_note(note_id, text, mentions, fields=fields, place=place)


_MIN_KEYS = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time")


def _tasks(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with reading(str(path)), path.open("rb") as stream:
        is_list = stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    if not is_list:
        yield from read_json_lines(path)
        return
    with reading(str(path)):
        content = path.read_bytes()
    try:
        tasks = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise UsageError(f"gold {path}: not JSON in UTF-8") from None
    for number, task in enumerate(tasks, start=1):
        place = f"gold {path}: task {number}"
        if not isinstance(task, dict):
            raise UsageError(f"{place}: not a JSON object")
        yield place, task


def _values(task: dict[str, Any], place: str) -> Iterator[tuple[dict[str, Any], str]]:
    if "annotations" not in task:
        for value in task.get("label") or ():
            yield value, ""
        return
    kept = [each for each in task["annotations"] if isinstance(each, dict) and not each.get("was_cancelled")]
    if not kept:
        raise UsageError(f"{place}: has no annotation that was not cancelled")
    for result in kept[-1].get("result", ()):
        if result.get("type") in {"labels", "hypertextlabels"}:
            link = (result.get("meta") or {}).get("link", [""])
            yield result.get("value") or {}, str(link[0])


def _mentions(
    value: dict[str, Any], link: str, text: str, units: Utf16Offsets, place: str
) -> Iterator[GoldMention]:
    start, end = value.get("start"), value.get("end")
    if type(start) is int and type(end) is int:
        start, end = (units.to_points(each, place=place) for each in (start, end))
    for kind in value.get("labels") or value.get("hypertextlabels") or ():
        mention = checked_mention(start, end, kind, length=len(text), place=place)
        stored = value.get("text")
        if isinstance(stored, str) and _plain(stored) != _plain(text[mention.start : mention.end]):
            raise UsageError(f"{place}: the offsets do not point at the text stored with them")
        yield replace(mention, link=link)


def _plain(surface: str) -> str:
    return " ".join(surface.replace("\\n", "\n").split())


def write(path: Path, notes: Iterable[Gold]) -> None:
    """Write tasks as JSONL, the mentions as finished annotations.

    Args:
        path: The file; replaced if it is there.
        notes: Notes with their mentions.

    Raises:
        InputOutputError: if the file cannot be written.
    """
    with atomic_file(path) as stream:
        for number, (note, mentions) in enumerate(notes, start=1):
            units = Utf16Offsets(note.text)
            results = [
                _result(note.text, each, units, at) for at, each in enumerate(sorted(mentions), start=1)
            ]
            task = {
                "id": number,
                "data": {"text": note.text, **record_of(note)},
                "annotations": [{"result": results}],
            }
            stream.write(json.dumps(task, ensure_ascii=False).encode() + b"\n")


def _result(text: str, mention: GoldMention, units: Utf16Offsets, number: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "id": f"m{number}",
        "from_name": "label",
        "to_name": "text",
        "type": "labels",
        "value": {
            "start": units.to_units(mention.start),
            "end": units.to_units(mention.end),
            "text": text[mention.start : mention.end],
            "labels": [mention.entity_type],
        },
    }
    return result | ({"meta": {"link": [mention.link]}} if mention.link else {})
