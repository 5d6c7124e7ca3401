from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from deid.errors import InputOutputError, UsageError
from deid.formats.atomic import (
    Spool,
    atomic_file,
    digest_of,
    digest_of_folder,
    prepare_folder,
    reading,
    write_shards,
)


def lines(stream: BinaryIO, rows: Iterator[str]) -> None:
    stream.writelines(row.encode() + b"\n" for row in rows)


def test_file_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with atomic_file(path) as stream:
        stream.write(b"whole")
        assert not path.exists()
        assert len(list(tmp_path.iterdir())) == 1
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


def test_failure_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_file(path) as stream:
        stream.write(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_temporary_name_says_nothing(tmp_path: Path) -> None:
    names = set()
    for _ in range(2):
        with atomic_file(tmp_path / "mrn-001234.txt"):
            names |= {each.name for each in tmp_path.iterdir() if each.suffix == ".tmp"}
    assert len(names) == 2
    assert not any("001234" in name for name in names)


def test_mode_of_a_secret_file(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a", mode=0o600):
        pass
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_missing_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(InputOutputError, match="cannot write"), atomic_file(tmp_path / "no" / "a"):
        pass


def test_prepare_clears_what_a_killed_writer_left_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    stale = tmp_path / "sub" / ".deid-0123456789abcdef.tmp"
    kept = [tmp_path / "sub" / "note.txt", tmp_path / ".deid-notes.tmp"]
    for path in (stale, *kept):
        path.write_bytes(b"x")
    prepare_folder(tmp_path, source=None)
    assert not stale.exists()
    assert all(path.exists() for path in kept)


def test_prepare_refuses_an_output_inside_the_input(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="inside the input folder"):
        prepare_folder(tmp_path / "clean", source=tmp_path)
    assert not (tmp_path / "clean").exists()


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (0, 2, [[]]),
        (1, 2, [["0"]]),
        (4, 2, [["0", "1"], ["2", "3"]]),
        (5, 2, [["0", "1"], ["2", "3"], ["4"]]),
    ],
)
def test_shards(tmp_path: Path, count: int, size: int, expected: list[list[str]]) -> None:
    paths = write_shards(map(str, range(count)), tmp_path, suffix="x", size=size, write=lines)
    assert [path.name for path in paths] == [f"part-{number:05d}.x" for number in range(len(expected))]
    assert [path.read_text().split() for path in paths] == expected


def test_folder_digest_depends_on_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "ab").write_bytes(b"c")
    (tmp_path / "a").write_bytes(b"bc")
    one, other = (digest_of_folder(tmp_path, [name]) for name in ("ab", "a"))
    assert one != other
    assert one.startswith("sha256:")
    (tmp_path / "ab").write_bytes(b"d")
    assert digest_of_folder(tmp_path, ["ab"]) != one


def test_spool_serves_several_readers_at_once() -> None:
    content = bytes(range(256)) * 5000
    spool = Spool(io.BytesIO(content))
    with spool.open() as first, spool.open() as second:
        assert first.read(10) == content[:10]
        assert second.read() == content
        assert first.read(10) == content[10:20]
        assert digest_of(spool.open()) == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_reading_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(InputOutputError, match="cannot read notes: No such file"), reading("notes"):
        (tmp_path / "none").read_bytes()
