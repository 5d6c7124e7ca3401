"""Which column holds what: default names, presets of known exports, errors for columns that are not there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from types import MappingProxyType

from deid.errors import UsageError, unknown_name
from deid.formats.identifying import readable

KIND_COLUMNS = ("kind", "category", "note_type", "note_type_concept_id")
"""Columns, in any case, that say of what kind a note is; reports count by it."""


def kind_columns(names: Iterable[str]) -> tuple[str, ...]:
    """Return those of a source's columns that say of what kind a note is."""
    return tuple(name for name in names if name.lower() in KIND_COLUMNS)


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns with a meaning; None stands for the format's default name.

    Args:
        text: The note.
        note_id: Its id.
        patient_id: The person; for text files ``folder`` takes the name of the folder a note lies in.
        note_date: Date of writing.
    """

    text: str | None = None
    note_id: str | None = None
    patient_id: str | None = None
    note_date: str | None = None


@dataclass(frozen=True, slots=True)
class Roles:
    """The columns of a table that were found for each meaning; None where an optional one is absent.

    Args:
        text: The note.
        note_id: Its id.
        patient_id: The person.
        note_date: Date of writing.
    """

    text: str
    note_id: str
    patient_id: str | None
    note_date: str | None


# OMOP CDM 5.4, table NOTE: https://ohdsi.github.io/CommonDataModel/cdm54.html#NOTE
# MIMIC-III, table NOTEEVENTS: https://mimic.mit.edu/docs/iii/tables/noteevents/
SCHEMAS: Mapping[str, Columns] = MappingProxyType(
    {
        "omop-note": Columns("note_text", "note_id", "person_id", "note_date"),
        "mimic-noteevents": Columns("TEXT", "ROW_ID", "SUBJECT_ID", "CHARTDATE"),
    }
)
DEFAULTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "text": ("text",),
        "note_id": ("note_id", "id"),
        "patient_id": ("patient_id",),
        "note_date": ("note_date",),
    }
)
OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "text": "--text-column",
        "note_id": "--id-column",
        "patient_id": "--patient-column",
        "note_date": "--date-column",
        "drop": "--drop",
        "known": "--known-column",
        "order": "--order-by",
    }
)


def with_schema(columns: Columns, schema: str | None) -> Columns:
    """Fill the names that were not given from a preset.

    Args:
        columns: Names given; they win.
        schema: Name of a preset; None for none.

    Raises:
        UsageError: if there is no such preset.
    """
    if schema is None:
        return columns
    if schema not in SCHEMAS:
        raise UsageError(unknown_name("schema", schema, SCHEMAS))
    preset = SCHEMAS[schema]
    return Columns(*(getattr(columns, each.name) or getattr(preset, each.name) for each in fields(Columns)))


def candidates(columns: Columns, role: str) -> tuple[str, ...]:
    """Return the names to look for, best first.

    Args:
        columns: Names given.
        role: Field of `Columns`.
    """
    given = getattr(columns, role)
    return (given,) if given else DEFAULTS[role]


def resolve_roles(columns: Columns, names: Collection[str], *, place: str) -> Roles:
    """Find the columns of a table.

    Args:
        columns: Names given; a name that was given must be there, a default only for text and note id.
        names: Columns of the table.
        place: File name, for the error.

    Raises:
        UsageError: if a column is not there, or a chosen one is there twice.
    """
    found: dict[str, str | None] = {}
    for role in DEFAULTS:
        wanted = candidates(columns, role)
        found[role] = next((name for name in wanted if name in names), None)
        needed = role in {"text", "note_id"} or getattr(columns, role)
        if found[role] is None and needed:
            raise missing_column(wanted[0], names, hint=f"choose another with {OPTIONS[role]}", place=place)
    chosen = [name for name in found.values() if name is not None]
    for name in chosen:
        if sum(each == name for each in names) > 1:
            raise UsageError(f"{place}: two columns are named {name!r}; rename one of them")
        if chosen.count(name) > 1 and name == found["text"]:
            raise UsageError(f"{place}: column {name!r} is chosen as text and as something else")
    return Roles(found["text"] or "", found["note_id"] or "", found["patient_id"], found["note_date"])


def check_named(wanted: Collection[str], names: Collection[str], *, role: str, place: str, text: str) -> None:
    """Check columns that were named to be dropped or to hold known values.

    Args:
        wanted: Names given.
        names: Columns there are.
        role: ``drop`` or ``known``.
        place: File name, for the error.
        text: The text column, which can be neither.

    Raises:
        UsageError: if one of them is not there or is the text.
    """
    for name in wanted:
        if name == text:
            raise UsageError(f"{place}: {OPTIONS[role]} cannot name the text column {name!r}")
        if name not in names:
            raise missing_column(name, names, hint=f"check {OPTIONS[role]}", place=place)


def table_fields(
    fields: Mapping[str, str], names: Collection[str], *, roles: Roles, drop: Collection[str]
) -> dict[str, str]:
    """Return the columns of a table whose values a policy replaces, and the type of each.

    Args:
        fields: Column to type; those that the table lacks, or that are left out, say nothing.
        names: Columns of the table.
        roles: What its columns mean; the text is read, and not replaced whole.
        drop: Columns that are left out.
    """
    return {
        name: kind
        for name, kind in fields.items()
        if name in names and name not in drop and name != roles.text
    }


def missing_column(name: str, names: Collection[str], *, hint: str, place: str) -> UsageError:
    """Word the error for a column that is not there.

    The columns are listed only if all read as names: the first row of a file without a header is a note.

    Args:
        name: Name that was looked for.
        names: Columns there are.
        hint: How to go on.
        place: File name.
    """
    parts = [f"{place}: there is no column {name!r}"]
    if all(readable(each) for each in names if each):
        folded = {each.casefold(): each for each in names}
        close = get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
        if close:
            parts.append(f"did you mean {folded[close[0]]!r}?")
        parts.append(f"columns: {', '.join(names) or '(none)'}")
    else:
        parts.append(f"its {len(names)} column names do not all read as names: is the header row missing?")
    return UsageError("; ".join([*parts, hint]))
