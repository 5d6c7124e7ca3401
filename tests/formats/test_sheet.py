"""Sheets that people fill in."""

from __future__ import annotations

from pathlib import Path

import pytest

from deid.errors import InputOutputError, UsageError
from deid.formats.sheet import read_sheet, write_sheet

COLUMNS = ("id", "text", "answer")


def _read(path: Path) -> list[tuple[int, dict[str, str]]]:
    rows = read_sheet(path, COLUMNS, needed=("id", "answer"), what="answers")
    return [(number, dict(row)) for number, row in rows]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    write_sheet(path, COLUMNS, [("a", 'one, "two"\nthree', ""), ("b", "=1+1", 5)])
    assert path.stat().st_mode & 0o777 == 0o600
    assert _read(path) == [
        (2, {"id": "a", "text": 'one, "two"\nthree', "answer": ""}),
        (3, {"id": "b", "text": "'=1+1", "answer": "5"}),
    ]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(tmp_path: Path, sign: str) -> None:
    path = tmp_path / "sheet.csv"
    write_sheet(path, COLUMNS, [(f"{sign}A1", "", "")])
    assert _read(path)[0][1]["id"] == f"'{sign}A1"


def test_what_spreadsheets_make_of_it(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    path.write_bytes("\ufeffid;text;answer\r\na;x,y;n\r\nb;\r\n".encode())
    assert _read(path) == [
        (2, {"id": "a", "text": "x,y", "answer": "n"}),
        (3, {"id": "b", "text": "", "answer": ""}),
    ]


def test_no_sheet(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    with pytest.raises(InputOutputError, match="No such file"):
        _read(path)
    path.write_bytes(b"id,answer\nOkonkwo\xe9,y\n")
    with pytest.raises(UsageError, match="save it as CSV UTF-8") as raised:
        _read(path)
    assert "Okonkwo" not in str(raised.value)
    path.write_text("id,text\na,b\n")
    with pytest.raises(UsageError, match="needs the columns id, text, answer; answer is missing"):
        _read(path)
