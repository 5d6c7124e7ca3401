"""The rules inside Presidio: a recognizer like any other."""

from __future__ import annotations

from pathlib import Path

import pytest
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, RecognizerResult
from presidio_analyzer.recognizer_registry import RecognizerRegistryProvider

from deid.detect.nlp import BlankNlpEngine
from deid.detect.rule_recognizer import RuleRecognizer
from deid.errors import PolicyError, UsageError
from deid.policy import EntityType, OperatorSpec, PatternSpec, Policy

TEXT = "MRN: 0048812, call 617-555-0142, e-mail m.oduya@mail.example"
REDACT = OperatorSpec(name="redact")
DOCKET = Policy(
    name="courts",
    version="1",
    method="custom",
    default_operator=REDACT,
    types=(
        EntityType(
            name="DOCKET",
            description="docket number",
            operator=REDACT,
            patterns=(PatternSpec(regex=r"docket (?P<phi>\d+)", score=0.7),),
        ),
        EntityType(name="MRN", description="record number", operator=REDACT, detect=("encoder",)),
    ),
)


@pytest.fixture(scope="module")
def recognizer() -> RuleRecognizer:
    return RuleRecognizer()


def surfaces(text: str, results: list[RecognizerResult]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for result in results:
        found.setdefault(result.entity_type, set()).add(text[result.start : result.end])
    return found


def analyzer(*recognizers: RuleRecognizer) -> AnalyzerEngine:
    registry = RecognizerRegistry(recognizers=list(recognizers), supported_languages=["en"])
    return AnalyzerEngine(registry=registry, nlp_engine=BlankNlpEngine(), supported_languages=["en"])


def test_results_say_which_rule_of_which_recognizer(recognizer: RuleRecognizer) -> None:
    (result,) = recognizer.analyze("SSN 987-65-4320", ["SSN"])[:1]
    assert (result.start, result.end, result.entity_type) == (4, 15, "SSN")
    assert result.recognition_metadata == {
        RecognizerResult.RECOGNIZER_NAME_KEY: "RuleRecognizer",
        RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: recognizer.id,
    }
    assert result.analysis_explanation.pattern_name in {"ssn-dashed", "ssn-label"}
    assert result.analysis_explanation.original_score == result.score


def test_entities_are_honored(recognizer: RuleRecognizer) -> None:
    assert {result.entity_type for result in recognizer.analyze(TEXT, ["EMAIL", "MRN"])} == {"EMAIL", "MRN"}
    assert recognizer.analyze(TEXT, ["IP_ADDRESS"]) == []
    everything = {finding.entity_type for finding in recognizer.find(TEXT)}
    assert (
        {result.entity_type for result in recognizer.analyze(TEXT, [])}
        == everything
        >= {"PHONE", "EMAIL", "MRN"}
    )


def test_find_and_analyze_agree(recognizer: RuleRecognizer) -> None:
    findings = [(found.start, found.end, found.entity_type, found.score) for found in recognizer.find(TEXT)]
    results = recognizer.analyze(TEXT, recognizer.supported_entities)
    assert [(result.start, result.end, result.entity_type, result.score) for result in results] == findings


def test_in_a_stock_analyzer(recognizer: RuleRecognizer) -> None:
    found = surfaces(TEXT, analyzer(recognizer).analyze(TEXT, language="en"))
    assert found["MRN"] == {"0048812"}
    assert found["PHONE"] == {"617-555-0142"}
    assert found["EMAIL"] == {"m.oduya@mail.example"}


def test_patterns_of_a_policy_and_types_without_rules() -> None:
    own = RuleRecognizer(DOCKET)
    assert own.supported_entities == ["DOCKET"]
    text = "docket 4417, MRN 0048812"
    assert surfaces(text, analyzer(own).analyze(text, language="en")) == {"DOCKET": {"4417"}}
    assert own.find(text)[0].evidence == "policy:DOCKET.patterns[0]"


def test_supported_entities_narrow_down() -> None:
    narrow = RuleRecognizer("base", supported_entities=["SSN", "EMAIL"])
    assert narrow.supported_entities == ["EMAIL", "SSN"]
    assert {result.entity_type for result in narrow.analyze(TEXT, [])} == {"EMAIL"}


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'EMAIL'"):
        RuleRecognizer("base", supported_entities=["EMIAL"])
    with pytest.raises(PolicyError, match="did you mean 'safe-harbor'"):
        RuleRecognizer("safe-harbour")


REGISTRY = """
supported_languages: [en]
global_regex_flags: 26
recognizers:
  - name: RuleRecognizer
    type: predefined
    policy: {policy}
  - name: Second rules
    class_name: RuleRecognizer
    type: predefined
    policy: base
    supported_entities: [EMAIL]
"""
COURTS = r"""
policy: courts
version: "1"
types:
  DOCKET:
    description: the number under which a court keeps a case, after the word docket
    patterns: [{regex: 'docket (?P<phi>\d+)'}]
"""


def test_in_a_registry_file_the_policy_arrives(tmp_path: Path) -> None:
    courts = tmp_path / "courts.yaml"
    courts.write_text(COURTS, encoding="utf-8")
    path = tmp_path / "registry.yaml"
    path.write_text(REGISTRY.format(policy=courts), encoding="utf-8")
    registry = RecognizerRegistryProvider(conf_file=str(path)).create_recognizer_registry()
    types = {recognizer.name: recognizer.supported_entities for recognizer in registry.recognizers}
    assert types == {"RuleRecognizer": ["DOCKET"], "Second rules": ["EMAIL"]}
    engine = AnalyzerEngine(registry=registry, nlp_engine=BlankNlpEngine(), supported_languages=["en"])
    text = "docket 4417, m.oduya@mail.example"
    found = surfaces(text, engine.analyze(text, language="en"))
    assert found == {"DOCKET": {"4417"}, "EMAIL": {"m.oduya@mail.example"}}


def test_a_misspelled_key_of_a_registry_file_is_not_dropped_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "registry.yaml"
    path.write_text(
        REGISTRY.format(policy="base").replace("policy: base\n", "polcy: base\n", 1), encoding="utf-8"
    )
    with pytest.raises(ValueError, match="Invalid recognizer registry"):
        RecognizerRegistryProvider(conf_file=str(path)).create_recognizer_registry()
