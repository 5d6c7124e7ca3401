from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.audit.perturb import ORIGINS, PERTURBATIONS, NameSwap, edited, name_swaps
from deid.formats.markup import read_marked, write_marked

MARKED = (
    "Pt ⟦PATIENT_NAME|LIMA, ANA⟧ seen by Dr. ⟦CLINICIAN_NAME|Ben O'Toole⟧ on ⟦DATE|3/4/79⟧; "
    'BP <120, "fine". Mr. ⟦PATIENT_NAME|Lima⟧: call ⟦PHONE|603-555-0142⟧.'
)


def perturbed(name: str) -> str:
    return write_marked(*PERTURBATIONS[name](read_marked(MARKED), Random(1)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("upper case", "⟦CLINICIAN_NAME|BEN O'TOOLE⟧ ON ⟦DATE|3/4/79⟧; BP <120"),
        ("lower case", "pt ⟦PATIENT_NAME|lima, ana⟧ seen by dr. ⟦CLINICIAN_NAME|ben o'toole⟧"),
        (
            "no punctuation",
            'Dr ⟦CLINICIAN_NAME|Ben O\'Toole⟧ on ⟦DATE|3/4/79⟧ BP <120 "fine" Mr ⟦PATIENT_NAME|Lima⟧ call',
        ),
        ("no-break spaces", "⟦PATIENT_NAME|LIMA,\u00a0ANA⟧\u00a0seen\u00a0by"),
        ("HTML entities", "⟦CLINICIAN_NAME|Ben O&#39;Toole⟧ on ⟦DATE|3/4/79⟧; BP &lt;120, &quot;fine&quot;"),
    ],
)
def test_perturbations(name: str, expected: str) -> None:
    assert expected in perturbed(name)


def test_lines_are_broken_inside_marks_too() -> None:
    marked = read_marked("x " * 29 + "⟦PATIENT_NAME|Ana Lima⟧ came")
    assert "⟦PATIENT_NAME|Ana\nLima⟧" in write_marked(*PERTURBATIONS["line wraps"](marked, Random(1)))


@pytest.mark.parametrize("name", ["scanned", "look-alike letters", "zero-width characters"])
def test_chance_is_seeded_and_mild(name: str) -> None:
    long = read_marked(MARKED * 20)
    first, again = (PERTURBATIONS[name](long, Random(7)) for _ in range(2))
    assert first == again != long
    assert len(first[1]) == len(long[1])
    assert abs(len(first[0]) - len(long[0])) < len(long[0]) / 20


@given(st.data())
def test_marks_move_with_any_edits_that_cross_no_end(data: st.DataObject) -> None:
    text, mentions = read_marked(MARKED)
    inner = [at for at in range(len(text)) if data.draw(st.booleans(), label=f"edit {at}")][:12]
    edits = [(at, at + 1, data.draw(st.sampled_from(["", "x", "yz", text[at]]))) for at in inner]
    new, moved = edited((text, mentions), edits)
    expected = list(text)
    for start, _, replacement in edits:
        expected[start] = replacement
    assert new == "".join(expected)
    surfaces = ["".join(expected[m.start : m.end]) for m in mentions]
    assert [new[m.start : m.end] for m in moved] == [each for each in surfaces if each]


def test_names_are_swapped_consistently_and_keep_their_form() -> None:
    text, mentions = NameSwap("polish", "f")(read_marked(MARKED), Random(3))
    surfaces = [text[m.start : m.end] for m in mentions]
    family = surfaces[0].partition(",")[0]
    assert surfaces[0].isupper()
    assert surfaces[3] == family.title() != "Lima"
    assert " O'" in surfaces[1]
    assert surfaces[2] == "3/4/79"


def test_every_origin_has_names_of_both_sexes() -> None:
    assert len(name_swaps()) == 2 * len(ORIGINS) == 32
    for swap in name_swaps().values():
        drawn = {swap(read_marked("⟦PATIENT_NAME|Ana Lima⟧"), Random(seed))[0] for seed in range(12)}
        assert len(drawn) > 6
