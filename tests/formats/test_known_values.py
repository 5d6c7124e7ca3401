from __future__ import annotations

import json
from datetime import date
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deid.errors import UsageError
from deid.formats.known_values import KINDS, kind_of_column, known_from_columns, read_known_values
from deid.note import KnownValue


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("first_name", "given_name"),
        ("PatientFirstName", "given_name"),
        ("PAT_LAST_NAME", "family_name"),
        ("surname", "family_name"),
        ("name", "name"),
        ("patient_name", "name"),
        ("DOB", "birth_date"),
        ("date_of_birth", "birth_date"),
        ("MRN", "mrn"),
        ("ssn", "ssn"),
        ("phone2", "phone"),
        ("home_phone", "phone"),
        ("e-mail", "email"),
        ("street", "street_address"),
        ("Address 1", "street_address"),
        ("zip", "zip_code"),
        ("relatives", "relative_name"),
        ("next_of_kin", "relative_name"),
        ("account_no", None),
        ("acct", "account_number"),
        ("member_id", "health_plan_id"),
        ("passport", "other_id"),
        ("patient", None),
        ("favorite_color", None),
        ("provider_name", None),
    ],
)
def test_kind_of_a_column(name: str, kind: str | None) -> None:
    assert kind_of_column(name) == kind


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_column_name(kind: str) -> None:
    assert kind_of_column(kind) == kind


def test_csv_rows_add_up(tmp_path: Path) -> None:
    path = tmp_path / "known.csv"
    path.write_text(
        "\ufeffSUBJECT_ID,first_name,surname,relatives,color,mrn\n"
        "007,Ada,NA,Bo Lind; Cy Lind ;,blue,001234\n"
        "8,,Berg,,,\n"
        "007,Ada,Nilsen,,,5\n"
    )
    known = read_known_values(path)
    assert known.ignored == ("color",)
    assert known.by_patient == {
        "007": (
            KnownValue("given_name", "Ada"),
            KnownValue("family_name", "NA"),
            KnownValue("relative_name", "Bo Lind"),
            KnownValue("relative_name", "Cy Lind"),
            KnownValue("mrn", "001234"),
            KnownValue("family_name", "Nilsen"),
            KnownValue("mrn", "5"),
        ),
        "8": (KnownValue("family_name", "Berg"),),
    }


def test_jsonl_lists_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "known.jsonl"
    rows = [
        {"person_id": 7, "phones": ["617-555-0142", None], "mrn": 1234, "x": 1},
        {"dob": None, "patient_id": "8"},
    ]
    path.write_text("\n\n".join(map(json.dumps, rows)))
    known = read_known_values(str(path))
    assert known.by_patient == {
        "7": (KnownValue("phone", "617-555-0142"), KnownValue("mrn", "1234")),
        "8": (),
    }
    assert known.ignored == ("x",)


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "known.parquet"
    table = {"patient_id": [7, 8], "dob": [date(1950, 3, 4), None], "relatives": [["Ada"], None]}
    pq.write_table(pa.table(table), path)
    known = read_known_values(path)
    assert known.by_patient == {
        "7": (KnownValue("birth_date", "1950-03-04"), KnownValue("relative_name", "Ada")),
        "8": (),
    }


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("k.csv", b"mrn,name\n1,Ada\n", "record 1: there is no column 'patient_id'; .*columns: mrn, name"),
        ("k.csv", b"patient_id,name\n,Ada\n", "record 1: the patient id is empty"),
        ("k.csv", b"patient_id,name\n1,Ada,x\n", "line 2 has not as many cells"),
        ("k.csv", b"patient_id,name\n1\n", "line 2 has not as many cells"),
        ("k.csv", b"patient_id,name\n1,caf\xe9\n", "not a well-formed CSV file"),
        ("k.csv", b'patient_id,name\n1,"Ada" B\n', "not a well-formed CSV file"),
        ("k.jsonl", b'{"patient_id": 1}\n{Ada', "line 2 is not JSON"),
        ("k.jsonl", b'"Ada"', "line 1 is not a JSON object"),
        ("k.parquet", b"Ada Ada Ada Ada", "not a Parquet file"),
        ("k.xlsx", b"Ada", r"'\.xlsx' is none of"),
    ],
    ids=count(),
)
def test_bad_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        read_known_values(tmp_path / name)
    assert "Ada" not in str(caught.value).replace(str(tmp_path), "")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_known_values(tmp_path / "k.csv")


def test_columns_of_a_note() -> None:
    row = {"sex": "F", "last": "Berg; Nilsen", "kin": ("Bo", " "), "empty": None}
    columns = {"last": "family_name", "kin": "relative_name", "empty": "mrn", "absent": "ssn"}
    assert known_from_columns(row, columns) == (
        KnownValue("family_name", "Berg"),
        KnownValue("family_name", "Nilsen"),
        KnownValue("relative_name", "Bo"),
    )
