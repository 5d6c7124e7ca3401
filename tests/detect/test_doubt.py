from __future__ import annotations

import pytest

from deid.detect.doubt import doubtful
from deid.note import Finding
from deid.policy import load_policy

POLICY = load_policy("safe-harbor")


@pytest.mark.parametrize(
    ("text", "kind", "score", "surface", "doubted"),
    [
        # Clinical words stand where names stand.
        ("PICU accepts him", "CLINICIAN_NAME", 0.92, "PICU", True),
        ("catheter MAHURKAR 12 FR", "CLINICIAN_NAME", 0.54, "MAHURKAR", True),
        ("offered Aristada again", "CLINICIAN_NAME", 0.7, "Aristada", True),
        ("Mallampati 2", "CLINICIAN_NAME", 0.6, "Mallampati", True),
        ("She lives at 12 Larch", "STREET_ADDRESS", 0.9, "at", True),
        ("A. came", "PATIENT_NAME", 0.9, "A", False),
        ("the Roux-en-Y limb", "ORGANIZATION", 0.6, "Roux-en-Y", True),
        # A list is no veto.
        ("Dr. Parkinson called", "CLINICIAN_NAME", 0.97, "Parkinson", False),
        ("Mr. Graves", "PATIENT_NAME", 0.9, "Graves", False),
        # Names that are eponyms or makers too are names.
        ("Robert Wilson came", "RELATIVE_NAME", 0.3, "Robert Wilson", False),
        ("Baxter came", "RELATIVE_NAME", 0.3, "Baxter", False),
        ("Adaezeka came", "RELATIVE_NAME", 0.1, "Adaezeka", False),
        # Field labels, durations, numbers without a digit.
        ("Home address: 12 Larch", "STREET_ADDRESS", 0.9, "Home address", True),
        ("Rosa: 555-0142", "RELATIVE_NAME", 0.9, "Rosa", False),
        ("Graves: I feel better.", "PATIENT_NAME", 0.95, "Graves", False),
        ("Graves: none", "PATIENT_NAME", 0.5, "Graves", True),
        ("back in 6 months.", "DATE", 0.6, "6 months", True),
        ("on 3/4 again", "DATE", 0.2, "3/4", False),
        ("the device was", "DEVICE_ID", 0.9, "device", True),
        ("phone: mob 07700", "PHONE", 0.9, "mob", True),
        ("initials N-E-B", "MRN", 0.7, "N-E-B", False),
        ("mrn two four seven", "MRN", 0.9, "two four seven", False),
        ("a welder", "PROFESSION", 0.1, "welder", False),
        ("in England", "COUNTRY", 0.5, "England", False),
        # What is called by another's name: newborns, traumas, budgets' years, elders.
        ("Patient: Baby Boy Lima", "PATIENT_NAME", 0.9, "Baby Boy", True),
        ("Lima, Baby Boy MRN", "PATIENT_NAME", 0.9, "Baby Boy", False),
        ("Lima, DOL 12, born", "PATIENT_NAME", 0.9, "DOL 12", True),
        ("Lima, DOL 12, born", "OTHER_ID", 0.9, "12", True),
        ("Lima, DOL 12, born", "AGE", 0.9, "DOL 12", False),
        ("after fall of 06/30", "DATE", 0.9, "fall of", True),
        ("Fall of 3/12", "DATE", 0.9, "Fall", True),
        ("a fall of last Tuesday", "DATE", 0.9, "fall of last", True),
        ("since fall of 2019", "DATE", 0.9, "fall of 2019", False),
        ("the FY2079 budget", "MRN", 0.9, "FY2079", True),
        ("card FY20791", "MRN", 0.9, "FY20791", False),
        ("54 M Navajo elder", "PROFESSION", 0.3, "Navajo elder", True),
        ("he was an elder of the parish", "PROFESSION", 0.9, "elder", False),
        # Headings, abbreviations, degrees, letters that are labels.
        ("Musculoskeletal: well", "CLINICIAN_NAME", 0.8, "Musculoskeletal", True),
        ("go to A & E", "HOSPITAL", 0.4, "A & E", True),
        ("Ana Lima, PA-C", "CLINICIAN_NAME", 0.9, "C", True),
        ("seen by Lima, R.N.", "PATIENT_NAME", 0.7, "R.N", True),
        ("62M P.T. (Roe)", "PATIENT_NAME", 0.7, "P.T", False),
        ("D: 1/2/24", "USERNAME", 0.9, "D", True),
        # Durations, gestation, ratios, list numbers.
        ("3/7 hx of cough", "DATE", 0.9, "3/7", True),
        ("on 3/7 he fell", "DATE", 0.9, "3/7", False),
        ("born at 34 weeks", "AGE", 0.9, "34", True),
        ("came in at 33 and 4/7 weeks", "AGE", 0.9, "33", True),
        ("22 mo of ATD, then", "AGE", 0.9, "22 mo", True),
        ("22 mo of age, well", "AGE", 0.9, "22 mo", False),
        ("exam today, recall 6 mo", "AGE", 0.9, "6 mo", True),
        ("till the birth. g4p2012, 36", "DATE", 0.9, "g4p2012", True),
        ("on the evening of the 23rd", "DATE", 0.9, "evening of the", True),
        ("Beighton 5/9", "DATE", 0.9, "5/9", True),
        ("SJC 9/28 today", "DATE", 0.9, "9/28", True),
        ("00413  patient scan", "DATE", 0.9, "00413", True),
        ("vaso .03 and .04", "DATE", 0.9, "04", True),
        ("Vault (OCT) central 210", "DATE", 0.9, "OCT", True),
        ("took flu OCT. Next", "DATE", 0.9, "OCT", False),
        ("OCT OD 288", "DATE", 0.9, "OCT", True),
        ("an ex 35-weeker, well", "AGE", 0.9, "35", True),
        ("bougie 56 Fr passed", "AGE", 0.9, "56", True),
        ("5 North rm 514-2", "MRN", 0.9, "514-2", True),
        ("UMGENI HEIGHTS   THEATRE 4", "HOSPITAL", 0.9, "THEATRE 4", True),
        ("seen in ROOM 118-A", "STREET_ADDRESS", 0.9, "ROOM 118-A", True),
        ("seen in Room 12, 4 Larch Rd", "STREET_ADDRESS", 0.9, "Room 12, 4 Larch Rd", False),
        ("CPT 92611, 74230", "LICENSE_NUMBER", 0.9, "74230", True),
        ("mrn 514-2", "MRN", 0.9, "514-2", False),
        ("riskman no RM 99314", "OTHER_ID", 0.9, "RM 99314", False),
        ("file RM23-2219.", "OTHER_ID", 0.9, "RM23-2219", False),
        ("File NDC-6612", "MRN", 0.9, "NDC-6612", False),
        ("turned 34 today", "AGE", 0.9, "34", False),
        ("temp 97.7 today", "DATE", 0.1, "97.7", True),
        ("plan\n10. rest", "DATE", 0.6, "10", True),
        ("since Combivent began", "DATE", 0.6, "Combivent", True),
        ("since Pongal", "DATE", 0.2, "Pongal", False),
        ("9th and 10th ribs", "DATE", 0.9, "10th", True),
        ("9th and 10th ribs", "DATE", 0.9, "9th", True),
        ("on the 10th he fell", "DATE", 0.9, "10th", False),
        ("EHL 5/5 today", "DATE", 0.9, "5/5", True),
        ("vision 6/9, 6/12", "DATE", 0.9, "6/12", True),
        ("VA printout 11/07", "DATE", 0.9, "11/07", False),
        ("died 1.20 a.m. in bed", "DATE", 0.9, "1.20", True),
        ("died 1.2 in bed", "DATE", 0.9, "1.2", False),
        ("sample at 28/40 sent", "DATE", 0.9, "28/40", True),
        ("flu 21-22 given", "DATE", 0.9, "21-22", False),
        ("flu 21/22 given", "DATE", 0.9, "21/22", False),
        ("here Jul 18-25 and", "DATE", 0.9, "18-25", False),
        ("smoked 2019-2021, then", "DATE", 0.9, "2019-2021", False),
        ("exp 2079-11", "DATE", 0.9, "2079-11", False),
        ("came at 27 weeks and", "AGE", 0.9, "27 weeks", True),
        ("a 27 weeks old girl", "AGE", 0.9, "27 weeks", False),
        # A title is nobody's name, unless it is one.
        ("cc: Dr Lima", "CLINICIAN_NAME", 0.9, "Dr", True),
        ("his mate Col took", "PATIENT_NAME", 0.9, "Col", False),
        # Descent, roles, and what sort of person somebody is.
        ("a Vietnamese man", "COUNTRY", 0.9, "Vietnamese", True),
        ("saw her primary care physician", "PROFESSION", 0.5, "primary care physician", True),
        ("she is a retired nurse", "PROFESSION", 0.9, "nurse", False),
        ("this gentleman", "PROFESSION", 0.9, "gentleman", True),
    ],
)
def test_what_is_doubted(text: str, kind: str, score: float, surface: str, doubted: bool) -> None:
    start = text.index(surface)
    finding = Finding(start, start + len(surface), kind, score, "encoder")
    assert doubtful(text, finding, POLICY.type(kind)) is doubted
