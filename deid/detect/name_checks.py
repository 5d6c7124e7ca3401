"""Checks on matched names of people and places: could these words be a name, and not clinical prose?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from unicodedata import combining, normalize

from deid.detect.lists import word_list

_WORD = re.compile(r"[^\W\d_]+(?:['’.-][^\W\d_]+)*")
_PARTICLES = frozenset(
    {"van", "von", "de", "del", "della", "dela", "di", "da", "dos", "das", "du", "la", "le"}
    | {"el", "al", "bin", "ibn", "binti", "ben", "ter", "ten", "der", "den", "st", "saint"}
    | {"abu", "zu", "af", "y", "e", "mac", "mc"}
)
_SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv"})
# Word endings of diseases, drugs, procedures and plain prose; they speak against a name that no list knows.
_CLINICAL_ENDING = re.compile(
    r"(?:itis|osis|[ae]mia|oma|pathy|algia|uria|tomy|plasty|scopy|graphy|gram|ology|ologist|scopist|iatrist"
    r"|ician|megaly|penia|plasia|trophy|lysis|plegia|paresis|phagia|pnea|cardia|rhea|rrhage|tension|spasm"
    r"|therapy|ism|oid|ation|ment|ness|less|ing|tic|ical|ative|ated|pril|olol|statin|sartan|azole|mycin|cillin"
    r"|idine|tide|mab|nib|pam|vir|parin|xaban|gliptin|flozin|dipine|cycline|floxacin|sone|olone|caine|ine|ide"
    r"|ate|one)$"
)
# Words that say what a place of care does, not which one it is.
_SPECIALTY_ENDING = re.compile(
    r"(?:olog(?:y|ic|ical)|iatry|iatrics?|ular|itis|osis|mia|oma|pathy|algia|phagia|pnea|therapy"
    r"|surg(?:ery|ical)|graphy|scopy|omy|plasty)$"
)
# What public clinical text writes, and nobody is called unless a list of names has it.
_CLINICAL = ("clinical_abbreviations", "clinical_brands", "clinical_words", "drugs")
# Models of intraocular lenses that read as a postcode without its space.
_LENSES = frozenset(
    "MA60AC MA60BM MA60MA MN60AC MN60MA SA60AT SA60WF SN60AT SN60TT SN60WF".split()  # noqa: SIM905
)
_COMA_SCORE = re.compile(r"E[1-4][ -]?V[1-5][ -]?M[1-6]")
_OPENERS = frozenset(
    {"good", "new", "north", "south", "east", "west", "first", "our", "sister", "st", "mount"}
)


def _full_words(surface: str) -> list[str]:
    words = (word.casefold() for word in _WORD.findall(surface))
    return [word for word in words if len(word) > 1 and word not in _PARTICLES and word not in _SUFFIXES]


def _plain(word: str) -> str:
    return "".join(sign for sign in normalize("NFKD", word) if not combining(sign))


def _is_listed(word: str) -> bool:
    return any(
        form in word_list(name) for form in (word, _plain(word)) for name in ("given_names", "surnames")
    )


def _is_plausible(word: str) -> bool:
    if word in word_list("name_stops"):
        return False
    if _is_listed(word):
        return True
    parts = word.split("-")
    if len(parts) > 1:
        return any(_is_listed(part) for part in parts) or all(
            _is_plausible(part) for part in parts if len(part) > 1
        )
    if word in word_list("common_words") or _is_clinical(word):
        return False
    return not (len(word) > 5 and _CLINICAL_ENDING.search(word))


def _is_clinical(word: str) -> bool:
    return any(word in word_list(name) for name in _CLINICAL)


def person_name(surface: str) -> bool:
    """Accept words that can make up a name: none of them prose or clinical, unless listed as a name."""
    words = _full_words(surface)
    return bool(words) and all(_is_plausible(word) for word in words)


def titled_name(surface: str) -> bool:
    """Accept words after a title in mixed case (``Dr. Quill``): only what never is a name is refused."""
    words = _full_words(surface)
    return bool(words) and not any(word in word_list("name_stops") for word in words)


def login(surface: str) -> bool:
    """Accept a log-in name: no common word and no term of a note."""
    word = surface.casefold()
    return word not in word_list("common_words") and word not in word_list("name_stops")


def login_in_parts(surface: str) -> bool:
    """Accept a log-in with underscores in which not every part is a common word: no `patient_guest`."""
    return any(login(part.rstrip("0123456789")) for part in surface.split("_") if len(part) > 2)


def relative_name(surface: str) -> bool:
    """Accept what `person_name` accepts, but no eponym: ``mother Alzheimer`` is family history."""
    return person_name(surface) and not set(_full_words(surface)) & word_list("eponyms")


def _surname_listed(word: str) -> bool:
    return any(part in word_list("surnames") for part in (word, *word.split("-")))


def surname(surface: str) -> bool:
    """Accept a last word that is a listed surname, no common word and no eponym."""
    words = _full_words(surface)
    if not words or not _surname_listed(words[-1]):
        return False
    return all(words[-1] not in word_list(name) for name in ("common_words", "eponyms", "name_stops"))


def given_name(surface: str) -> bool:
    """Accept a possible name whose first word is a listed given name and not a common word."""
    words = _full_words(surface)
    if not words or not relative_name(surface):
        return False
    is_given = words[0] in word_list("given_names") or _plain(words[0]) in word_list("given_names")
    return is_given and words[0] not in word_list("common_words")


def listed_name(surface: str) -> bool:
    """Accept a listed given name before a listed surname, where only the words speak for a name."""
    words = _full_words(surface)
    if len(words) < 2 or " ".join(words) in word_list("eponyms") or " ".join(words) in word_list("cities"):
        return False
    return given_name(surface) and _surname_listed(words[-1])


def last_first(surface: str) -> bool:
    """Accept ``SURNAME, GIVEN M.`` where the given name is listed and both parts can be names."""
    last, _, first = surface.partition(",")
    return person_name(last) and given_name(first)


def hl7_name(surface: str) -> bool:
    """Accept ``FAMILY^GIVEN`` of an HL7 field (XPN, XCN) whose given name is listed."""
    family, given, *_ = surface.split("^")
    return person_name(family) and given_name(given)


def city(surface: str) -> bool:
    """Accept a city of the list that is no eponym (``history of Huntington disease``)."""
    words = " ".join(surface.casefold().split())
    return words in word_list("cities") and words not in word_list("eponyms")


def _names_something(surface: str, *generic: str) -> bool:
    """Tell a name from a description: it opens with a name, and one word at least describes nothing."""
    words = [word.removesuffix("'s") for word in _full_words(surface)]
    described = [
        word
        for word in words
        if any(word in word_list(name) for name in ("name_stops", *generic))
        or (_is_clinical(word) and not _is_listed(word) and word not in word_list("cities"))
    ]
    if not words or (words[0] in described and words[0] not in _OPENERS):
        return False
    named = [word for word in words if word not in described]
    return any(_is_listed(word) or not _SPECIALTY_ENDING.search(word) for word in named)


def facility(surface: str) -> bool:
    """Accept a place of care that is named, as opposed to ``Outpatient Pain Clinic``."""
    return _names_something(surface, "facility_words")


def facility_listed(surface: str) -> bool:
    """Accept a named place of care whose first word is a listed name or city, or no common word."""
    words = _full_words(surface)
    if not words or not facility(surface):
        return False
    return (
        _is_listed(words[0]) or words[0] in word_list("cities") or words[0] not in word_list("common_words")
    )


def organization(surface: str) -> bool:
    """Accept an organization that is named, as opposed to ``Public High School``."""
    return _names_something(surface, "organization_words")


def place(surface: str) -> bool:
    """Accept a county, a park or another place that is named, as opposed to ``Homeless Shelter``."""
    return _names_something(surface, "facility_words", "organization_words")


def named(surface: str) -> bool:
    """Accept a place or an organization of which any word names it (``University of Larchmont``)."""
    words = [word.removesuffix("'s") for word in _full_words(surface)]
    generic = ("name_stops", "facility_words", "organization_words")
    return any(not any(word in word_list(name) for name in generic) for word in words)


def street(surface: str) -> bool:
    """Accept words of a street address: no dose, count or direction to the reader among them."""
    return not set(_full_words(surface)) & word_list("street_stops")


def uk_postcode(surface: str) -> bool:
    """Accept a British postcode that is no ordinal (``C5 6TH`` is a nerve) and no lens (``SN60AT``)."""
    return surface[-2:] not in {"ST", "ND", "RD", "TH"} and surface not in _LENSES


def canadian_postcode(surface: str) -> bool:
    """Accept a Canadian postcode that is no Glasgow coma score: ``E3V4M6``."""
    return _COMA_SCORE.fullmatch(surface) is None


def initials(surface: str) -> bool:
    """Say whether letters can be somebody's initials: no route, unit or short answer."""
    return surface.rstrip("0123456789").casefold() not in word_list("cell_words")


def signature(surface: str) -> bool:
    """Accept initials, or two people's, that sign: every part as `initials` and no common word."""
    parts = [part for part in re.split(r" ?[:/.] ?", surface.rstrip("0123456789")) if part]
    return all(login(part) and initials(part) for part in parts)


CHECKS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        "person_name": person_name,
        "titled_name": titled_name,
        "login": login,
        "login_in_parts": login_in_parts,
        "relative_name": relative_name,
        "surname": surname,
        "given_name": given_name,
        "listed_name": listed_name,
        "last_first": last_first,
        "hl7_name": hl7_name,
        "city": city,
        "facility": facility,
        "facility_listed": facility_listed,
        "organization": organization,
        "place": place,
        "named": named,
        "street": street,
        "uk_postcode": uk_postcode,
        "canadian_postcode": canadian_postcode,
        "initials": initials,
        "signature": signature,
    }
)
