"""The frozen lists: what they hold, where they come from, and what a wrong name says."""

from __future__ import annotations

from importlib.resources import files

import pytest

from deid.detect.lists import word_list, word_lists
from deid.errors import UsageError

NAMES = word_lists()


def lines(name: str) -> list[str]:
    text = files("deid.detect").joinpath("lists").joinpath(f"{name}.txt").read_text(encoding="utf-8")
    return text.splitlines()


def test_all_lists_are_there() -> None:
    assert NAMES == (
        "cell_words",
        "cities",
        "clinical_abbreviations",
        "clinical_brands",
        "clinical_words",
        "common_words",
        "degrees",
        "demonyms",
        "drugs",
        "eponym_terms",
        "eponyms",
        "eponyms_more",
        "facility_words",
        "given_names",
        "name_stops",
        "name_words",
        "number_labels",
        "organization_words",
        "person_words",
        "staff_roles",
        "street_stops",
        "surnames",
        "title_words",
    )


@pytest.mark.parametrize("name", NAMES)
def test_header_names_the_source(name: str) -> None:
    header = [line for line in lines(name) if line.startswith("#")]
    assert any(line.startswith("# Source: ") for line in header)
    assert lines(name)[: len(header)] == header, "the header comes first"


@pytest.mark.parametrize("name", NAMES)
def test_entries_are_sorted_unique_and_casefolded(name: str) -> None:
    entries = [line for line in lines(name) if not line.startswith("#")]
    assert entries == sorted(set(entries))
    assert all(entry == entry.casefold().strip() and entry for entry in entries)
    assert word_list(name) == set(entries)


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("given_names", ["maria", "thomas", "wei", "priya"], ["murmur", "an", "the"]),
        ("surnames", ["lindqvist", "okonkwo", "garcia", "nguyen", "smith"], ["the", "plan", "nail"]),
        ("cell_words", ["po", "mg", "nil"], ["rjo", "cll"]),
        ("clinical_abbreviations", ["cxr", "picu", "inr"], ["thomas", "may"]),
        ("clinical_brands", ["ligasure", "dexcom"], ["lindqvist", "okonkwo"]),
        ("clinical_words", ["erythema", "palpation", "colonoscopy"], ["chest", "thomas", "cleveland"]),
        ("degrees", ["md", "phd", "mrcog"], ["thomas", "will"]),
        ("demonyms", ["vietnamese", "hmong"], ["vietnam", "states"]),
        ("number_labels", ["mrn", "csn", "vin"], ["ur", "c"]),
        ("person_words", ["gentleman", "twin"], ["welder", "teacher"]),
        ("staff_roles", ["midwife", "radiologist"], ["welder", "teacher"]),
        ("title_words", ["dr", "doña", "sgt"], ["will", "rose"]),
        ("drugs", ["risperdal", "apixaban"], ["thomas", "angel"]),
        ("eponyms_more", ["tuohy", "mallampati"], ["lindqvist", "okonkwo"]),
        (
            "cities",
            ["cleveland", "san francisco", "mumbai", "zürich", "zurich"],
            ["reading", "mobile", "normal"],
        ),
        ("common_words", ["chest", "pain", "rose", "brown"], ["thomas", "okonkwo", "cleveland"]),
        ("name_stops", ["aware", "unknown", "alive", "nurse"], ["thomas", "quill", "day"]),
        ("eponyms", ["parkinson", "crohn", "austin flint"], ["thomas", "quill"]),
        ("facility_words", ["outpatient", "clinic", "pain"], ["mercy", "larch"]),
        ("organization_words", ["school", "public"], ["mercy", "larch"]),
        ("street_stops", ["mg", "units"], ["maple", "main"]),
    ],
)
def test_contents(name: str, inside: list[str], outside: list[str]) -> None:
    assert word_list(name).issuperset(inside)
    assert word_list(name).isdisjoint(outside)


def test_list_is_read_once() -> None:
    assert word_list("eponyms") is word_list("eponyms")


def test_stops_are_no_plain_names() -> None:
    names = word_list("given_names") & word_list("surnames")
    assert len(names & word_list("name_stops")) < 40, "a stop word that is a name makes that name leak"


def test_unknown_list_names_the_closest() -> None:
    with pytest.raises(UsageError, match="unknown word list 'surname'; did you mean 'surnames'"):
        word_list("surname")
