"""Ages as people write them, and the category of those over 89."""

from __future__ import annotations

import re

from deid.operate.failure import OperatorFailure

OVER_89 = "90+"
_LIMIT = 90
_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_ARIANS = {
    "quinquagenarian": 50, "sexagenarian": 60, "septuagenarian": 70, "octogenarian": 80,
    "nonagenarian": 90, "centenarian": 100, "semisupercentenarian": 105, "supercentenarian": 110,
}  # fmt: skip
_NUMBERS = {
    **{word: number for number, word in enumerate(_UNITS)},
    **{word: 10 * number for number, word in enumerate(_TENS, 2)},
    **{word.replace("y", "ies"): 10 * number for number, word in enumerate(_TENS, 2)},
    **{word.replace("y", "ieth"): 10 * number for number, word in enumerate(_TENS, 2)},
    **{word: number for number, word in enumerate(_ORDINALS, 1)},
    **{f"{word}{s}": number for word, number in _ARIANS.items() for s in ("", "s")},
    "teen": 13, "teens": 13, "a": 1, "an": 1,
}  # fmt: skip
_PER_YEAR = {
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), 8766.0),
    **dict.fromkeys(("day", "days"), 365.25),
    **dict.fromkeys(("wk", "wks", "week", "weeks"), 52.18),
    **dict.fromkeys(("mo", "mos", "month", "months", "mth", "mths"), 12.0),
}
# Single letters are no units: 91M is a man of 91 years more often than an infant.
_FILLERS = frozenset(
    re.findall(
        r"\w+",
        """
        y yr yrs year years yo old o f m w d h of age aged the in his her their its early mid middle
        late and to s or over under above below almost nearly about approximately approx around than
        older younger greater less more turning half past beyond st nd rd th birthday birthdays bday
        """,
    )
)
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[a-z]+|[\s\-–—/+~<>≥≤=.,;:'’\"()]+|.", re.DOTALL)
_SIGNS = re.compile(r"[\s\-–—/+~<>≥≤=.,;:'’\"()]+")


def age_90_plus(text: str) -> str:
    """Return an age as written, or ``90+`` if it is or may be 90 or more.

    45 CFR 164.514(b)(2)(i)(C): ages over 89 may only be told as one category. ``over 89`` is one of them.

    Args:
        text: ``62``, ``91-year-old``, ``ninety-one``, ``88-92``, ``in her 90s``, ``90th``, ``9 months``.

    Raises:
        OperatorFailure: if there is no number, or anything that does not belong to an age.
    """
    oldest = max(_years(text), default=None)
    if oldest is None:
        raise OperatorFailure("this is no age")
    if oldest >= _LIMIT or (oldest >= _LIMIT - 1 and _says_more(text)):
        return OVER_89
    return text


def is_over_89(text: str) -> bool:
    """Tell whether `age_90_plus` would make ``90+`` of a text.

    Args:
        text: A mention of an age; one that is not understood tells none.
    """
    try:
        return age_90_plus(text) == OVER_89
    except OperatorFailure:
        return False


def _says_more(text: str) -> bool:
    return bool(re.search(r"over|above|older|greater|more|past|beyond|>|\+", text, re.IGNORECASE))


def _years(text: str) -> list[float]:
    """Return all numbers, in years; a unit counts for the number right before it."""
    numbers: list[float] = []
    joins = unit_may_follow = False
    for match in _TOKEN.finditer(text.lower()):
        token = match[0]
        if token[0].isdecimal() or token in _NUMBERS:
            number = float(_NUMBERS.get(token) or token)
            if joins and number < 10:
                numbers[-1] += number
            else:
                numbers.append(number)
            joins, unit_may_follow = token in _TENS, True
        elif token in {"hundred", "hundredth"}:
            numbers.append(100.0 * (numbers.pop() if unit_may_follow else 1))
            joins = unit_may_follow = True
        elif token in _PER_YEAR and unit_may_follow:
            numbers[-1] /= _PER_YEAR[token]
            joins = unit_may_follow = False
        elif token in _FILLERS or token in _PER_YEAR:
            joins = unit_may_follow = token == "and" and joins
        elif not _SIGNS.fullmatch(token):
            raise OperatorFailure("this is no age")
    return numbers
