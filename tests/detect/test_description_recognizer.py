"""The encoder as a Presidio recognizer: batched in our pipeline, alone in others, led by the descriptions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import spacy
import yaml
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine, NoOpNlpEngine, SpacyNlpEngine
from presidio_analyzer.recognizer_registry import RecognizerRegistryProvider
from tiny_encoder import kind, policy, write_model

from deid.detect.description_recognizer import DescriptionRecognizer, EncoderComponent, PolicyEncoder, kept
from deid.detect.nlp import BlankNlpEngine
from deid.detect.rule_recognizer import RuleRecognizer
from deid.encoder.decode import Mention
from deid.encoder.model import DescriptionEncoder
from deid.encoder.weights import ModelFolder
from deid.errors import PolicyError, UsageError
from deid.note import Finding
from deid.policy import load_policy

TEXTS = ["Seen by Dr. Lima on 3/4/79.\n\nCall the clinic at Hill 12.", "", "patient Ortiz"]
POLICY = policy(
    kind("PERSON", "encoder", "rules"),
    kind("PLACE", "encoder", description="a clinic at the hill"),
    kind("MRN", "rules"),
)
OTHER = policy(kind("PERSON", "encoder", description="on the call"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("tiny"), seed=75)


@pytest.fixture(scope="module")
def ready(model: Path) -> PolicyEncoder:
    return PolicyEncoder(POLICY, DescriptionEncoder(model))


@pytest.fixture
def recognizer(ready: PolicyEncoder) -> DescriptionRecognizer:
    return DescriptionRecognizer(POLICY, encoder=ready)


class CountingEncoder(PolicyEncoder):
    """Says how many texts each call was about."""

    def __init__(self, encoder: DescriptionEncoder) -> None:
        super().__init__(POLICY, encoder)
        self.calls: list[int] = []

    def find(self, texts: Sequence[str]) -> list[tuple[Finding, ...]]:
        self.calls.append(len(texts))
        return super().find(texts)


class BlankSpacyNlpEngine(SpacyNlpEngine):
    """Presidio's own engine around a blank pipeline, as its documentation shows for loaded ones."""

    def __init__(self) -> None:
        super().__init__()
        self.nlp = {"en": spacy.blank("en")}


def test_results_are_the_findings(recognizer: DescriptionRecognizer, ready: PolicyEncoder) -> None:
    (findings,) = ready.find(TEXTS[:1])
    results = recognizer.analyze(TEXTS[0], [])
    assert {finding.entity_type for finding in findings} == {"PERSON", "PLACE"}
    assert [(r.start, r.end, r.entity_type, r.score) for r in results] == [
        (f.start, f.end, f.entity_type, f.score) for f in findings
    ]
    for result in results:
        assert result.analysis_explanation.recognizer == "DescriptionRecognizer"
        assert result.analysis_explanation.original_score == result.score
        assert result.recognition_metadata["recognizer_identifier"] == recognizer.id


@pytest.mark.parametrize(
    ("text", "kind", "mentions", "left"),
    [
        ("Baby Boy Lima, DOL 12, born", "PATIENT_NAME", ("Baby Boy", "Lima, DOL 12"), ["Lima"]),
        ("8 days after fall of 06/30", "DATE", ("fall of", "06/30"), ["06/30"]),
        ("since fall of 2019", "DATE", ("fall of", "2019"), ["fall of", "2019"]),
    ],
)
def test_what_leads_in_is_no_neighbor(
    text: str, kind: str, mentions: tuple[str, ...], left: list[str]
) -> None:
    found = [Mention(text.index(each), text.index(each) + len(each), 0, 0.9) for each in mentions]
    findings = [finding for _, finding in kept(text, found, [load_policy("safe-harbor").type(kind)])]
    assert [text[finding.start : finding.end] for finding in findings] == left


@pytest.mark.parametrize(
    ("supported", "entities", "expected"),
    [
        (None, [], {"PERSON", "PLACE"}),
        (None, ["PLACE", "CREDIT_CARD"], {"PLACE"}),
        (None, ["MRN"], set()),
        (["PERSON"], [], {"PERSON"}),
        (["PERSON"], ["PLACE"], set()),
    ],
)
def test_only_the_types_asked_for(
    ready: PolicyEncoder, supported: list[str] | None, entities: list[str], expected: set[str]
) -> None:
    recognizer = DescriptionRecognizer(POLICY, encoder=ready, supported_entities=supported)
    assert {result.entity_type for result in recognizer.analyze(TEXTS[0], entities)} == expected


def test_types_of_the_policy_that_the_encoder_looks_for(recognizer: DescriptionRecognizer) -> None:
    assert recognizer.supported_entities == ["PERSON", "PLACE"]
    assert recognizer.encoder.types.thresholds.tolist() == pytest.approx([0.001, 0.001])
    assert list(recognizer.encoder.types.names) == ["PERSON", "PLACE"]


def test_a_type_that_it_cannot_find_is_refused(ready: PolicyEncoder) -> None:
    with pytest.raises(UsageError, match=r"'PLACES'; did you mean 'PLACE'\?; valid: PERSON, PLACE"):
        DescriptionRecognizer(POLICY, encoder=ready, supported_entities=["PLACES"])
    with pytest.raises(PolicyError, match="did you mean 'safe-harbor'"):
        DescriptionRecognizer("safe-harbour", encoder=ready)


def test_a_threshold_of_the_policy_is_kept(model: Path) -> None:
    strict = policy(kind("PERSON", "encoder", threshold=0.999))
    recognizer = DescriptionRecognizer(strict, model=str(model))
    assert recognizer.analyze(TEXTS[0], []) == []


def test_findings_of_the_batch_are_used(model: Path) -> None:
    counting = CountingEncoder(DescriptionEncoder(model))
    recognizer = DescriptionRecognizer(POLICY, encoder=counting)
    alone = [recognizer.analyze(text, []) for text in TEXTS]
    assert counting.calls == [1, 1, 1]
    counting.calls.clear()
    batch = BlankNlpEngine([EncoderComponent(counting)]).process_batch(TEXTS, "en")
    assert [recognizer.analyze(text, [], artifacts) for text, artifacts in batch] == alone
    assert counting.calls == [3]


def test_findings_under_other_descriptions_are_not_used(
    recognizer: DescriptionRecognizer, ready: PolicyEncoder
) -> None:
    other = PolicyEncoder(OTHER, ready.encoder)
    artifacts = BlankNlpEngine([EncoderComponent(other)]).process_text(TEXTS[0], "en")
    left = DescriptionRecognizer(OTHER, encoder=other).analyze(TEXTS[0], [], artifacts)
    assert left != recognizer.analyze(TEXTS[0], [], artifacts) == recognizer.analyze(TEXTS[0], [])


@pytest.mark.parametrize(("size", "calls"), [(1, [1, 1, 1]), (2, [2, 1]), (3, [3]), (64, [3])])
def test_batches_of_the_component(model: Path, size: int, calls: list[int]) -> None:
    counting = CountingEncoder(DescriptionEncoder(model))
    nlp = spacy.blank("en")
    component = EncoderComponent(counting)
    texts = [doc.text for doc in component.pipe(nlp.pipe(TEXTS), size)]
    assert (texts, counting.calls) == (TEXTS, calls)
    assert component(nlp(TEXTS[0])).text == TEXTS[0]


@pytest.mark.parametrize(
    "engine",
    [BlankSpacyNlpEngine(), BlankNlpEngine(), NoOpNlpEngine([{"lang_code": "en", "model_name": "none"}])],
)
def test_in_a_stock_engine(ready: PolicyEncoder, engine: NlpEngine) -> None:
    recognizer = DescriptionRecognizer(POLICY, encoder=ready, name="described")
    analyzer = AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=[recognizer], supported_languages=["en"]),
        nlp_engine=engine,
        supported_languages=["en"],
    )
    results = analyzer.analyze(TEXTS[0], "en", entities=["PLACE"], return_decision_process=True)
    places = recognizer.analyze(TEXTS[0], ["PLACE"])
    assert sorted((r.start, r.end, r.score) for r in results) == [(r.start, r.end, r.score) for r in places]
    assert {r.analysis_explanation.recognizer for r in results} == {"described"}


def test_artifacts_without_a_doc(recognizer: DescriptionRecognizer) -> None:
    artifacts = NlpArtifacts([], None, [], [], BlankNlpEngine(), "en")
    assert recognizer.analyze(TEXTS[2], [], artifacts) == recognizer.analyze(TEXTS[2], [])


# --- a registry file ---------------------------------------------------------------------------------------

POLICY_FILE = """\
policy: pets
version: "1"
method: custom
default_operator: redact
types:
  PET_NAME: {description: the name of a pet, detect: [encoder, rules], patterns: [{regex: "Biscuit"}]}
  OWNER: {description: the owner of a pet, detect: [encoder]}
"""


def registry_file(folder: Path, *entries: dict[str, object]) -> Path:
    (folder / "pets.yaml").write_text(POLICY_FILE, encoding="utf-8")
    path = folder / "registry.yaml"
    data = {"supported_languages": ["en"], "global_regex_flags": 26, "recognizers": list(entries)}
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def test_the_keys_of_a_registry_file_arrive(tmp_path: Path, model: Path) -> None:
    pets = str(tmp_path / "pets.yaml")
    path = registry_file(
        tmp_path,
        {"name": "RuleRecognizer", "policy": pets},
        {"name": "ours", "class_name": "DescriptionRecognizer", "policy": pets, "model": str(model)},
        {"name": "few", "class_name": "RuleRecognizer", "supported_entities": ["MRN", "PHONE"]},
        {"name": "CreditCardRecognizer"},
    )
    registry = RecognizerRegistryProvider(conf_file=path).create_recognizer_registry()
    rules, ours, few, _ = registry.recognizers
    assert (rules.name, rules.supported_entities) == ("RuleRecognizer", ["PET_NAME"])
    assert (ours.name, ours.supported_entities) == ("ours", ["PET_NAME", "OWNER"])
    assert isinstance(ours, DescriptionRecognizer)
    assert ours.encoder.encoder.digest == ModelFolder.open(model).digest
    assert isinstance(few, RuleRecognizer)
    assert few.supported_entities == [
        name for name in load_policy("safe-harbor").type_names if name in {"MRN", "PHONE"}
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"polcy": "safe-harbor"}, "polcy"),
        ({"context": ["dog"]}, "context words have no effect"),
        ({"supported_entity": "PHONE"}, "write supported_entities"),
    ],
)
@pytest.mark.parametrize("name", ["RuleRecognizer", "DescriptionRecognizer"])
def test_a_key_without_effect_is_refused(
    tmp_path: Path, name: str, wrong: dict[str, object], message: str
) -> None:
    path = registry_file(tmp_path, {"name": name, **wrong})
    with pytest.raises(ValueError, match="Invalid recognizer registry configuration") as error:
        RecognizerRegistryProvider(conf_file=path)
    assert message in str(error.value.__cause__)


# --- the shipped encoder -----------------------------------------------------------------------------------

TEXT = "Her dog is called Biscuit. Her sister Hannah Whitlow drove her in from Westbrook."
DESCRIPTIONS = {
    "Biscuit": "The given name of a pet, such as a dog or a cat.",
    "Whitlow": "The name of a relative of the patient.",
    "Westbrook": "The city or town in which somebody lives.",
}


@pytest.fixture(scope="module")
def shipped() -> DescriptionEncoder:
    return DescriptionEncoder()


@pytest.mark.parametrize("meant", DESCRIPTIONS, ids=["pet", "relative", "town"])
def test_the_description_decides_what_is_found(shipped: DescriptionEncoder, meant: str) -> None:
    described = policy(kind("THING", "encoder", description=DESCRIPTIONS[meant], threshold=0.5))
    results = DescriptionRecognizer(described, encoder=PolicyEncoder(described, shipped)).analyze(TEXT, [])
    found = " ".join(TEXT[result.start : result.end] for result in results)
    assert {name for name in DESCRIPTIONS if name in found} == {meant}
