from __future__ import annotations

import pytest

from deid.audit.measures import judge
from deid.audit.problems import Cause, Problem, causes, find_problems, place_of
from deid.formats.markup import read_marked
from deid.note import Finding, Span
from deid.policy import load_policy

NOTE = """\
Mill Creek Clinic
Pt: X. Roe
Seen 3/4

| 09:00 | given | cll |
DISCHARGED TO HOME WITH ZYX
- sister Ana called
She walked to the shop, talked with Mr. Poe and came back in good spirits, with no pain on the way there.
She slept.
She ate.
She read.
She rested.
She slept again.
Wren Abt
"""


@pytest.mark.parametrize(
    ("word", "place"),
    [
        ("Mill", "edge"),
        ("X. Roe", "label"),
        ("cll", "table"),
        ("ZYX", "capitals"),
        ("Ana", "list"),
        ("Poe", "prose"),
        ("Wren", "edge"),
    ],
)
def test_places(word: str, place: str) -> None:
    assert place_of(NOTE, NOTE.index(word)) == place


def _span(text: str, word: str, kind: str, *detectors: str) -> Span:
    start = text.index(word)
    end = start + len(word)
    return Span(start, end, kind, 0.9, tuple(Finding(start, end, kind, 0.9, name) for name in detectors))


def test_what_a_problem_says() -> None:
    """A name found elsewhere should have been propagated, a number is a matter of rules."""
    marked = (
        "Dr. ⟦CLINICIAN_NAME|Abt⟧ and later ⟦CLINICIAN_NAME|Abt⟧ saw ⟦PATIENT_NAME|Ana Poe⟧, "
        "SSN ⟦SSN|900-55-1234⟧, with a Foley in place."
    )
    text, mentions = read_marked(marked)
    spans = (
        _span(text, "Abt", "CLINICIAN_NAME", "rules"),
        _span(text, "Ana", "PATIENT_NAME", "encoder"),
        _span(text, "Foley", "CLINICIAN_NAME", "encoder"),
    )
    note = judge(text, mentions, spans, about={"note_id": "n", "group": "g"})
    problems = tuple(find_problems([(text, note, spans)], load_policy("safe-harbor"), with_text=False))
    told = [(each.kind, each.entity_type, each.part, each.detectors, each.shape) for each in problems]
    assert told == [
        ("leak", "CLINICIAN_NAME", "all", ("encoder", "propagation"), "Aa"),
        ("leak", "PATIENT_NAME", "part", ("encoder",), "Aa Aa"),
        ("leak", "SSN", "all", ("rules", "encoder"), "999-99-9999"),
        ("over-redaction", "CLINICIAN_NAME", "all", ("encoder",), "Aa"),
    ]
    assert not any(each.text for each in problems)


def test_causes_stand_by_frequency() -> None:
    problems = [
        Problem("leak", "n", at, at + 2, "DATE", shape, "all", "prose", ("rules",))
        for at, shape in enumerate(("9/9", "9/9", "Aa 9"))
    ]
    problems.append(Problem("leak", "n", 9, 11, "CITY", "Aa", "all", "table", ("encoder",)))
    assert causes(problems) == (
        Cause("leak", "DATE", "all", "prose", ("rules",), 3, ("9/9", "Aa 9")),
        Cause("leak", "CITY", "all", "table", ("encoder",), 1, ("Aa",)),
    )
