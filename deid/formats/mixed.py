"""A folder of files in several formats: each is read by its own, and comes back under its own path."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sys
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

from deid.errors import IntegrityError, Reason, UsageError
from deid.formats.atomic import digest_of_folder, prepare_folder, reading, state_of, sync_folder
from deid.formats.folder import files_of
from deid.formats.record_ids import new_ids
from deid.formats.schemas import Columns
from deid.formats.source import (
    TABLES,
    Entry,
    KnowsPatients,
    Options,
    Outcome,
    Source,
    format_of,
    open_format,
)
from deid.formats.text_folder import FOLDER, TextFolder, written_as
from deid.note import KnownValue

_TEXTS = ("txt", "documents")
_ONE_FILE = sys.maxsize


class Mixed:
    """All files of a folder that are of a known format, sorted by relative path.

    A file comes back as one file under its relative path; documents come out as plain text. Ids of notes
    begin with the file's path: ``feeds/a.hl7#message-1``, ``letters/b`` for ``letters/b.txt``. What one file
    knows of a patient is searched for in all of them, and records' ids are renamed alike in all of them.

    Args:
        path: The folder.
        options: Columns, with all that belongs to them, are those of all tables in the folder;
            ``patient_id="folder"`` is of text files and documents.

    Raises:
        UsageError: for an empty folder, or a file that its format refuses.
        InputOutputError: if a file cannot be read.
    """

    def __init__(self, path: Path, options: Options) -> None:
        if not path.is_dir():
            raise UsageError(f"input {path}: only a folder holds files of several formats")
        self.name = str(path)
        self.path: Path | None = path
        self._root = path
        self._options = replace(options, shard_notes=_ONE_FILE, new_id=new_ids(options))
        self._counts: array[int] = array("q")
        for relative, name in self._files():
            self._open(relative, name)  # what a format refuses is told before any note is read
        self._state = self._fingerprint()

    @property
    def skipped(self) -> int:
        """Number of files that are not read: of no known format, hidden, or links out of the folder."""
        return sum(name is None for _, name in self._walk())

    @property
    def as_text(self) -> int:
        """Number of documents, which come out as plain text."""
        return sum(written_as(relative) != relative for relative, _ in self._files())

    def read(self) -> Iterator[Entry]:
        """Deliver the entries of each file; see `deid.formats.source.Source`."""
        counts: array[int] = array("q")
        first = 0
        for relative, name in self._files():
            count = 0
            for entry in self._open(relative, name).read():
                yield _of_file(entry, first, relative if name not in _TEXTS else "")
                count += 1
            counts.append(count)
            first += count
        self._counts = counts

    def write(self, outcomes: Iterator[Outcome], directory: Path) -> tuple[Path, ...]:
        """Write the files; see `deid.formats.source.Source`."""
        if self._fingerprint() != self._state:
            raise IntegrityError(f"{self.name}: changed since it was opened; start a new run")
        prepare_folder(directory, source=self._root)
        waiting, first = iter(outcomes), 0
        written: list[Path] = []
        for number, (relative, name) in enumerate(self._files()):
            source = self._open(relative, name)
            count = self._counts[number] if self._counts else sum(1 for _ in source.read())
            own = (_from(outcome, first) for outcome in islice(waiting, count))
            if name in _TEXTS:
                written += source.write(own, directory)
            else:
                written += _write_as(source, own, directory / relative, directory)
            first += count
        if next(waiting, None) is not None:
            raise IntegrityError(f"{self.name}: no entry for outcome {first}; did the input shrink?")
        return tuple(written)

    def known_values(self) -> Mapping[str, tuple[KnownValue, ...]]:
        """Return what all files know of each patient; see `deid.formats.source.KnowsPatients`."""
        found: dict[str, dict[KnownValue, None]] = {}
        for relative, name in self._files():
            source = self._open(relative, name)
            if isinstance(source, KnowsPatients):
                for patient, values in source.known_values().items():
                    found.setdefault(patient, {}).update(dict.fromkeys(values))
        return {patient: tuple(values) for patient, values in found.items()}

    def passed_through(self) -> tuple[str, ...]:
        """Name the carried columns of all tables that look identifying; see `deid.formats.source.Source`."""
        named = (self._open(relative, name).passed_through() for relative, name in self._files())
        return tuple(dict.fromkeys(column for columns in named for column in columns))

    def digest(self) -> str:
        """Digest names and contents of the files that are read; see `deid.formats.source.Source`."""
        return digest_of_folder(self._root, (relative for relative, _ in self._files()))

    def size(self) -> int:
        """Return the bytes of all files that are read."""
        with reading(self.name):
            return sum((self._root / relative).stat().st_size for relative, _ in self._files())

    def _walk(self) -> Iterator[tuple[str, str | None]]:
        """Yield every file and its format; None if it is not read."""
        with reading(self.name):
            for relative, within in files_of(self._root, written_as=written_as):
                hidden = any(part.startswith(".") for part in relative.split("/"))
                yield relative, format_of(self._root / relative) if within and not hidden else None

    def _files(self) -> Iterator[tuple[str, str]]:
        return ((relative, name) for relative, name in self._walk() if name is not None)

    def _open(self, relative: str, name: str) -> Source:
        path = self._root / relative
        options = self._options
        by_folder = options.columns.patient_id == FOLDER
        if name in TABLES:
            columns = replace(options.columns, patient_id=None) if by_folder else options.columns
            return open_format(path, name, replace(options, columns=columns))
        bare = replace(options, columns=Columns(), drop=(), known_columns={}, group_by=None, order_by=None)
        if name not in _TEXTS:
            return open_format(path, name, replace(bare, drop=options.drop if name == "fhir" else ()))
        columns = Columns(patient_id=FOLDER if by_folder else None)
        return TextFolder(path, replace(bare, columns=columns), documents=True, root=self._root)

    def _fingerprint(self) -> bytes:
        """Return a digest of names, sizes and times of change."""
        total = hashlib.sha256()
        with reading(self.name):
            for relative, name in self._files():
                total.update(repr((os.fsencode(relative), name, state_of(self._root / relative))).encode())
        return total.digest()


def _of_file(entry: Entry, first: int, place: str) -> Entry:
    """Return an entry of one file as one of the folder's."""
    ordinal = entry.ordinal + first
    note_id = f"{place}#{entry.note_id}" if place else entry.note_id
    try:
        note_id.encode()
    except UnicodeEncodeError:
        return Entry(ordinal, f"entry-{ordinal + 1}", None, Reason.UNSAFE_NOTE_ID, "name is not UTF-8")
    note = None if entry.note is None else replace(entry.note, note_id=note_id)
    return replace(entry, ordinal=ordinal, note_id=note_id, note=note)


def _from(outcome: Outcome, first: int) -> Outcome:
    return replace(outcome, ordinal=outcome.ordinal - first)


def _write_as(source: Source, outcomes: Iterator[Outcome], path: Path, directory: Path) -> list[Path]:
    """Write a source of one file under a name of our choice."""
    with _private_folder(directory) as temporary:
        written = source.write(outcomes, temporary)
        for each in written:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(each, path)
            sync_folder(path.parent)
    return [path] if written else []


@contextmanager
def _private_folder(directory: Path) -> Iterator[Path]:
    folder = directory / f".deid-{secrets.token_hex(8)}.tmp"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
