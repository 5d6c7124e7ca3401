"""CSV sheets that people fill in with a spreadsheet: written for their owner alone, and read back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from deid.errors import UsageError
from deid.formats.atomic import atomic_file, reading

OWNER_ONLY = 0o600
_FIELD_LIMIT = 1 << 27


def write_sheet(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a sheet that nobody but its owner can open.

    Args:
        path: The file; replaced if it is there.
        columns: The header.
        rows: Cells in the order of the columns.

    Raises:
        InputOutputError: if it cannot be written.
    """
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    writer.writerow(columns)
    writer.writerows([_safe(cell) for cell in row] for row in rows)
    with atomic_file(path, mode=OWNER_ONLY) as stream:
        stream.write(sheet.getvalue().encode())


def _safe(cell: object) -> object:
    """Keep spreadsheets from taking a text for a formula (OWASP, CSV injection)."""
    formula = isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{cell}" if formula else cell


def read_sheet(
    path: Path, columns: Sequence[str], *, needed: Sequence[str], what: str
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the rows of a sheet, each with its number; the header is row 1.

    Spreadsheets of some countries write semicolons in the place of commas; both are read.

    Args:
        path: The sheet, in UTF-8.
        columns: The columns that it was written with, for errors.
        needed: Those that must be there.
        what: Names the sheet in errors, such as ``review``.

    Raises:
        UsageError: if it is not UTF-8 or a column is missing.
        InputOutputError: if it cannot be read.
    """
    with reading(str(path)):
        content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{what} {path}: not UTF-8; save it as CSV UTF-8") from None
    csv.field_size_limit(max(csv.field_size_limit(), _FIELD_LIMIT))
    header, _, _ = text.partition("\n")
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if "," not in header else ",")
    if missing := [name for name in needed if name not in (rows.fieldnames or ())]:
        raise UsageError(f"{what} {path}: needs the columns {', '.join(columns)}; {missing[0]} is missing")
    for number, row in enumerate(rows, start=2):
        yield number, {name: row[name] or "" for name in rows.fieldnames or ()}
