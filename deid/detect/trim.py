"""Takes off what a finding of the encoder has too much of: titles, degrees, labels, the field behind it.

The counterpart of `deid.detect.complete`. Nothing is taken that could be a part of the identifier itself: a
finding that would lose everything stays as it was, for `deid.detect.doubt` to judge.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from deid.detect.doubt import FALL_BEFORE_DAY
from deid.detect.lists import word_list
from deid.note import Finding
from deid.policy import EntityType

_NAMES = frozenset({"PATIENT", "DOCTOR"})
_PLACES = frozenset({"HOSPITAL", "ORGANIZATION", "LOCATION-OTHER", "CITY", "STREET"})
_NUMBERS = frozenset({
    "ACCOUNT", "DEVICE", "FAX", "HEALTHPLAN", "IDNUM", "LICENSE", "MEDICALRECORD", "PHONE", "SSN", "VEHICLE",
    "ZIP",
})  # fmt: skip
_TELEPHONES = frozenset({"FAX", "PHONE"})
_TOLD = frozenset({"AGE", "DATE", "PROFESSION"})
_OTHER_FIELD = re.compile(r"[ \t]*\n[ \t]*|[ \t]{2,}")
_WORD = re.compile(r"[^\W\d_]+")
_FIRST = re.compile(r"([^\s.:#]+)[.:#]*\s+|([^\s.:#\d]+)[.:#]+|#")
_LAST = re.compile(r"(?P<sign>[,(/-]?)[ ]?(?P<word>[^\s,(/]+)$")
_POSSESSIVE = re.compile(r"['’]s?$")
_REST = re.compile(r"[\w.-]*")
_LAST_WORD = re.compile(r"[ ,]+([^\s,]+)$")
_NOT_LETTER = re.compile(r"[^a-z]")
# Degrees that are also surnames, states or words: they need a comma before them.
_AMBIGUOUS = frozenset({"dc", "do", "jd", "ma", "ms", "np", "od", "ot", "pa", "pt", "rd", "rt"})
# Words of the language of notes; none of them stands in another column as a part of somebody's name.
_FOREIGN = ("clinical_abbreviations", "clinical_words", "common_words", "facility_words", "name_stops")
_CLINICAL = ("clinical_abbreviations", "clinical_words")
_KNOWN_NAMES = ("given_names", "surnames")
_FUNCTION_WORDS = frozenset(
    "a an and as at but by for from her his in into is near of off on or outside over that the then to"  # noqa: SIM905
    " under up was when where which who with".split()
)
# A clock time behind a date: `1/19 1512`, `thurs 16.20`, `13-O9  ll:22`; 19xx and 20xx may be years.
_TIME = r"(?:(?:[01]\d|2[0-3])[0-5]\d|[\dlIO]{1,2}[.:][0-5lIO][\dlIO])"
_CLOCK = re.compile(rf"[ ,@]{{1,3}}{_TIME}(?:[-–]{_TIME})?(?: ?(?:h|hrs|am|pm))?$")
_HOUR_CUT = re.compile(r"[ ,@]{1,3}(?:[01]?\d|2[0-3])$")
_MINUTES = re.compile(r"[.:][0-5]\d(?![\d./-])")
_YEAR = re.compile(r"(?:19|20)\d\d$")
_DATED = re.compile(r"\d[/.-]\d|[A-Za-z]{3}")
# The label of the next date behind this one: `d 8/16/01  t`; and what makes a line or column part of a date.
_LABEL_OF_NEXT = re.compile(r"(?<=\d)[ \t]+[DdTtMF]$")
_PART_OF_DATE = re.compile(
    r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun|day|eve|night|week|year|yr"
    r"|spring|summer|autumn|fall|winter|teen|ty|first|second|third|th$|nd$|st$|^[lIO/.:-]+$",
    re.IGNORECASE,
)
# A part of the day behind a weekday or a number: `tues 10a`, `Fri night`; `Monday 1` is cut before `pm`.
_WEEKDAY = r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?"
_PART_OF_DAY = re.compile(
    rf"(?:\b{_WEEKDAY}|\d(?:st|nd|rd|th)?)(?P<part>,? (?:am|pm|a\.m\.?|p\.m\.?|nights?|nite|mornings?|noon|"
    rf"evenings?|afternoons?|arvo|nt|overnight|(?:1[0-2]|[1-9]) ?(?:[ap]m?|h)))$",
    re.IGNORECASE,
)
_HOUR = re.compile(rf"\b{_WEEKDAY}(?P<part>,? (?:1[0-2]|[1-9]))$", re.IGNORECASE)
_HOUR_AFTER = re.compile(r" ?(?:[ap]\.?m\b|[ap]\b|noon\b|o.?clock\b|:\d\d)", re.IGNORECASE)
# What the language of notes has behind a name without a comma; a small letter tells it from a name.
_VERBS = frozenset(
    {"can", "can't", "cant", "did", "does", "had", "has", "hasn't", "hasnt", "may", "said", "says", "will"}
)
_ALSO_NAMES = frozenset({"may", "will"})
# The sex behind an age or its label, before a name: `62 yo M. John Peterson`, `Sex: F. Anna Lopez`. It reads
# as an initial.
_SEX_NOT_INITIAL = re.compile(r"[MF](?:\. ?| )(?=[^\W\d_])")
_SEX_TOLD_NEXT = re.compile(
    r"(?:\b(?:sex|gender)(?: at birth)?[ \t]*[:=-]?|\b(?:an?|is|this|pt) \d{1,3}|\d ?/"
    r"|\d[ -]?(?:y/?o|y\.? ?o\.?|yr?|y(?:ea)?rs?[ -]?olds?|m/?o|"
    r"(?:months?|mos?|weeks?|wks?|days?)[ -]olds?),?)\s{0,2}$",
    re.IGNORECASE,
)
_SEX_BEFORE_AGE = re.compile(r"(?<=\w)(?: [·|])? {1,2}[MF]$")
_AGE_AFTER = re.compile(r"[ ,]{1,3}\d{1,3}(?![\d/.-])")
# Who signs, behind initials: `pwt rn`.
_SIGNING = re.compile(
    r"(?<=\w) {1,2}(?:rn|lvn|lpn|ln|pn|en|sn|cna|crna|md|do|np|pa|pa-c|rph|pharmd|ccrn|rrt|pgy-?\d|fy\d)$",
    re.IGNORECASE,
)
# A part of a house behind its name: `Croom General OPD`, `Rowan Ward, bay C`.
_PART_OF_HOUSE = re.compile(
    r"(?<=\w),?[ ]+(?:OR|CVICU|OPD|(?i:casualty|dept|department|tasking)|"
    r"(?i:bed|bay|pod|wing|theatre|zone|rm|room|suite|ste|chair)[ #]{1,2}[A-Za-z]?\d{0,3}[A-Za-z]?)$"
)
_WORD_BEFORE_NUMBER = re.compile(
    r"[A-Za-z]{1,6}[\dO]?[A-Za-z]?[.:]? {1,3}(?=[\d(+][\d() -]{6})", re.IGNORECASE
)
_YEARS_AND_WHOSE = re.compile(
    r"((?:1[01]\d|\d{1,2})(?:st|nd|rd|th)?) (?:F|M|para|gravida|bday|birthday|female|male)(?: \d{1,2})?"
)
_PAIR_OR_LOG_IN = re.compile(r"[A-Za-z]+(?:/[A-Za-z]+|\d+)(?!\S)")
# What a newborn without a given name is called by, before the surname, and the day of life behind it.
_NEWBORN = re.compile(
    r"(?:(?:(?i:baby[ -]?(?:boy|girl))|B[BG]|(?i:twin) [ABab])\s+)+(?=[^\W\d_]{2})"
    r"|(?<=[Tt]win )[AB]\s+(?=[^\W\d_]{2})"
)
_DAY_OF_LIFE = re.compile(r"[\s,(/-]+(?:DOL|dol|(?i:day of life))[ #:]{0,2}\d{0,3}$")
_LONGEST_TOLD = 24  # longer than an age or a label before the sex
_SHORTEST_SMALL = 4  # shorter ones may be the end of a name that a scan broke: `Erzse bet`
_Cut = Callable[[str, int, int], tuple[int, int]]
_YEARS_OLD = re.compile(r"[ -]{0,2}(?:(?:years?|yrs?|yo|y/o|y\.o)\.?(?:[ -]olds?)?|olds?)$", re.IGNORECASE)


def trimmed(text: str, finding: Finding, kind: EntityType) -> Finding:
    """Take off what does not belong to the identifier.

    Args:
        text: The note.
        finding: What the encoder found.
        kind: Its type; what may be taken off depends on it.
    """
    start, end = finding.start, finding.end
    for cut in _cuts(kind.i2b2) if kind.i2b2 else (_without_article, _without_last_words):
        low, high = cut(text, start, end)
        if any(sign.isalnum() for sign in text[low:high]):
            start, end = low, high
    if (start, end) == (finding.start, finding.end):
        return finding
    return replace(finding, start=start, end=end)


def _cuts(tag: str) -> Iterator[_Cut]:
    if tag == "PATIENT":
        yield _without_newborn
    if tag in _NAMES:
        yield from (
            _name_fields,
            _without_told_sex,
            _without_titles,
            _without_small_words,
            _without_verbs,
            _without_degrees,
            _without_sex,
        )
    if tag in _NUMBERS:
        yield from (_number_fields, _without_labels)
    if tag in _TELEPHONES:
        yield from (_without_word, _without_bracket)
    if tag == "HOSPITAL":
        yield _without_part_of_house
    if tag in _NAMES | _NUMBERS | _PLACES | _TOLD:
        yield from (_without_first_words, _without_last_words)
    if tag == "USERNAME":
        yield from (_log_in_field, _without_signing)
    if tag == "DATE":
        yield _without_fall
        yield from (_date_fields, _without_clock, _without_part_of_day)
    if tag == "AGE":
        yield from (_without_years, _number_of_years)


def _name_fields(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave lines and columns at the ends that are no names: `Xochitl Arroyo   MRN`."""
    return _own_fields(text, start, end, _is_foreign)


def _number_fields(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave lines and columns at the ends that have no digit."""
    if not _has_digit(text[start:end]):
        return start, end
    return _own_fields(text, start, end, lambda field: not _has_digit(field))


def _own_fields(text: str, start: int, end: int, foreign: Callable[[str], bool]) -> tuple[int, int]:
    gaps = list(_OTHER_FIELD.finditer(text, start, end))
    while gaps and foreign(text[gaps[-1].end() : end]):
        end = gaps.pop().start()
    while gaps and foreign(text[start : gaps[0].start()]):
        start = gaps.pop(0).end()
    return start, end


def _has_digit(text: str) -> bool:
    return any(sign.isdigit() for sign in text)


def _is_foreign(field: str) -> bool:
    """Say whether the words of a field are all of the language of notes, and none is a name."""
    return all(
        any(word in word_list(name) for name in _FOREIGN)
        and not any(word in word_list(name) for name in _KNOWN_NAMES)
        for word in _WORD.findall(field.casefold())
    )


def _without_titles(text: str, start: int, end: int) -> tuple[int, int]:
    return _without_first(text, start, end, "title_words"), end


def _without_labels(text: str, start: int, end: int) -> tuple[int, int]:
    """Take labels off as long as digits are left behind them."""
    first = _without_first(text, start, end, "number_labels")
    return (first if _has_digit(text[first:end]) else start), end


def _without_first(text: str, start: int, end: int, listed: str) -> int:
    while first := _FIRST.match(text, start, end):
        word = first.group(1) or first.group(2) or ""
        if first.end() >= end or (word and word.casefold() not in word_list(listed)):
            break
        start = first.end()
    return start


def _without_degrees(text: str, start: int, end: int) -> tuple[int, int]:
    """Take off degrees, and the 's of a possessive."""
    if possessive := _POSSESSIVE.search(text, start, end):
        end = possessive.start()
    while last := _LAST.search(text, start, end):
        # The finding may end inside: at the M of `M.D.`
        rest = _REST.match(text, end)
        word = last["word"] + (rest.group() if rest else "")
        plain = _NOT_LETTER.sub("", word.casefold())
        certain = plain not in _AMBIGUOUS or last["sign"] == ","
        capitals = sum(sign.isupper() for sign in word) * 2 >= len(plain)
        small = (
            word.islower() and len(plain) > 2 and not any(plain in word_list(name) for name in _KNOWN_NAMES)
        )
        left = text[start : last.start()].rstrip(" ,(/-")
        if not (left and certain and (capitals or small) and plain in word_list("degrees")):
            break
        end = start + len(left)
    return start, end


def _without_first_words(text: str, start: int, end: int) -> tuple[int, int]:
    while (first := _FIRST.match(text, start, end)) and first.group(1) in _FUNCTION_WORDS:
        start = first.end()
    return start, end


def _without_article(text: str, start: int, end: int) -> tuple[int, int]:
    """Take small words off before a capital or a digit: `the Dolphin Arms`; `the second of August` stays."""
    first, _ = _without_first_words(text, start, end)
    return (start if text[first].islower() else first), end


def _without_last_words(text: str, start: int, end: int) -> tuple[int, int]:
    while (last := _LAST_WORD.search(text, start, end)) and last.group(1) in _FUNCTION_WORDS:
        end = last.start()
    return start, end


def _without_small_words(text: str, start: int, end: int) -> tuple[int, int]:
    """Take clinical words in small letters off a name with capitals: `Venkatesan nephro`.

    Other words stay: what somebody does (`Fritz does security`) is told nowhere else.
    """
    if not text[start].isupper():
        return start, end
    while (last := _LAST_WORD.search(text, start, end)) and _is_small_word(last.group(1)):
        end = last.start()
    return start, end


def _is_small_word(word: str) -> bool:
    clinical = any(word in word_list(name) for name in _CLINICAL) and word not in word_list("common_words")
    return (
        len(word) >= _SHORTEST_SMALL and word.islower() and word.isalpha() and clinical and _is_foreign(word)
    )


def _without_verbs(text: str, start: int, end: int) -> tuple[int, int]:
    """Take off what begins to say something of a name: `Kruger will`, `mai cant`."""
    while (last := _LAST_WORD.search(text, start, end)) and last.group(1) in _VERBS:
        if last.group(1) in _ALSO_NAMES and not text[start].isupper():
            break
        end = last.start()
    return start, end


def _without_sex(text: str, start: int, end: int) -> tuple[int, int]:
    """Take off the sex before an age: `Winston Kwok M` of `Winston Kwok M 45`."""
    sex = _SEX_BEFORE_AGE.search(text, start, end)
    if sex and " " in text[start : sex.start()] and _AGE_AFTER.match(text, end):
        end = sex.start()
    return start, end


def _without_newborn(text: str, start: int, end: int) -> tuple[int, int]:
    newborn = _NEWBORN.match(text, start, end)
    day = _DAY_OF_LIFE.search(text, start, end)
    return newborn.end() if newborn else start, day.start() if day else end


def _without_told_sex(text: str, start: int, end: int) -> tuple[int, int]:
    sex = _SEX_NOT_INITIAL.match(text, start, end)
    told = sex and _SEX_TOLD_NEXT.search(text, max(start - _LONGEST_TOLD, 0), start)
    return sex.end() if sex and told else start, end


def _without_signing(text: str, start: int, end: int) -> tuple[int, int]:
    signing = _SIGNING.search(text, start, end)
    return start, signing.start() if signing else end


def _without_part_of_house(text: str, start: int, end: int) -> tuple[int, int]:
    part = _PART_OF_HOUSE.search(text, start, end)
    return start, part.start() if part else end


def _without_word(text: str, start: int, end: int) -> tuple[int, int]:
    """Take a word off a telephone number: `T 416-555-0148`."""
    word = _WORD_BEFORE_NUMBER.match(text, start, end)
    return word.end() if word else start, end


def _without_bracket(text: str, start: int, end: int) -> tuple[int, int]:
    return start + (text[start] == "(" and ")" not in text[start:end]), end


def _log_in_field(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave lines and columns behind a pair or a log-in that are a letter or a number: `HJE/bo   D`."""
    if not _PAIR_OR_LOG_IN.match(text, start, end):
        return start, end
    return _own_fields(text, start, end, lambda field: len(field) == 1 or field.isdigit())


def _date_fields(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave what is no part of a date at its end: `3-1-14 T` of the next one, another column or line."""
    label = _LABEL_OF_NEXT.search(text, start, end)
    return _own_fields(text, start, label.start() if label else end, _is_no_date)


def _without_fall(text: str, start: int, end: int) -> tuple[int, int]:
    fall = FALL_BEFORE_DAY.match(text, start, end)
    return fall.end() if fall else start, end


def _is_no_date(field: str) -> bool:
    return not _has_digit(field) and not _PART_OF_DATE.search(field)


def _number_of_years(text: str, start: int, end: int) -> tuple[int, int]:
    """Take off whose years they are, behind their number: `19 F`, `33 para 4`."""
    years = _YEARS_AND_WHOSE.fullmatch(text, start, end)
    return start, years.end(1) if years else end


def _without_clock(text: str, start: int, end: int) -> tuple[int, int]:
    clock = _CLOCK.search(text, start, end)
    if not clock and _MINUTES.match(text, end):
        clock = _HOUR_CUT.search(text, start, end)
    if clock and not _YEAR.search(clock.group()) and _DATED.search(text, start, clock.start()):
        end = clock.start()
    return start, end


def _without_part_of_day(text: str, start: int, end: int) -> tuple[int, int]:
    part = _PART_OF_DAY.search(text, start, end)
    if not part and _HOUR_AFTER.match(text, end):
        part = _HOUR.search(text, start, end)
    return start, part.start("part") if part else end


def _without_years(text: str, start: int, end: int) -> tuple[int, int]:
    years = _YEARS_OLD.search(text, start, end)
    return start, years.start() if years else end
