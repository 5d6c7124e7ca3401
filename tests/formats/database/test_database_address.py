from __future__ import annotations

import pytest

from deid.errors import UsageError
from deid.formats.database.address import Address, is_address, parse_address

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("postgresql:///ehr?table=note", Address("postgresql", "postgresql:///ehr?", "note")),
        ("postgresql://?table=note", Address("postgresql", "postgresql:///?", "note")),
        (
            "postgres://u@h:5433/ehr?table=omop.note",
            Address("postgresql", "postgresql://u@h:5433/ehr?", "omop.note"),
        ),
        (
            "postgresql://a:1,b:2/ehr?sslmode=verify-full&table=n&host=/run/pg",
            Address("postgresql", "postgresql://a:1,b:2/ehr?sslmode=verify-full&host=%2Frun%2Fpg", "n"),
        ),
        ("postgresql://[::1]:5432/e?table=n", Address("postgresql", "postgresql://[::1]:5432/e?", "n")),
        ("env:DB?table=note", Address("postgresql", f"postgresql://u:{SECRET}@h/ehr", "note")),
        ("duckdb:a/b c.duckdb?table=main.note", Address("duckdb", "a/b c.duckdb", "main.note")),
        ("duckdb:/a?b.duckdb?table=note", Address("duckdb", "/a?b.duckdb", "note")),
    ],
)
def test_forms(value: str, expected: Address) -> None:
    assert is_address(value)
    assert parse_address(value, {"DB": f"postgresql://u:{SECRET}@h/ehr"}) == expected


@pytest.mark.parametrize(
    "value", ["notes.jsonl", "-", "/a/postgresql:/x", "a/duckdb", "s3://bucket/x", "C:env"]
)
def test_paths_are_no_addresses(value: str) -> None:
    assert not is_address(value)


@pytest.mark.parametrize(
    "value",
    [
        f"postgresql://u:{SECRET}@h/ehr?table=note",
        f"postgresql://h/ehr?table=note&password={SECRET}",
        f"postgresql://h/ehr?table=note&sslpassword={SECRET}",
        f"postgresql://u:{SECRET}@x@h/ehr?table=note",
        f"postgresql://u:{SECRET}/x@h/ehr?table=note",
        f"postgresql://u:{SECRET}#x@h/ehr?table=note",
        f"postgresql://u:{SECRET}?x@h/ehr?table=note",
        f"postgresql://h/ehr?table=note&%70assword={SECRET}",
    ],
)
def test_passwords_are_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_address(value, {})
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("postgresql:///ehr", "with one table"),
        ("postgresql:///ehr?table=", "with one table"),
        ("postgresql:///ehr?table=.note", "with one table"),
        ("postgresql:///ehr?table=a&table=b", "with one table"),
        ("postgresql:ehr?table=note", "is given as"),
        ("duckdb:?table=note", "duckdb:FILE"),
        ("duckdb:f?table=note&x=1", "further parameters"),
        ("env:NONE?table=note", "not set"),
        ("env:OTHER?table=note", "does not hold"),
        ("env:DB?table=note&sslmode=require", "table alone"),
    ],
)
def test_what_cannot_be_used(value: str, hint: str) -> None:
    url = f"postgresql://u:{SECRET}@h/ehr"
    with pytest.raises(UsageError, match=hint) as raised:
        parse_address(value, {"DB": url, "OTHER": SECRET})
    assert SECRET not in str(raised.value)


def test_nothing_prints_the_connection() -> None:
    assert SECRET not in repr(parse_address("env:DB?table=note", {"DB": f"postgresql://u:{SECRET}@h/ehr"}))
