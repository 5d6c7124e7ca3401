"""Folders of files: in what order they are read, and which of them are out of bounds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from deid.errors import InputOutputError, UsageError


def files_of(
    root: Path, *, written_as: Callable[[str], str] = str, below: str = ""
) -> Iterator[tuple[str, bool]]:
    """Yield every file's relative POSIX path, and whether it may be read: links lead to files within only.

    Args:
        root: The folder.
        written_as: Name of a file in the output; the order is that of the output's relative paths.
        below: Where to begin, relative to the folder, with a slash at its end.

    Raises:
        InputOutputError: if a folder cannot be read.
        UsageError: if two files would be written under one name.
    """
    try:
        with os.scandir(root / below) as found:
            entries = sorted(found, key=lambda each: _key(each, written_as))
    except OSError as error:
        raise InputOutputError(f"cannot read folder {root / below}: {error.strerror}") from error
    for before, after in pairwise(entries):
        if _key(before, written_as) == _key(after, written_as):
            raise UsageError(f"{root / below}: two files would be written as {written_as(after.name)}")
    for entry in entries:
        relative = f"{below}{entry.name}"
        if _is_folder(entry):
            yield from files_of(root, written_as=written_as, below=f"{relative}/")
        else:
            yield relative, _is_within(entry, root)


def _key(entry: os.DirEntry[str], written_as: Callable[[str], str]) -> str:
    return f"{entry.name}/" if _is_folder(entry) else written_as(entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _is_within(entry: os.DirEntry[str], root: Path) -> bool:
    if not entry.is_file():
        return False
    return not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(root.resolve())
