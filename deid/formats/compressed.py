"""Compressed files, read and written as streams; what was compressed stays so in the output."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

_CODECS: Mapping[str, str] = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}


def compression_of(path: Path) -> str:
    """Return the suffix that says how a file is compressed, such as ``.gz``; empty if it is not.

    Args:
        path: Only its name is looked at.
    """
    suffix = path.suffix.lower()
    return suffix if suffix in _CODECS else ""


def suffix_of(path: Path) -> str:
    """Return a file's suffix in small letters, that of its compression left out: ``.csv`` of ``a.CSV.gz``.

    Args:
        path: Only its name is looked at.
    """
    return (path.with_suffix("") if compression_of(path) else path).suffix.lower()


def open_bytes(path: Path) -> io.BufferedReader:
    """Open a file, decompressed as it is read.

    Args:
        path: The file.

    Returns:
        A stream; reading it raises an `OSError` where a compressed file is damaged or cut off.

    Raises:
        OSError: if a compressed file has no bytes at all.
    """
    codec = _CODECS.get(compression_of(path))
    if codec is None:
        return path.open("rb")
    if not path.stat().st_size:
        raise OSError(errno.EIO, "a compressed file of no bytes was cut off", path.name)
    import pyarrow as pa

    return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path)), codec))


class _KeptOpen(io.RawIOBase):
    """Passes on what is written; closing it leaves the stream behind it open."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        return self._stream.write(data)


@contextmanager
def compressing(stream: BinaryIO, suffix: str) -> Iterator[BinaryIO]:
    """Yield a stream that compresses into another one, which stays open.

    Args:
        stream: Takes the compressed bytes.
        suffix: As `compression_of` says; nothing is compressed if it is empty.
    """
    if not suffix:
        yield stream
        return
    import pyarrow as pa

    sink = pa.PythonFile(_KeptOpen(stream), mode="w")
    with pa.CompressedOutputStream(sink, _CODECS[suffix]) as compressed:
        yield cast(BinaryIO, compressed)
