from __future__ import annotations

import pytest

from deid.detect.trim import trimmed
from deid.note import Finding
from deid.policy import load_policy

POLICY = load_policy("safe-harbor")


@pytest.mark.parametrize(
    ("text", "kind", "left"),
    [
        # Titles, what a family calls its members, degrees, possessives.
        ("Dr. Lindqvist", "CLINICIAN_NAME", "Lindqvist"),
        ("Doña Felipa", "RELATIVE_NAME", "Felipa"),
        ("Leocadia Ruiz, M.D.", "CLINICIAN_NAME", "Leocadia Ruiz"),
        ("Mark Teasdale MRPharmS", "CLINICIAN_NAME", "Mark Teasdale"),
        ("Ana Lima, PA-C, MPH", "CLINICIAN_NAME", "Ana Lima"),
        ("isla fitzroy lpn", "CLINICIAN_NAME", "isla fitzroy"),
        ("Zohaib Qazi PGR-2", "CLINICIAN_NAME", "Zohaib Qazi"),
        ("Venkat's", "CLINICIAN_NAME", "Venkat"),
        # Another column or line.
        ("Xochitl Arroyo   MRN", "PATIENT_NAME", "Xochitl Arroyo"),
        ("Rohan Wijeratne\nColorectal Unit", "CLINICIAN_NAME", "Rohan Wijeratne"),
        ("BQ0000417\nHepatology", "LICENSE_NUMBER", "BQ0000417"),
        # Labels before numbers, words behind them.
        ("CSN 7002231", "ACCOUNT_NUMBER", "7002231"),
        ("JS# 44-09181", "OTHER_ID", "44-09181"),
        ("A31-0061-7 of", "OTHER_ID", "A31-0061-7"),
        ("on hampshire rd", "STREET_ADDRESS", "hampshire rd"),
        # Clinical small words behind a name, the field beside a log-in or a date.
        ("Venkatesan nephro", "CLINICIAN_NAME", "Venkatesan"),
        ("HQE/bo\nd", "USERNAME", "HQE/bo"),
        ("qeg05\n00431", "USERNAME", "qeg05"),
        ("3-1-14  T", "DATE", "3-1-14"),
        ("19 F", "AGE", "19"),
        ("33 para 4", "AGE", "33"),
        ("90th birthday", "AGE", "90th"),
        # Clock times and units.
        ("1/19 1512", "DATE", "1/19"),
        ("thurs 16.20", "DATE", "thurs"),
        ("9-year", "AGE", "9"),
        ("24 years old", "AGE", "24"),
        # What stays as it is.
        ("Jing MA", "PATIENT_NAME", "Jing MA"),
        ("Fritz does security", "RELATIVE_NAME", "Fritz does security"),
        ("NT\n11", "USERNAME", "NT\n11"),
        ("Ju1y  l", "DATE", "Ju1y  l"),
        ("8 mnde", "AGE", "8 mnde"),
        ("Erzse bet", "PATIENT_NAME", "Erzse bet"),
        ("ana lima nurse", "PATIENT_NAME", "ana lima nurse"),
        ("3 JAN  2012", "DATE", "3 JAN  2012"),
        ("7 and a half", "AGE", "7 and a half"),
        ("THUY DO", "PATIENT_NAME", "THUY DO"),
        ("Nguyen Lac", "PATIENT_NAME", "Nguyen Lac"),
        ("Zayde Mot", "RELATIVE_NAME", "Zayde Mot"),
        ("Roe\nOkonkwo", "PATIENT_NAME", "Roe\nOkonkwo"),
        ("KEREKES  LASZLO", "PATIENT_NAME", "KEREKES  LASZLO"),
        ("Dr", "CLINICIAN_NAME", "Dr"),
        # Titles that are names too.
        ("Don Smith", "PATIENT_NAME", "Don Smith"),
        ("Son Nguyen", "PATIENT_NAME", "Son Nguyen"),
        ("Nana Mensah", "RELATIVE_NAME", "Nana Mensah"),
        ("BISHOP MARY", "PATIENT_NAME", "BISHOP MARY"),
        ("SN-441-2", "HEALTH_PLAN_ID", "SN-441-2"),
        ("UR 19/2586", "MRN", "UR 19/2586"),
        ("3 May 2012", "DATE", "3 May 2012"),
        ("9 months", "AGE", "9 months"),
        ("The Lodge", "ORGANIZATION", "The Lodge"),
    ],
)
def test_what_is_taken_off(text: str, kind: str, left: str) -> None:
    around = f"x {text} y"
    made = trimmed(around, Finding(2, 2 + len(text), kind, 0.5, "encoder"), POLICY.type(kind))
    assert around[made.start : made.end] == left
    assert (made.entity_type, made.score, made.detector) == (kind, 0.5, "encoder")


@pytest.mark.parametrize(
    ("text", "kind", "found", "left"),
    [
        # What begins to say something of a name, and the sex before an age.
        ("chaplain Kruger will.", "CLINICIAN_NAME", "Kruger will", "Kruger"),
        ("interp xee. mai cant drive", "RELATIVE_NAME", "mai cant", "mai"),
        ("Winston Kwok M 45", "PATIENT_NAME", "Winston Kwok M", "Winston Kwok"),
        ("Vang, Pa Kou · F, 9 y", "PATIENT_NAME", "Vang, Pa Kou · F", "Vang, Pa Kou"),
        # The sex behind an age or its label is no initial.
        ("is a 62 yo M. John Lima was", "PATIENT_NAME", "M. John Lima", "John Lima"),
        ("54 y.o. F. Maria Lima is", "RELATIVE_NAME", "F. Maria Lima", "Maria Lima"),
        ("a 71-year-old F. Lima", "PATIENT_NAME", "F. Lima", "Lima"),
        ("67/M. Lima", "PATIENT_NAME", "M. Lima", "Lima"),
        ("Gender: F. Anna Lima", "PATIENT_NAME", "F. Anna Lima", "Anna Lima"),
        ("Sex: M. Ray Lima", "CLINICIAN_NAME", "M. Ray Lima", "Ray Lima"),
        ("for 20 years. M. Lima came", "PATIENT_NAME", "M. Lima", "M. Lima"),
        ("in bed 12 M. Lima", "PATIENT_NAME", "M. Lima", "M. Lima"),
        ("62 yo J. Lima", "PATIENT_NAME", "J. Lima", "J. Lima"),
        # What a newborn is called by, and the day of its life.
        ("Baby Boy Okonkwo, DOL 12, born", "PATIENT_NAME", "Baby Boy Okonkwo, DOL 12", "Okonkwo"),
        ("INFANT: BABYGIRL LIMA", "PATIENT_NAME", "BABYGIRL LIMA", "LIMA"),
        ("crib 7 BB Twin A Lima", "PATIENT_NAME", "BB Twin A Lima", "Lima"),
        ("Twin A Lima stable", "RELATIVE_NAME", "A Lima", "Lima"),
        ("Truong, Baby Boy B", "PATIENT_NAME", "Truong, Baby Boy B", "Truong, Baby Boy B"),
        ("per BB Lima, RN", "CLINICIAN_NAME", "BB Lima", "BB Lima"),
        # A fall of a day is no season.
        ("after fall of 06/30", "DATE", "fall of 06/30", "06/30"),
        ("a fall of last Tuesday", "DATE", "fall of last Tuesday", "Tuesday"),
        ("since fall of 2019", "DATE", "fall of 2019", "fall of 2019"),
        # Who signs, behind initials.
        ("to day rn. pwt rn", "USERNAME", "pwt rn", "pwt"),
        ("seen. NBF  RPN", "USERNAME", "NBF  RPN", "NBF  RPN"),
        ("ok\njk pgy2", "USERNAME", "jk pgy2", "jk"),
        # A part of a house.
        ("at Rowan Ward, bay C", "HOSPITAL", "Rowan Ward, bay C", "Rowan Ward"),
        ("Croom General OPD  Mon", "HOSPITAL", "Croom General OPD", "Croom General"),
        # Telephone numbers.
        ("(020 7946 0551 machine)", "PHONE", "(020 7946 0551", "020 7946 0551"),
        ("   T 416-555-0148", "PHONE", "T 416-555-0148", "416-555-0148"),
        ("call (416) 555-0148", "PHONE", "(416) 555-0148", "(416) 555-0148"),
        ("Winston M 45", "PATIENT_NAME", "Winston M", "Winston M"),
        # The part of the day, the time, the label of the next date, the next line.
        ("r/v thurs am surg", "DATE", "thurs am", "thurs"),
        ("since 8/12 night", "DATE", "8/12 night", "8/12"),
        ("family mon 2 pm", "DATE", "mon 2", "mon"),
        ("hearing tues 10a w judge", "DATE", "tues 10a", "tues"),
        ("Tues 5th Sept 09.40", "DATE", "Tues 5th Sept 09", "Tues 5th Sept"),
        ("14/9/11  11.10-11.55", "DATE", "14/9/11  11.10-11.55", "14/9/11"),
        ("MAY-13-O9  ll:22", "DATE", "MAY-13-O9  ll:22", "MAY-13-O9"),
        ("d 8/29/06  t 8/30/06", "DATE", "8/29/06  t", "8/29/06"),
        ("Nov. 20, 2019\nDyad: two", "DATE", "Nov. 20, 2019\nDyad", "Nov. 20, 2019"),
        # What stays as it is.
        ("next thu 17 am", "DATE", "thu 17", "thu 17"),
        ("Bonfire Night", "DATE", "Bonfire Night", "Bonfire Night"),
        ("3 May\n2012", "DATE", "3 May\n2012", "3 May\n2012"),
        ("told will may", "RELATIVE_NAME", "will may", "will may"),
        ("seen by Kim M. today", "CLINICIAN_NAME", "Kim M", "Kim M"),
        ("Castle Hill Hospital ED", "HOSPITAL", "Castle Hill Hospital ED", "Castle Hill Hospital ED"),
    ],
)
def test_what_is_taken_off_by_what_follows(text: str, kind: str, found: str, left: str) -> None:
    start = text.index(found)
    made = trimmed(text, Finding(start, start + len(found), kind, 0.5, "encoder"), POLICY.type(kind))
    assert text[made.start : made.end] == left


@pytest.mark.parametrize(
    ("text", "left"), [("Margaret Lake, M.D.", "Margaret Lake"), ("Lake, M. seen", "Lake, M")]
)
def test_a_finding_may_end_inside_a_degree(text: str, left: str) -> None:
    finding = Finding(0, text.index("M", 1) + 1, "CLINICIAN_NAME", 0.5, "encoder")
    made = trimmed(text, finding, POLICY.type("CLINICIAN_NAME"))
    assert text[made.start : made.end] == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("the Dolphin Arms", "Dolphin Arms"),
        ("in the 311th", "311th"),
        ("cranfest in", "cranfest"),
        ("Friends on a", "Friends"),
        # What stays as it is.
        ("the second of August", "the second of August"),
        ("The Lodge", "The Lodge"),
        ("Dr Lima", "Dr Lima"),
        ("at", "at"),
    ],
)
def test_what_is_taken_off_types_of_a_policys_own(text: str, left: str) -> None:
    own = POLICY.type("MRN").model_copy(update={"name": "OWN", "i2b2": None})
    made = trimmed(text, Finding(0, len(text), "OWN", 0.5, "encoder"), own)
    assert text[made.start : made.end] == left
