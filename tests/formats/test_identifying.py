from __future__ import annotations

import pytest

from deid.formats.identifying import UNREADABLE, identifying, looks_identifying, readable, words

OTHER = """
note_type category language text note_id id ROW_ID row_id DESCRIPTION ISERROR note_type_concept_id
note_class_concept_id encoding_concept_id language_concept_id drug_name test_name concept_name
note_type_name filename section icd10 severity update_count body_weight birth_weight stage lifetime
validated source_value
"""
IDENTIFYING = """
patient_id PatientID PATIENTID person_id SUBJECT_ID HADM_ID mrn patientMRN MRN dob birth_date
DateOfBirth year_of_birth ssn name first_name firstName LASTNAME surname provider_id attending_provider
author signed_by provider_name phone home_phone phone2 fax email e_mail address address1 street city zip
zip3 ZipCode postal_code note_date note_datetime CHARTDATE charttime STORETIME admission_date admit_time
age ip_address url device_id vin accession_number account_no member_id insurance_id license_plate photo
next_of_kin visit_occurrence_id encounter.csn hospital facility_code employer comments free_text user
username
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("birth_date", ("birth", "date")),
        ("PatientID", ("patient", "id")),
        ("patientMRN", ("patient", "mrn")),
        ("MRNumber", ("mr", "number")),
        ("SUBJECT_ID", ("subject", "id")),
        ("meta.zip5", ("meta", "zip", "5")),
        ("", ()),
    ],
)
def test_words(name: str, expected: tuple[str, ...]) -> None:
    assert words(name) == expected


@pytest.mark.parametrize("name", IDENTIFYING.split())
def test_identifying_names(name: str) -> None:
    assert looks_identifying(name)


@pytest.mark.parametrize("name", OTHER.split())
def test_other_names(name: str) -> None:
    assert not looks_identifying(name)


def test_order_is_kept_and_roles_are_always_named() -> None:
    names = ("zip", "grp", "category", "mrn", "w")
    assert identifying(names, always=("grp", None, "absent")) == ("zip", "grp", "mrn")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("note_id", True),
        ("Patient Name (legal)", True),
        ("2079-03-04", False),
        ("a\nb", False),
        ("x" * 65, False),
    ],
)
def test_readable(name: str, expected: bool) -> None:
    assert readable(name) is expected


def test_a_key_that_is_no_name_counts_as_identifying() -> None:
    assert looks_identifying(UNREADABLE)
