from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import OperatorConfig, RecognizerResult

from deid.errors import KeyMaterialError, PolicyError
from deid.keys import Keys
from deid.operate.failure import OperatorFailure
from deid.operate.subject import Subject
from deid.operate.surrogate import KINDS, Surrogate, kind_of
from deid.policy import load_policy
from deid.policy_operators import SURROGATE_KINDS

SECRET = "a secret for tests, 32 bytes long"
KEYS = Keys.from_bytes(SECRET.encode())
MENTIONS = (
    ("AGE", "62"),
    ("CITY", "Boston"),
    ("CLINICIAN_NAME", "William H. Parkhurst"),
    ("EMAIL", "john.smith@clinic.org"),
    ("HOSPITAL", "MGH"),
    ("HOSPITAL", "Milford General Hospital"),
    ("IP_ADDRESS", "10.1.2.3"),
    ("MRN", "0012-3456"),
    ("ORGANIZATION", "First National Bank"),
    ("PATIENT_NAME", "J. Smith"),
    ("PATIENT_NAME", "John Smith"),
    ("PHONE", "617-234-5678"),
    ("PROFESSION", "truck driver"),
    ("SSN", "123-45-6789"),
    ("STATE", "MA"),
    ("STREET_ADDRESS", "12 Oak St, Apt 4B"),
    ("URL", "www.clinic.org/js"),
    ("USERNAME", "WHP/tlq"),
    ("ZIP_CODE", "02115"),
)


def draw_all(mentions: tuple[tuple[str, str], ...], patient: str = "p1") -> dict[tuple[str, str], str]:
    operator = Surrogate()
    subject = Subject(patient, mentions)
    return {
        (kind, text): operator.replace(text, {"entity_type": kind, "keys": KEYS, "subject": subject})
        for kind, text in mentions
    }


def test_name_and_presidio_kind() -> None:
    assert Surrogate().operator_name() == "surrogate"
    assert Surrogate().operator_type().name == "Anonymize"


def test_every_kind_has_a_function_and_every_type_a_kind() -> None:
    assert tuple(KINDS) == SURROGATE_KINDS
    types = set(load_policy("base").type_names) - {"DATE"}
    assert {kind_of(name) for name in types} == set(KINDS)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_known_kinds_are_valid(kind: str) -> None:
    Surrogate().validate({"kind": kind, "entity_type": "DOCKET_NUMBER", "keys": KEYS})


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({"kind": "persn_name"}, "did you mean 'person_name'?"),
        ({"kind": 3}, "surrogate.kind"),
        ({"sort": "city"}, "surrogate.sort"),
        ({"entity_type": "DOCKET_NUMBER"}, "DOCKET_NUMBER"),
        ({"entity_type": "DATE"}, "DATE"),
    ],
)
def test_invalid_parameters(params: dict[str, object], part: str) -> None:
    with pytest.raises(PolicyError, match=part.replace("?", r"\?")):
        Surrogate().validate(params)


def test_an_unknown_type_without_kind_is_refused_when_run() -> None:
    with pytest.raises(PolicyError, match="give the operator a kind"):
        Surrogate().replace("x1", {"entity_type": "DOCKET_NUMBER", "keys": KEYS})


def test_kind_overrides_the_type() -> None:
    new = Surrogate().replace("AB-12", {"entity_type": "CITY", "kind": "identifier", "keys": KEYS})
    assert new[2] == "-"
    assert new[3:].isdigit()


def test_kind_of() -> None:
    assert kind_of("FAX") == "phone"
    assert kind_of("MRN") == "identifier"


def test_failure_redacts() -> None:
    params = {"entity_type": "AGE", "keys": KEYS}
    with pytest.raises(OperatorFailure):
        Surrogate().replace("old", params)
    assert Surrogate().operate("old", params) == "[AGE]"


def test_in_a_stock_anonymizer_engine() -> None:
    engine = AnonymizerEngine()
    engine.add_anonymizer(Surrogate)
    text = "John Smith saw Dr. Smith in Boston."
    found = [
        RecognizerResult("PERSON", 0, 10, 1.0),
        RecognizerResult("PERSON", 19, 24, 1.0),
        RecognizerResult("CITY", 28, 34, 1.0),
    ]
    operators = {
        "PERSON": OperatorConfig("surrogate", {"key": SECRET, "kind": "person_name"}),
        "CITY": OperatorConfig("surrogate", {"key": SECRET.encode()}),
    }
    once = engine.anonymize(text, found, operators).text
    assert once == engine.anonymize(text, found, operators).text
    assert "Smith" not in once
    assert "Boston" not in once
    family = once.split()[1]
    assert f"Dr. {family} in " in once


@pytest.mark.parametrize("params", [{}, {"key": None}, {"key": "short"}])
def test_no_secret_no_surrogate(params: dict[str, object]) -> None:
    engine = AnonymizerEngine()
    engine.add_anonymizer(Surrogate)
    config = OperatorConfig("surrogate", {"kind": "person_name", **params})
    with pytest.raises(KeyMaterialError) as error:
        engine.anonymize("John Smith", [RecognizerResult("PERSON", 0, 10, 1.0)], {"PERSON": config})
    assert "Smith" not in str(error.value)


def test_deterministic_over_instances_and_orders() -> None:
    expected = draw_all(MENTIONS)
    for seed in range(5):
        shuffled = list(MENTIONS)
        random.Random(seed).shuffle(shuffled)
        assert draw_all(tuple(shuffled)) == expected


def test_one_operator_serves_many_subjects() -> None:
    operator = Surrogate()
    subjects = [Subject(f"p{number}", MENTIONS[number:]) for number in (0, 4, 8, 0)]
    news = [
        operator.replace("John Smith", {"entity_type": "PATIENT_NAME", "keys": KEYS, "subject": subject})
        for subject in subjects
    ]
    assert news[0] == news[3]
    assert len(set(news)) == 3


def test_another_patient_gets_other_surrogates() -> None:
    one, other = draw_all(MENTIONS), draw_all(MENTIONS, "p2")
    same = [key for key in one if one[key] == other[key] and key[0] not in ("AGE", "STATE")]
    assert len(same) <= 2


def test_no_original_word_comes_back() -> None:
    news = draw_all(MENTIONS)
    secrets = ("smith", "john", "boston", "milford", "parkhurst", "oak", "5678", "3456", "6789", "02115")
    for new, secret in itertools.product(news.values(), secrets):
        assert secret not in new.casefold()


_CASES = st.sampled_from([(kind, text) for kind, text in MENTIONS])
_TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Z")), min_size=1, max_size=30)


def failure_of(text: str, params: dict[str, object]) -> str:
    try:
        Surrogate().replace(text, params)
    except OperatorFailure as failure:
        return str(failure)
    return ""


@settings(max_examples=300)
@example("ip_address", "add")
@example("email", "add")
@given(st.sampled_from(sorted(KINDS)), _TEXTS)
def test_any_text_gives_something_else_or_fails(kind: str, text: str) -> None:
    params = {"entity_type": "OTHER_ID", "kind": kind, "keys": KEYS, "subject": Subject("p")}
    try:
        new = Surrogate().replace(text, params)
    except OperatorFailure as failure:
        # `add` stands in a message about addresses, which is the same for a text that shares nothing with it.
        assert text not in str(failure) or len(text) < 3 or str(failure) == failure_of("\u2603", params)
        return
    assert new.casefold() != text.casefold()
    assert new == Surrogate().replace(text, params)


@settings(max_examples=100)
@given(_CASES, st.lists(_CASES, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_mentions_never_matters(
    case: tuple[str, str], others: list[tuple[str, str]], order: random.Random
) -> None:
    found = [case, *others]
    shuffled = found[:]
    order.shuffle(shuffled)
    kind, text = case
    news = {
        Surrogate().replace(
            text, {"entity_type": kind, "keys": KEYS, "subject": Subject("p", tuple(mentions))}
        )
        for mentions in (found, shuffled)
    }
    assert len(news) == 1
