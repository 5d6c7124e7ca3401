"""Detection over batches: rules and encoder under one policy, nothing lost and nothing from elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer, RecognizerResult
from tiny_encoder import kind, policy, write_model

from deid.detect import description_recognizer
from deid.detect.engine import Detector
from deid.detect.known import KnownValueRecognizer
from deid.encoder.model import DescriptionEncoder
from deid.note import Finding, KnownValue
from deid.policy import Policy

POLICY = policy(
    kind("PERSON", "encoder", "rules", pattern="(?:Lima|Ortiz)", score=0.00123),
    kind("PLACE", "encoder", description="a clinic at the hill"),
    kind("MRN", "rules"),
)
TEXTS = ["Seen by Dr. Lima on 3/4/79.\n\nCall the clinic.", "", "Ortiz", "MRN 0012345", "Lima\n" * 60]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> DescriptionEncoder:
    return DescriptionEncoder(write_model(tmp_path_factory.mktemp("tiny"), seed=75))


@pytest.fixture(scope="module")
def detector(encoder: DescriptionEncoder) -> Detector:
    return Detector(POLICY, encoder=encoder)


class Somebody(EntityRecognizer):
    """Somebody else's recognizer: whatever it is asked for, it says what it was told, or fails."""

    def __init__(self, *said: str, fails_at: str = "") -> None:
        self._fails_at = fails_at
        super().__init__(supported_entities=list(said), name="somebody")

    def load(self) -> None:
        pass

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        if self._fails_at and self._fails_at in text:
            raise LookupError("no entry")
        return [RecognizerResult(name, 0, 4, 0.98765) for name in self.supported_entities]


def known(types: Policy, **values: str) -> KnownValueRecognizer:
    wanted = [entry.name for entry in types.types if "known" in entry.detect]
    return KnownValueRecognizer([KnownValue(*pair) for pair in values.items()], wanted)


def test_batches_equal_singles(detector: Detector) -> None:
    together = detector.detect(TEXTS)
    assert together == [detector.detect([text])[0] for text in TEXTS]
    assert together == detector.detect(TEXTS[::-1])[::-1]
    assert [bool(findings) for findings in together] == [True, False, True, True, True]
    assert detector.detect([]) == []


@settings(max_examples=25)
@given(st.lists(st.sampled_from(TEXTS), max_size=6))
def test_any_batch_equals_singles(detector: Detector, texts: list[str]) -> None:
    alone = {text: detector.detect([text])[0] for text in set(texts)}
    assert detector.detect(texts) == [alone[text] for text in texts]


@pytest.mark.parametrize("score", [0.0001, 1.0])
def test_both_detectors_stay_in_the_evidence(encoder: DescriptionEncoder, score: float) -> None:
    # Presidio keeps one of two results for the same mention, the one with the higher score.
    persons = policy(kind("PERSON", "encoder", "rules", pattern="Ortiz", score=score))
    (findings,) = Detector(persons, encoder=encoder).detect(["Ortiz"])
    assert {(f.start, f.end, f.detector, f.evidence) for f in findings} == {
        (0, 5, "rules", "policy:PERSON.patterns[0]"),
        (0, 5, "encoder", ""),
    }


def test_findings_are_sorted_and_rounded(detector: Detector) -> None:
    for findings in detector.detect(TEXTS):
        assert list(findings) == sorted(findings)
        assert all(round(found.score, 3) == found.score for found in findings)
        assert all(type(found.score) is float for found in findings)
    assert {f.score for f in detector.detect(["Ortiz"])[0] if f.detector == "rules"} == {0.001}


@pytest.mark.parametrize(
    "detect",
    [("rules",), ("encoder",), ("rules", "encoder"), ("rules", "known"), ("rules", "encoder", "known")],
    ids=",".join,
)
def test_a_type_is_found_by_its_detectors_only(encoder: DescriptionEncoder, detect: tuple[Any, ...]) -> None:
    names = policy(kind("PATIENT_NAME", *detect, pattern="Ortiz"))
    (findings,) = Detector(names, encoder=encoder).detect(
        ["Ortiz"], ad_hoc=[[known(names, family_name="Ortiz")]]
    )
    assert {found.detector for found in findings} == set(detect)


@pytest.mark.parametrize("detect", ["known", "propagation"])
def test_nothing_else_looks_for_what_the_patient_gives(encoder: DescriptionEncoder, detect: Any) -> None:
    names = policy(kind("PATIENT_NAME", detect, pattern="Ortiz"), kind("MRN", "rules"))
    assert Detector(names, encoder=encoder).detect(["Ortiz"]) == [()]


def test_a_policy_without_the_encoder_loads_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(description_recognizer, "load_encoder", refuse)
    detector = Detector(policy(kind("MRN", "rules")))
    assert detector.encoder is None
    ((found,),) = detector.detect(["MRN 0012345"])
    assert (found.entity_type, found.detector, found.evidence) == ("MRN", "rules", "mrn-label")
    with pytest.raises(AssertionError, match="loaded"):
        Detector(policy(kind("MRN", "encoder")))


def test_further_recognizers_count_as_rules(encoder: DescriptionEncoder) -> None:
    lockers = PatternRecognizer("MRN", name="lockers", patterns=[Pattern("locker", r"L\d+", 0.4)])
    detector = Detector(POLICY, encoder=encoder, recognizers=[lockers])
    assert Finding(4, 8, "MRN", 0.4, "rules", "lockers:locker") in detector.detect(["see L123"])[0]


def test_known_values_belong_to_their_text(encoder: DescriptionEncoder) -> None:
    names = policy(kind("PATIENT_NAME", "rules", "known", pattern="Xyz"), kind("MRN", "rules", "known"))
    detector = Detector(names)
    rose, ana = known(names, family_name="Grant"), known(names, family_name="Ortiz")
    texts = ["Grant Ortiz", "Grant Ortiz", "Grant Ortiz"]
    found = detector.detect(texts, ad_hoc=[[rose], [], [ana]])
    assert found == [
        (Finding(0, 5, "PATIENT_NAME", 1.0, "known", "family_name"),),
        (),
        (Finding(6, 11, "PATIENT_NAME", 1.0, "known", "family_name"),),
    ]


def test_a_type_that_only_known_values_find() -> None:
    names = policy(kind("PATIENT_NAME", "known"), kind("MRN", "rules"))
    (findings,) = Detector(names).detect(["Grant"], ad_hoc=[[known(names, family_name="Grant")]])
    assert findings == (Finding(0, 5, "PATIENT_NAME", 1.0, "known", "family_name"),)


@pytest.mark.parametrize("types", [("MRN", "PET"), ("PET", "MRN")])
def test_entities_outside_the_policy_never_come_out(types: tuple[str, ...]) -> None:
    mrn = policy(kind("MRN", "rules"))
    (findings,) = Detector(mrn, recognizers=[Somebody(*types)]).detect(["Ortiz"])
    assert {found.entity_type for found in findings} == set(types) & {"MRN"}


def test_an_error_of_a_recognizer_comes_through(encoder: DescriptionEncoder) -> None:
    detector = Detector(POLICY, encoder=encoder, recognizers=[Somebody("MRN", fails_at="clinic")])
    with pytest.raises(LookupError, match="no entry"):
        detector.detect(TEXTS)
    assert detector.detect(["Ortiz"])[0]
    with pytest.raises(ValueError, match="zip"):
        detector.detect(["Ortiz", "Lima"], ad_hoc=[[]])
