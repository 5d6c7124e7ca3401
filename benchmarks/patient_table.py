"""What a hospital's table of patients would know of the patients of gold notes, made from the gold.

Such a table has names, the date of birth, numbers, the address, phones and the next of kin; no clinicians, no
institutions, no professions, no ages and no other dates. What the gold does not say is assumed:

- the patient's name is the form with the most letters that stands in the patient's notes, less a nickname in
  quotes or brackets; initials are no name;
- a birth date is the first full date right behind a label such as DOB or born;
- every MRN, SSN and HEALTH_PLAN_ID is the patient's, in its longest form; none that is masked or spelled out;
- a PHONE is the patient's or the next of kin's right behind cell, mobile, home or their first letter;
- a STREET_ADDRESS is the patient's right behind the word address, or where the patient's is the last of the
  names of persons and institutions in the 80 letters before it; CITY and ZIP_CODE follow it within 40;
- an EMAIL is the patient's if it holds a part of the patient's name;
- the next of kin is the first RELATIVE_NAME right behind a word of kinship, in its longest form.

Values are as the notes write them, so that a real table will fit its notes a little less well.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from dateutil import parser as date_parser

from deid.formats.annotations.records import Gold
from deid.formats.markup import GoldMention
from deid.note import KnownValue, Note

_BORN = re.compile(r"(?i)\b(?:d\.?o\.?b|(?:date of )?birth(?:[ -]?date)?|born(?: on)?|b(?=\.))\W{0,6}$")
_OWN_PHONE = re.compile(
    r"(?i)(?:\b(?:cell|mobile|mob|home)|(?<![^\W_])[hcm])\W*(?:(?:phone|ph|tel|no|number)\W*)*$"
)
_ADDRESS = re.compile(r"(?i)\baddr(?:ess)?\W*$")
_KIN = re.compile(
    r"(?i)\b(?:wife|husband|spouse|partner|mother|mom|mum|father|dad|parent|guardian|son|daughter|dtr|sister"
    r"|brother|next of kin|nok|proxy)\W*(?:(?:mrs?|ms|miss)\b\W*)?$"
)
_NICKNAME = re.compile(r"""["“(‘][^"”)’]*["”)’]""")
_WORD = re.compile(r"[^\W\d_]{3,}")
_SPELLED = re.compile(r"[a-z]{3,}|\*")
_NAMED = frozenset({"PATIENT_NAME", "RELATIVE_NAME", "CLINICIAN_NAME", "HOSPITAL", "ORGANIZATION"})
_NUMBERS: Mapping[str, str] = {"MRN": "mrn", "SSN": "ssn", "HEALTH_PLAN_ID": "health_plan_id"}
_PLACES: Mapping[str, str] = {"CITY": "city", "ZIP_CODE": "zip_code"}
_SSN_DIGITS = 9
_LABEL = 40  # letters before a mention in which a label is looked for
_AFTER_NAME, _AFTER_ADDRESS = 80, 40
_DEFAULTS = (datetime(2000, 1, 1), datetime(2001, 2, 2))


def patient_table(gold: Iterable[Gold]) -> dict[str, tuple[KnownValue, ...]]:
    """Return the known values of each patient, as `deid run --patients` would read them from a file.

    Args:
        gold: Notes with linked mentions; notes without a patient id say nothing.
    """
    notes: dict[str, list[Gold]] = defaultdict(list)
    for note, mentions in gold:
        if note.patient_id is not None:
            notes[note.patient_id].append((note, mentions))
    return {patient: tuple(dict.fromkeys(_values(own))) for patient, own in notes.items()}


@dataclass(frozen=True, slots=True)
class _Place:
    """One of a note's sorted mentions."""

    note: Note
    mentions: Sequence[GoldMention]
    at: int

    @property
    def mention(self) -> GoldMention:
        return self.mentions[self.at]

    @property
    def surface(self) -> str:
        return " ".join(self.note.text[self.mention.start : self.mention.end].split())

    @property
    def before(self) -> str:
        return self.note.text[max(self.mention.start - _LABEL, 0) : self.mention.start]


def _values(notes: Sequence[Gold]) -> Iterator[KnownValue]:
    places = [_Place(note, mentions, at) for note, mentions in notes for at in range(len(mentions))]
    name = _fullest(each.surface for each in places if each.mention.entity_type == "PATIENT_NAME")
    if name:
        yield KnownValue("name", name)
    for kind, known in _NUMBERS.items():
        yield from (KnownValue(known, number) for number in _numbers(places, kind))
    yield from (KnownValue("birth_date", day.isoformat()) for day in _birth_dates(places))
    for each in places:
        if each.mention.entity_type == "PHONE" and _OWN_PHONE.search(each.before):
            yield KnownValue("phone", each.surface)
        if each.mention.entity_type == "EMAIL" and _has_part(each.surface, name):
            yield KnownValue("email", each.surface)
    yield from _addresses(places)
    yield from (KnownValue("relative_name", kin) for kin in _next_of_kin(places))


def _fullest(names: Iterable[str]) -> str:
    """Return the name with the most letters; of equals one without odd signs; nothing for mere initials."""
    plain = [" ".join(_NICKNAME.sub(" ", name).split()) for name in names]
    usable = [name for name in plain if _WORD.search(name)]
    return max(usable, key=lambda name: (_letters(name), not re.search(r"[^\w\s,.'’-]", name)), default="")


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def _groups(places: Iterable[_Place], kind: str) -> Iterator[list[str]]:
    """Yield the surfaces of each person or number of a type; a mention without a link is one by itself."""
    groups: dict[str, list[str]] = defaultdict(list)
    for at, each in enumerate(places):
        if each.mention.entity_type == kind:
            groups[each.mention.link or f"alone {at}"].append(each.surface)
    yield from groups.values()


def _numbers(places: Sequence[_Place], kind: str) -> Iterator[str]:
    for surfaces in _groups(places, kind):
        number = max((each for each in surfaces if not _SPELLED.search(each)), key=_letters, default="")
        digits = sum(map(str.isdigit, number))
        if number and (kind != "SSN" or digits == _SSN_DIGITS):
            yield number


def _birth_dates(places: Iterable[_Place]) -> Iterator[date]:
    """Yield the first full date behind a label, if there is one."""
    for each in places:
        if each.mention.entity_type == "DATE" and _BORN.search(each.before):
            day = _full_date(each.surface, day_first=each.note.metadata.get("english") != "us")
            if day is None:
                continue
            if each.note.note_date is not None and day > each.note.note_date:
                day = day.replace(year=day.year - 100)  # of two digits
            yield day
            return


def _full_date(text: str, *, day_first: bool) -> date | None:
    plain = text.replace(",", " ")
    first = day_first and not plain[:4].isdigit()  # else 2013-05-06 is read as the fifth of June
    try:
        days = {date_parser.parse(plain, dayfirst=first, default=each).date() for each in _DEFAULTS}
    except (ValueError, OverflowError):
        return None
    return days.pop() if len(days) == 1 else None


def _has_part(email: str, name: str) -> bool:
    return any(part.casefold() in email.casefold() for part in _WORD.findall(name))


def _addresses(places: Iterable[_Place]) -> Iterator[KnownValue]:
    for each in places:
        if each.mention.entity_type == "STREET_ADDRESS" and _is_own_address(each):
            yield KnownValue("street_address", each.surface)
            found = _behind(each)
            yield from (KnownValue(known, found[kind]) for kind, known in _PLACES.items() if kind in found)


def _is_own_address(place: _Place) -> bool:
    named = [each for each in place.mentions[: place.at] if each.entity_type in _NAMED]
    near = bool(named) and place.mention.start - named[-1].end <= _AFTER_NAME
    behind_name = near and named[-1].entity_type == "PATIENT_NAME"
    return behind_name or _ADDRESS.search(place.before) is not None


def _behind(street: _Place) -> dict[str, str]:
    """Return the first surface of each type that follows a street closely, up to the next street."""
    found: dict[str, str] = {}
    for at in range(street.at + 1, len(street.mentions)):
        each = _Place(street.note, street.mentions, at)
        far = each.mention.start - street.mention.end > _AFTER_ADDRESS
        if far or each.mention.entity_type == "STREET_ADDRESS":
            break
        found.setdefault(each.mention.entity_type, each.surface)
    return found


def _next_of_kin(places: Sequence[_Place]) -> Iterator[str]:
    """Yield the fullest name of the first relative whom a word of kinship introduces, if there is one."""
    for each in places:
        if each.mention.entity_type == "RELATIVE_NAME" and _KIN.search(each.before):
            alike = [
                other.surface
                for other in places
                if other.mention.entity_type == "RELATIVE_NAME"
                and (other is each or (each.mention.link and other.mention.link == each.mention.link))
            ]
            if name := _fullest(alike):
                yield name
                return
