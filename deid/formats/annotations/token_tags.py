"""Rows of tokens and tags, as on the Hugging Face hub: ``{"tokens": [...], "ner_tags": [...]}``.

Tags are IOB strings (``B-DATE``, ``I-DATE``, ``O``; IOB1 and bare type names too) or ids; the names of ids
come from ``labels``, or from ``labels.json`` beside the file (a list, or a map from id to name as in a
model's ``id2label``). A row may hold ``text``, in which the tokens are then found one after the other;
without it they are joined by blanks. That is the shape of ``physionet-deid-i2b2-2014`` and ``pii-
masking-400k-IOB-med``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from deid.errors import UsageError
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

TOKENS = ("tokens", "words")
TAGS = ("ner_tags", "tags", "labels")
_TOKEN = re.compile(r"\w+|[^\w\s]")


def claims(record: dict[str, Any]) -> bool:
    """Whether a record looks like a row of tokens and tags."""
    return _column(record, TOKENS) is not None and _column(record, TAGS) is not None


def _column(record: dict[str, Any], names: Sequence[str]) -> list[Any] | None:
    return next((record[name] for name in names if isinstance(record.get(name), list)), None)


def read(path: Path, *, labels: Sequence[str] | None = None) -> Iterator[Gold]:
    """Read rows.

    Args:
        path: JSONL or Parquet file.
        labels: Names of the tags' ids, in order.

    Raises:
        UsageError: for a row that is not as described; names the row, never its tokens.
        InputOutputError: if the file cannot be read.
    """
    names = tuple(labels) if labels is not None else _labels_beside(path)
    rows = _parquet_rows(path) if path.suffix == ".parquet" else read_json_lines(path)
    for number, (place, row) in enumerate(rows, start=1):
        tokens, tags = _column(row, TOKENS), _column(row, TAGS)
        if tokens is None or tags is None or len(tokens) != len(tags):
            raise UsageError(f"{place}: needs tokens and ner_tags, two lists of one length")
        if not all(isinstance(token, str) for token in tokens):
            raise UsageError(f"{place}: tokens must be strings")
        text, starts = _text(row, tokens, place)
        mentions = _mentions([_name(tag, names, place) for tag in tags], tokens, starts, len(text), place)
        note_id = row.get("note_id", row.get("id", f"row-{number}"))
        fields = without(row, "id", "text", *TOKENS, *TAGS)
        yield gold_note(note_id, text, mentions, fields=fields, place=place)


def _labels_beside(path: Path) -> tuple[str, ...]:
    beside = path.with_name("labels.json")
    if not beside.is_file():
        return ()
    with reading(str(beside)):
        content = json.loads(beside.read_text(encoding="utf-8"))
    if isinstance(content, dict):
        content = [content[key] for key in sorted(content, key=int)]
    return tuple(str(each) for each in content)


def _parquet_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    number = 0
    with reading(str(path)):
        for batch in ds.dataset(path, format="parquet").to_batches():
            for row in batch.to_pylist():
                number += 1
                yield f"gold {path}: row {number}", row


def _text(row: dict[str, Any], tokens: list[str], place: str) -> tuple[str, list[int]]:
    text = row.get("text")
    if not isinstance(text, str):
        text = " ".join(tokens)
    starts, position = [], 0
    for number, token in enumerate(tokens, start=1):
        position = text.find(token, position)
        if position < 0:
            raise UsageError(f"{place}: token {number} does not occur in the text after the one before it")
        starts.append(position)
        position += len(token)
    return text, starts


def _name(tag: Any, names: Sequence[str], place: str) -> str:
    if isinstance(tag, str):
        return tag
    if isinstance(tag, int) and 0 <= tag < len(names):
        return names[tag]
    raise UsageError(
        f"{place}: a tag has no name; give labels, or put labels.json (a list of names) beside the file"
    )


def _mentions(
    tags: list[str], tokens: list[str], starts: list[int], length: int, place: str
) -> Iterator[GoldMention]:
    first, kind = 0, ""
    for index, tag in enumerate([*tags, "O"]):
        prefix, dash, name = tag.partition("-")
        if not dash or prefix not in {"B", "I", "E", "S", "L", "U"}:
            prefix, name = "I", "" if tag in {"O", ""} else tag
        begins = name != kind or prefix in {"B", "S", "U"}
        if kind and begins:
            end = starts[index - 1] + len(tokens[index - 1])
            yield checked_mention(starts[first], end, kind, length=length, place=place)
        if begins:
            first, kind = index, name


def write(path: Path, notes: Iterable[Gold]) -> None:
    """Write rows as JSONL: words and signs with IOB2 tags, and the text, so that nothing is lost but links.

    Args:
        path: The file; replaced if it is there.
        notes: Notes with their mentions.

    Raises:
        InputOutputError: if the file cannot be written.
    """
    with atomic_file(path) as stream:
        for note, mentions in notes:
            tokens, tags = tag_tokens(note.text, mentions)
            record = {**record_of(note), "text": note.text, "tokens": tokens, "ner_tags": tags}
            stream.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")


def tag_tokens(text: str, mentions: Iterable[GoldMention]) -> tuple[list[str], list[str]]:
    """Cut a text into words and signs, also where a mention begins or ends, and tag them in IOB2.

    Args:
        text: The text.
        mentions: Disjoint mentions.
    """
    tokens: list[str] = []
    tags: list[str] = []
    position = 0
    for mention in sorted(mentions):
        outside = _TOKEN.findall(text[position : mention.start])
        inside = _TOKEN.findall(text[mention.start : mention.end]) or [text[mention.start : mention.end]]
        tokens += (*outside, *inside)
        tags += ["O"] * len(outside)
        tags += [f"{'I' if at else 'B'}-{mention.entity_type}" for at in range(len(inside))]
        position = mention.end
    outside = _TOKEN.findall(text[position:])
    return [*tokens, *outside], [*tags, *["O"] * len(outside)]
