from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from fsspec.implementations.memory import MemoryFileSystem

from deid.cli import main
from deid.errors import InputOutputError, UsageError
from deid.formats.remote import is_remote, local_copy
from deid.formats.source import open_source

LINE = b'{"note_id": "a", "text": "Seen by Dr. Ana Lima on 03/04/2024."}\n'


@pytest.fixture
def store() -> Iterator[MemoryFileSystem]:
    system = MemoryFileSystem()
    system.store.clear()
    system.pipe({"/bucket/export/n.jsonl": LINE, "/bucket/export/letters/b.txt": b"Call 555-555-0142."})
    yield system
    system.store.clear()


def names(folder: Path) -> list[str]:
    return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("s3://bucket/x", True),
        ("memory://x", True),
        ("file:///x", True),
        ("postgresql:///ehr?table=note", False),
        ("duckdb:ehr.duckdb?table=note", False),
        ("notes.jsonl", False),
        ("C:/notes", False),
        ("-", False),
    ],
)
def test_urls(value: str, expected: bool) -> None:
    assert is_remote(value) is expected


def test_a_run_over_a_folder_of_a_store(tmp_path: Path, store: MemoryFileSystem) -> None:
    out = tmp_path / "new" / "run"
    arguments = ["run", "memory://bucket/export", "--policy", "safe-harbor", "--out", str(out)]
    called = CliRunner().invoke(main, arguments)
    assert called.exit_code == 0, called.stderr
    assert names(out / "notes") == ["letters", "letters/b.txt", "n.jsonl"]
    assert (out / "notes" / "letters" / "b.txt").read_text() == "Call [PHONE]."
    assert [each.name for each in out.parent.iterdir()] == ["run"]
    assert "bucket" not in "".join(each.read_text() for each in out.glob("*.json*"))
    again = CliRunner().invoke(main, [*arguments, "--resume"])
    assert again.exit_code == 0, again.stderr
    store.pipe("/bucket/export/n.jsonl", LINE * 2)
    changed = CliRunner().invoke(main, [*arguments, "--resume"])
    assert changed.exit_code == 5
    assert [each.name for each in out.parent.iterdir()] == ["run"]


def test_a_file_of_a_store(tmp_path: Path, store: MemoryFileSystem) -> None:
    called = CliRunner().invoke(main, ["detect", "memory://bucket/export/n.jsonl", "--policy", "safe-harbor"])
    assert called.exit_code == 0, called.stderr
    assert '"note_id": "a"' in called.stdout


def test_the_copy_is_its_owners_alone_and_goes(tmp_path: Path, store: MemoryFileSystem) -> None:
    before = os.umask(0)
    try:
        with local_copy("memory://bucket/export/", beside=tmp_path / "out") as path:
            (folder,) = tmp_path.iterdir()
            assert path.is_relative_to(folder)
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert "bucket" not in str(path.relative_to(tmp_path))
            assert names(path) == ["letters", "letters/b.txt", "n.jsonl"]
    finally:
        os.umask(before)
    with pytest.raises(RuntimeError), local_copy("memory://bucket/export/n.jsonl", beside=tmp_path / "out"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://key:secret@bucket/x", "credentials"),
        ("s3://secret@bucket/x", "credentials"),
        ("https://example.org/x?sig=secret", "credentials"),
        ("memory://secret/x", "no such file"),
        ("nosuch://secret/x", "further package"),
        ("zip://x::memory://secret.zip", "within another"),
        ("http://[secret", "not a valid URL"),
    ],
)
def test_urls_that_cannot_be_read(tmp_path: Path, store: MemoryFileSystem, url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised, local_copy(url, beside=tmp_path / "out"):
        pass
    assert "secret" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../escaped.txt", "a/../../escaped.txt"])
def test_names_that_lead_out_of_the_copy(
    tmp_path: Path, store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(MemoryFileSystem, "find", lambda *_, **__: [f"/bucket/export/{name}"])
    with (
        pytest.raises(UsageError, match="leads out"),
        local_copy("memory://bucket/export", beside=tmp_path / "new" / "out"),
    ):
        pass
    assert names(tmp_path) == ["new"]


def test_an_error_of_the_store_is_not_quoted(
    tmp_path: Path, store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> object:
        raise PermissionError("secret key refused for bucket")

    monkeypatch.setattr(MemoryFileSystem, "open", failing)
    with (
        pytest.raises(InputOutputError, match="cannot copy memory://…: PermissionError") as raised,
        local_copy("memory://bucket/export", beside=tmp_path / "out"),
    ):
        pass
    assert "secret" not in str(raised.value) and "bucket" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


_HOLD = """
import sys, time
from pathlib import Path
from deid.formats.remote import local_copy
with local_copy(sys.argv[1], beside=Path(sys.argv[2])):
    print("copied", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_run_left_is_removed_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    source = tmp_path / "n.jsonl"
    source.write_bytes(LINE)
    beside = tmp_path / "work" / "out"
    holders = [
        subprocess.Popen(
            [sys.executable, "-c", _HOLD, source.as_uri(), str(beside)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    try:
        for holder in holders:
            assert holder.stdout is not None and holder.stdout.readline() == "copied\n"
        assert len(list(beside.parent.iterdir())) == 2
        holders[0].send_signal(signal.SIGKILL)
        holders[0].wait()
        with local_copy(source.as_uri(), beside=beside) as path:
            assert path.read_bytes() == LINE
            assert len(list(beside.parent.iterdir())) == 2  # ours, and the one in use
        assert len(list(beside.parent.iterdir())) == 1
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()
            if holder.stdout is not None:
                holder.stdout.close()


def test_without_fsspec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with (
        pytest.raises(UsageError, match=r"clinical-deid\[remote\]"),
        local_copy("memory://x", beside=tmp_path / "out"),
    ):
        pass


def test_other_commands_do_not_read_urls() -> None:
    with pytest.raises(UsageError, match="only deid run and deid detect"):
        open_source("memory://bucket/export")
