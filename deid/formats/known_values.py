"""What the source already knows about its patients: a file of values, or columns carried beside the notes."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from deid.errors import UsageError
from deid.formats.atomic import reading
from deid.formats.identifying import words
from deid.formats.schemas import missing_column
from deid.note import KnownValue

_COLUMN_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "name": "name; full name; patient name; display name; names",
        "given_name": "given name; first name; forename; middle name; fname; given; nickname; alias",
        "family_name": "family name; last name; surname; lname; family; maiden name; previous name",
        "birth_date": "birth date; dob; date of birth; birthday; birth datetime",
        "mrn": "mrn; mrns; medical record number; medical record; pat mrn; pat mrn id; empi; mpi",
        "ssn": "ssn; social security number; social security",
        "phone": "phone; phones; phone number; telephone; tel; mobile; cell; cell phone; home phone; "
        "work phone; fax",
        "email": "email; emails; e mail; email address; mail",
        "street_address": "street address; address; street; addr; address line; home address; add line",
        "city": "city; town; home city",
        "zip_code": "zip code; zip; zipcode; postal code; postcode",
        "relative_name": "relative name; relative names; relatives; relative; next of kin; nok; spouse; "
        "spouse name; mother; mother name; father; father name; guardian; guardian name; emergency contact; "
        "contact name",
        "account_number": "account number; account; account id; acct; acct no; har; hospital account",
        "health_plan_id": "health plan id; member id; subscriber id; beneficiary id; insurance id; "
        "policy number; mbi; hicn",
        "other_id": "other id; other ids; license number; driver license; passport; employee id; "
        "encounter id; csn; hadm id; accession; accession number",
    }
)
KINDS: tuple[str, ...] = tuple(_COLUMN_NAMES)
_KIND_OF = MappingProxyType(
    {name.replace(" ", ""): kind for kind, names in _COLUMN_NAMES.items() for name in names.split("; ")}
)
_PATIENT_COLUMNS = ("patientid", "personid", "subjectid")


class KnownValues(NamedTuple):
    """Values by patient, and the columns that were not understood.

    Args:
        by_patient: Patient id to values, each once, in the order of the file.
        ignored: Columns whose name is of no known kind.
    """

    by_patient: dict[str, tuple[KnownValue, ...]]
    ignored: tuple[str, ...]


def kind_of_column(name: str) -> str | None:
    """Return the kind of known value that a column of that name holds; None if the name says nothing.

    Args:
        name: In any case and punctuation; a leading ``patient`` and trailing digits do not matter.
    """
    parts = [word for word in words(name) if not word.isdigit()]
    joined = "".join(parts)
    if parts[:1] in (["patient"], ["pat"], ["person"]) and joined not in _KIND_OF:
        joined = "".join(parts[1:])
    return _KIND_OF.get(joined)


def read_known_values(path: str | Path) -> KnownValues:
    """Read a CSV, JSONL or Parquet file with a patient id and columns named after kinds.

    Several rows of one patient add up. Several values in a cell are separated by semicolons.

    Args:
        path: ``.csv``, ``.tsv``, ``.jsonl``, ``.ndjson`` or ``.parquet``.

    Raises:
        UsageError: if the file is not there or not readable as what it is, or a row has no patient id.
        InputOutputError: if it cannot be read.
    """
    where = Path(path)
    if not where.is_file():
        raise UsageError(f"known values {where}: there is no such file")
    values: dict[str, dict[KnownValue, None]] = {}
    ignored: dict[str, None] = {}
    for place, row in _rows(where):
        column = next((name for name in row if "".join(words(name)) in _PATIENT_COLUMNS), None)
        if column is None:
            raise missing_column("patient_id", tuple(row), hint="name the column patient_id", place=place)
        patient = _text(row[column]).strip()
        if not patient:
            raise UsageError(f"{place}: the patient id is empty")
        kinds = {name: kind_of_column(name) for name in row if name != column}
        ignored.update((name, None) for name, kind in kinds.items() if kind is None)
        known = known_from_columns(row, {name: kind for name, kind in kinds.items() if kind is not None})
        values.setdefault(patient, {}).update((value, None) for value in known)
    return KnownValues({patient: tuple(known) for patient, known in values.items()}, tuple(ignored))


def known_from_columns(row: Mapping[str, Any], columns: Mapping[str, str]) -> tuple[KnownValue, ...]:
    """Take known values from a record, such as the metadata of a note.

    Args:
        row: Column to value; values may be lists, and cells may hold several values separated by semicolons.
        columns: Column to kind; columns that the record lacks say nothing.
    """
    found: dict[KnownValue, None] = {}
    for column, kind in columns.items():
        value = row.get(column)
        for item in value if isinstance(value, (list, tuple)) else (value,):
            parts = (part.strip() for part in _text(item).split(";"))
            found.update((KnownValue(kind, part), None) for part in parts if part)
    return tuple(found)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    suffix = path.suffix.lower()
    if suffix in {".csv", ".tsv"}:
        rows = _csv_rows(path, "\t" if suffix == ".tsv" else ",")
    elif suffix in {".jsonl", ".ndjson"}:
        rows = _json_rows(path)
    elif suffix == ".parquet":
        rows = _parquet_rows(path)
    else:
        raise UsageError(
            f"known values {path}: the suffix {suffix!r} is none of .csv, .tsv, .jsonl, .ndjson, .parquet"
        )
    with reading(str(path)):
        for number, row in enumerate(rows, start=1):
            yield f"known values {path}: record {number}", row


def _csv_rows(path: Path, delimiter: str) -> Iterator[Mapping[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter=delimiter, strict=True)
            for row in reader:
                if None in row or None in row.values():
                    raise UsageError(
                        f"known values {path}: line {reader.line_num} has not as many cells as the header"
                    )
                yield row
    except (UnicodeDecodeError, csv.Error):
        raise UsageError(f"known values {path}: not a well-formed CSV file in UTF-8") from None


def _json_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8-sig"), parse_float=str, parse_int=str)
            except (ValueError, RecursionError):
                raise UsageError(f"known values {path}: line {number} is not JSON in UTF-8") from None
            if not isinstance(row, dict):
                raise UsageError(f"known values {path}: line {number} is not a JSON object")
            yield row


def _parquet_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                yield from batch.to_pylist()
    except pyarrow.ArrowInvalid:
        raise UsageError(f"known values {path}: not a Parquet file") from None
