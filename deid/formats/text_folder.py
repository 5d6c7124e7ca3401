"""Plain text and documents: a folder of files, or a single one; a file is a note, its path the note's id."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from pathlib import Path

from deid.errors import NoteError, Reason, UsageError
from deid.formats.atomic import atomic_file, digest_of, digest_of_folder, prepare_folder, reading, sync_folder
from deid.formats.documents.read import LONGEST, SUFFIXES, document_text
from deid.formats.folder import files_of
from deid.formats.source import Entry, Options, Outcome, Pairing, text_problem
from deid.note import Note

FOLDER = "folder"
_PLAIN = ".txt"


class TextFolder:
    """Notes in text files, sorted by relative POSIX path; byte order marks and line ends stay as they are.

    Links are followed to files within the folder only. The output has the same relative paths. Documents come
    out as plain text, ``letter.docx`` as ``letter.docx.txt``; the note's id is ``letter.docx`` then.

    Args:
        path: Folder or file.
        options: Of the columns only ``patient_id="folder"`` means something: the name of the folder that
            holds the note; a note at the top has no patient then.
        documents: Whether documents are read beside text files.
        root: What the relative path of a single file begins at; its folder when None.

    Raises:
        UsageError: for options that text files cannot have.
    """

    def __init__(
        self, path: Path, options: Options, *, documents: bool = False, root: Path | None = None
    ) -> None:
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
        self._root = (root or path.parent) if self._single else path
        self._options = options
        self._documents = documents

    @property
    def skipped(self) -> int:
        """Number of files in the folder that are not read: other suffixes, and links that lead out of it."""
        return 0 if self._single else sum(not wanted for _, wanted in self._walk())

    @property
    def as_text(self) -> int:
        """Number of documents, which come out as plain text."""
        return sum(not is_plain(relative) for relative in self._files())

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
            path = directory / written_as(relative)
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
            return iter((Path(self.name).relative_to(self._root).as_posix(),))
        return (relative for relative, wanted in self._walk() if wanted)

    def _walk(self) -> Iterator[tuple[str, bool]]:
        suffixes = (_PLAIN, *SUFFIXES) if self._documents else (_PLAIN,)
        for relative, within in files_of(self._root, written_as=written_as if self._documents else str):
            yield relative, within and os.path.splitext(relative)[1].lower() in suffixes

    def _entry(self, ordinal: int, relative: str) -> Entry:
        note_id = os.path.splitext(relative)[0] if is_plain(relative) else relative
        try:
            note_id.encode()
        except UnicodeEncodeError:
            return Entry(ordinal, f"file-{ordinal + 1}", None, Reason.UNSAFE_NOTE_ID, "name is not UTF-8")
        limit = self._options.max_characters
        try:
            text = self._plain(relative) if is_plain(relative) else self._document(relative)
        except NoteError as error:
            return Entry(ordinal, note_id, None, error.reason, error.detail)
        reason = text_problem(text, surrogate=Reason.INVALID_UTF8, max_characters=limit)
        if reason is not None:
            return Entry(ordinal, note_id, None, reason)
        folder = os.path.basename(os.path.dirname(relative))
        patient = folder if self._options.columns.patient_id and folder else None
        return Entry(ordinal, note_id, Note(note_id, text, patient), None)

    def _plain(self, relative: str) -> str:
        # No text of max_characters takes more than four bytes for each and the mark.
        content = self._content(relative, 4 * self._options.max_characters + 4)
        try:
            return content.removeprefix(codecs.BOM_UTF8).decode()
        except UnicodeDecodeError as error:
            raise NoteError(Reason.INVALID_UTF8, f"byte {error.start}") from None

    def _document(self, relative: str) -> str:
        return document_text(self._content(relative, LONGEST), os.path.splitext(relative)[1].lower())

    def _content(self, relative: str, limit: int) -> bytes:
        with reading(relative), (self._root / relative).open("rb") as stream:
            content = stream.read(limit)
            if stream.read(1):
                raise NoteError(Reason.TOO_LONG)
        return content

    def _mark(self, relative: str) -> bytes:
        if not is_plain(relative):
            return b""
        with reading(relative), (self._root / relative).open("rb") as stream:
            return codecs.BOM_UTF8 if stream.read(3) == codecs.BOM_UTF8 else b""


def text_and_documents(path: Path, options: Options) -> TextFolder:
    """Open text files and documents; see `TextFolder`.

    Args:
        path: Folder or file.
        options: As for `TextFolder`.
    """
    return TextFolder(path, options, documents=True)


def is_plain(name: str) -> bool:
    """Tell whether a file is no document, by its name.

    Args:
        name: With its suffix.
    """
    return os.path.splitext(name)[1].lower() not in SUFFIXES


def written_as(name: str) -> str:
    """Return the name of a file in the output.

    Args:
        name: Of the file read.
    """
    return name if is_plain(name) else f"{name}{_PLAIN}"
