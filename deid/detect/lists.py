"""The frozen word lists that rules and propagation check surfaces against."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from deid.errors import UsageError, unknown_name


def _folder() -> Traversable:
    return files("deid.detect").joinpath("lists")


def word_lists() -> tuple[str, ...]:
    """Return the names of the lists there are, sorted."""
    return tuple(sorted(item.name[:-4] for item in _folder().iterdir() if item.name.endswith(".txt")))


@cache
def word_list(name: str) -> frozenset[str]:
    """Read a list once: one casefolded entry a line; lines that begin with ``#`` give source and licence.

    Args:
        name: File name without ``.txt``, such as ``given_names``.

    Raises:
        UsageError: if there is no such list; the message names the lists and the closest match.
    """
    if name not in word_lists():
        raise UsageError(unknown_name("word list", name, word_lists()))
    lines = _folder().joinpath(f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))
