from __future__ import annotations

from itertools import count

import pytest

from deid.errors import UsageError
from deid.formats.schemas import (
    SCHEMAS,
    Columns,
    Roles,
    check_named,
    missing_column,
    resolve_roles,
    with_schema,
)


@pytest.mark.parametrize(
    ("columns", "names", "expected"),
    [
        (Columns(), ["id", "text"], Roles("text", "id", None, None)),
        (Columns(), ["id", "text", "note_id"], Roles("text", "note_id", None, None)),
        (
            Columns(),
            ["note_date", "text", "note_id", "patient_id"],
            Roles("text", "note_id", "patient_id", "note_date"),
        ),
        (Columns(text="body", patient_id="mrn"), ["mrn", "id", "body"], Roles("body", "id", "mrn", None)),
        (Columns(note_id="mrn", patient_id="mrn"), ["mrn", "text"], Roles("text", "mrn", "mrn", None)),
    ],
)
def test_roles(columns: Columns, names: list[str], expected: Roles) -> None:
    assert resolve_roles(columns, names, place="x") == expected


@pytest.mark.parametrize(
    ("columns", "names", "message"),
    [
        (
            Columns(),
            ["id", "TEXT"],
            r"no column 'text'; did you mean 'TEXT'\?; columns: id, TEXT; .*--text-column",
        ),
        (Columns(), ["text", "key"], "no column 'note_id'.*--id-column"),
        (Columns(patient_id="mnr"), ["text", "id", "mrn"], "'mnr'; did you mean 'mrn'.*--patient-column"),
        (Columns(note_date="d"), ["text", "id"], "'d'.*--date-column"),
        (Columns(), ["text", "id", "text"], "two columns are named 'text'"),
        (Columns(note_id="text"), ["text"], "chosen as text and as something else"),
    ],
)
def test_columns_that_do_not_fit(columns: Columns, names: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve_roles(columns, names, place="notes.csv")


@pytest.mark.parametrize(
    "cell", ["Seen today.\nFeels well.", "4711", "2079-03-04", "word " * 20], ids=count()
)
def test_a_first_row_that_is_no_header_is_not_shown(cell: str) -> None:
    message = str(missing_column("text", ["Vandermolen", cell], hint="", place="notes.csv"))
    assert "Vandermolen" not in message
    assert cell not in message
    assert "header row missing" in message


def test_given_columns_win_over_the_preset() -> None:
    assert with_schema(Columns(text="body"), "omop-note") == Columns(
        "body", "note_id", "person_id", "note_date"
    )
    assert with_schema(Columns(), "mimic-noteevents") == Columns("TEXT", "ROW_ID", "SUBJECT_ID", "CHARTDATE")
    assert with_schema(Columns(text="body"), None) == Columns(text="body")


def test_unknown_preset_lists_the_presets() -> None:
    with pytest.raises(UsageError, match="did you mean 'omop-note'") as caught:
        with_schema(Columns(), "omop-notes")
    assert all(name in str(caught.value) for name in SCHEMAS)


@pytest.mark.parametrize(
    ("wanted", "message"), [(("text",), "cannot name the text"), (("mnr",), "did you mean 'mrn'")]
)
def test_columns_to_drop(wanted: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_named(wanted, ["text", "mrn"], role="drop", place="x", text="text")
