"""Files on disk: read with errors of ours, digested, written completely or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from deid.errors import InputOutputError, IntegrityError, UsageError
from deid.formats.compressed import compressing, compression_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

T = TypeVar("T")

_TEMPORARY = re.compile(r"\.deid-[0-9a-f]{16}\.tmp")


@contextmanager
def reading(place: str) -> Iterator[None]:
    """Turn failures of the operating system while reading into errors of ours.

    Args:
        place: File or note id.

    Raises:
        InputOutputError: instead of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise InputOutputError(f"cannot read {place}: {error.strerror or type(error).__name__}") from error


def digest_of(stream: io.BufferedReader) -> str:
    """Return ``sha256:`` and the digest of a stream's bytes.

    Args:
        stream: Read to its end.
    """
    return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def digest_of_folder(folder: Path, names: Iterable[str]) -> str:
    """Return ``sha256:`` and a digest over names and contents.

    Args:
        folder: Where the files are.
        names: Relative POSIX paths, sorted.

    Raises:
        InputOutputError: if a file cannot be read.
    """
    total = hashlib.sha256()
    for name in names:
        with reading(name), (folder / name).open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").digest()
        encoded = os.fsencode(name)
        total.update(len(encoded).to_bytes(8, "big") + encoded + content)
    return f"sha256:{total.hexdigest()}"


@contextmanager
def atomic_file(path: Path, *, mode: int = 0o666, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a file for writing that appears under its name only when the block ends well.

    Args:
        path: The file; its folder must exist. A file of that name is replaced.
        mode: Permissions before the umask.
        sync: Also sync the folder; a writer of many files does that itself with `sync_folder`.

    Raises:
        InputOutputError: if the file cannot be written.
    """
    temporary = path.parent / f".deid-{secrets.token_hex(8)}.tmp"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        if sync:
            sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputOutputError(f"cannot write {path}: {error.strerror or type(error).__name__}") from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable.

    Args:
        folder: An existing folder.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def prepare_folder(folder: Path, *, source: Path | None) -> None:
    """Make an output folder and clear it of what a killed writer left under temporary names.

    Args:
        folder: The folder to write to.
        source: File or folder that is read; the output may not lie inside it.

    Raises:
        UsageError: if the output would become part of the input.
        InputOutputError: if the folder cannot be made.
    """
    if source is not None and source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"the output folder {folder} lies inside the input folder {source}; choose another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for parent, _, names in os.walk(folder):
            for name in filter(_TEMPORARY.fullmatch, names):
                Path(parent, name).unlink()
    except OSError as error:
        raise InputOutputError(f"cannot use the output folder {folder}: {error.strerror}") from error


def shard_path(folder: Path, number: int, suffix: str) -> Path:
    """Return the path of a shard.

    Args:
        folder: Output folder.
        number: From 0.
        suffix: Without dot.
    """
    return folder / f"part-{number:05d}.{suffix}"


def write_shards(
    rows: Iterable[T], folder: Path, *, suffix: str, size: int, write: Callable[[BinaryIO, Iterator[T]], None]
) -> tuple[Path, ...]:
    """Write rows into files of equal size; without rows there is one file, so that a header is not lost.

    Args:
        rows: Consumed as they are written.
        folder: An existing folder.
        suffix: Of the files, without dot; compressed as it says.
        size: Rows in a file.
        write: Writes one file from all the rows it is given.

    Returns:
        The files, in order.
    """
    paths: list[Path] = []
    waiting = iter(rows)
    head = tuple(islice(waiting, 1))
    while head or not paths:
        path = shard_path(folder, len(paths), suffix)
        with atomic_file(path) as file, compressing(file, compression_of(path)) as stream:
            write(stream, islice(chain(head, waiting), size))
        paths.append(path)
        head = tuple(islice(waiting, 1))
    return tuple(paths)


def state_of(path: Path) -> tuple[int, int]:
    """Return size and time of change of a file, to notice that it changed.

    Args:
        path: An existing file.
    """
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def check_unchanged(name: str, states: Mapping[Path, tuple[int, int]]) -> None:
    """Check that files are what they were.

    Args:
        name: The source, for the error.
        states: The files with what `state_of` said when they were opened.

    Raises:
        IntegrityError: if one of them changed or is gone.
    """
    if any(not path.exists() or state_of(path) != state for path, state in states.items()):
        raise IntegrityError(f"{name}: changed since it was opened; start a new run")


class Spool:
    """A copy of a stream in an unlinked temporary file, for several readers at once.

    Args:
        stream: Read to its end.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        shutil.copyfileobj(stream, self._file)
        self._file.flush()

    def open(self) -> io.BufferedReader:
        """Return a reader from the beginning."""
        return io.BufferedReader(_Window(self._file.fileno()))


class _Window(io.RawIOBase):
    """Reads a descriptor at a position of its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: os.fstat(self._descriptor).st_size}
        self._position = base[whence] + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        data = os.pread(self._descriptor, len(view), self._position)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)
