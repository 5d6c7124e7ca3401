"""Input from object stores and other file systems that fsspec knows: copied first, then read like any other.

A run reads its input several times (its digest, the notes, once more for writing) and refuses one that
changed in between: both need files that stay as they are. So all of it is copied into a folder that only the
owner can enter, on the file system of the output, and removed at the end.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from deid.errors import DeidError, InputOutputError, UsageError
from deid.formats.database.address import is_address

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_COPIES = ".deid-*.copy"
_LOCK = "lock"
_CONTENT = "content"


def is_remote(value: str) -> bool:
    """Tell whether a word of a command line is a URL of files, such as ``s3://bucket/export/``.

    Args:
        value: A path, an address of a database, or a URL.
    """
    return _URL.match(value) is not None and not is_address(value)


@contextmanager
def local_copy(url: str, *, beside: Path) -> Iterator[Path]:
    """Copy a file or folder to this machine for as long as the block lasts.

    Args:
        url: Of a file or folder; ``s3://``, ``gs://`` and the like need fsspec's package for it. Credentials
            come from the environment, as those packages document, and never from the URL.
        beside: The copy is made in this path's folder, which is made if absent.

    Raises:
        UsageError: for a URL that holds credentials, or that no file system here can read.
        InputOutputError: if something cannot be read or written; of the URL the message has the scheme alone.
    """
    scheme = _checked(url)
    with _private_folder(beside.resolve().parent) as folder:
        try:
            path = _copy(url, folder / _CONTENT)
        except DeidError:
            raise
        except Exception as error:  # whatever a file system's package says may quote keys and addresses
            raise InputOutputError(f"cannot copy {scheme}://…: {type(error).__name__}") from None
        yield path


def _checked(url: str) -> str:
    """Return the scheme of a URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise UsageError("the input is not a valid URL") from None
    if "::" in url:
        raise UsageError("a URL of a file system within another is not read; unpack it first")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(
            f"input {parts.scheme}://…: credentials and parameters do not belong in a URL that logs may keep;"
            " set them in the environment, as the file system's package documents"
        )
    return parts.scheme


def _copy(url: str, target: Path) -> Path:
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        raise UsageError(
            "the input is a URL, which needs fsspec: pip install 'clinical-deid[remote]'"
        ) from None
    try:
        system, root = url_to_fs(url, use_listings_cache=False)
    except (ImportError, ValueError):
        raise UsageError(
            f"input {urlsplit(url).scheme}://…: fsspec needs a further package for this scheme,"
            " such as s3fs or gcsfs; or it knows none"
        ) from None
    root = str(root).rstrip("/")
    if system.isfile(root):
        path = target / _within(PurePosixPath(root).name)
        _copy_file(system, root, path)
        return path
    found = sorted(str(each) for each in system.find(root))
    if not found:
        raise UsageError(f"input {urlsplit(url).scheme}://…: there is no such file, and no folder with files")
    for each in found:
        if not each.endswith("/"):  # what some stores keep in the place of a folder
            _copy_file(system, each, target / _within(each.removeprefix(root).lstrip("/")))
    return target


def _within(name: str) -> str:
    """Check that a name stays in the folder of the copy: in an object store it may be any string."""
    parts = name.split("/")
    if not name or "\0" in name or any(part in ("", ".", "..") for part in parts):
        raise UsageError("the input holds a file whose name leads out of its folder; rename it")
    return name


def _copy_file(system: Any, source: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with system.open(source, "rb") as stream, path.open("xb") as copy:
        shutil.copyfileobj(stream, copy)


@contextmanager
def _private_folder(parent: Path) -> Iterator[Path]:
    """Make a folder for its owner alone and remove it at the end; those of killed runs beside it go, too."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for left in parent.glob(_COPIES):
            _remove_abandoned(left)
        folder = parent / f".deid-{secrets.token_hex(8)}.copy"
        folder.mkdir(mode=0o700)
        lock = os.open(folder / f"{_LOCK}.new", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InputOutputError(f"cannot make a folder for the input in {parent}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Nobody looks at a folder before its lock is held under this name.
        os.rename(folder / f"{_LOCK}.new", folder / _LOCK)
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(lock)


def _remove_abandoned(folder: Path) -> None:
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return  # another's, or one that holds nothing yet
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    except OSError:
        pass  # at work
    finally:
        os.close(lock)
