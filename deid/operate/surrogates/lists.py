"""The one reader of the frozen lists in ``deid/operate/lists``."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

Rows = tuple[tuple[str, ...], ...]


@cache
def rows(name: str) -> Rows:
    """Read a list: tab-separated fields, lines that start with ``#`` left out; the first call reads the file.

    Args:
        name: File name in ``deid/operate/lists`` without its ending.

    Raises:
        FileNotFoundError: if the package holds no such list.
    """
    text = files("deid.operate").joinpath("lists", f"{name}.tsv").read_text(encoding="utf-8")
    return tuple(tuple(line.split("\t")) for line in text.splitlines() if line and line[0] != "#")


def field(row: tuple[str, ...], index: int) -> str:
    """Return a field, empty where the line ends before it."""
    return row[index] if index < len(row) else ""


@cache
def column(name: str, index: int = 0) -> tuple[str, ...]:
    """Return one column of a list."""
    return tuple(field(row, index) for row in rows(name))
