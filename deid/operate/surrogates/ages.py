"""Ages: moved by a year or two, the same way for everybody in the notes; 90 and over stay together."""

from __future__ import annotations

import re

from deid.operate.failure import OperatorFailure
from deid.operate.surrogates.choice import Choice
from deid.operate.surrogates.streets import like_ordinal

# A whole number, not the part of a fraction or decimals behind it.
_NUMBER = re.compile(r"(?<![\d/.])(\d+)(?![\d]*/)\+?(st|nd|rd|th)?", re.IGNORECASE)
_DECADE = re.compile(r"(\d)0['’]?s\b")
_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = re.compile(
    rf"\b(?:(?P<tens>{'|'.join(_TENS)})(?:[\s-]+(?P<ones>{'|'.join(_UNITS[1:10])}))?|(?P<unit>{'|'.join(_UNITS)}))\b",
    re.IGNORECASE,
)
_ORDINAL_IN_WORDS = re.compile(
    r"[\s-](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)\b", re.IGNORECASE
)
# What would stand beside `90+`: the sign of `>93`, the words of `93 or older`.
_BESIDE_OLDEST = re.compile(
    r"(?:[>≥]=? ?|\b(?:over|above|beyond|past|(?:older|more|greater) than) )(?=9\d|1\d\d)"
    r"|(?<=9\d)(?:\+| (?:or|and) (?:older|over|above|more|greater)\b)",
    re.IGNORECASE,
)
_SMALL_UNITS = re.compile(r"\b(?:months?|mos?|m/o|weeks?|wks?|w/o|days?|d/o|hours?|hrs?)\b", re.IGNORECASE)
# 45 CFR 164.514(b)(2)(i)(C): ages of 90 and over may be aggregated into one category.
_OLDEST = 89


def age(text: str, choice: Choice) -> str:
    """Return an age one or two years off, in the form of the original; ``90+`` for 90 and over.

    Adults stay adults (18 to 89) and children children; numbers of months, weeks and days move by one.
    All ages in the notes of a subject move the same way, so that years between them stay.

    Args:
        text: ``62``, ``forty-two``, ``9-month-old``, ``80s``.
        choice: The draws of this mention.

    Raises:
        OperatorFailure: if there is no number in it, or an ordinal in words.
    """
    offset = (-2, -1, 1, 2)[choice.number("offset", below=4)]
    small = _SMALL_UNITS.search(text.replace("-", " ")) is not None
    decade = _DECADE.search(text)
    if decade:
        return _DECADE.sub(lambda match: _decade(10 * int(match[1]), offset) + match[0][2:], text)
    if _NUMBER.search(text):
        beside = "" if small else _BESIDE_OLDEST.sub("", text)
        return _NUMBER.sub(lambda match: _in_digits(match, offset, small=small), beside or text)
    if _WORDS.search(text) and not _ORDINAL_IN_WORDS.search(text):
        return _WORDS.sub(lambda match: _spelled(match, offset, small=small), text)
    raise OperatorFailure("there is no number in the age")


def _in_digits(match: re.Match[str], offset: int, *, small: bool) -> str:
    moved = _moved(int(match[1]), offset, small=small)
    if isinstance(moved, str) or not match[2]:
        return str(moved)
    return f"{moved}{like_ordinal(str(moved), match[2])}"


def _moved(years: int, offset: int, *, small: bool) -> int | str:
    low, high = (1, 10_000) if small else (18, _OLDEST) if years >= 18 else (1, 17)
    if not small and years > _OLDEST:
        return "90+"
    if small or years < 18:
        offset = 1 if offset > 0 else -1
    return years + offset if low <= years + offset <= high else years - offset


def _decade(start: int, offset: int) -> str:
    if start >= 90:
        return "90"
    step = 10 if offset > 0 else -10
    return str(start + step if 20 <= start + step <= 80 else start - step)


def _spelled(match: re.Match[str], offset: int, *, small: bool) -> str:
    tens, ones, unit = (match[name] and match[name].lower() for name in ("tens", "ones", "unit"))
    number = (
        _UNITS.index(unit) if unit else 10 * (_TENS.index(tens) + 2) + (_UNITS.index(ones) if ones else 0)
    )
    moved = _moved(number, offset, small=small)
    if isinstance(moved, str):
        return moved
    between = " " if " " in match[0] else "-"
    words = _UNITS[moved] if moved < 20 else _TENS[moved // 10 - 2]
    if moved >= 20 and moved % 10:
        words += between + _UNITS[moved % 10]
    if match[0].isupper():
        return words.upper()
    if tens and ones and match[0].istitle():
        return words.title()
    return words.capitalize() if match[0][0].isupper() else words
