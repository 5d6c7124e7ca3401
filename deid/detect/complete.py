"""Completes what the encoder found in part: words cut inside a number, a date, a name with particles, a firm.

The encoder decides word by word, and its words end where letters meet digits. Nobody writes half an
identifier: a stretch that ends inside one is drawn out to its end.
"""

from __future__ import annotations

import re
from dataclasses import replace

from deid.note import Finding
from deid.policy import EntityType

_NAMES = frozenset({"PATIENT", "DOCTOR"})
_FIRMS = frozenset({"ORGANIZATION", "HOSPITAL"})
# `42yo`, `9mo`: letters after an age are its unit or the sex, and are no part of it.
_AGE, _DATE = "AGE", "DATE"
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


def completed(text: str, finding: Finding, kind: EntityType) -> Finding:
    """Draw a finding out to the end of what it is a part of.

    Args:
        text: The note.
        finding: What the encoder found.
        kind: Its type; what may be drawn out depends on it.
    """
    tag = kind.i2b2 or kind.name
    start, end = finding.start, finding.end
    if tag != _AGE:
        start, end = _whole_words(text, start, end)
    if tag == _DATE:
        start, end = _whole_date(text, start, end)
    elif tag in _NAMES:
        before = text[max(start - _LONGEST_PARTICLES, 0) : start]
        if particles := _PARTICLES.search(before):
            start -= len(before) - particles.start()
    elif tag in _FIRMS and (partner := _PARTNER.match(text, end)):
        end = partner.end()
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


def _whole_date(text: str, start: int, end: int) -> tuple[int, int]:
    """Draw a part of a numeric date, such as the month, out to all of it."""
    for match in _NUMERIC_DATE.finditer(text, max(start - _LONGEST_DATE, 0), end + _LONGEST_DATE):
        if match.start() < end and start < match.end():
            return min(start, match.start()), max(end, match.end())
    return start, end
