"""Gold: notes with marked mentions, as JSONL or as a folder of marked text files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from deid.errors import UsageError
from deid.formats.atomic import atomic_file, reading
from deid.formats.markup import GoldMention, read_marked
from deid.formats.source import parse_date
from deid.note import Note

Gold = tuple[Note, tuple[GoldMention, ...]]

_HEADER = re.compile(r"([a-z][a-z0-9_]*):[ \t]*(.*)")
_OWN_KEYS = frozenset({"note_id", "id", "text", "patient_id", "note_date", "spans", "entities"})


def read_gold(path: str | Path) -> Iterator[Gold]:
    """Read gold notes in the order of the file, or of the file names.

    A line of gold JSONL is ``{"note_id", "text", "spans": [{"start", "end", "entity_type"}]}``; ``id``,
    ``entities`` and ``label`` are accepted, ``patient_id``, ``note_date`` and a span's ``link`` are optional,
    other keys become the note's metadata. A marked text file begins with ``key: value`` lines and a blank
    line.

    Args:
        path: JSONL file, or folder of marked ``.txt`` files.

    Raises:
        UsageError: for a record that is not as described; with its line or file, never its text.
        InputOutputError: if a file cannot be read.
    """
    where = Path(path)
    if not where.exists():
        raise UsageError(f"gold {where}: there is no such file or folder")
    return _read_folder(where) if where.is_dir() else _read_lines(where)


def write_gold(path: Path, notes: Iterable[Gold]) -> None:
    """Write gold JSONL, the inverse of `read_gold`.

    Args:
        path: The file; replaced if it is there.
        notes: Notes with their mentions; metadata must be what JSON can hold.

    Raises:
        InputOutputError: if the file cannot be written.
    """
    with atomic_file(path) as stream:
        for note, mentions in notes:
            stream.write(json.dumps(_record(note, mentions), ensure_ascii=False).encode() + b"\n")


def _record(note: Note, mentions: Iterable[GoldMention]) -> dict[str, Any]:
    optional = {"patient_id": note.patient_id, "note_date": note.note_date and note.note_date.isoformat()}
    spans = [
        {"start": each.start, "end": each.end, "entity_type": each.entity_type}
        | ({"link": each.link} if each.link else {})
        for each in sorted(mentions)
    ]
    return {
        "note_id": note.note_id,
        **{key: value for key, value in optional.items() if value is not None},
        **note.metadata,
        "text": note.text,
        "spans": spans,
    }


def _read_lines(path: Path) -> Iterator[Gold]:
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
            yield _gold(record, place)


def _gold(record: Mapping[str, Any], place: str) -> Gold:
    note_id = record.get("note_id", record.get("id"))
    text = record.get("text")
    if not isinstance(note_id, (str, int)) or not isinstance(text, str):
        raise UsageError(f"{place}: needs note_id (or id) and text")
    spans = record.get("spans", record.get("entities"))
    if not isinstance(spans, list):
        raise UsageError(
            f"{place}: needs spans, a list of objects with start, end and entity_type; it may be empty"
        )
    mentions = (_mention(span, len(text), f"{place}: span {at}") for at, span in enumerate(spans, start=1))
    patient = record.get("patient_id")
    note = Note(
        note_id=str(note_id),
        text=text,
        patient_id=None if patient is None else str(patient),
        note_date=parse_date(str(record.get("note_date"))),
        metadata={key: value for key, value in record.items() if key not in _OWN_KEYS},
    )
    return note, tuple(sorted(mentions))


def _mention(span: Any, length: int, place: str) -> GoldMention:
    if not isinstance(span, dict):
        raise UsageError(f"{place}: not a JSON object")
    start, end = span.get("start"), span.get("end")
    kind = span.get("entity_type", span.get("label"))
    if not isinstance(kind, str) or not kind:
        raise UsageError(f"{place}: needs entity_type (or label)")
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= length:
        raise UsageError(f"{place}: start and end must be integers with 0 <= start < end <= {length}")
    return GoldMention(start, end, kind, str(span.get("link") or ""))


def _read_folder(folder: Path) -> Iterator[Gold]:
    paths = sorted(folder.glob("*.txt"))
    if not paths:
        raise UsageError(f"gold {folder}: the folder holds no .txt files")
    for path in paths:
        place = f"gold {path}"
        with reading(str(path)):
            content = path.read_bytes()
        try:
            head, marked = _split(content.decode("utf-8-sig"), place)
        except UnicodeDecodeError:
            raise UsageError(f"{place}: not UTF-8") from None
        text, mentions = read_marked(marked, place=place)
        note = Note(
            note_id=head.pop("note_id", path.stem),
            patient_id=head.pop("patient_id", None),
            note_date=parse_date(head.pop("note_date", None)),
            text=text,
            metadata=head,
        )
        yield note, mentions


def _split(content: str, place: str) -> tuple[dict[str, str], str]:
    """Split a marked text file into its header and the marked text."""
    head: dict[str, str] = {}
    rest = content
    while rest:
        line, _, rest = rest.partition("\n")
        line = line.rstrip("\r")
        if not line:
            return head, rest
        match = _HEADER.fullmatch(line)
        if match is None:
            raise UsageError(
                f"{place}: line {len(head) + 1} is neither 'key: value' nor the blank line before the text"
            )
        if match[1] in head:
            raise UsageError(f"{place}: header {match[1]!r} occurs twice")
        head[match[1]] = match[2].strip()
    raise UsageError(f"{place}: no blank line between the header and the text")
