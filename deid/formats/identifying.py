"""Which column names look identifying: the list behind the warning on columns that a run carries through.

The groups follow the identifiers of 45 CFR 164.514(b)(2)(i)(A) to (R), with the names that exports give them
(OMOP CDM 5.4, MIMIC-III, common EHR extracts). Only names are looked at, never values, so the list leans to
warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

UNREADABLE = "(a key that does not read as a name)"


def _phrases(*groups: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(phrase.split()) for group in groups for phrase in group.split(";"))


_NAMES_AND_PEOPLE = """
name; names; initials; surname; forename; nickname; alias; maiden; first name; last name; middle name;
given name; family name; full name; patient name; display name; signature; signed by; author; dictated
by; transcribed by; attending; physician; doctor; clinician; provider; practitioner; nurse; surgeon;
therapist; pcp; referring; consultant; caregiver; cgid; resident; employee; staff; relative; relatives;
spouse; husband; wife; partner; mother; father; parents; guardian; children; sibling; next of kin; nok;
kin; contact; emergency contact; guarantor; proxy; employer; household
"""
_PLACES = """
address; addr; address line; street; city; town; village; county; district; parish; precinct; zip;
zipcode; zip code; zip 3; zip 5; postal; postcode; post code; location; location id; geocode; latitude;
longitude; lat; lon; lng; birthplace; hospital; facility; clinic; site; care site; care site id; ward;
organization; institution
"""
_DATES_AND_AGES = """
date; dates; datetime; timestamp; dttm; dtm; dt; day; dob; dod; dos; birthday; birth date; birth
datetime; birth year; birth time; of birth; born; of death; death date; death time; death datetime;
admit time; admit date; admission date; admission time; discharge time; discharge date; disch time;
service date; visit date; encounter date; note date; note time; chart date; chart time; store time;
store date; created; created at; updated at; modified at; signed at; age; anchor year
"""
_REACHING = """
phone; phones; telephone; tel; mobile; cell; cellphone; cell phone; home phone; work phone; phone
number; pager; beeper; fax; fax number; email; e mail; mail; email address; url; uri; link; website; web
site; homepage; ip; ip address; ipaddr; user; user id; user name; login; account name; social media
"""
_NUMBERS = """
mrn; medical record; medical record number; record number; mpi; empi; ssn; social security; national id;
nhs number; nhs; hic; hicn; mbi; medicare id; medicaid id; member; member id; subscriber; subscriber id;
beneficiary; policy number; plan id; insurance; insurance id; group number; account; account number;
acct; acct no; bill; billing; license; licence; npi; dea; certificate; passport; driver; vin; vehicle;
plate; license plate; device id; device serial; serial; serial number; udi; mac; mac address; biometric;
fingerprint; voiceprint; face; photo; image; picture; accession; accession number; specimen; specimen
id; order id; order number; patient; patient id; pat id; patid; pt id; person; person id; subject;
subject id; participant; participant id; case number; encounter; encounter id; csn; hadm id; stay id;
icustay id; visit id; visit number; visit occurrence id; visit detail id; study id; enrollee; enrollee
id
"""
_FREE_TEXT = """
comment; comments; remark; remarks; free text; narrative; addendum; transcript; dictation; message body;
message text
"""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_]+")
_PLAIN = re.compile(r"[^\W\d][\w .$:/()#-]{0,63}")
_THINGS = _phrases(
    "category; class; code; column; concept; department; diagnosis; domain; drug; event; field; file; form",
    "item; lab; language; medication; note; procedure; schema; section; service; source; table; template",
    "test; title; type; unit; version; vocabulary",
)
_PHRASES = _phrases(_NAMES_AND_PEOPLE, _PLACES, _DATES_AND_AGES, _REACHING, _NUMBERS, _FREE_TEXT)
_JOINED = frozenset("".join(phrase) for phrase in _PHRASES)
_LONGEST = max(map(len, _PHRASES))


def words(name: str) -> tuple[str, ...]:
    """Split a column name at case changes, digits, underscores and punctuation; lower case.

    Args:
        name: Such as ``PatientID``, ``birth_date`` or ``meta.zip5``.
    """
    return tuple(word.lower() for word in _WORD.findall(name))


def readable(name: str) -> bool:
    """Tell whether a column name may be shown: it reads as a name, not as a value in the place of one.

    Args:
        name: Name of a column or key.
    """
    return _PLAIN.fullmatch(name) is not None


def looks_identifying(name: str) -> bool:
    """Tell whether a column of that name is likely to hold an identifier.

    Args:
        name: Name of a column, or a dotted path of keys.
    """
    if name == UNREADABLE:
        return True
    parts = words(name)
    if _JOINED.intersection((*parts, "".join(parts))):
        thing_named = parts[-1:] in {("name",), ("names",)} and parts[-2:-1] in _THINGS
        return not thing_named or looks_identifying(" ".join(parts[:-1]))
    return any(
        parts[start : start + length] in _PHRASES
        for length in range(2, _LONGEST + 1)
        for start in range(len(parts) - length + 1)
    )


def identifying(names: Iterable[str], *, always: Iterable[str | None] = ()) -> tuple[str, ...]:
    """Pick the names that look identifying, in their order.

    Args:
        names: Names of the columns that are carried through.
        always: Names to pick whatever they look like, where they are among them.
    """
    chosen = set(always)
    return tuple(name for name in names if name in chosen or looks_identifying(name))
