"""Doubts about what nothing but the encoder saw: clinical words, labels, durations, numbers without a digit.

For names, word lists are evidence and no veto: a score is lowered by what the words are, in odds, and a
finding goes only if what is left is too little; `Dr. Parkinson` scores so high that no list can speak against
it. Fillers, lone durations, clinical words before a colon and numbers without a digit go whatever the score.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from deid.detect.lists import word_list
from deid.note import Finding
from deid.policy import EntityType

# i2b2 tags of types that are told by words, and so are mistaken for others; and of types that are numbers.
_TOLD_BY_WORDS = frozenset({
    "CITY", "DOCTOR", "HOSPITAL", "LOCATION-OTHER", "ORGANIZATION", "PATIENT", "USERNAME",
})  # fmt: skip
_NUMBERS = frozenset({
    "ACCOUNT", "DEVICE", "FAX", "HEALTHPLAN", "IDNUM", "IPADDR", "LICENSE", "MEDICALRECORD", "PHONE", "SSN",
    "ZIP",
})  # fmt: skip
_CLINICAL = ("cell_words", "clinical_abbreviations", "clinical_brands", "drugs", "name_stops")
_NAMES = ("given_names", "surnames", "cities")
_WORD = re.compile(r"[^\W_]+")
_DURATION = re.compile(
    r"(?:(?:x ?)?\d+(?:[.,/-]\d+)? ?-?)?"
    r"(?:d|days?|wks?|weeks?|mos?|mths?|months?|y|yrs?|years?|h|hrs?|hours?|mins?|minutes?)",
    re.IGNORECASE,
)
_SPOKEN = frozenset(
    "zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"  # noqa: SIM905 - a list of words
    " seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred double dash"
    " slash".split()
)
_LABEL_END = re.compile(r"(?:[ -](?:id|no|nr|num|number)\b\.?)? ?:", re.IGNORECASE)
_FUNCTION_WORDS = frozenset(
    "a an the at in on of to for from by with and or is was it its s when where who how this that".split()  # noqa: SIM905
)
_WEEKDAYS = frozenset(["mon", "tue", "wed", "thu", "fri", "sat", "sun"])
# Odds by which the kind of a stretch's words speaks against it; chosen on the dev notes.
_ODDS = {"clinical": 1 / 40, "eponym": 1 / 10, "common": 1.0}
_LEAST = 0.3


def is_filler(text: str, finding: Finding) -> bool:
    """Say whether a finding holds nothing but words such as *at* or *the*; a capital by itself is an initial.

    Args:
        text: The note.
        finding: What the encoder found.
    """
    surface = text[finding.start : finding.end]
    words = _WORD.findall(surface.casefold())
    return _FUNCTION_WORDS.issuperset(words) and (len(surface) > 1 or surface.islower())


def doubtful(text: str, finding: Finding, kind: EntityType) -> bool:
    """Say whether a finding of the encoder is more likely something else than its type.

    Args:
        text: The note.
        finding: What the encoder found.
        kind: Its type.
    """
    surface = text[finding.start : finding.end]
    tag = kind.i2b2 or kind.name
    words = _WORD.findall(surface.casefold())
    digits = any(sign.isdigit() for sign in surface)
    if is_filler(text, finding) or (tag in _NUMBERS and not digits and _is_label(text, finding.end)):
        return True
    if tag == "DATE":
        return bool(_DURATION.fullmatch(surface))
    known = surface.casefold() in word_list("eponyms")
    kinds = {"eponym"} if known else {_kind(word) for word in words}
    if "other" in kinds or not words:
        return False
    # Eponyms are names of people: `Graves:` may say who speaks.
    if "eponym" not in kinds and _is_label(text, finding.end):
        return True
    if tag in _NUMBERS:
        return not digits and not _SPOKEN.intersection(words)
    return tag in _TOLD_BY_WORDS and _outweighed(finding, kinds)


def _outweighed(finding: Finding, kinds: Iterable[str]) -> bool:
    """Say whether what the words are leaves too little of a score."""
    score = min(finding.score, 0.999)
    left = score / (1 - score) * max(_ODDS[each] for each in kinds)
    return left / (1 + left) < _LEAST


def _is_label(text: str, end: int) -> bool:
    """A stretch before a colon names a field; what stands in the field comes after it."""
    return _LABEL_END.match(text, end) is not None


def _kind(word: str) -> str:
    if len(word) == 1 or word[:3] in _WEEKDAYS:
        return "other"
    if word in word_list("eponyms"):
        return "eponym"
    if word.isdigit() or _listed(word, _NAMES):
        return "other"
    if word in word_list("eponyms_more"):
        return "eponym"
    if _listed(word, _CLINICAL):
        return "clinical"
    return "common" if word in word_list("common_words") else "other"


def _listed(word: str, names: Iterable[str]) -> bool:
    return any(word in word_list(name) for name in names)
