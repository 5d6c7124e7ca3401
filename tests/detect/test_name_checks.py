"""Words that can be names, and clinical prose in the same places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.detect.name_checks import CHECKS

TABLE = [
    ("person_name", "Thomas J. O'Neil", True),
    ("person_name", "OKONKWO-REYES", True),
    ("person_name", "Anne van der Berg", True),
    ("person_name", "Adaezeka", True),  # in no list and no word
    ("person_name", "Jane Doe Jr.", True),
    ("person_name", "Xóchitl Amaya", True),
    ("person_name", "Smith Ordered", False),
    ("person_name", "Chest Pain", False),
    ("person_name", "Glioblastoma", False),
    ("person_name", "van der", False),
    ("person_name", "Unknown", False),
    ("titled_name", "Quill", True),
    ("titled_name", "Stroud Birch", True),
    ("titled_name", "Aware", False),
    ("titled_name", "Stone Will", False),
    ("initials", "rjo", True),
    ("initials", "mb2", True),
    ("initials", "po", False),
    ("initials", "mg", False),
    ("signature", "RQ/tv2", True),
    ("signature", "BM/ket", False),
    ("signature", "the", False),
    ("login", "kadoyle2", True),
    ("login", "asleep", False),
    ("login", "patient", False),
    ("login_in_parts", "cna_tjohnson", True),
    ("login_in_parts", "patient_guest", False),
    ("relative_name", "Rosa", True),
    ("relative_name", "Alzheimer", False),
    ("relative_name", "Crohn", False),
    ("surname", "S. Lindqvist", True),
    ("surname", "Okonkwo-Adaezeka", True),  # one part of a double name is enough
    ("surname", "Adaezeka", False),
    ("surname", "Brown", False),
    ("surname", "Notified", False),
    ("given_name", "Maria Adaezeka", True),
    ("given_name", "Rose", False),
    ("given_name", "Adaezeka", False),
    ("listed_name", "Maria Lindqvist", True),
    ("listed_name", "Thomas de la Cruz", True),
    ("listed_name", "Maria", False),
    ("listed_name", "Austin Flint", False),
    ("listed_name", "San Francisco", False),
    ("listed_name", "Blood Pressure", False),
    ("last_first", "DOE, JANE M", True),
    ("last_first", "Okwuchi, Thomas", True),
    ("last_first", "Alert, Oriented", False),
    ("last_first", "Doe", False),
    ("hl7_name", "OKWUCHI^GREGORY^J", True),
    ("hl7_name", "CPRA^CALCULATED", False),
    ("city", "San  Francisco", True),
    ("city", "CLEVELAND", True),
    ("city", "Larchmere", False),
    ("city", "Huntington", False),
    ("facility", "Mercy Heights Hospital", True),
    ("facility", "Good Shepherd Hospital", True),
    ("facility", "Okafor Clinic", True),
    ("facility", "Outpatient Pain Clinic", False),
    ("facility", "The Mercy Hospital", False),
    ("facility", "Scoliosis Clinic", False),
    ("facility_listed", "Okafor Dermatology", True),
    ("facility_listed", "Larchmere Neurology", True),
    ("facility_listed", "Elbow Neurology", False),
    ("organization", "Larch Elementary School", True),
    ("organization", "Public High School", False),
    ("organization", "Attends Larch School", False),
    ("place", "Larch County", True),
    ("place", "Homeless Shelter", False),
    ("named", "University of Larchmont", True),
    ("named", "College of Nursing", False),
    ("street", "1420 Maple Grove Road", True),
    ("street", "2 Units One Way", False),
    ("uk_postcode", "LS1 4AP", True),
    ("uk_postcode", "C5 6TH", False),
    ("uk_postcode", "SN60AT", False),
    ("canadian_postcode", "E3B 4M6", True),
    ("canadian_postcode", "E3V4M6", False),
]


@pytest.mark.parametrize(
    ("check", "surface", "expected"),
    [pytest.param(*row, id=f"{row[0]}-{number}") for number, row in enumerate(TABLE)],
)
def test_check(check: str, surface: str, expected: bool) -> None:
    assert CHECKS[check](surface) is expected


def test_every_check_accepts_and_refuses_in_the_table() -> None:
    assert {(name, verdict) for name in CHECKS for verdict in (True, False)} == {
        (name, verdict) for name, _, verdict in TABLE
    }


@pytest.mark.parametrize("name", sorted(CHECKS.keys() - {"hl7_name"}))
@given(surface=st.text(max_size=30))
def test_no_surface_raises(name: str, surface: str) -> None:
    assert CHECKS[name](surface) in {True, False}


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_hl7_field_raises(family: str, given_part: str) -> None:
    assert CHECKS["hl7_name"](f"{family}^{given_part}") in {True, False}


@given(st.sampled_from(["Maria Lindqvist", "Thomas de la Cruz", "Anne O'Neil"]))
def test_case_does_not_matter(surface: str) -> None:
    assert CHECKS["person_name"](surface) == CHECKS["person_name"](surface.upper())
