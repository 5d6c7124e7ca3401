"""Plain text: a folder of ``.txt`` files, or a single one; a note is a file, its id the relative path."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from pathlib import Path

from deid.errors import InputOutputError, Reason, UsageError
from deid.formats.atomic import atomic_file, digest_of, digest_of_folder, prepare_folder, reading, sync_folder
from deid.formats.source import Entry, Options, Outcome, Pairing, text_problem
from deid.note import Note

FOLDER = "folder"


class TextFolder:
    """Notes in text files, sorted by relative POSIX path; byte order marks and line ends stay as they are.

    Links are followed to files within the folder only. The output has the same relative paths.

    Args:
        path: Folder or file.
        options: Of the columns only ``patient_id="folder"`` means something: the name of the folder that
            holds the note; a note at the top has no patient then.

    Raises:
        UsageError: for options that text files cannot have.
    """

    def __init__(self, path: Path, options: Options) -> None:
        columns = options.columns
        if columns.text or columns.note_id or columns.note_date or columns.patient_id not in (None, FOLDER):
            raise UsageError(
                f"input {path}: text files have no columns; --patient-column may be {FOLDER!r} only"
            )
        if options.drop or options.known_columns:
            raise UsageError(f"input {path}: text files have no columns to drop or to take known values from")
        self.name = str(path)
        self.path: Path | None = path
        self._single = path.is_file()
        self._root = path.parent if self._single else path
        self._options = options

    @property
    def skipped(self) -> int:
        """Number of files in the folder that are not read: other suffixes, and links that lead out of it."""
        return 0 if self._single else sum(not wanted for _, wanted in _walk(self._root))

    def read(self) -> Iterator[Entry]:
        """Deliver a note for each file; see `deid.formats.source.Source`."""
        for ordinal, relative in enumerate(self._files()):
            yield self._entry(ordinal, relative)

    def write(self, outcomes: Iterator[Outcome], directory: Path) -> tuple[Path, ...]:
        """Write a file for each note; see `deid.formats.source.Source`."""
        prepare_folder(directory, source=self._root if not self._single else None)
        pairing = Pairing(outcomes, self.name)
        paths: list[Path] = []
        for ordinal, relative in enumerate(self._files()):
            new = pairing.take(self._entry(ordinal, relative))
            if new is None:
                continue
            path = directory / relative
            if not path.parent.is_dir():
                path.parent.mkdir(parents=True)
            with atomic_file(path, sync=False) as stream:
                stream.write(self._mark(relative) + new.text.encode())
            paths.append(path)
        pairing.finish()
        for folder in {each for path in paths for each in path.parents if each.is_relative_to(directory)}:
            sync_folder(folder)
        return tuple(paths)

    def passed_through(self) -> tuple[str, ...]:
        """Name ``folder`` if it stands for the patient; see `deid.formats.source.Source`."""
        return (FOLDER,) if self._options.columns.patient_id else ()

    def digest(self) -> str:
        """Digest the input; see `deid.formats.source.Source`."""
        if not self._single:
            return digest_of_folder(self._root, self._files())
        with reading(self.name), Path(self.name).open("rb") as stream:
            return digest_of(stream)

    def size(self) -> int:
        """Return the bytes of all files that are read."""
        with reading(self.name):
            return sum((self._root / relative).stat().st_size for relative in self._files())

    def _files(self) -> Iterator[str]:
        if self._single:
            return iter((Path(self.name).name,))
        return (relative for relative, wanted in _walk(self._root) if wanted)

    def _entry(self, ordinal: int, relative: str) -> Entry:
        note_id = os.path.splitext(relative)[0]
        try:
            note_id.encode()
        except UnicodeEncodeError:
            return Entry(ordinal, f"file-{ordinal + 1}", None, Reason.UNSAFE_NOTE_ID, "name is not UTF-8")
        with reading(note_id), (self._root / relative).open("rb") as stream:
            # No text of max_characters takes more than four bytes for each and the mark.
            content = stream.read(4 * self._options.max_characters + 4)
            if stream.read(1):
                return Entry(ordinal, note_id, None, Reason.TOO_LONG)
        try:
            text = content.removeprefix(codecs.BOM_UTF8).decode()
        except UnicodeDecodeError as error:
            return Entry(ordinal, note_id, None, Reason.INVALID_UTF8, f"byte {error.start}")
        limit = self._options.max_characters
        reason = text_problem(text, surrogate=Reason.INVALID_UTF8, max_characters=limit)
        if reason is not None:
            return Entry(ordinal, note_id, None, reason)
        folder = os.path.basename(os.path.dirname(relative))
        patient = folder if self._options.columns.patient_id and folder else None
        return Entry(ordinal, note_id, Note(note_id, text, patient), None)

    def _mark(self, relative: str) -> bytes:
        with reading(relative), (self._root / relative).open("rb") as stream:
            return codecs.BOM_UTF8 if stream.read(3) == codecs.BOM_UTF8 else b""


def _walk(root: Path, below: str = "") -> Iterator[tuple[str, bool]]:
    """Yield every file's relative path in sorted order, and whether it is a note."""
    try:
        with os.scandir(root / below) as found:
            entries = sorted(found, key=lambda each: each.name + ("/" if _is_folder(each) else ""))
    except OSError as error:
        raise InputOutputError(f"cannot read folder {root / below}: {error.strerror}") from error
    for entry in entries:
        relative = f"{below}{entry.name}"
        if _is_folder(entry):
            yield from _walk(root, f"{relative}/")
        else:
            yield relative, _is_note(entry, root)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _is_note(entry: os.DirEntry[str], root: Path) -> bool:
    if os.path.splitext(entry.name)[1].lower() != ".txt" or not entry.is_file():
        return False
    return not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(root.resolve())
