"""Gold: notes with marked mentions, as JSONL, as marked text files, or in the shapes of other tools."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from deid.errors import UsageError
from deid.formats.annotations import doccano, label_studio, token_tags
from deid.formats.annotations.records import (
    Gold,
    checked_mention,
    gold_note,
    read_json_lines,
    record_of,
    without,
)
from deid.formats.atomic import atomic_file, reading
from deid.formats.markup import GoldMention, read_marked
from deid.formats.source import parse_date
from deid.note import Note
from deid.registry import Registry

__all__ = ["GOLD_FORMATS", "Gold", "read_gold", "write_gold"]

_HEADER = re.compile(r"([a-z][a-z0-9_]*):[ \t]*(.*)")
_OWN_KEYS = ("id", "text", "spans", "entities")

GOLD_FORMATS: Registry[Callable[[Path], Iterator[Gold]]] = Registry(
    "gold format",
    {
        "jsonl": "deid.formats.gold:read_lines",
        "marked": "deid.formats.gold:read_folder",
        "i2b2": "deid.formats.annotations.i2b2:read",
        "brat": "deid.formats.annotations.brat:read",
        "token-tags": "deid.formats.annotations.token_tags:read",
        "doccano": "deid.formats.annotations.doccano:read",
        "label-studio": "deid.formats.annotations.label_studio:read",
    },
)


def read_gold(path: str | Path, *, format: str | None = None) -> Iterator[Gold]:
    """Read gold notes in the order of the file, or of the file names.

    A line of gold JSONL is ``{"note_id", "text", "spans": [{"start", "end", "entity_type"}]}``; ``id``,
    ``entities`` and ``label`` are accepted, ``patient_id``, ``note_date`` and a span's ``link`` are optional,
    other keys become the note's metadata. A marked text file begins with ``key: value`` lines and a blank
    line; folders in the folder are read too.

    Args:
        path: File or folder.
        format: Name in `GOLD_FORMATS`; by suffix, folder contents and first record when None.

    Raises:
        UsageError: for a record that is not as described; with its line or file, never its text.
        InputOutputError: if a file cannot be read.
    """
    where = Path(path)
    if not where.exists():
        raise UsageError(f"gold {where}: there is no such file or folder")
    return GOLD_FORMATS.get(format or _detect(where))(where)


def _detect(path: Path) -> str:
    if path.is_dir():
        suffixes = {each.suffix for each in path.iterdir()}
        return "i2b2" if ".xml" in suffixes else "brat" if ".ann" in suffixes else "marked"
    if path.suffix in {".xml", ".parquet", ".json"}:
        return {".xml": "i2b2", ".parquet": "token-tags", ".json": "label-studio"}[path.suffix]
    _, first = next(read_json_lines(path), ("", {}))
    if "spans" not in first:
        for name, module in (
            ("label-studio", label_studio),
            ("doccano", doccano),
            ("token-tags", token_tags),
        ):
            if module.claims(first):
                return name
    return "jsonl"


def write_gold(path: Path, notes: Iterable[Gold], *, mode: int = 0o666) -> None:
    """Write gold JSONL, the inverse of `read_gold`.

    Args:
        path: The file; replaced if it is there.
        notes: Notes with their mentions; metadata must be what JSON can hold.
        mode: Permissions before the umask.

    Raises:
        InputOutputError: if the file cannot be written.
    """
    with atomic_file(path, mode=mode) as stream:
        for note, mentions in notes:
            stream.write(json.dumps(_record(note, mentions), ensure_ascii=False).encode() + b"\n")


def _record(note: Note, mentions: Iterable[GoldMention]) -> dict[str, Any]:
    spans = [
        {"start": each.start, "end": each.end, "entity_type": each.entity_type}
        | ({"link": each.link} if each.link else {})
        for each in sorted(mentions)
    ]
    return {**record_of(note), "text": note.text, "spans": spans}


def read_lines(path: Path) -> Iterator[Gold]:
    """Read gold JSONL; see `read_gold`."""
    for place, record in read_json_lines(path):
        yield _gold(record, place)


def _gold(record: dict[str, Any], place: str) -> Gold:
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
    return gold_note(note_id, text, mentions, fields=without(record, *_OWN_KEYS), place=place)


def _mention(span: Any, length: int, place: str) -> GoldMention:
    if not isinstance(span, dict):
        raise UsageError(f"{place}: not a JSON object")
    kind = span.get("entity_type", span.get("label"))
    mention = checked_mention(span.get("start"), span.get("end"), kind, length=length, place=place)
    return replace(mention, link=str(span.get("link") or ""))


def read_folder(folder: Path) -> Iterator[Gold]:
    """Read a folder of marked text files; see `read_gold`."""
    paths = sorted(folder.rglob("*.txt"))
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
