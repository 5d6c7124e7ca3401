from __future__ import annotations

import bz2
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from deid.errors import InputOutputError
from deid.formats.source import Outcome, Source, open_source

TEXTS = [f"Note {number}, née." for number in range(50)]
Packing = Callable[[bytes], bytes]
JSONL = "".join(
    json.dumps({"note_id": str(at), "text": text}) + "\n" for at, text in enumerate(TEXTS)
).encode()
CSV = ("note_id,text\r\n" + "".join(f'{at},"{text}"\r\n' for at, text in enumerate(TEXTS))).encode()


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue().to_pybytes())


def unzstd(content: bytes) -> bytes:
    return bytes(pa.CompressedInputStream(pa.BufferReader(content), "zstd").read())


PACKED: dict[str, tuple[Packing, Packing]] = {
    ".gz": (gzip.compress, gzip.decompress),
    ".bz2": (bz2.compress, bz2.decompress),
    ".zst": (zstd, unzstd),
}


def upper(source: Source) -> list[Outcome]:
    return [Outcome(each.ordinal, each.note.text.upper() if each.note else None) for each in source.read()]


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize(("name", "content"), [("notes.jsonl", JSONL), ("notes.csv", CSV)])
def test_round_trip(tmp_path: Path, suffix: str, name: str, content: bytes) -> None:
    pack, unpack = PACKED[suffix]
    (tmp_path / f"{name}{suffix}").write_bytes(pack(content))
    (tmp_path / name).write_bytes(content)
    packed, plain = open_source(tmp_path / f"{name}{suffix}"), open_source(tmp_path / name)
    assert list(packed.read()) == list(plain.read())
    (written,) = packed.write(iter(upper(packed)), tmp_path / "out")
    (expected,) = plain.write(iter(upper(plain)), tmp_path / "plain")
    assert written.name == f"{expected.name}{suffix}"
    assert unpack(written.read_bytes()) == expected.read_bytes()
    assert packed.digest() != plain.digest()  # of the bytes on disk
    assert packed.size() == (tmp_path / f"{name}{suffix}").stat().st_size


@pytest.mark.parametrize("suffix", PACKED)
def test_a_file_cut_off_ends_the_reading(tmp_path: Path, suffix: str) -> None:
    content = PACKED[suffix][0](JSONL)
    path = tmp_path / f"notes.jsonl{suffix}"
    path.write_bytes(content)
    source = open_source(path)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputOutputError) as caught:
        list(source.read())
    assert "Note" not in str(caught.value)


def test_no_compressed_file_at_all(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl.gz"
    path.write_bytes(JSONL)
    with pytest.raises(InputOutputError, match=r"notes\.jsonl\.gz"):
        open_source(path)


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("name", ["notes.jsonl", "notes.csv"])
def test_a_compressed_file_of_no_bytes_was_cut_off(tmp_path: Path, suffix: str, name: str) -> None:
    (tmp_path / f"{name}{suffix}").write_bytes(b"")
    with pytest.raises(InputOutputError):
        list(open_source(tmp_path / f"{name}{suffix}").read())
