from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.audit.i2b2 import Rates, i2b2_figures, tagged
from deid.audit.measures import (
    MEASURES,
    JudgedNote,
    judge,
    notes_without_leak,
    over_redaction,
    patients_without_leak,
    precision,
    recall,
    removed,
    typed_relaxed_f1,
    typed_strict_f1,
)
from deid.note import Span

#       0         1         2         3
#       0123456789012345678901234567890123456789
TEXT = "Ana Lima, MRN 4471, seen 3/4 by Dr Foley"
GOLD = ((0, 8, "NAME"), (14, 18, "MRN"), (25, 28, "DATE"))


def spans(*triples: tuple[int, int, str]) -> list[Span]:
    return [Span(start, end, kind, 1.0) for start, end, kind in sorted(triples)]


def note(
    *found: tuple[int, int, str], kept: tuple[str, ...] = (), group: str = "p1", gold: object = GOLD
) -> JudgedNote:
    about = {"note_id": "n", "group": group, "kind": "clinic", "origins": "irish, greek"}
    return judge(TEXT, spans(*gold), spans(*found), kept=kept, about=about)  # type: ignore[misc]


def test_worked_by_hand() -> None:
    """`Ana` without `Lima` leaks, and a date short of a digit; `4471` is found; `Foley` is taken along."""
    judged = note((0, 3, "NAME"), (13, 19, "MRN"), (25, 27, "DATE"), (35, 40, "NAME"))
    assert [mention.found for mention in judged.mentions] == [False, True, False]
    assert judged.leaks == 2
    assert recall([judged]) == pytest.approx(1 / 3)
    # Letters and digits: gold 7 + 4 + 2 = 13, predicted 3 + 4 + 1 + 5 = 13, both 8, all 29.
    assert (judged.marked, judged.covered, judged.both, judged.letters) == (13, 13, 8, 29)
    assert precision([judged]) == pytest.approx(8 / 13)
    assert over_redaction([judged]) == pytest.approx(5 / 16)
    assert typed_strict_f1([judged]) == 0
    # Three mentions and three of four spans touch something of their type.
    assert typed_relaxed_f1([judged]) == pytest.approx(2 * 1 * 0.75 / 1.75)
    assert judged.origins == ("irish", "greek")


def test_the_type_does_not_matter_for_a_leak() -> None:
    judged = note((0, 8, "MRN"), (14, 18, "MRN"), (25, 28, "DATE"))
    assert recall([judged]) == 1
    assert typed_strict_f1([judged]) == pytest.approx(4 / 6)


def test_what_an_operator_keeps_is_found_but_not_removed() -> None:
    judged = note(*GOLD, kept=("MRN",))
    assert recall([judged]) == 1
    assert removed([judged]) == pytest.approx(2 / 3)


def test_notes_and_patients() -> None:
    notes = [note(*GOLD), note(group="p1"), note(*GOLD, group="p2")]
    assert notes_without_leak(notes) == pytest.approx(2 / 3)
    assert patients_without_leak(notes) == pytest.approx(1 / 2)


def test_gold_itself_and_nothing() -> None:
    perfect, nothing = [note(*GOLD)], [note()]
    assert {name: measure(perfect) for name, measure in MEASURES.items()} == {
        name: 0 if name == "over_redaction" else 1 for name in MEASURES
    }
    assert recall(nothing) == notes_without_leak(nothing) == over_redaction(nothing) == 0
    assert math.isnan(precision(nothing))
    assert math.isnan(recall([note(gold=())]))


@given(st.data())
def test_splitting_spans_changes_no_leak(data: st.DataObject) -> None:
    """Two spans side by side are worth as much as one, for all that does not look at types."""
    cuts = sorted(data.draw(st.sets(st.integers(0, len(TEXT)), min_size=2, max_size=6)))
    whole = [(start, end, "NAME") for start, end in zip(cuts[::2], cuts[1::2], strict=False)]
    split = []
    for start, end, kind in whole:
        middle = data.draw(st.integers(start, end))
        split += [(a, b, kind) for a, b in ((start, middle), (middle, end)) if a < b]
    one, other = note(*whole), note(*split)
    for measure in (recall, removed, notes_without_leak, precision, over_redaction):
        assert measure([one]) == pytest.approx(measure([other]), nan_ok=True)


def figures(gold: object, found: object) -> dict[str, dict[str, Rates]]:
    tags = {"NAME": "PATIENT", "MRN": "MEDICALRECORD", "DOCTOR_NAME": "DOCTOR"}
    return i2b2_figures([tagged(TEXT, spans(*gold), spans(*found), tags)])  # type: ignore[misc]


def test_i2b2_worked_by_hand() -> None:
    """A name two letters short, a date right, a number missed, and a doctor, who is not in HIPAA's list."""
    found = ((0, 6, "NAME"), (25, 28, "DATE"), (35, 40, "DOCTOR_NAME"))
    gold = (*GOLD, (35, 40, "DOCTOR_NAME"))
    made = figures(gold, found)
    strict, relaxed = (made[f"all_{name}"]["micro"] for name in ("strict", "relaxed"))
    assert (strict.precision, strict.recall, strict.f1) == pytest.approx((2 / 3, 2 / 4, 4 / 7))
    assert (relaxed.precision, relaxed.recall, relaxed.f1) == pytest.approx((3 / 3, 3 / 4, 6 / 7))
    # Tokens of gold: Ana, Lima, 4471, 3, 4, Foley; of the system: Ana, Li, 3, 4, Foley.
    assert made["all_token"]["micro"].precision == pytest.approx(4 / 5)
    assert made["all_token"]["micro"].recall == pytest.approx(4 / 6)
    assert made["hipaa_strict"]["micro"].recall == pytest.approx(1 / 3)
    assert made["hipaa_strict"]["micro"].precision == pytest.approx(1 / 2)


def test_i2b2_macro_counts_a_note_without_gold_as_nothing() -> None:
    notes = [
        tagged(TEXT, spans(*GOLD), spans(*GOLD), {}),
        tagged(TEXT, [], spans((0, 8, "NAME")), {}),
    ]
    made = i2b2_figures(notes)["all_strict"]
    assert (made["macro"].recall, made["macro"].precision) == (0.5, 0.5)
    assert (made["micro"].recall, made["micro"].precision) == (1.0, 0.75)
    assert i2b2_figures([])["all_strict"]["micro"] == Rates(0, 0, 0)


def test_ends_further_apart_than_two_are_not_relaxed() -> None:
    assert figures(GOLD, ((0, 5, "NAME"),))["all_relaxed"]["micro"].recall == 0
    assert figures(GOLD, ((1, 8, "NAME"),))["all_relaxed"]["micro"].recall == 0
