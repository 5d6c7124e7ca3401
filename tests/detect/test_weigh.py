"""Finds of the encoder are weighed by their score, shape and words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_encoder import kind, policy, write_model

from deid.detect.description_recognizer import PolicyEncoder
from deid.detect.weigh import Weigher, features, logit, shape
from deid.encoder.model import DescriptionEncoder, description_digest
from deid.encoder.weights import Calibration, ModelFolder
from deid.note import Finding

TEXT = "Seen by Dr. Lima on 3/4/79.\n\nCall the clinic at Hill 12."


@pytest.mark.parametrize(
    ("surface", "expected"),
    [
        ("3/14", "9/99"),
        ("Sukarto K.", "Aaa+ A."),
        ("SUKARTO", "AA+"),
        ("0044182", "99+"),
        ("MRN 12", "AAA 99"),
        ("Ana\n  Bo", "Aaa Aa"),
        ("Ñandú", "Aaa+"),
        ("617-555-0142", "999-999-"),
    ],
)
def test_shapes(surface: str, expected: str) -> None:
    assert shape(surface) == expected


def test_features_say_where_words_are_listed() -> None:
    text = "told Rose Garden today"
    named = set(features(text, Finding(5, 16, "PATIENT_NAME", 0.4, "encoder"), sure=False, touching=True))
    assert {"PATIENT_NAME", "weak", "touching", "PATIENT_NAME shape Aaaa Aaa"} <= named
    assert {"some given_names", "all common_words", "PATIENT_NAME all common_words"} <= named
    assert "all given_names" not in named
    alone = set(features(text, Finding(5, 9, "PATIENT_NAME", 0.4, "encoder"), sure=True, touching=False))
    assert "PATIENT_NAME all given_names" in alone
    assert not {"weak", "touching"} & alone


def test_scores_and_features_add_up() -> None:
    weigher = Weigher({"DATE": -1.0, "score": 1.0, "DATE score": 0.5, "shape 9/99": -2.0}, {"DATE"})

    def counts(surface: str, score: float, entity_type: str = "DATE", *, sure: bool = True) -> bool:
        finding = Finding(0, len(surface), entity_type, score, "encoder")
        return weigher.counts(surface, finding, sure=sure, touching=False)

    assert counts("May 3", 0.7)
    assert not counts("May 3", 0.6)
    assert counts("May 3", 0.7, sure=False)
    assert not counts("3/14", 0.7)
    assert counts("3/14", 0.95)
    # Of other types those count that reach their threshold.
    assert counts("3/14", 0.1, "DOCKET")
    assert not counts("3/14", 0.9, "DOCKET", sure=False)


def test_scores_at_the_ends_have_finite_odds() -> None:
    assert logit(0.0) == pytest.approx(-logit(1.0))
    assert logit(0.5) == 0


def found(folder: ModelFolder, threshold: float, **evidence: float) -> list[str]:
    """Return what is found of a calibrated type; with evidence, its score counts as it is."""
    person = kind("PERSON", "encoder").model_copy(update={"threshold": "calibrated"})
    calibration = Calibration(0.98, 0.5, {"PERSON": threshold}, {"PERSON": description_digest(person)}, "")
    folder.calibrated(replace(calibration, evidence={"score": 1.0, **evidence} if evidence else {}))
    encoder = PolicyEncoder(policy(person), DescriptionEncoder(folder.path))
    return [TEXT[each.start : each.end] for each in encoder.find([TEXT])[0]]


def test_a_model_carries_the_evidence_on_its_own_types(tmp_path: Path) -> None:
    folder = ModelFolder.open(write_model(tmp_path, seed=75))
    by_threshold = found(folder, 0.01)
    assert by_threshold
    assert found(folder, 0.01, DATE=-100.0) == []  # every find of a score below .5 has odds below 1
    assert set(by_threshold) < set(found(folder, 0.01, PERSON=100.0))
    assert found(folder, 0.01, PERSON=-100.0) == []


def test_who_sets_a_threshold_gets_what_reaches_it(tmp_path: Path) -> None:
    folder = ModelFolder.open(write_model(tmp_path, seed=75))
    folder.calibrated(Calibration(0.98, 0.5, {}, {}, "", evidence={"PERSON": -100.0}))
    encoder = PolicyEncoder(
        policy(kind("PERSON", "encoder", threshold=0.01)), DescriptionEncoder(folder.path)
    )
    assert encoder.find([TEXT])[0]
