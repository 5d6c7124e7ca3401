from __future__ import annotations

import pytest

from deid.detect.complete import completed
from deid.note import Finding
from deid.policy import load_policy

POLICY = load_policy("safe-harbor")


@pytest.mark.parametrize(
    ("text", "kind", "found", "whole"),
    [
        ("signed bchr61 at noon", "USERNAME", "61", "bchr61"),
        ("batch 6A 0653, given", "DEVICE_ID", "A 0653", "6A 0653"),
        ("DME Windward Home O2, S9", "ORGANIZATION", "Windward Home O", "Windward Home O2"),
        ("prior: 5/11 2.2", "DATE", "5", "5/11"),
        ("BAL 1/28, >10^5", "DATE", "28", "1/28"),
        ("seen 03.04.2019.", "DATE", "04.2019", "03.04.2019"),
        ("CRC: van der Zee", "CLINICIAN_NAME", "Zee", "van der Zee"),
        ("pt Ana de la Cruz", "PATIENT_NAME", "Cruz", "de la Cruz"),
        ("Funeral home: Cropley & Daughter, 204", "ORGANIZATION", "Cropley", "Cropley & Daughter"),
        ("THIBOD, CLOVIS J., JR.  0-449", "PATIENT_NAME", "THIBOD, CLOVIS J", "THIBOD, CLOVIS J., JR"),
        ("John Lima III, 44", "PATIENT_NAME", "John Lima", "John Lima III"),
        ("Fax 0127\nA. S. Wolfson MS", "CLINICIAN_NAME", "S. Wolfson", "A. S. Wolfson"),
        ("attendant B. Cross   driver", "CLINICIAN_NAME", "B.", "B. Cross"),
        ('her aunt Maureen "Mo" Lima', "RELATIVE_NAME", "Maureen", 'Maureen "Mo"'),
        ("cc: Ho Yin Mok, MD;", "CLINICIAN_NAME", "Ho Yin", "Ho Yin Mok"),
        (
            "Triangle Liver Associates, P.A. | Tel",
            "HOSPITAL",
            "Triangle Liver Associates",
            "Triangle Liver Associates, P.A.",
        ),
        ("ate at Big Daddy's, then", "ORGANIZATION", "Big Daddy", "Big Daddy's"),
        ("AN/HN   DD: 01/17", "USERNAME", "HN", "AN/HN"),
        ("SURGEON.......I. WOLFSON, M.D.", "CLINICIAN_NAME", "WOLFSON", "I. WOLFSON"),
        ("Otis Pettigrew Jr.   70", "PATIENT_NAME", "Otis Pettigrew", "Otis Pettigrew Jr."),
        ("visited Mr. K. at home", "PATIENT_NAME", "K", "K."),
        ('MEDEIROS, GIL "GILLY"  55', "PATIENT_NAME", 'MEDEIROS, GIL "GILLY', 'MEDEIROS, GIL "GILLY"'),
        ("ref J.K. 12", "USERNAME", "J.K", "J.K."),
        ("Santa Fe, N.M. 87501", "STATE", "N.M", "N.M."),
        # An ordinal, and what stands beside an age that is told as a category.
        ("her 90th birthday", "AGE", "90", "90th"),
        ("Age >90, frail", "AGE", "90", ">90"),
        ("Age over 90.", "AGE", "90", "over 90"),
        ("aged 90 or older", "AGE", "90", "90 or older"),
        ("Age >65, frail", "AGE", "65", "65"),
        # What stays as it is.
        ("K. Lima, M.D.", "CLINICIAN_NAME", "Lima, M", "Lima, M"),
        ("5 mg by ROD. CBG 112", "CLINICIAN_NAME", "ROD", "ROD"),
        ("Showered N. Changed", "PATIENT_NAME", "N", "N."),
        ("Bactrim DS II BID", "PATIENT_NAME", "DS", "DS"),
        ("a 42yo man", "AGE", "42", "42"),
        ("Smith et al Lima", "CLINICIAN_NAME", "Lima", "Lima"),
        ("at the end Lima said", "PATIENT_NAME", "Lima", "Lima"),
        ("Dr. O'Neil-Lima here", "CLINICIAN_NAME", "Lima", "Lima"),
        ("on 3/4/2079-2291-88", "DATE", "3", "3"),
        ("R&D at Acme", "ORGANIZATION", "Acme", "Acme"),
        ("K 3.5/4.1 mmol", "MRN", "3", "3"),
    ],
)
def test_what_is_drawn_out(text: str, kind: str, found: str, whole: str) -> None:
    start = text.rindex(found)
    finding = Finding(start, start + len(found), kind, 0.5, "encoder")
    made = completed(text, finding, POLICY.type(kind))
    assert text[made.start : made.end] == whole
    assert (made.entity_type, made.score, made.detector) == (kind, 0.5, "encoder")


# A type that a policy describes in its own words.
OWN = POLICY.type("MRN").model_copy(update={"name": "OWN", "i2b2": None})


@pytest.mark.parametrize(
    ("text", "found", "whole"),
    [
        ("docket 22F1183 closed", "F", "22F1183"),
        ("on GX9371/12SEP, diverted", "GX9371", "GX9371/12SEP"),
        ("NDPS......T24-01-0933", "T", "T24-01-0933"),
        ("wireless card: 02:1B:C5:3E:90:4A", "B:C5:3E:90:4A", "02:1B:C5:3E:90:4A"),
        ("paid $1,500 today", "1,500", "$1,500"),
        ("aboard Contessa of Lyme, clean", "Contessa", "Contessa of Lyme"),
        ("Judge Raymond Quill III, sitting", "Raymond Quill", "Raymond Quill III"),
        ("at Coyote Canyon C.H.: 41 slept", "Coyote Canyon C.H", "Coyote Canyon C.H."),
        ("for Snake Plain Canal Co. before", "Snake Plain Canal Co", "Snake Plain Canal Co."),
        ("at Birdsprings (upper), chapter", "Birdsprings (upper", "Birdsprings (upper)"),
        # What stays as it is.
        ("badge:2217 seen", "2217", "2217"),
        ("asked Lyme of late", "Lyme", "Lyme"),
        ("cranfest of Warrens", "cranfest", "cranfest"),
        ("seen by Lima. Then", "Lima", "Lima"),
    ],
)
def test_what_is_drawn_out_of_types_of_a_policys_own(text: str, found: str, whole: str) -> None:
    start = text.index(found)
    made = completed(text, Finding(start, start + len(found), "OWN", 0.5, "encoder"), OWN)
    assert text[made.start : made.end] == whole
