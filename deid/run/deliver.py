"""A table made of a finished run's notes, where one is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deid.errors import InputOutputError, UsageError
from deid.formats.database.address import is_address, parse_address
from deid.run import manifest as manifests
from deid.run.directory import NOTES

if TYPE_CHECKING:
    from deid.formats.database.target import Target


def open_target(to: str | None, *, source: str, resume: bool) -> Target | None:
    """Return the table to make, before anything is worked on.

    Args:
        to: Its address; None if there is to be none.
        source: What the run reads.
        resume: Whether the table may be there already, made by this run.

    Raises:
        UsageError: if it exists, or cannot be named so.
        InputOutputError: if its database cannot be reached.
    """
    if to is None:
        return None
    if not (is_address(source) and is_address(to)):
        raise UsageError("--to makes a table of a table: it and INPUT name tables of databases")
    from deid.formats.database.target import Target

    target = Target(parse_address(to))
    if not resume:
        target.check()
    return target


def deliver(target: Target, directory: Path) -> None:
    """Make the table; nothing is done if an earlier call has made it.

    Args:
        target: The table.
        directory: A run directory, finished.

    Raises:
        UsageError: if there is a table of that name from elsewhere.
        InputOutputError: if the database refuses it.
    """
    mark = manifests.run_id(manifests.read_manifest(directory) or {})
    try:
        target.load(directory / NOTES, mark)
    except InputOutputError as error:
        raise InputOutputError(f"{error}; {directory} is complete: make the table with --resume") from None
