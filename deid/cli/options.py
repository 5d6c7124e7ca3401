"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from deid.formats.source import Columns

F = TypeVar("F", bound=Callable[..., Any])

_COLUMNS = (
    click.option("--format", "format", help="Such as txt, csv, hl7 (docs/formats.md); default: by name."),
    click.option("--schema", help="Preset of columns: omop-note or mimic-noteevents."),
    click.option("--text-column", metavar="COLUMN", help="Column of the note; default: text."),
    click.option("--id-column", metavar="COLUMN", help="Column of its id; default: note_id or id."),
    click.option("--patient-column", metavar="COLUMN", help="Column of the patient; default: patient_id."),
    click.option("--date-column", metavar="COLUMN", help="Column of the date; default: note_date."),
    click.option("--delimiter", help="Between the cells of a CSV file."),
    click.option("--group-by", metavar="COLUMN", help="Column of note ids: rows under one id are one note."),
    click.option("--order-by", metavar="COLUMN", help="Column that numbers the rows of a note."),
)


def column_options(command: F) -> F:
    """Add the options that say where in a source the text, id, patient and date are."""
    for option in reversed(_COLUMNS):
        command = option(command)
    return command


def columns_of(options: dict[str, Any]) -> Columns:
    """Return the columns that the options of `column_options` name."""
    from deid.formats.source import Columns

    names = ("text_column", "id_column", "patient_column", "date_column")
    return Columns(*(options[name] for name in names))


def model_option(command: F) -> F:
    """Add ``--model``."""
    path = click.Path(path_type=Path)
    return click.option("--model", type=path, help="A model folder; default: the shipped one.")(command)
