"""Known values of a patient are hidden in all their written forms."""

from __future__ import annotations

import pytest

from deid.detect.known import KINDS, KnownValueRecognizer
from deid.formats import known_values
from deid.note import KnownValue
from deid.policy import load_policy

TYPES = load_policy("safe-harbor").type_names


def hidden(kind: str, value: str, text: str) -> set[str]:
    recognizer = KnownValueRecognizer([KnownValue(kind, value)], TYPES)
    findings = recognizer.find(text)
    assert all(f.detector == "known" and f.score == 1.0 for f in findings)
    longest = [
        f for f in findings if not any(o != f and o.start <= f.start and f.end <= o.end for o in findings)
    ]
    return {text[f.start : f.end] for f in longest}


@pytest.mark.parametrize(
    ("kind", "value", "text", "expected"),
    [
        ("name", "Rose Grant", "GRANT, ROSE; Mrs. Grant; R. Grant", {"GRANT, ROSE", "Grant", "R. Grant"}),
        # Certain names hide even where they are words, but only with a capital letter.
        ("given_name", "Will", "Will called; he will come", {"Will"}),
        # A name that is no word needs none.
        ("family_name", "Villanueva", "villanueva: slept. wound of villanueva dry, Hb 9", {"villanueva"}),
        ("name", "Delacroix-Holt, Margaret", "Seen: delacroix, margaret", {"delacroix", "margaret"}),
        (
            "family_name",
            "Delacroix-Holt",
            "delacroix and holt; Delacroix's",
            {"delacroix", "holt", "Delacroix"},
        ),
        ("family_name", "Smith", "Dx of smith", {"smith"}),
        ("given_name", "Rose", "Pt in rose room", set()),
        ("family_name", "Brown", "Sputum brown", set()),
        ("family_name", "Price-Long", "A price for long; Price", {"Price"}),
        ("family_name", "Walker", "Uses walker. Walker is home", {"Walker"}),
        ("given_name", "Vera", "P. vera", set()),
        ("family_name", "Addison", "An addison crisis", set()),
        ("family_name", "Iyer", "OK iyer", {"iyer"}),
        ("family_name", "Lee", "OK lee", set()),
        ("family_name", "O'Neil-Baptiste", "Ms. O’Neil–Baptiste, Baptiste", {"O’Neil–Baptiste", "Baptiste"}),
        ("mrn", "001234", "MRN 001234 / 1234 / 00-1234", {"001234", "00-1234"}),
        ("phone", "617-555-0142", "+1 (617) 555 0142, 6175550142", {"617) 555 0142", "6175550142"}),
        ("email", "ana@example.org", "ANA@EXAMPLE.ORG", {"ANA@EXAMPLE.ORG"}),
        ("street_address", "14 Rowan  Close", "at 14 rowan\nclose", {"14 rowan\nclose"}),
        ("zip_code", "02139", "ZIP 02139-4307 and 102139", {"02139"}),
        ("relative_name", "Teo Oduya", "husband Teo", {"Teo"}),
        ("name", "  ", "anything", set()),
    ],
)
def test_written_forms(kind: str, value: str, text: str, expected: set[str]) -> None:
    assert hidden(kind, value, text) == expected


@pytest.mark.parametrize(
    ("family", "text", "expected"),
    [
        ("Parkinson", "Wolff-Parkinson-White; PARKINSON'S DISEASE", set()),
        ("Parkinson", "Parkinson–White and Parkinson's brother", {"Parkinson"}),
        ("Foley", "Foley catheter placed, 16 Fr Foley catheters", set()),
        ("Foley", "A foley catheter. foley bag", set()),
        ("Foley", "Foley draining", {"Foley"}),
        ("Foley", "Mr. Foley catheter", {"Foley"}),
        ("Foley", "Patient: Foley\nCatheter placed", {"Foley"}),
        ("Graves", "Graves’ ophthalmopathy, Graves disease", set()),
        ("Graves", "Graves's daughter", {"Graves"}),
        ("Bell", "Bell’s palsy, bell's palsies, Bell palsy", set()),
        ("Bell", "no capitals: bell's palsy; bell called", {"bell"}),
        ("Bell", "Bell's disease", {"Bell"}),
        ("Johnson", "Stevens-Johnson", set()),
        ("Johnson", "Stevens Johnson syndrome; Steven Johnson", {"Johnson"}),
        ("Stevens-Johnson", "Ms. Stevens-Johnson", {"Stevens-Johnson"}),
        ("Villanueva", "Villanueva's disease", {"Villanueva"}),
    ],
)
def test_a_name_inside_an_eponymous_term_is_none(family: str, text: str, expected: set[str]) -> None:
    assert hidden("family_name", family, text) == expected


def test_a_full_name_is_no_eponymous_term() -> None:
    assert hidden("name", "Charles Bonnet", "Charles Bonnet syndrome") == {"Charles Bonnet"}


@pytest.mark.parametrize(
    "written",
    [
        "3/4/1979",
        "03/04/79",
        "3-4-79",
        "1979-03-04",
        "04.03.1979",
        "March 4, 1979",
        "MAR 4 1979",
        "4-Mar-79",
        "4th of March 1979",
        "Mar. 4, 1979",
        "19790304",
        "4 March, 1979",
        "March 4th, 1979",
        "3/4/'79",
    ],
)
def test_birth_date(written: str) -> None:
    assert hidden("birth_date", "1979-03-04", f"born {written}, well") == {written}


def test_birth_date_leaves_other_dates() -> None:
    assert hidden("birth_date", "1979-03-04", "3/5/1979, 3/4/1978, 13/4/1979") == set()
    assert hidden("birth_date", "unknown", "unknown") == set()


def test_given_and_family_name_are_joined() -> None:
    values = [KnownValue("given_name", "Ana"), KnownValue("family_name", "Lima")]
    recognizer = KnownValueRecognizer(values, TYPES)
    assert any(finding.end - finding.start == len("Lima, Ana") for finding in recognizer.find("Lima, Ana"))


def test_types_that_are_not_wanted_are_not_found() -> None:
    recognizer = KnownValueRecognizer([KnownValue("mrn", "0012345")], ["PATIENT_NAME"])
    assert recognizer.find("0012345") == ()


def test_readers_and_detector_know_the_same_kinds() -> None:
    assert set(KINDS) == set(known_values.KINDS)


def test_as_a_presidio_recognizer() -> None:
    recognizer = KnownValueRecognizer([KnownValue("mrn", "0012345")], ["MRN", "SSN"])
    (result,) = recognizer.analyze("MRN 0012345", ["MRN"])
    assert (result.entity_type, result.start, result.end) == ("MRN", 4, 11)
    assert recognizer.analyze("MRN 0012345", ["SSN"]) == []
    assert "0012345" not in str(result)
