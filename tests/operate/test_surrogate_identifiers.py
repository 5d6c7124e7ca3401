from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.keys import Keys
from deid.operate.failure import OperatorFailure
from deid.operate.subject import Subject
from deid.operate.surrogate import Surrogate
from deid.operate.surrogates.check_digits import (
    dea_digit,
    luhn_digit,
    nhs_digit,
    npi_digit,
    scheme_of,
    vin_digit,
)

KEYS = Keys.from_bytes(b"a secret for tests, 32 bytes long")


def draw(kind: str, text: str, mentions: tuple[tuple[str, str], ...] = (), patient: str = "p1") -> str:
    params = {"entity_type": kind, "keys": KEYS, "subject": Subject(patient, mentions)}
    return Surrogate().replace(text, params)


def shape_of(text: str) -> str:
    text = re.sub(r"\d", "0", text)
    return re.sub("[a-z]", "a", re.sub("[A-Z]", "A", text))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("MRN", "00123456"),
        ("MRN", "12-34-56"),
        ("MRN", "A12-345"),
        ("MRN", "7"),
        ("OTHER_ID", "S24-0042"),
        ("OTHER_ID", "ab/CD_ef.12"),
        ("DEVICE_ID", "SN: 4K-99821-x"),
        ("HEALTH_PLAN_ID", "XQK 884 220 117 01"),
        ("VEHICLE_ID", "ABC 1234"),
        ("BIOMETRIC_ID", "FP-0091"),
        ("LICENSE_NUMBER", "MD-44021"),
        ("ACCOUNT_NUMBER", "12 34\n56"),
    ],
)
def test_shape_is_kept_and_nothing_else(kind: str, text: str) -> None:
    new = draw(kind, text)
    assert shape_of(new) == shape_of(text)
    assert new != text
    assert len({draw(kind, text, patient=f"p{number}") for number in range(10)}) > (4 if text == "7" else 8)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("MRN 1234567", "MRN "),
        ("MRN1234567", "MRN"),
        ("mrn#1234567", "mrn#"),
        ("MRNX1", ""),
        ("XXX-XX-6789", "XXX-XX-"),
    ],
)
def test_labels_and_masks_stay(text: str, kept: str) -> None:
    new = draw("MRN", text)
    assert new.startswith(kept)
    assert new[len(kept) :] != text[len(kept) :]
    assert shape_of(new) == shape_of(text)


def test_separators_do_not_change_the_number() -> None:
    bare = draw("MRN", "12345678")
    assert draw("MRN", "1234-5678").replace("-", "") == bare
    assert draw("MRN", "MRN 12 34 56 78").removeprefix("MRN").replace(" ", "") == bare


def test_the_end_of_a_number_is_the_end_of_its_surrogate() -> None:
    mentions = (("SSN", "123-45-6789"), ("SSN", "6789"), ("SSN", "xxx-xx-6789"))
    full = draw("SSN", "123-45-6789", mentions)
    assert draw("SSN", "6789", mentions) == full[-4:]
    assert draw("SSN", "xxx-xx-6789", mentions) == f"xxx-xx-{full[-4:]}"
    assert draw("SSN", "6789") != "6789"


@pytest.mark.parametrize("text", ["123-45-6789", "123 45 6789", "123456789", "987-12-3456"])
def test_social_security_numbers_were_never_given_out(text: str) -> None:
    for number in range(30):
        new = "".join(filter(str.isdigit, draw("SSN", text, patient=f"p{number}")))
        assert len(new) == 9
        assert new[0] == "9"
        assert 1 <= int(new[3:5]) < 50
        assert new[5:] != "0000"


@pytest.mark.parametrize(("digits", "check"), [("7992739871", "3"), ("411111111111111", "1"), ("0", "0")])
def test_luhn(digits: str, check: str) -> None:
    assert luhn_digit(digits) == check


def test_other_check_digits() -> None:
    assert npi_digit("123456789") == "3"
    assert dea_digit("123456") == "3"
    assert nhs_digit("943476591") == "9"
    assert nhs_digit("000000001") == "9"
    assert vin_digit("1M8GDM9A0KP042788") == "X"
    assert vin_digit("11111111111111111") == "1"


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("1M8GDM9AXKP042788", True),
        ("1M8GDM9A1KP042788", False),
        ("AB1234563", True),
        ("AB1234564", False),
        ("1234567893", True),
        ("9434765919", True),
        ("9434765918", False),
        ("4111111111111111", True),
        ("4111111111111112", False),
        ("1234567", False),
    ],
)
def test_valid_numbers_stay_valid(text: str, valid: bool) -> None:
    scheme = scheme_of(text)
    assert (scheme is not None) is valid
    if scheme is None:
        return
    for number in range(20):
        new = draw("OTHER_ID", text, patient=f"p{number}")
        assert new != text
        assert scheme.shape.fullmatch(new)
        assert scheme.is_valid(new)


def test_numbers_with_separators_stay_valid() -> None:
    new = draw("ACCOUNT_NUMBER", "4111 1111 1111 1111")
    assert re.fullmatch(r"\d{4} \d{4} \d{4} \d{4}", new)
    bare = new.replace(" ", "")
    assert luhn_digit(bare[:-1]) == bare[-1]


def test_nhs_numbers_are_of_the_test_range() -> None:
    assert draw("OTHER_ID", "943 476 5919").startswith("999 ")


@pytest.mark.parametrize("text", ["WHP/tlq", "jdoe82", "J_DOE", "rn.kt"])
def test_user_names_keep_their_shape(text: str) -> None:
    new = draw("USERNAME", text)
    assert shape_of(new) == shape_of(text)
    assert not set(re.findall(r"\w+", new.lower())) & set(re.findall(r"\w+", text.lower()))


def test_parts_of_sign_offs_stay_the_same() -> None:
    both = draw("USERNAME", "WHP/tlq")
    assert draw("USERNAME", "whp") == both.split("/")[0].lower()
    assert draw("USERNAME", "TLQ:WHP") == "{1}:{0}".format(*both.upper().split("/"))


def test_sign_off_initials_are_those_of_the_surrogate_name() -> None:
    mentions = (("CLINICIAN_NAME", "William Henry Parkhurst"), ("USERNAME", "WHP/tlq"))
    full = draw("CLINICIAN_NAME", "William Henry Parkhurst", mentions)
    initials = "".join(word[0] for word in full.split())
    assert draw("USERNAME", "WHP/tlq", mentions).split("/")[0] == initials


@pytest.mark.parametrize("kind", ["MRN", "USERNAME", "SSN"])
@pytest.mark.parametrize("text", ["", "---", "***"])
def test_no_sign_no_number(kind: str, text: str) -> None:
    with pytest.raises(OperatorFailure):
        draw(kind, text)


@settings(max_examples=200)
@given(st.from_regex(r"[A-Za-z0-9]{1,4}([-/ .][A-Za-z0-9]{1,6}){0,3}", fullmatch=True))
def test_any_number_keeps_its_shape(text: str) -> None:
    params = {"entity_type": "OTHER_ID", "keys": KEYS, "subject": Subject("p")}
    try:
        new = Surrogate().replace(text, params)
    except OperatorFailure:
        assert re.fullmatch(r"(?i)[x\W]*", text)
        return
    assert shape_of(new) == shape_of(text)
    assert new.casefold() != text.casefold()
