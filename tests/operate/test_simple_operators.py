from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.errors import PolicyError
from deid.operate.failure import OperatorFailure
from deid.operate.keep import Keep
from deid.operate.mask import Mask
from deid.operate.normalize import normalize
from deid.operate.redact import Redact

SSN = {"entity_type": "SSN"}


def test_redact_gives_the_type() -> None:
    assert Redact().replace("Okonkwo-Reyes", {"entity_type": "CLINICIAN_NAME"}) == "[CLINICIAN_NAME]"


@pytest.mark.parametrize(
    ("template", "expected"),
    [("<{type}>", "<SSN>"), ("XXX", "XXX"), ("", ""), ("{type} {0} {text}", "SSN {0} {text}")],
)
def test_redact_template(template: str, expected: str) -> None:
    assert Redact().replace("078-05-1120", {**SSN, "text": template}) == expected


def test_keep_gives_the_text() -> None:
    assert Keep().replace("Oregon", {"entity_type": "STATE"}) == "Oregon"


@pytest.mark.parametrize(
    ("text", "params", "expected"),
    [
        ("078-05-1120", {}, "********"),
        ("Ng", {}, "********"),
        ("078-05-1120", {"char": "#"}, "########"),
        ("078-05-1120", {"keep_last": 4}, "********1120"),
        ("078-05-1120", {"keep_last": 4, "length": "same"}, "***-**-1120"),
        ("Anna Lindqvist", {"length": "same"}, "**** *********"),
        ("André\u0301e", {"length": "same"}, "*******"),
        ("78-05-1-1 2", {"keep_last": 2, "length": "same"}, "**-**-*-1 2"),
    ],
)
def test_mask(text: str, params: dict[str, object], expected: str) -> None:
    assert Mask().replace(text, {**SSN, **params}) == expected


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("12345678", {"keep_last": 4}),
        ("Ng", {"keep_last": 1}),
        ("---", {}),
        ("***", {"length": "same"}),
    ],
)
def test_mask_refuses_what_would_show_too_much(text: str, params: dict[str, object]) -> None:
    with pytest.raises(OperatorFailure):
        Mask().replace(text, params)
    assert Mask().operate(text, {**SSN, **params}) == "[SSN]"


@given(st.text(min_size=1), st.integers(0, 4), st.sampled_from(["same", "fixed"]))
def test_mask_never_returns_the_value(text: str, keep_last: int, length: str) -> None:
    params = {**SSN, "keep_last": keep_last, "length": length}
    masked = Mask().operate(text, params)
    assert masked != text
    solid = sum(character.isalnum() for character in text)
    if masked != "[SSN]":
        assert 2 * sum(character.isalnum() for character in masked) < solid


@pytest.mark.parametrize(
    ("operator", "params", "message"),
    [
        (Mask(), {"keep_last": 5}, r"mask\.keep_last: must lie in 0 to 4"),
        (Mask(), {"keep_last": -1}, r"mask\.keep_last: must lie in"),
        (Mask(), {"keep_last": True}, r"mask\.keep_last: must be of type int, not bool"),
        (Mask(), {"char": "xx"}, r"mask\.char: must have a length of 1 to 1"),
        (Mask(), {"char": "x"}, r"mask\.char: must be a printable sign"),
        (Mask(), {"char": " "}, r"mask\.char: must be a printable sign"),
        (Mask(), {"length": "sane"}, r"mask\.length: .*did you mean 'same'"),
        (Mask(), {"kep_last": 2}, r"mask\.kep_last: .*did you mean 'keep_last'"),
        (Redact(), {"txt": ""}, r"redact\.txt: .*did you mean 'text'"),
        (Redact(), {"text": 3}, r"redact\.text: must be of type str, not int"),
        (Keep(), {"text": ""}, r"keep\.text: .*valid: \(none\)"),
    ],
)
def test_wrong_parameters(operator: Mask | Redact | Keep, params: dict[str, object], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        operator.validate(params)


def test_what_the_run_adds_is_no_wrong_parameter() -> None:
    Mask().validate(
        {"entity_type": "SSN", "keys": None, "key": "x", "subject": None, "context": "", "keep_last": 2}
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [("SMITH", "Smith"), ("Anna  Lindqvist", "anna\nlindqvist"), ("ﬁnn", "Finn"), (" Straße", "STRASSE ")],
)
def test_normalize_makes_equal(one: str, other: str) -> None:
    assert normalize(one) == normalize(other)


def test_normalize_keeps_different_values_apart() -> None:
    assert normalize("Smith, J") != normalize("Smith J")
