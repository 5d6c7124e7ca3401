from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.errors import InputOutputError, IntegrityError, Reason, UsageError
from deid.formats.source import Columns, Options, Outcome, Source
from deid.formats.text_folder import TextFolder

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def same(source: Source) -> Iterator[Outcome]:
    return (Outcome(each.ordinal, each.note.text if each.note else None) for each in source.read())


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()
    }


def test_order_is_that_of_relative_paths(tmp_path: Path) -> None:
    names = ["b.txt", "a/z.txt", "a-b.txt", "a.txt", "a/b/c.txt", "a0.txt", "B.txt", "ä.txt"]
    source = TextFolder(fill(tmp_path, dict.fromkeys(names, b"x")), Options())
    assert [entry.note_id for entry in source.read()] == [name[:-4] for name in sorted(names)]
    assert [entry.ordinal for entry in source.read()] == list(range(len(names)))


def test_other_files_are_counted(tmp_path: Path) -> None:
    files = dict.fromkeys(["a.txt", "b.TXT", "c.md", "d/e.txt.bak", "d/.txt", "noext"], b"x")
    source = TextFolder(fill(tmp_path, files), Options())
    assert [entry.note_id for entry in source.read()] == ["a", "b"]
    assert source.skipped == 4
    assert source.size() == 2


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    fill(tmp_path, {"outside/secret.txt": b"x", "in/a.txt": b"x"})
    os.symlink(tmp_path / "outside" / "secret.txt", tmp_path / "in" / "b.txt")
    os.symlink(tmp_path / "outside", tmp_path / "in" / "c")
    os.symlink(tmp_path / "in", tmp_path / "in" / "loop")
    os.symlink(tmp_path / "in" / "a.txt", tmp_path / "in" / "d.txt")
    os.symlink(tmp_path / "in" / "gone.txt", tmp_path / "in" / "e.txt")
    source = TextFolder(tmp_path / "in", Options())
    assert [entry.note_id for entry in source.read()] == ["a", "d"]
    assert source.skipped == 4


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", None),
        (b"\xef\xbb\xbf", None),
        (b"caf\xe9", Reason.INVALID_UTF8),
        (b"\xff\xfeS\x00", Reason.INVALID_UTF8),
        (b"\xed\xa0\x80", Reason.INVALID_UTF8),
        (b"a\0b", Reason.NUL_CHARACTER),
        (b"x" * 11, Reason.TOO_LONG),
        (b"x" * 1000, Reason.TOO_LONG),
        ("✓".encode() * 10, None),
        (codecs.BOM_UTF8 + "😀".encode() * 10, None),
    ],
    ids=count(),
)
def test_what_is_no_note(tmp_path: Path, content: bytes, reason: Reason | None) -> None:
    source = TextFolder(fill(tmp_path / "in", {"a.txt": content, "b.txt": b"ok"}), Options(max_characters=10))
    first, second = source.read()
    assert (first.note_id, first.reason) == ("a", reason)
    assert second.note is not None
    source.write(same(source), tmp_path / "out")
    assert set(contents(tmp_path / "out")) == ({"b.txt"} if reason else {"a.txt", "b.txt"})


def test_name_that_is_not_utf8(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.txt", "wb") as stream:
        stream.write(b"x")
    (entry,) = TextFolder(tmp_path, Options()).read()
    assert (entry.note_id, entry.reason) == ("file-1", Reason.UNSAFE_NOTE_ID)


@given(st.dictionaries(st.sampled_from(["a", "b/a", "b/c/d", "e f", "ü"]), st.tuples(st.booleans(), texts)))
@settings(max_examples=40)
def test_round_trip_keeps_every_byte(
    tmp_path_factory: pytest.TempPathFactory, notes: dict[str, tuple[bool, str]]
) -> None:
    folder = tmp_path_factory.mktemp("t")
    files = {
        f"{name}.txt": (codecs.BOM_UTF8 if mark else b"") + text.encode()
        for name, (mark, text) in notes.items()
    }
    # Without a mark of its own a text that begins with U+FEFF reads as a mark and a text.
    fill(folder / "in", {"z.txt": b"\r\nlast\r", **files})
    source = TextFolder(folder / "in", Options())
    paths = source.write(same(source), folder / "out")
    assert contents(folder / "out") == contents(folder / "in")
    assert sorted(paths) == sorted(path for path in (folder / "out").rglob("*") if path.is_file())


def test_only_the_text_is_replaced(tmp_path: Path) -> None:
    fill(tmp_path / "in", {"a.txt": codecs.BOM_UTF8 + b"Seen by X\r\n", "b/c.txt": b"y"})
    source = TextFolder(tmp_path / "in", Options())
    source.write(iter([Outcome(0, "Seen by [Y]\r\n"), Outcome(1, None)]), tmp_path / "out")
    assert contents(tmp_path / "out") == {"a.txt": codecs.BOM_UTF8 + b"Seen by [Y]\r\n"}


def test_single_file(tmp_path: Path) -> None:
    fill(tmp_path / "in", {"a.txt": b"x", "b.txt": b"y"})
    source = TextFolder(tmp_path / "in" / "a.txt", Options())
    assert [entry.note_id for entry in source.read()] == ["a"]
    assert (source.size(), source.skipped, source.passed_through()) == (1, 0, ())
    source.write(same(source), tmp_path / "out")
    assert contents(tmp_path / "out") == {"a.txt": b"x"}
    digest = source.digest()
    (tmp_path / "in" / "b.txt").write_bytes(b"z")
    assert source.digest() == digest


def test_folder_as_patient(tmp_path: Path) -> None:
    fill(tmp_path, {"p1/a.txt": b"x", "p2/old/b.txt": b"x", "top.txt": b"x"})
    source = TextFolder(tmp_path, Options(columns=Columns(patient_id="folder")))
    notes = [entry.note for entry in source.read()]
    assert [note.patient_id for note in notes if note] == ["p1", "old", None]
    assert source.passed_through() == ("folder",)


@pytest.mark.parametrize(
    "options",
    [Options(columns=Columns(text="t")), Options(columns=Columns(patient_id="mrn")), Options(drop=("mrn",))],
)
def test_options_that_text_files_cannot_have(tmp_path: Path, options: Options) -> None:
    with pytest.raises(UsageError, match="text files have no columns"):
        TextFolder(tmp_path, options)


def test_digest_sees_names_and_contents(tmp_path: Path) -> None:
    digests = set()
    for name, content in (("a.txt", b"x"), ("a.txt", b"y"), ("b.txt", b"y"), ("c.md", b"y")):
        (tmp_path / name).write_bytes(content)
        digests.add(TextFolder(tmp_path, Options()).digest())
    assert len(digests) == 3


def test_reading_is_lazy(tmp_path: Path) -> None:
    fill(tmp_path, {"a.txt": b"x", "b.txt": b"y"})
    entries = TextFolder(tmp_path, Options()).read()
    assert next(entries).note_id == "a"
    (tmp_path / "b.txt").unlink()
    with pytest.raises(InputOutputError, match=r"cannot read b\.txt: No such file"):
        next(entries)


def test_writing_is_lazy_and_checks_the_source(tmp_path: Path) -> None:
    source = TextFolder(fill(tmp_path / "in", {"a.txt": b"x", "b.txt": b"y"}), Options())

    def outcomes() -> Iterator[Outcome]:
        yield Outcome(0, "1")
        yield Outcome(1, "2")
        assert set(contents(tmp_path / "out")) == {"a.txt", "b.txt"}
        yield Outcome(2, "3")

    with pytest.raises(IntegrityError, match="no entry for outcome 2"):
        source.write(outcomes(), tmp_path / "out")


def test_output_inside_the_input_is_refused(tmp_path: Path) -> None:
    source = TextFolder(fill(tmp_path, {"a.txt": b"x"}), Options())
    with pytest.raises(UsageError, match="inside the input"):
        source.write(same(source), tmp_path / "out")
