"""brat stand-off: ``note.txt`` and ``note.ann`` with lines ``T1<tab>TYPE 0 5;6 9<tab>text``.

Offsets count code points. Source: https://brat.nlplab.org/standoff.html. A mention over a line break is
written in fragments, as brat asks; fragments are read as one mention from the first to the last. A
mention's link is kept as a note on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from deid.errors import UsageError
from deid.formats.annotations.records import Gold, checked_mention
from deid.formats.atomic import atomic_file, prepare_folder, reading
from deid.formats.markup import GoldMention
from deid.note import Note

_MENTION = re.compile(r"(T\d+)\t(\S+) (\d+ \d+(?:;\d+ \d+)*)\t.*")
_LINK = re.compile(r"#\d+\tAnnotatorNotes (T\d+)\tlink=(\w+)")
_ID = re.compile(r"[\w.@ -]+")


def read(folder: Path) -> Iterator[Gold]:
    """Read the ``.txt`` files of a folder with the ``.ann`` files beside them, in the order of their names.

    Args:
        folder: Of the files.

    Raises:
        UsageError: if a file is not UTF-8, has no annotations beside it, or a line is not as described.
        InputOutputError: if a file cannot be read.
    """
    for path in sorted(folder.glob("*.txt")):
        place = f"gold {path}"
        beside = path.with_suffix(".ann")
        if not beside.is_file():
            raise UsageError(f"{place}: there is no {beside.name} beside it")
        with reading(str(path)):
            contents = (path.read_bytes(), beside.read_bytes())
        try:
            text, lines = (content.decode() for content in contents)
        except UnicodeDecodeError:
            raise UsageError(f"{place}: it or its .ann is not UTF-8") from None
        yield Note(path.stem, text), tuple(sorted(_mentions(lines, len(text), f"gold {beside}")))


def _mentions(lines: str, length: int, place: str) -> Iterator[GoldMention]:
    links = {match[1]: match[2] for match in map(_LINK.fullmatch, lines.splitlines()) if match}
    for number, line in enumerate(lines.splitlines(), start=1):
        if not line.startswith("T"):
            continue
        match = _MENTION.fullmatch(line)
        if match is None:
            raise UsageError(f"{place}: line {number} is not 'T1<tab>TYPE start end<tab>text'")
        bounds = [int(each) for each in re.findall(r"\d+", match[3])]
        where = f"{place}: line {number}"
        mention = checked_mention(min(bounds), max(bounds), match[2], length=length, place=where)
        yield replace(mention, link=links.get(match[1], ""))


def write(folder: Path, notes: Iterable[Gold]) -> None:
    """Write a pair of files for each note; ids become file names, metadata is left out.

    Args:
        folder: Made if absent.
        notes: Notes with their mentions.

    Raises:
        UsageError: if an id cannot be a file's name.
        InputOutputError: if a file cannot be written.
    """
    prepare_folder(folder, source=None)
    for note, mentions in notes:
        if not _ID.fullmatch(note.note_id) or note.note_id.startswith("."):
            raise UsageError(
                f"brat: the id of a note cannot be a file's name: {len(note.note_id)} characters"
            )
        with atomic_file(folder / f"{note.note_id}.txt") as stream:
            stream.write(note.text.encode())
        with atomic_file(folder / f"{note.note_id}.ann") as stream:
            for number, mention in enumerate(sorted(mentions), start=1):
                stream.write(_line(note.text, mention, number).encode())


def _line(text: str, mention: GoldMention, number: int) -> str:
    surface = text[mention.start : mention.end]
    parts = [
        (mention.start + match.start(), mention.start + match.end())
        for match in re.finditer(r"[^\r\n]+", surface)
    ]
    bounds = ";".join(f"{start} {end}" for start, end in parts)
    shown = " ".join(text[start:end] for start, end in parts)
    line = f"T{number}\t{mention.entity_type} {bounds}\t{shown}\n"
    return line + (f"#{number}\tAnnotatorNotes T{number}\tlink={mention.link}\n" if mention.link else "")
