"""The forms in which notes write dates: words, and one regular expression for each form.

Groups name what changes with the date: ``y4`` and ``y2`` (year of four or two digits), ``m`` (month
number), ``mon`` (month name), ``d`` (day), ``dw`` (day as a word), ``ord`` (ordinal suffix), ``wd``
(weekday), ``q`` (quarter), ``qw`` (quarter as a word), ``season``, ``dec`` (decade); ``a`` and ``b`` are
month and day in an order to be decided. All else stays as written; clock times may stand inside. The
forms are those of the policies' DATE type, ISO 8601, and HL7 v2 (data types DT and DTM, chapter 2A).
"""

from __future__ import annotations

import re

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LONG_WEEKDAYS = ("mon", "tues", "wed", "thurs", "fri", "sat", "sun")
QUARTERS = ("first", "second", "third", "fourth")
SEASON_MONTHS = {"winter": 1, "spring": 4, "summer": 7, "autumn": 10, "fall": 10}
_TEENS = "tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
_UNITS = "first second third fourth fifth sixth seventh eighth ninth"
DAY_WORDS = (
    *_UNITS.split(), *_TEENS.split(), "twentieth", *(f"twenty-{unit}" for unit in _UNITS.split()),
    "thirtieth", "thirty-first",
)  # fmt: skip

_Y4 = r"(?P<y4>(?:1[89]|2[0-2])\d\d)"
_Y2 = r"(?P<y2>\d\d)"
_SIGNED_YEAR = rf"(?:{_Y4}|(?P<tick>['’`])\s?{_Y2})"
_ANY_YEAR = rf"(?:{_Y4}|(?P<tick>['’`])?{_Y2})"
_SEP = r"\s*(?P<sep>[/.\-–\\])\s*"
_SAME = r"\s*(?P=sep)\s*"
_MON = (
    r"(?P<mon>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = (
    r"(?:(?P<d>\d{1,2})(?P<ord>st|nd|rd|th)?|(?P<dw>"
    + "|".join(sorted((word.replace("-", "[- ]") for word in DAY_WORDS), key=len, reverse=True))
    + r"))"
)
_WD = (
    r"(?P<wd>mon(?:day)?|tu(?:e(?:s(?:day)?)?)?|wed(?:s|nesday)?|th(?:u(?:r(?:s(?:day)?)?)?)?|fri(?:day)?"
    r"|sat(?:urday)?|sun(?:day)?)"
)
_LEAD = (
    r"\(?(?:\d{1,2}:\d\d(?::\d\d)?\s*(?:[ap]\.?m\.?)?\s+)?"
    r"(?:(?:in|on|the|since|by|of|from|between|for|early|mid|late|circa|about|around|approximately|last|next"
    r"|this|past|(?:fiscal )?year"
    r"|(?:beginning|start|middle|end|week|month|morning|afternoon|evening|night) of)[\s\-]+)*"
)
_BEFORE = rf"(?:{_WD}\.?(?:\s*,\s*|\s+)(?:the\s+)?\(?)?"
_AFTER = rf"(?:[\s,]*\(?{_WD.replace('?P<wd>', '?P<wd2>')}\.?\)?)?"
_CLOCK = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-6]\d(?:[.,]\d{1,9})?)?"
_ZONE = r"(?:\s*(?:hrs?|hours|z|utc|gmt|[ecmp][sd]?t|[+-]\d\d:?\d\d))?"
_TIME = (
    rf"(?:(?:\s*,?\s*(?:at|@)\s*|\s*,?\s+|T){_CLOCK}(?:\s*[ap]\.?m\.?)?{_ZONE}"
    r"|\s*,?\s*(?:at|@)?\s*(?:[01]\d|2[0-3])[0-5]\d\s*(?:h|hrs|hours)"
    r"|\s*,?\s*(?:at|@)\s*\d{1,2}\s*[ap]\.?m\.?)?"
)
_TAIL = r"[\s.,;)]*"
_HL7_TIME = r"(?:T?(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-6]\d(?:\.\d{1,6})?)?)?(?:Z|[+-]\d{4})?)?"


def _form(core: str, *, weekday: bool = True, time: bool = True) -> re.Pattern[str]:
    before, after = (_BEFORE, _AFTER) if weekday else ("", "")
    pattern = f"{_LEAD}{before}{core}{after}{_TIME if time else ''}{_TAIL}"
    return re.compile(pattern, re.IGNORECASE | re.ASCII)


FORMS = (
    _form(rf"{_Y4}{_SEP}(?P<m>\d{{1,2}}){_SAME}(?P<d>\d{{1,2}})"),
    _form(rf"{_Y4}(?P<m>0[1-9]|1[0-2])(?P<d>[0-2]\d|3[01]){_HL7_TIME}", weekday=False, time=False),
    _form(rf"(?P<m>0[1-9]|1[0-2])(?P<d>[0-2]\d|3[01]){_Y4}", weekday=False, time=False),
    _form(rf"(?P<a>\d{{1,2}}){_SEP}(?P<b>\d{{1,2}}){_SAME}{_ANY_YEAR}"),
    _form(rf"(?P<a>\d{{1,2}}){_SEP}(?P<b>\d{{1,2}})[\s,]+{_Y4}"),
    _form(rf"(?P<m>\d{{1,2}})\s*[/.\-–]\s*{_SIGNED_YEAR}", weekday=False, time=False),
    _form(rf"{_Y4}\s*[/.\-–]\s*(?P<m>\d{{1,2}})", weekday=False, time=False),
    _form(rf"(?P<a>\d{{1,2}}){_SEP}(?P<b>\d{{1,2}})"),
    _form(rf"{_MON}[\s,\-/]*(?:of\s+|in\s+)?{_SIGNED_YEAR}", weekday=False, time=False),
    _form(rf"{_MON}[\s\-/]+{_Y2}", weekday=False, time=False),
    _form(
        rf"{_MON}(?P<s1>[\s,]*(?:the\s+)?|[\-/]){_DAY}(?:(?P<s2>[\s,]*(?:of\s+|in\s+)?|[\-/]){_ANY_YEAR})?"
    ),
    _form(
        rf"{_DAY}(?:\s+day)?(?P<s1>\s*,?\s*(?:of\s+)?|[\-/.]){_MON}(?:(?P<s2>[\s,]*(?:of\s+|in\s+)?|[\-/.]){_ANY_YEAR})?"
    ),
    _form(rf"{_Y4}(?P<s1>[\s,]*|[\-/.]){_MON}[\s,\-/.]*{_DAY}"),
    _form(_MON, weekday=False, time=False),
    _form(rf"{_WD}\.?(?:['’]?s)?(?:\s+(?:morning|afternoon|evening|night))?", weekday=False),
    _form(
        rf"(?:Q(?P<q>[1-4])|(?P<qw>{'|'.join(QUARTERS)})\s+quarter)(?:[\s,/\-]*(?:of\s+)?(?:FY\s?)?{_ANY_YEAR})?",
        weekday=False,
        time=False,
    ),
    _form(
        rf"(?P<q>[1-4])(?:Q|(?P<ord>st|nd|rd|th)\s+quarter)(?:[\s,/\-]*(?:of\s+)?{_ANY_YEAR})?",
        weekday=False,
        time=False,
    ),
    _form(
        rf"(?P<season>{'|'.join(SEASON_MONTHS)})(?:[\s,\-]*(?:of\s+)?{_SIGNED_YEAR})?",
        weekday=False,
        time=False,
    ),
    _form(rf"(?:FY\s?)?{_SIGNED_YEAR}", weekday=False, time=False),
    _form(r"(?P<dec>(?:(?:1[89]|2[0-2])\d|['’`]?\d)0)['’]?s", weekday=False, time=False),
)
BARE = re.compile(
    rf"{_LEAD}{_BEFORE}(?P<d>\d{{1,2}})(?P<ord>st|nd|rd|th)?(?:\s+of\s+(?:the|this|last)\s+month)?"
    rf"(?:\s*,?\s+{_Y4})?{_TAIL}",
    re.IGNORECASE | re.ASCII,
)
BETWEEN = re.compile(
    r"\s*(?:[-–—/,;&+]|\b(?:to|through|thru|til|till|until|and|or)\b)(?:\s*\b(?:and|or|the)\b)?\s*",
    re.IGNORECASE,
)
