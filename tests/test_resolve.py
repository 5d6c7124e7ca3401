"""Findings become disjoint spans; nothing that was found is lost."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.note import Finding
from deid.resolve import resolve

TEXT = "Seen by Dr. Ana Lima-Ortiz, MD on 3/4/79 at Hill Clinic; call 617-555-0142."


def found(
    surface: str, entity_type: str, *, score: float = 0.8, detector: str = "encoder", evidence: str = ""
) -> Finding:
    start = TEXT.index(surface)
    return Finding(start, start + len(surface), entity_type, score, detector, evidence)


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ([], []),
        ([found("3/4/79", "DATE")], [("3/4/79", "DATE")]),
        # Two types on one stretch: authority times score decides.
        (
            [
                found("Ana Lima-Ortiz", "PATIENT_NAME", score=0.5),
                found("Ana Lima-Ortiz", "CLINICIAN_NAME", detector="rules"),
            ],
            [("Ana Lima-Ortiz", "CLINICIAN_NAME")],
        ),
        # A sure encoder has read who it is; what somebody wrote for a policy is meant so.
        (
            [
                found("Ana Lima-Ortiz", "RELATIVE_NAME", score=0.9),
                found("Ana Lima-Ortiz", "PATIENT_NAME", detector="rules", evidence="name-mister-1"),
            ],
            [("Ana Lima-Ortiz", "RELATIVE_NAME")],
        ),
        (
            [
                found("617-555-0142", "PHONE", score=0.99),
                found("617-555-0142", "PAGER", detector="rules", evidence="policy:PAGER.patterns[0]"),
            ],
            [("617-555-0142", "PAGER")],
        ),
        # A longer finding swallows shorter ones inside it.
        (
            [found("Ana Lima-Ortiz", "CLINICIAN_NAME"), found("Lima", "CITY", detector="rules")],
            [("Ana Lima-Ortiz", "CLINICIAN_NAME")],
        ),
        # One type, overlapping in part: one span over both.
        (
            [found("Ana Lima", "CLINICIAN_NAME"), found("Lima-Ortiz", "CLINICIAN_NAME")],
            [("Ana Lima-Ortiz", "CLINICIAN_NAME")],
        ),
        # Two types, overlapping in part: the stronger keeps its stretch, the rest stays covered.
        (
            [
                found("Ana Lima", "PATIENT_NAME", score=0.5),
                found("Lima-Ortiz", "CLINICIAN_NAME", detector="rules"),
            ],
            [("Ana", "PATIENT_NAME"), ("Lima-Ortiz", "CLINICIAN_NAME")],
        ),
        # What propagation repeats has the authority of where it comes from.
        (
            [
                found("617-555-0142", "OTHER_ID", score=0.5, detector="rules"),
                found("617-555-0142", "PHONE", score=0.8, detector="propagation", evidence="rules"),
            ],
            [("617-555-0142", "PHONE")],
        ),
        (
            [
                found("617-555-0142", "OTHER_ID", score=0.5, detector="rules"),
                found("617-555-0142", "PHONE", score=0.3, detector="propagation", evidence="encoder"),
            ],
            [("617-555-0142", "OTHER_ID")],
        ),
        # Findings that only touch stay apart.
        ([found("3/4", "DATE"), found("/79", "AGE")], [("3/4", "DATE"), ("/79", "AGE")]),
        # A remainder of signs only is dropped.
        (
            [found("3/4/79 ", "DATE", score=0.3), found("3/4/79", "OTHER_ID", detector="known", score=1.0)],
            [("3/4/79", "OTHER_ID")],
        ),
    ],
)
def test_cases(findings: list[Finding], expected: list[tuple[str, str]]) -> None:
    spans = resolve(TEXT, findings)
    assert [(TEXT[span.start : span.end], span.entity_type) for span in spans] == expected


def test_span_keeps_the_findings_inside_it_and_no_text() -> None:
    findings = [found("Ana Lima-Ortiz", "CLINICIAN_NAME"), found("Lima", "CITY", detector="rules", score=0.4)]
    (span,) = resolve(TEXT, findings)
    assert span.findings == tuple(sorted(findings))
    assert span.detectors == ("encoder", "rules")
    assert "Lima" not in repr(span)


@st.composite
def texts_with_findings(draw: st.DrawFn) -> tuple[str, list[Finding]]:
    text = draw(st.text(alphabet="ab1 ,-\nÄ", min_size=1, max_size=40))
    findings = []
    for _ in range(draw(st.integers(0, 8))):
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, len(text)))
        kind = draw(st.sampled_from(["DATE", "AGE", "CITY"]))
        detector = draw(st.sampled_from(["rules", "encoder", "known", "propagation"]))
        findings.append(Finding(start, end, kind, draw(st.sampled_from([0.2, 0.5, 0.9, 1.0])), detector))
    return text, findings


@given(texts_with_findings())
def test_spans_are_disjoint_and_cover_what_was_found(case: tuple[str, list[Finding]]) -> None:
    text, findings = case
    spans = resolve(text, findings)
    assert all(left.end <= right.start for left, right in itertools.pairwise(spans))
    covered = {index for span in spans for index in range(span.start, span.end)}
    found_signs = {index for finding in findings for index in range(finding.start, finding.end)}
    assert covered <= found_signs
    assert {index for index in found_signs if text[index].isalnum()} <= covered


@given(texts_with_findings(), st.randoms(use_true_random=False))
def test_order_and_duplicates_do_not_matter(case: tuple[str, list[Finding]], rng: random.Random) -> None:
    text, findings = case
    shuffled = findings * 2
    rng.shuffle(shuffled)
    assert resolve(text, shuffled) == resolve(text, findings)


@given(texts_with_findings())
def test_resolving_again_changes_nothing(case: tuple[str, list[Finding]]) -> None:
    text, findings = case
    spans = resolve(text, findings)
    again = resolve(
        text, [Finding(span.start, span.end, span.entity_type, span.score, "rules") for span in spans]
    )
    assert [(span.start, span.end, span.entity_type) for span in again] == [
        (span.start, span.end, span.entity_type) for span in spans
    ]


def test_a_span_over_a_join_becomes_one_on_each_side() -> None:
    text = "On the Grey\nHeron, docked"
    found = Finding(7, 17, "ORGANIZATION", 0.9, "encoder")
    spans = resolve(text, [found], joins=[(11, 12)])
    assert [text[span.start : span.end] for span in spans] == ["Grey", "Heron"]
    assert all(span.findings == (found,) and span.score == 0.9 for span in spans)


def test_signs_alone_on_one_side_of_a_join_stay() -> None:
    text = "Grey\n(Heron"
    spans = resolve(text, [Finding(0, 6, "ORGANIZATION", 0.9, "encoder")], joins=[(4, 5)])
    assert [text[span.start : span.end] for span in spans] == ["Grey"]
