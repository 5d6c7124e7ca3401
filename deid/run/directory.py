"""A run directory: its files, its lock, and what a finished one says of itself."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from deid.audit.log import LOG_NAME, MANIFEST_NAME
from deid.errors import InputOutputError, UsageError
from deid.formats.grouped import Grouped, notes_of_rows
from deid.formats.source import Columns, Entry, Options, open_source
from deid.note import Note
from deid.run.manifest import COMPLETE, read_manifest

NOTES, QUARANTINE, WORK, TIMING = "notes", "quarantine", "work", "timing.json"
RESULTS = "results.sqlite"
QUARANTINE_LIST = "quarantine.jsonl"
_LOCK = ".lock"
_TEMPORARY = ".deid-"  # what a killed writer leaves, see `deid.formats.atomic`
_WHOLE_FOLDERS = {
    "TextFolder": "txt",
    "Mixed": "mixed",
}  # readers to formats; others write files side by side
_LISTED = 20
_LONGER = 20  # markers and surrogates lengthen a note far less than this many times


@contextmanager
def hold(directory: Path, *, resume: bool) -> Iterator[None]:
    """Take a run directory for this run alone; if nothing comes of the run, leave nothing behind.

    Args:
        directory: Made if absent.
        resume: Whether it may hold a run that was begun.

    Raises:
        UsageError: if it is in use, is not empty, or holds something else than a run.
        InputOutputError: if it cannot be made or read.
    """
    with disk_errors(directory):
        made = not directory.exists()
        fresh = _is_fresh(directory, resume=resume)
        directory.mkdir(parents=True, exist_ok=True)
        lock = _locked(directory)
        try:
            fresh = _is_fresh(directory, resume=resume) and fresh
            yield
        finally:
            if fresh and not _worth_keeping(directory):
                _clear(directory)
            (directory / _LOCK).unlink(missing_ok=True)
            os.close(lock)
            if made and directory.exists() and not any(directory.iterdir()):
                directory.rmdir()


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn failures of the operating system into errors of ours.

    Args:
        place: What is being worked on.

    Raises:
        InputOutputError: instead of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise InputOutputError(
            f"{place}: {error.strerror or 'cannot be read or written'}; finished units are kept:"
            " mend the cause and run again with --resume"
        ) from None


def _is_fresh(directory: Path, *, resume: bool) -> bool:
    if not directory.exists():
        return True
    if not directory.is_dir():
        raise UsageError(f"the output {directory} is a file; --out names a folder")
    names = {path.name for path in directory.iterdir() if path.name != _LOCK}
    names = {name for name in names if not name.startswith(_TEMPORARY)}
    if names and not resume:
        hint = "go on with its run with --resume" if MANIFEST_NAME in names else "name an empty or new one"
        raise UsageError(f"the output folder {directory} is not empty: {hint}")
    if names and MANIFEST_NAME not in names:
        raise UsageError(f"the output folder {directory} holds other things than a run; name another")
    return not names


def _locked(directory: Path) -> int:
    path = directory / _LOCK
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    raise UsageError(f"another run is at work in {directory}; wait for its end, or name another folder")


def _worth_keeping(directory: Path) -> bool:
    manifest = read_manifest(directory) or {}
    return manifest.get("status") == COMPLETE or any((directory / WORK).glob("*.jsonl"))


def _clear(directory: Path) -> None:
    for name in (NOTES, QUARANTINE, WORK):
        if (directory / name).is_dir():
            shutil.rmtree(directory / name)
    for name in (MANIFEST_NAME, LOG_NAME, TIMING, RESULTS):
        (directory / name).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What came of a run.

    Args:
        directory: The run directory.
        counts: As in the manifest.
        quarantined: Id and reason of the first notes that were quarantined, 20 at most.
        passed_through: Carried columns whose names look identifying.
        unused_columns: Columns of the file of known values that were not understood.
        seconds: How long it took.
        skipped_files: Files of the input folder that are no notes, or links that lead out of it.
        since: What was carried over from an earlier run, as in the manifest; None if there was none.
        files_as_text: Documents that came out as plain text.
    """

    directory: Path
    counts: Mapping[str, Any]
    quarantined: tuple[tuple[str, str], ...]
    passed_through: tuple[str, ...]
    unused_columns: tuple[str, ...]
    seconds: float
    skipped_files: int = 0
    since: Mapping[str, Any] | None = None
    files_as_text: int = 0

    @property
    def quarantine_path(self) -> Path:
        """The list of all quarantined notes."""
        return self.directory / QUARANTINE / QUARANTINE_LIST

    @property
    def exit_code(self) -> int:
        """0, or 3 if notes were quarantined."""
        return 3 if self.counts["quarantined"] else 0


def summarize(directory: Path) -> RunSummary:
    """Sum up a finished run.

    Args:
        directory: The run directory.

    Raises:
        UsageError: if there is no finished run in it.
        InputOutputError: if it cannot be read.
    """
    manifest = read_manifest(directory)
    if manifest is None or manifest.get("status") != COMPLETE:
        raise UsageError(f"{directory}: there is no finished run here")
    with disk_errors(directory), (directory / QUARANTINE / QUARANTINE_LIST).open("rb") as stream:
        first = [json.loads(line) for line in islice(stream, _LISTED)]
    listed = tuple((line["note_id"], line["reason"]) for line in first)
    passed, skipped = tuple(manifest["passed_through"]), manifest["input"]["skipped_files"]
    since, as_text = manifest.get("since"), manifest["input"]["files_as_text"]
    return RunSummary(directory, manifest["counts"], listed, passed, (), 0.0, skipped, since, as_text)


def output_texts(directory: Path) -> Iterator[str | None]:
    """Yield the de-identified texts of a run in order; None for one that cannot be read.

    Args:
        directory: The run directory.

    Raises:
        UsageError: if there is no finished run in it.
        InputOutputError: if it cannot be read.
    """
    return (None if note is None else note.text for note in output_notes(directory))


def output_notes(directory: Path) -> Iterator[Note | None]:
    """Yield the de-identified notes of a run in order; None for one that cannot be read.

    Args:
        directory: The run directory.

    Raises:
        UsageError: if there is no finished run in it, or a column was dropped that puts its rows together.
        InputOutputError: if it cannot be read.
    """
    manifest = read_manifest(directory)
    if manifest is None or manifest.get("status") != COMPLETE:
        raise UsageError(f"{directory}: there is no finished run here")
    options = manifest["options"]
    whole = _WHOLE_FOLDERS.get(manifest["input"]["reader"])
    named = {role: options["columns"][role] for role in ("text", "note_id", "patient_id")}
    columns = Columns(**{role: name for role, name in named.items() if name not in options["drop"]})
    most = _LONGER * options["max_characters"]
    grouping = {name: options[name] for name in ("group_by", "order_by")}
    if gone := sorted(set(grouping.values()) & set(options["drop"])):
        raise UsageError(f"{directory}: its rows cannot be put together again without column {gone[0]}")
    folder = directory / NOTES
    sources = (
        open_source(
            path,
            columns=None if whole == "txt" else columns,
            format=whole,
            delimiter=options["delimiter"],
            max_characters=most,
            **grouping,
        )
        for path in ([folder] if whole else sorted(folder.iterdir()))
    )
    tables = (source.rows if isinstance(source, Grouped) else source for source in sources)
    entries: Iterator[Entry] = chain.from_iterable(table.read() for table in tables)
    if whole is None and grouping["group_by"]:  # over all files: a note's rows may stand in two
        entries = notes_of_rows(entries, Options(max_characters=most, **grouping))
    yield from (entry.note for entry in entries)
