"""Names, numbers and places found once are found again in the same patient's notes."""

from __future__ import annotations

import pytest

from deid.detect.propagate import propagate
from deid.note import Finding
from deid.policy import load_policy

POLICY = load_policy("safe-harbor")


def again(texts: list[str], surface: str, entity_type: str, **fields: object) -> list[list[str]]:
    """Let `surface` be found in the first text; return what propagation adds to each."""
    start = texts[0].index(surface)
    values = {"score": 0.95, "detector": "encoder", **fields}
    finding = Finding(start, start + len(surface), entity_type, **values)  # type: ignore[arg-type]
    found = propagate(POLICY, texts, [(finding,), *[() for _ in texts[1:]]])
    for text_findings in found:
        assert all(f.entity_type == entity_type and f.detector == "propagation" for f in text_findings)
    return [[text[f.start : f.end] for f in findings] for text, findings in zip(texts, found, strict=True)]


@pytest.mark.parametrize(
    ("surface", "entity_type", "other", "expected"),
    [
        ("Ifeoma Oduya", "PATIENT_NAME", "ODUYA, IFEOMA was here", {"ODUYA, IFEOMA", "ODUYA", "IFEOMA"}),
        ("Oduya, Ifeoma", "PATIENT_NAME", "I. Oduya called; Ms. Oduya's son", {"I. Oduya", "Oduya"}),
        (
            "Ifeoma Oduya",
            "PATIENT_NAME",
            "pt ifeoma oduya in lower case",
            {"ifeoma oduya", "ifeoma", "oduya"},
        ),
        ("Oduya-Lindh", "CLINICIAN_NAME", "Dr. Lindh agrees", {"Lindh"}),
        (
            "Arturo Villanueva",
            "PATIENT_NAME",
            "villanueva: slept. Wound of villanueva dry; arturo",
            {"villanueva", "arturo"},
        ),
        ("Delacroix-Holt", "PATIENT_NAME", "Pt delacroix better", {"delacroix"}),
        ("Villanueva Walker", "PATIENT_NAME", "Uses walker", set()),
        ("Dr. Ann Foley", "CLINICIAN_NAME", "A foley catheter. Foley catheter out. Foley out", {"Foley"}),
        ("Ann Parkinson", "RELATIVE_NAME", "Wolff-Parkinson-White; Parkinson's disease", set()),
        ("Ifeoma\nOduya", "PATIENT_NAME", "Ifeoma Oduya", {"Ifeoma Oduya", "Ifeoma", "Oduya"}),
        ("Zoë Brandão", "RELATIVE_NAME", "Zoë\u00a0Brandão came", {"Zoë\u00a0Brandão", "Zoë", "Brandão"}),
        ("Ifeoma Oduya", "PATIENT_NAME", "the Oduyas; Xoduya", set()),
        # A part that is also a common word does not spread; the whole name does.
        ("Rose Oduya", "RELATIVE_NAME", "Rose at 6; rose rash; Rose Oduya", {"Rose Oduya", "Oduya"}),
        ("May Will", "PATIENT_NAME", "May follow up. Will return. May Will", {"May Will"}),
        ("00123-4567", "MRN", "chart 001234567, 123 4567 and 1234567", {"001234567", "123 4567", "1234567"}),
        ("00123-4567", "MRN", "dose 12345 and 91234567", set()),
        ("617-555-0142", "PHONE", "(617) 555.0142", {"617) 555.0142"}),
        ("4410", "PHONE", "room 4410", set()),
        ("Hill Clinic", "HOSPITAL", "back to HILL\nCLINIC", {"HILL\nCLINIC"}),
        ("Tull", "CITY", "from Tull, not tull", {"Tull"}),
        ("WHP/tlq", "USERNAME", "signed WHP/TLQ", {"WHP/TLQ"}),
    ],
)
def test_written_forms(surface: str, entity_type: str, other: str, expected: set[str]) -> None:
    assert set(again([f"First: {surface}.", other], surface, entity_type)[1]) == expected


@pytest.mark.parametrize(
    ("behind", "other", "expected"),
    [
        (" (EBR), usual GP", "14-Jan EBR: seen by ebr", ["EBR"]),
        (" [EBR]", "EBR", ["EBR"]),
        (" (GP)", "GP seen", []),
        (" (CBR)", "CBR again", []),
    ],
)
def test_initials_in_brackets_behind_a_name_are_that_person(
    behind: str, other: str, expected: list[str]
) -> None:
    first = f"Dr Emyr Bowen-Rees{behind}"
    assert again([first, other], "Emyr Bowen-Rees", "CLINICIAN_NAME")[1] == expected


def test_initials_that_are_an_abbreviation_do_not_spread() -> None:
    assert again(["Mary Smith (MS)", "MS since 2001"], "Mary Smith", "RELATIVE_NAME")[1] == []


def test_the_letter_of_a_degree_is_no_initial() -> None:
    texts = ["Milorad Dragovich, M.D.", "DRAGOVICH, M.D.; Dragovich, M. called", "re Dana Moxon, d.o.b."]
    assert again(texts, "Milorad Dragovich", "CLINICIAN_NAME")[1:] == [
        ["DRAGOVICH", "Dragovich", "Dragovich, M"],
        [],
    ]


def test_what_is_found_already_is_not_repeated() -> None:
    assert again(["Seen: Ifeoma Oduya.", "x"], "Ifeoma Oduya", "PATIENT_NAME") == [[], []]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"score": 0.5}, []),
        ({"score": 0.7}, []),
        ({"score": 0.85}, ["Oduya"]),
        ({"score": 0.7, "detector": "rules"}, ["Oduya"]),
    ],
)
def test_doubtful_single_names_do_not_spread(fields: dict[str, object], expected: list[str]) -> None:
    assert again(["Is Oduya here", "Oduya"], "Oduya", "PATIENT_NAME", **fields)[1] == expected


def test_dates_and_ages_do_not_spread() -> None:
    assert again(["on 3/4 at", "3/4 strength"], "3/4", "DATE") == [[], []]


def test_types_without_propagation_are_left_alone() -> None:
    kinds = tuple(kind.model_copy(update={"detect": ("encoder",)}) for kind in POLICY.types)
    policy = POLICY.model_copy(update={"types": kinds})
    text = "Ifeoma Oduya. Then Oduya."
    assert propagate(policy, [text], [[Finding(0, 12, "PATIENT_NAME", 0.99, "encoder")]]) == [()]


def test_order_of_notes_does_not_matter() -> None:
    texts = ["Ifeoma Oduya here", "Oduya there", "MRN 0012345; mrn 12345"]
    findings: list[tuple[Finding, ...]] = [
        (Finding(0, 12, "PATIENT_NAME", 0.9, "encoder"),),
        (Finding(0, 5, "CLINICIAN_NAME", 0.9, "rules"),),
        (Finding(4, 11, "MRN", 0.9, "rules"),),
    ]
    forward = propagate(POLICY, texts, findings)
    assert propagate(POLICY, texts[::-1], findings[::-1]) == forward[::-1]
