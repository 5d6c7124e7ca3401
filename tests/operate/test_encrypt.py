from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.errors import IntegrityError, KeyMaterialError
from deid.keys import Keys
from deid.operate.encrypt import Encrypt, decrypt, decrypt_text
from deid.operate.subject import Subject

KEYS = Keys.from_bytes(b"k" * 32)
OTHER_KEYS = Keys.from_bytes(b"m" * 32)


def seal(text: str, entity_type: str = "MRN", subject: str = "p1") -> str:
    params = {"entity_type": entity_type, "keys": KEYS, "subject": Subject(subject)}
    return Encrypt().replace(text, params)


@given(st.text(min_size=1))
def test_decrypt_gives_the_value_back(text: str) -> None:
    assert decrypt(seal(text), KEYS) == text


@pytest.mark.parametrize("text", ["nul at the end\x00", "\x80", "\ud800", "Åse"])
def test_awkward_values_come_back(text: str) -> None:
    assert decrypt(seal(text), KEYS) == text


def test_token_is_one_line_of_ascii_without_the_value() -> None:
    token = seal("0012345")
    assert re.fullmatch(r"\[ENC1:MRN:[A-Za-z0-9_-]+\]", token)
    assert "0012345" not in token


def test_same_input_same_token() -> None:
    assert seal("0012345") == seal("0012345")


def test_value_type_and_subject_each_change_the_token() -> None:
    tokens = {seal("0012345"), seal("0012346"), seal("0012345", "SSN"), seal("0012345", subject="p2")}
    assert len({token.rpartition(":")[2] for token in tokens}) == 4


def test_short_values_have_tokens_of_one_length() -> None:
    assert len(seal("Ng")) == len(seal("Ana"))


def test_text_with_tokens() -> None:
    text = f"MRN {seal('0012345')} seen by {seal('Dr. Okonkwo-Reyes', 'CLINICIAN_NAME')}."
    assert decrypt_text(text, KEYS) == "MRN 0012345 seen by Dr. Okonkwo-Reyes."


def _flip(token: str) -> str:
    return token[:-6] + ("A" if token[-6] != "A" else "B") + token[-5:]


@pytest.mark.parametrize(
    "token",
    [
        _flip(seal("0012345")),
        seal("0012345").replace("MRN", "SSN"),
        seal("0012345").replace("ENC1", "ENC2"),
        "[ENC1:MRN:]",
        "[ENC1:MRN:A]",
        "[ENC1:MRN:QUJD]",
        "0012345",
        "",
    ],
    ids=["changed", "type", "version", "empty", "one", "short", "value", "nothing"],
)
def test_anything_else_is_refused_without_echo(token: str) -> None:
    with pytest.raises(IntegrityError) as error:
        decrypt(token, KEYS)
    assert "0012345" not in str(error.value)


def test_another_key_is_refused() -> None:
    with pytest.raises(IntegrityError, match="another key"):
        decrypt(seal("0012345"), OTHER_KEYS)


def test_no_key_no_token() -> None:
    with pytest.raises(KeyMaterialError):
        Encrypt().operate("0012345", {"entity_type": "MRN"})
