"""Doubts about what nothing but the encoder saw: clinical words, labels, durations, numbers without a digit.

For names, word lists are evidence and no veto: a score is lowered by what the words are, in odds, and a
finding goes only if what is left is too little; `Dr. Parkinson` scores so high that no list can speak against
it. What cannot be an identifier of its type goes whatever the score: fillers, durations, gestational ages,
languages, degrees, clinical words before a colon, numbers without a digit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from deid.detect.date_checks import month_day, month_year, numeric_date
from deid.detect.identifier_checks import FISCAL_YEAR
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
_CLINICAL = (
    "cell_words", "clinical_abbreviations", "clinical_brands", "clinical_words", "drugs", "name_stops",
)  # fmt: skip
_NAMES = ("given_names", "surnames", "cities")
_WORD = re.compile(r"[^\W_]+")
_DIGITS = re.compile(r"\d+")
# Rooms and beds are no identifiers, nor are the codes of what was done and found.
_ROOMS = r"\b(?:rm|room|bed|bay|cot|chair|cell|theat(?:re|er))[ #:]{1,2}"
_ROOM_NUMBER = (
    r"(?:\d{1,4}[a-z]?(?:-[a-z\d]{1,2}){0,2}|[a-z\d]{1,2}(?:-[a-z\d]{1,2}){1,2}|[a-z]{2,4}-\d{1,2})"
)
_ROOM = re.compile(_ROOMS + _ROOM_NUMBER, re.IGNORECASE)
_ROOM_AT_END = re.compile(f"{_ROOM.pattern}$", re.IGNORECASE)
# ... nor are the days of a newborn's life, and budgets' years.
_DAY_OF_LIFE = re.compile(r"(?:dol|day of life)[ #:]{1,2}\d{1,3}", re.IGNORECASE)
_DAY_AT_END = re.compile(rf"\b{_DAY_OF_LIFE.pattern}$", re.IGNORECASE)
_PROCEDURE_CODE = re.compile(
    r"\b(?:cpt|hcpcs|icd(?:-?(?:9|10))?(?:-?cm)?|ndc|drg|carc|rarc)(?: code)?:? (?:[\w.]{4,8},? )*[\w.-]+$",
    re.IGNORECASE,
)
_LABEL_END = re.compile(r"(?:[ -](?:id|no|nr|num|number)\b\.?)? ?:", re.IGNORECASE)
_FUNCTION_WORDS = frozenset(
    "a an the at in on of to for from by with and or is was it its s when where who how this that".split()  # noqa: SIM905
)
_BEFORE_SURNAME = re.compile(
    r"(?<!, )\b(?i:baby[ -]?(?:boy|girl)|(?:baby|infant)(?: boy| girl)? of)\s+(?=[^\W\d_]{2})"
)
# A trauma, and no season: `fall of 06/30`, `fall of last Tuesday`.
FALL_BEFORE_DAY = re.compile(
    r"\b(?:a )?fall (?:of|on) (?:last )?"
    r"(?=\d{1,2}[/.-]\d{1,2}|(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\b)",
    re.IGNORECASE,
)
_WEEKDAYS = frozenset(["mon", "tue", "wed", "thu", "fri", "sat", "sun"])
_SPOKEN = frozenset(
    "zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"  # noqa: SIM905 - a list of words
    " seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred double dash"
    " slash".split()
)
_MASK = re.compile(r"[xX*#]{2}")
# Two letters and a sign between them: A&E, H & P, U+Es.
_ABBREVIATION = re.compile(r"[A-Z] ?[&+] ?[A-Z](?:s|x)?")
_TOKEN_START = re.compile(r"[\w.-]*$")
_TOKEN_END = re.compile(r"[\w.-]*")
_LONGEST_DEGREE = 10
_NOT_LETTER = re.compile(r"[^a-z]")
_INITIALS_TOO = frozenset({"J.D", "M.A", "M.S", "O.T", "P.T", "R.D", "R.T"})

_DURATION = re.compile(
    r"(?:(?:x ?)?\d+(?:[.,/-]\d+)? ?-?)?"
    r"(?:d|days?|wks?|weeks?|mos?|mths?|months?|y|yrs?|years?|h|hrs?|hours?|mins?|minutes?)",
    re.IGNORECASE,
)
# `3/7`, `2/52`, `4/12` are days, weeks and months where British notes speak of a course or a history.
_BRITISH_DURATION = re.compile(r"\d{1,2}(?:-\d{1,2})?/(?:7|12|52)")
_DURATION_BEFORE = re.compile(
    r"(?:\b(?:for|over|past|last|x|in|of|after|every|review|advised|within|hx)|/) ?$", re.IGNORECASE
)
_DURATION_AFTER = re.compile(
    r" ?(?:ago|hx|h/o|history|course|of|only|later|then|post|old|supply|off|with|preceding)\b", re.IGNORECASE
)
_DATE_WORD = re.compile(
    r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun|spring|summer|autumn|fall"
    r"|winter|day|eve|night|week|year|easter|lent|ramadan|eid|diwali|holi|passover|christmas|xmas|hanukkah"
    r"|hogmanay|pongal|new |quarter|century|nineteen|twenty|first|second|third|fourth|fifth|sixth|seventh"
    r"|eighth|ninth|th\b|ieth|teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty",
    re.IGNORECASE,
)
# Pregnancies and births (`g4p2012`), and what is a date only together with one: `the evening of`.
_OBSTETRIC = re.compile(r"g\d{1,2} ?p\d+", re.IGNORECASE)
_PART_OF_DAY = re.compile(
    r"(?:the )?(?:(?:early|late) )?(?:morning|afternoon|evening|end|middle|start|beginning)(?: of(?: the)?)?",
    re.IGNORECASE,
)
_EYE_BEFORE = re.compile(r"\b(?:test|field|vault|iop)\b[^.\n]{0,8}$", re.IGNORECASE)
_EYE_AFTER = re.compile(r" ?(?:od|os|ou|mac\w*|rnfl|retina\w*)\b", re.IGNORECASE)
_NO_DATE_LENGTHS = frozenset({3, 5, 7})
_DECIMAL_BEFORE = re.compile(r"(?:^|\s)\.$")  # .03
_IN_SIGNS = re.compile(r"[\d/.-]+")
# `10th rib` and `5/5` are no days.
_ORDINAL = re.compile(r"\d{1,3}(?:st|nd|rd|th)", re.IGNORECASE)
_ORDINAL_OF = re.compile(
    r"[ -](?:and \w+ )?(?:(?:left|right|l|r) )?"
    r"(?:(?:per)?centile|%ile|ribs?|toes?|fingers?|digits?|metatarsals?|metacarpals?|rays?|web ?space|"
    r"ed(?:ition|\.)|floor|grade|degree|nerve|heart sound|generation|trimester|stage|ics|intercostal)",
    re.IGNORECASE,
)
# With a hyphen they may be a range: `Jul 18-25`, `2019-2021`.
_TWO_NUMBERS = re.compile(r"\d{1,2}[/.]\d{1,2}")
_RATIO = re.compile(r"\d{1,2}/\d{1,2}")
_RATIO_BEFORE = re.compile(
    r"\b(?:(?:vision|va|acuity)(?: (?:od|os|ou|re|le|r|l))?|strength|power|motor|mrc|mmt|ehl|fhl|quads?|"
    r"beighton|monofil(?:ament)?|nodes|crescents|[st]jc|(?:train of four|tof)|rbc|ems|"
    r"suboxone|buprenorphine|cvp|recall(?:ed)?|page|pg|grade|gcs|pulses|reflexes|gr|apgars?|murmur|sem|psm|esm)"
    r"\.?:?,? (?:\d+/\d+[,;]? (?:and )?)*$",
    re.IGNORECASE,
)
_SMALL_WORD = re.compile(r"'?[ ,][a-z]")  # behind a title that is a name after all: `his mate Col took`
_LINE_START = re.compile(r"(?:^|\n)[ \t]*$")
_GESTATION_BEFORE = re.compile(
    r"\b(?:born at|ga|gestation(?:al age)?(?: of)?|ex|former|edc by)[: ]{0,2}$", re.IGNORECASE
)
_GESTATION_AFTER = re.compile(
    r" ?\+ ?\d| and \d/7|-?weekers?|/40|"
    r" ?(?:weeks?|wks?|w)?['’]?[ ,]{0,2}(?:of )?(?:gest|ga\b|pregnan|prem|preterm)",
    re.IGNORECASE,
)
_HALF_DAY = re.compile(r" ?(?:[ap]\.?m\b|h(?:rs?|ours)?\b)", re.IGNORECASE)
# Weeks of a pregnancy and hours of a stay; of an age they are only where it says so.
_WEEKS_OR_HOURS = re.compile(
    r"(?:2[2-9]|3\d|4[0-2])[ -]?(?:weeks?|wks?)|\d+[ -]?(?:hours?|hrs?)", re.IGNORECASE
)
_OLD = re.compile(r"[ -]?(?:olds?\b|of (?:age|life)\b)", re.IGNORECASE)
# How long something is taken or away: `24 mo of ATD`, `recall 6 mo`.
_SPAN = re.compile(r"\d+[ -]?(?:mos?|mths?|months?|wks?|weeks?|d|days?)", re.IGNORECASE)
_SPAN_BEFORE = re.compile(r"\brecall:? $", re.IGNORECASE)
_MEASURED_AFTER = re.compile(
    r" ?(?:fr|mm|cm|ga|gauge|ml|cc|mg|mcg|kg|lbs?|hz|db|deg(?:rees?)?)\b", re.IGNORECASE
)
_SPAN_AFTER = re.compile(r" of (?!age\b|life\b)[\w-]{3}", re.IGNORECASE)
# Behind these words a clinician's role is somebody's job.
_HELD_BEFORE = re.compile(
    r"(?:\b(?:an?|as|retired|former|ex|works?|worked|working|was|is|occupation|job|trained|became|profession|"
    r"employed|she's|he's)(?: an?| as an?)?(?: \w+)?|[:,;(]) ?$",
    re.IGNORECASE,
)
_ELDERS = frozenset({"elder", "elders"})
_LOOK_BACK = 24  # longer than what these patterns look for
# Odds by which the kind of a stretch's words speaks against it; chosen on the dev notes.
_ODDS = {"clinical": 1 / 40, "eponym": 1 / 10, "common": 1.0}
_LEAST = 0.3
_UNSURE = 0.5  # below it a date must look like one
_HELD = 0.7  # from this score on a role may be a job


def leads_in(text: str, start: int, end: int) -> bool:
    """Say whether a stretch is no part of the mention behind it: `Baby Boy` of a name, `fall of` a day.

    Args:
        text: The note.
        start: First code point of the stretch.
        end: One past its last code point.
    """
    found = (each.match(text, start) for each in (_BEFORE_SURNAME, FALL_BEFORE_DAY))
    return any(each is not None and end <= each.end() for each in found)


def is_filler(text: str, finding: Finding) -> bool:
    """Say whether a finding holds nothing but words such as *at* or *the*; a capital by itself is an initial.

    What `leads_in` is one too.

    Args:
        text: The note.
        finding: What the encoder found.
    """
    surface = text[finding.start : finding.end]
    words = _WORD.findall(surface.casefold())
    if leads_in(text, finding.start, finding.end):
        return True
    return _FUNCTION_WORDS.issuperset(words) and (len(surface.rstrip(".")) > 1 or surface.islower())


def doubtful(text: str, finding: Finding, kind: EntityType) -> bool:
    """Say whether a finding of the encoder is more likely something else than its type.

    Args:
        text: The note.
        finding: What the encoder found.
        kind: Its type.
    """
    if is_filler(text, finding) or _is_label_letter(text, finding) or _is_degree(text, finding):
        return True
    if _ROOM.fullmatch(text, finding.start, finding.end):
        return True
    tag = kind.i2b2 or kind.name
    if tag != "AGE" and _DAY_OF_LIFE.fullmatch(text, finding.start, finding.end):
        return True
    if tag in _NUMBERS:
        return _is_no_number(text, finding)
    check = _CHECKS.get(tag)
    return check(text, finding) if check else _reads_otherwise(text, finding, listed=tag in _TOLD_BY_WORDS)


def _reads_otherwise(text: str, finding: Finding, *, listed: bool) -> bool:
    """Say whether the words of a finding are other words than those of its type."""
    surface = text[finding.start : finding.end]
    words = _WORD.findall(surface.casefold())
    if _ABBREVIATION.fullmatch(surface):
        return True
    known = surface.casefold() in word_list("eponyms")
    kinds = {"eponym"} if known else {_kind(word) for word in words}
    if "other" in kinds or not words:
        return False
    # Eponyms are names of people: `Graves:` may say who speaks.
    if "eponym" not in kinds and _is_label(text, finding.end):
        return True
    if listed and not _SMALL_WORD.match(text, finding.end) and word_list("title_words").issuperset(words):
        return True
    return listed and _outweighed(finding, kinds)


def _outweighed(finding: Finding, kinds: Iterable[str]) -> bool:
    """Say whether what the words are leaves too little of a score."""
    score = min(finding.score, 0.999)
    left = score / (1 - score) * max(_ODDS[each] for each in kinds)
    return left / (1 + left) < _LEAST


def _is_label(text: str, end: int) -> bool:
    """A stretch before a colon names a field; what stands in the field comes after it."""
    return _LABEL_END.match(text, end) is not None


def _is_label_letter(text: str, finding: Finding) -> bool:
    """A letter before a colon is a label: `D:`, `T:`."""
    return finding.end - finding.start == 1 and _is_label(text, finding.end)


def _is_degree(text: str, finding: Finding) -> bool:
    """Say whether a finding is a degree or a piece of one: the C of PA-C.

    One of two letters without signs, as in `J. MA`, may as well be somebody's name or initials.
    """
    head = _TOKEN_START.search(text, max(finding.start - _LONGEST_DEGREE, 0), finding.start)
    tail = _TOKEN_END.match(text, finding.end, finding.end + _LONGEST_DEGREE)
    start = head.start() if head else finding.start
    token = text[start : tail.end() if tail else finding.end].rstrip(".")
    if len(token) < 3 or token in _INITIALS_TOO or any(sign.isdigit() for sign in token):
        return False
    plain = _NOT_LETTER.sub("", token.casefold())
    capitals = sum(sign.isupper() for sign in token)
    return len(plain) > 1 and capitals * 2 >= len(plain) and plain in word_list("degrees")


def _is_no_number(text: str, finding: Finding) -> bool:
    """Say whether a finding is a room, the code of a procedure, or words; unknown letters may be a code."""
    surface = text[finding.start : finding.end]
    words = _WORD.findall(surface.casefold())
    before = text[max(finding.start - _LOOK_BACK, 0) : finding.start]
    if any(each.search(f"{before}{surface}") for each in (_ROOM_AT_END, _DAY_AT_END, _PROCEDURE_CODE)):
        return True
    if FISCAL_YEAR.fullmatch(surface):
        return True
    if any(sign.isdigit() for sign in surface) or _MASK.search(surface) or _SPOKEN.intersection(words):
        return False
    return all(word in word_list("number_labels") or _kind(word) != "other" for word in words)


def _is_no_date(text: str, finding: Finding) -> bool:
    """Say whether a finding is a duration, a ratio, a reading, a word or the number in a list."""
    surface = text[finding.start : finding.end]
    if any(pattern.fullmatch(surface) for pattern in (_DURATION, _OBSTETRIC, _PART_OF_DAY)):
        return True
    parts = _DIGITS.findall(surface)
    if not parts:
        kinds = {_kind(word) for word in _WORD.findall(surface.casefold())}
        surely = "common" not in kinds or finding.score < _UNSURE
        words_only = "other" not in kinds and surely and not _DATE_WORD.search(surface)
        return words_only or _is_tomography(text, finding)
    before = text[max(finding.start - _LOOK_BACK, 0) : finding.start]
    if surface.isdigit():
        numbered = text[finding.end : finding.end + 1] == "." and _LINE_START.search(before)
        return bool(numbered or len(surface) in _NO_DATE_LENGTHS or _DECIMAL_BEFORE.search(before))
    if _IN_SIGNS.fullmatch(surface):
        return _is_no_day(text, finding, before, len(parts))
    if _ORDINAL.fullmatch(surface) and _ORDINAL_OF.match(text, finding.end):
        return True
    return _is_course(text, finding, before)


def _is_tomography(text: str, finding: Finding) -> bool:
    """Say whether a finding is OCT of an eye; October may be written so too."""
    before = text[max(finding.start - _LOOK_BACK, 0) : finding.start]
    eye = _EYE_BEFORE.search(before) or _EYE_AFTER.match(text, finding.end)
    return text[finding.start : finding.end] == "OCT" and eye is not None


def _is_no_day(text: str, finding: Finding, before: str, count: int) -> bool:
    """Say whether numbers with signs between them are a ratio, a reading, a time or a duration."""
    surface = text[finding.start : finding.end]
    if _TWO_NUMBERS.fullmatch(surface) and not _is_day_or_month(text, finding):
        return True
    if _RATIO.fullmatch(surface) and _RATIO_BEFORE.search(before):
        return True
    if finding.score < _UNSURE and count in (2, 3):
        return not (numeric_date(surface) or month_day(surface) or month_year(surface))
    return _is_course(text, finding, before)


def _is_course(text: str, finding: Finding, before: str) -> bool:
    """Say whether a finding is the length of a course or a history, as British notes write it."""
    said = _DURATION_BEFORE.search(before) or _DURATION_AFTER.match(text, finding.end)
    return bool(_BRITISH_DURATION.fullmatch(text, finding.start, finding.end) and said)


def _is_day_or_month(text: str, finding: Finding) -> bool:
    """Say whether two numbers can be a day: `28/40` is a week of pregnancy, `6.55 pm` a time, `0.81` a level.

    `24.7` may be one, and `21/22` a season of two years.
    """
    surface = text[finding.start : finding.end]
    timed = "." in surface and _HALF_DAY.match(text, finding.end)
    first, second = _DIGITS.findall(surface)
    whole = month_day(surface) or month_year(surface) or month_year(f"{second}/{first}")
    return not timed and (whole or first == "24" or int(second) == int(first) + 1)


def _is_no_age(text: str, finding: Finding) -> bool:
    """Say whether a finding is an age of a pregnancy, the length of a course, or a measure."""
    counted = _WEEKS_OR_HOURS.fullmatch(text, finding.start, finding.end)
    if counted and not _OLD.match(text, finding.end):
        return True
    before = text[max(finding.start - _LOOK_BACK, 0) : finding.start]
    if _SPAN.fullmatch(text, finding.start, finding.end) and (
        _SPAN_BEFORE.search(before) or _SPAN_AFTER.match(text, finding.end)
    ):
        return True
    after = (_GESTATION_AFTER, _MEASURED_AFTER)
    return bool(_GESTATION_BEFORE.search(before) or any(each.match(text, finding.end) for each in after))


def _is_descent(text: str, finding: Finding) -> bool:
    words = _WORD.findall(text[finding.start : finding.end].casefold())
    return word_list("demonyms").issuperset(words) or _reads_otherwise(text, finding, listed=False)


def _is_no_job(text: str, finding: Finding) -> bool:
    """Say whether words are those for a patient, or for a clinician whom nothing calls by a job."""
    found = _WORD.findall(text[finding.start : finding.end].casefold())
    words = [word for word in found if word not in _FUNCTION_WORDS]
    if word_list("person_words").issuperset(words):
        return True
    before = text[max(finding.start - _LOOK_BACK, 0) : finding.start]
    held = finding.score >= _HELD and _HELD_BEFORE.search(before) is not None
    unpaid = words[-1] in _ELDERS
    return (unpaid or word_list("staff_roles").issuperset(words)) and not held


# What else is mistaken for a type, by its i2b2 tag.
_CHECKS: Mapping[str, Callable[[str, Finding], bool]] = MappingProxyType(
    {"AGE": _is_no_age, "COUNTRY": _is_descent, "DATE": _is_no_date, "PROFESSION": _is_no_job}
)


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
