from __future__ import annotations

import re

import pytest

from deid.errors import KeyMaterialError, PolicyError
from deid.keys import Keys
from deid.operate.keyed_hash import KeyedHash
from deid.operate.subject import Subject

KEYS = Keys.from_bytes(b"k" * 32)
MRN = {"entity_type": "MRN", "keys": KEYS}


def test_form_and_default_length() -> None:
    assert re.fullmatch(r"MRN_[0-9a-f]{16}", KeyedHash().replace("0012345", MRN))


@pytest.mark.parametrize("length", [12, 64])
def test_length(length: int) -> None:
    assert re.fullmatch(
        rf"MRN_[0-9a-f]{{{length}}}", KeyedHash().replace("0012345", {**MRN, "length": length})
    )


@pytest.mark.parametrize(
    "changed",
    [{"entity_type": "SSN"}, {"keys": Keys.from_bytes(b"m" * 32)}],
)
def test_type_and_key_change_the_digest(changed: dict[str, object]) -> None:
    ours, other = (KeyedHash().replace("0012345", params) for params in (MRN, {**MRN, **changed}))
    assert ours.rpartition("_")[2] != other.rpartition("_")[2]


def test_value_changes_the_digest_but_its_spelling_does_not() -> None:
    smith, upper, other = (KeyedHash().replace(text, MRN) for text in ("Smith", "SMITH", "Smyth"))
    assert smith == upper != other


def test_subjects_share_a_token() -> None:
    tokens = {KeyedHash().replace("Smith", {**MRN, "subject": Subject(name)}) for name in ("p1", "p2")}
    assert len(tokens) == 1


def test_key_as_text_or_bytes_is_the_same_key() -> None:
    secret = "s" * 32
    tokens = {
        KeyedHash().operate("Smith", {"entity_type": "MRN", "key": key}) for key in (secret, secret.encode())
    }
    assert tokens == {
        KeyedHash().operate("Smith", {"entity_type": "MRN", "keys": Keys.from_bytes(secret.encode())})
    }


@pytest.mark.parametrize("params", [{}, {"key": None}, {"key": "short"}, {"keys": "k" * 32}])
def test_no_key_no_token(params: dict[str, object]) -> None:
    with pytest.raises(KeyMaterialError) as error:
        KeyedHash().operate("Smith", {"entity_type": "MRN", **params})
    assert "Smith" not in str(error.value)


@pytest.mark.parametrize("length", [11, 65, "16"])
def test_wrong_length(length: object) -> None:
    with pytest.raises(PolicyError, match=r"hash\.length"):
        KeyedHash().validate({"length": length})
