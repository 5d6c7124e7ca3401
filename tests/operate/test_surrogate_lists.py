from __future__ import annotations

from importlib.resources import files

import pytest

from deid.operate.surrogates.lists import column, field, rows
from deid.operate.surrogates.name_lists import family_options, given_options
from deid.operate.surrogates.words import fold, like, put, words_of

FOLDER = files("deid.operate").joinpath("lists")
NAMES = sorted(entry.name.removesuffix(".tsv") for entry in FOLDER.iterdir() if entry.name.endswith(".tsv"))
STOP = frozenset(word for row in rows("stop_words") for word in row[0].split())
ORIGINS = sorted({row[2] for row in rows("given_names")})


@pytest.mark.parametrize("name", NAMES)
def test_every_list_says_where_it_comes_from(name: str) -> None:
    text = FOLDER.joinpath(f"{name}.tsv").read_text(encoding="utf-8")
    header = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    for word in ("source: ", "licence: ", "how: ", "columns: "):
        assert word in header
    assert text.endswith("\n")
    assert "\r" not in text


@pytest.mark.parametrize("name", NAMES)
def test_no_row_twice_and_no_empty_field_in_front(name: str) -> None:
    found = rows(name)
    assert found
    assert len(set(found)) == len(found)
    assert all(row[0] for row in found)


def test_lists_are_small() -> None:
    assert sum(len(FOLDER.joinpath(f"{name}.tsv").read_bytes()) for name in NAMES) < 3_000_000


@pytest.mark.parametrize(
    "word",
    [
        *("parkinson", "foley", "may", "will", "hope", "grant", "rose", "crohn", "apgar"),
        *("jnr", "female", "baby", "boy", "pastor", "ben", "al", "semen", "killer"),
    ],
)
def test_stop_words_hold_eponyms_words_and_titles(word: str) -> None:
    assert word in STOP


@pytest.mark.parametrize(("name", "flag"), [("given_names", 3), ("family_names", 2), ("cities", 4)])
def test_nothing_that_may_be_drawn_is_a_stop_word(name: str, flag: int) -> None:
    drawable = {row[0].lower() for row in rows(name) if field(row, flag) == "x"}
    assert drawable
    assert not drawable & STOP


@pytest.mark.parametrize("name", ["place_names", "street_names"])
def test_coined_names_are_no_stop_words(name: str) -> None:
    assert not {text.lower() for text in column(name)} & STOP
    assert len(column(name)) > 200


def test_there_are_many_origins() -> None:
    assert len(ORIGINS) >= 16


@pytest.mark.parametrize("origin", ORIGINS)
def test_every_origin_can_be_drawn_from(origin: str) -> None:
    assert min(len(given_options(origin, gender)) for gender in "mfu") >= 30
    assert len(family_options(origin)) >= 25


@pytest.mark.parametrize(
    "origin", ["anglo", "hispanic", "german", "arabic", "russian", "nordic", "south-asian"]
)
def test_big_origins_have_many_names(origin: str) -> None:
    assert min(len(given_options(origin, gender)) for gender in "mf") >= 200
    assert len(family_options(origin)) >= 500


def test_gender_and_origin_values() -> None:
    assert {row[1] for row in rows("given_names")} == set("mfu")
    assert {row[1] for row in rows("family_names")} <= {row[2] for row in rows("given_names")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("John Smith", ["john", "smith"]),
        ("O'Brien’s", ["o'brien"]),
        ("'Jack'", ["jack"]),
        ("Smith-Jones,MD", ["smith", "jones", "md"]),
        ("José Ødegård", ["jose", "odegard"]),
        ("STRAßE 4b", ["strasse", "b"]),
        ("ராம் குமார்", ["ராம்", "குமார்"]),
        ("12/34", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert [word.key for word in words_of(text)] == words


@pytest.mark.parametrize(
    ("original", "expected"),
    [("SMITH", "MCCOY"), ("smith", "mccoy"), ("Smith", "McCoy"), ("SMiTH", "McCoy"), ("S", "McCoy")],
)
def test_case(original: str, expected: str) -> None:
    assert like(original, "McCoy") == expected


def test_put_and_fold() -> None:
    assert put("a-b-c", [(0, 1, "xx"), (4, 5, "")]) == "xx-b-"
    assert fold(" Ana\nMARÍA ") == "ana maria"
