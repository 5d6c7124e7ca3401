"""Completes what the encoder found in part: words cut inside a number, a date, a name, a firm, initials.

The encoder decides word by word, and its words end where letters meet digits. Nobody writes half an
identifier: a stretch that ends inside one is drawn out to its end.
"""

from __future__ import annotations

import re
from dataclasses import replace

from deid.detect.lists import word_list
from deid.note import Finding
from deid.policy import EntityType

_NAMES = frozenset({"PATIENT", "DOCTOR"})
_FIRMS = frozenset({"ORGANIZATION", "HOSPITAL"})
# `42yo`, `9mo`: letters after an age are its unit or the sex, and are no part of it.
_AGE, _DATE, _USERNAME = "AGE", "DATE", "USERNAME"
_TH = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b")
# What would stand beside the category of ages over 89, `>90+`: the `>`, the `or older`.
_OLDEST = re.compile(r"89|9\d|1[0-2]\d")
_OVER = re.compile(r"(?:[>≥]=?|\b(?:over|above|beyond|past|(?:older|more|greater) than)) ?$", re.IGNORECASE)
_OR_OVER = re.compile(r"\+| (?:or|and) (?:older|over|above|more|greater)\b", re.IGNORECASE)
_LONGEST_OVER = 13
_NUMERIC_DATE = re.compile(r"(?<![\w/.-])\d{1,4}(?:[/.-]\d{1,4}){1,2}(?![/.-]?\w)")
_LONGEST_DATE = 10
# Particles of Dutch, German, French, Spanish, Portuguese, Italian and Arabic surnames; `et al` is none.
_PARTICLES = re.compile(
    r"(?:(?<![\w.'-])(?<!\bet )"
    r"(?:[Vv]an|[Vv]on|[Dd]er?|[Dd]en|[Dd]el|[Dd]ella|[Dd]i|[Dd]os|[Dd]as|[Dd]u|[Ll]a|[Ll]e|[Ee]l|[Aa]l|[Bb]in|"
    r"[Ii]bn|[Bb]int|[Tt]er) )+$"
)
_LONGEST_PARTICLES = 16
_PARTNER = re.compile(r" ?& ?[A-Z][\w'’-]*")
# What follows a name and is a part of it: Jr, III; a nickname in quotes between two names.
_GENERATION = re.compile(r"\.?,? (?:(?:Jr|Sr|JR|SR)\b|I{2,3}(?= ?(?:[,;|\n]|$)))")
_NICKNAME = re.compile(r" [\"“][A-Z][\w'’. -]{0,14}[\"”](?= [A-Z])")
# The surname behind initials with full stops, or before a degree: `B. Cross`, `NGOZI EZE, MD`.
_INITIALS = re.compile(r"(?<![\w'’-])(?:[A-Z]\. ?)*[A-Z]\.?$")
_SURNAME = re.compile(r"(?<=\.) ?([A-Z][\w'’-]+)|\. ?([A-Z][\w'’-]+)")
_BEFORE_DEGREE = re.compile(
    r" [A-Z][\w'’-]+(?=, ?(?:MD|M\.D\.|DO|D\.O\.|RN|R\.N\.|NP|PA-C|PhD|Ph\.D\.|FRCS|FRCP)\b)"
)
# Initials before initials: the A of `A. S. Wolfson`.
_INITIAL_BEFORE = re.compile(r"(?<![\w.])(?:[A-Z]\. ?)+$")
# ... and behind the dots that lead from a label to its field: `SURGEON.......I. WOLFSON`.
_INITIAL_OF_FIELD = re.compile(r"(?<=\.\.)(?:[A-Z]\. ?)+$")
_STARTS_WITH_INITIAL = re.compile(r"[A-Z]\. ?[A-Z]")
_LONGEST_INITIALS = 12
# The legal form of a firm, and the 's of one called by its founder.
_FIRM = re.compile(
    r",? (?:P\.A|PA|P\.C|PC|P\.L\.L\.C|PLLC|L\.L\.C|LLC|L\.L\.P|LLP|Inc|INC|Ltd|LTD|plc|PLC|GmbH|S\.C|Pty)\b"
    r"(?! \w+ \w)"
    r"|['’]s\b"
)
# Two people's initials, who dictated and who typed: `AN/HN`.
_PAIR_BEFORE = re.compile(r"(?<![\w/:])[A-Za-z]{2,4}[/:]$")
_PAIR_AFTER = re.compile(r"[/:][A-Za-z]{2,4}(?![\w/:])")
_LONGEST_PAIR = 5
# What belongs to a mention of a type that a policy describes in its own words: the rest of a code in signs
# (`GX9371/12SEP`, `02:1B:C5:3E:90:4A`), the currency of an amount, `of Lyme`.
_CODE_BEFORE = re.compile(r"(?:[A-Za-z0-9]+[-/._])+$|(?<![\w:])(?:[0-9A-Fa-f]{2}:)+$")
_CODE_AFTER = re.compile(r"(?:[-/._][A-Za-z0-9]+)+|(?::[0-9A-Fa-f]{2})+(?![\w:])")
_CURRENCY = re.compile(r"[$€£]$")
_LONGEST_CODE = 24
_DIGIT = re.compile(r"\d")
_OF_PLACE = re.compile(r" of [A-Z][\w'’-]+")
_CLOSING = re.compile(r"\)")
# The dot behind an initial or an abbreviation is a part of it: `Ana L.`, `P.A.`, `N.M.`, `Canal Co.`
_DOT = re.compile(r"\.(?!\w)")
_DOTTED = re.compile(r"(?:\b(?:Co|Inc|Ltd|Corp|Bros|Hosp|Gen|Inst|Elem)|(?:\b[A-Za-z]\.)+[A-Za-z])$")
_INITIAL = re.compile(r"(?<![A-Za-z'’])(?:[A-Za-z]|[JS]r)$")
_CLOSING_QUOTE = re.compile(r"[\"”]")
_ABBREVIATED = _FIRMS | {"COUNTRY", "STATE", _USERNAME}


def completed(text: str, finding: Finding, kind: EntityType) -> Finding:
    """Draw a finding out to the end of what it is a part of.

    Args:
        text: The note.
        finding: What the encoder found.
        kind: Its type; what may be drawn out depends on it.
    """
    tag = kind.i2b2 or kind.name
    start, end = finding.start, finding.end
    if tag == _AGE:
        start, end = _whole_age(text, start, end)
    else:
        start, end = _whole_words(text, start, end)
    if tag == _DATE:
        start, end = _whole_date(text, start, end)
    elif tag in _NAMES:
        start, end = _whole_name(text, start, end)
    elif tag in _FIRMS:
        end = _after(text, end, _PARTNER, _FIRM)
    elif kind.i2b2 is None:
        start, end = _whole_described(text, start, end)
    elif tag == _USERNAME and text[start:end].isalpha():
        start, end = _before(text, start, _PAIR_BEFORE, _LONGEST_PAIR), _after(text, end, _PAIR_AFTER)
    if (tag in _NAMES and _INITIAL.search(text, start, end)) or (
        (tag in _ABBREVIATED or kind.i2b2 is None) and _DOTTED.search(text, start, end)
    ):
        end = _after(text, end, _DOT)
    if (start, end) == (finding.start, finding.end):
        return finding
    return replace(finding, start=start, end=end)


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """Draw both ends out over letters and digits that touch."""
    while start and text[start - 1].isalnum() and text[start].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum() and text[end - 1].isalnum():
        end += 1
    return start, end


def _whole_age(text: str, start: int, end: int) -> tuple[int, int]:
    """Draw an age out over the end of an ordinal, and one over 88 over what says that it may be higher."""
    end = _after(text, end, _TH)
    if _OLDEST.fullmatch(text, start, end):
        start, end = _before(text, start, _OVER, _LONGEST_OVER), _after(text, end, _OR_OVER)
    return start, end


def _whole_name(text: str, start: int, end: int) -> tuple[int, int]:
    """Draw a name out over particles, initials, a nickname, the surname and `Jr`."""
    start = _before(text, start, _PARTICLES, _LONGEST_PARTICLES)
    if _STARTS_WITH_INITIAL.match(text, start):
        start = _before(text, start, _INITIAL_BEFORE, _LONGEST_INITIALS)
    start = _before(text, start, _INITIAL_OF_FIELD, _LONGEST_INITIALS)
    surname = _SURNAME.match(text, end) if _INITIALS.search(text, start, end) else None
    if surname and (surname[1] or surname[2]).casefold() in word_list("surnames"):
        end = surname.end()
    end = _after(text, end, _NICKNAME, _BEFORE_DEGREE, _GENERATION)
    open_quote = text.count('"', start, end) % 2 or text.count("“", start, end) > text.count("”", start, end)
    return start, _after(text, end, _CLOSING_QUOTE) if open_quote else end


def _whole_described(text: str, start: int, end: int) -> tuple[int, int]:
    """Draw a mention out over the rest of a code, a currency, a place, `Jr` and a bracket."""
    words = text[start:end].split()
    if _DIGIT.search(words[0]):
        start = _before(text, start, _CODE_BEFORE, _LONGEST_CODE)
    if _DIGIT.search(words[-1]):
        end = _after(text, end, _CODE_AFTER)
    if text[start].isdigit():
        start = _before(text, start, _CURRENCY, 1)
    if text[start].isupper():
        end = _after(text, end, _GENERATION, _OF_PLACE)
    if text.count("(", start, end) > text.count(")", start, end):
        end = _after(text, end, _CLOSING)
    return start, end


def _before(text: str, start: int, pattern: re.Pattern[str], longest: int) -> int:
    """Return where a stretch begins once what stands before it is drawn in."""
    before = text[max(start - longest, 0) : start]
    found = pattern.search(before)
    return start - (len(before) - found.start()) if found else start


def _after(text: str, end: int, *patterns: re.Pattern[str]) -> int:
    """Return where a stretch ends once what follows it is drawn in, pattern by pattern."""
    for pattern in patterns:
        if found := pattern.match(text, end):
            end = found.end()
    return end


def _whole_date(text: str, start: int, end: int) -> tuple[int, int]:
    """Draw a part of a numeric date, such as the month, out to all of it."""
    for match in _NUMERIC_DATE.finditer(text, max(start - _LONGEST_DATE, 0), end + _LONGEST_DATE):
        if match.start() < end and start < match.end():
            return min(start, match.start()), max(end, match.end())
    return start, end
