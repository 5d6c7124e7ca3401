from __future__ import annotations

import hashlib
import hmac
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.errors import InputOutputError, KeyMaterialError
from deid.keys import Keys, new_key_file

SECRET = bytes(range(40))
KEYS = Keys.from_bytes(SECRET)
TEXTS = st.lists(st.text(max_size=6), max_size=4).map(tuple)


def hkdf_sha256(secret: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869, sections 2.2 and 2.3, from hmac alone."""
    pseudo_random_key = hmac.new(salt, secret, hashlib.sha256).digest()
    blocks, last, counter = b"", b"", 1
    while len(blocks) < length:
        last = hmac.new(pseudo_random_key, last + info + bytes([counter]), hashlib.sha256).digest()
        blocks, counter = blocks + last, counter + 1
    return blocks[:length]


def key_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_the_reference_agrees_with_rfc_5869_test_case_1() -> None:
    derived = hkdf_sha256(
        bytes.fromhex("0b" * 22),
        salt=bytes.fromhex("000102030405060708090a0b0c"),
        info=bytes.fromhex("f0f1f2f3f4f5f6f7f8f9"),
        length=42,
    )
    assert derived.hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )


@pytest.mark.parametrize("purpose", ["surrogate:city", "date-shift", "", "é"])
def test_purpose_keys_are_hkdf(purpose: str) -> None:
    expected = hkdf_sha256(SECRET, salt=b"clinical-deid/1", info=b"purpose:" + purpose.encode(), length=32)
    assert KEYS.purpose(purpose) == expected
    assert KEYS.purpose(purpose) == expected, "the cached value"


def test_key_id_is_derived_apart_from_purposes() -> None:
    assert KEYS.key_id == hkdf_sha256(SECRET, salt=b"clinical-deid/1", info=b"key-id", length=32).hex()[:16]
    assert KEYS.key_id != KEYS.purpose("key-id").hex()[:16]
    assert KEYS.key_id != Keys.from_bytes(SECRET + b"x").key_id


def test_digest_is_hmac_over_length_prefixed_parts() -> None:
    message = (2).to_bytes(8, "big") + b"ab" + (2).to_bytes(8, "big") + "é".encode()
    expected = hmac.new(KEYS.purpose("p"), message, hashlib.sha256).digest()
    assert KEYS.digest("p", "ab", "é") == expected


@given(TEXTS, TEXTS)
def test_different_parts_give_different_digests(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    assert (KEYS.digest("p", *first) == KEYS.digest("p", *second)) == (first == second)


def test_digest_depends_on_purpose_and_secret_and_takes_lone_surrogates() -> None:
    assert KEYS.digest("p", "a") != KEYS.digest("q", "a")
    assert KEYS.digest("p", "a") != Keys.from_bytes(SECRET[::-1]).digest("p", "a")
    assert len(KEYS.digest("p", "\ud800")) == 32


@given(st.integers(1, 2**64), st.text(max_size=5))
def test_numbers_stay_below(below: int, part: str) -> None:
    number = KEYS.number("p", part, below=below)
    assert 0 <= number < below
    assert number == int.from_bytes(KEYS.digest("p", part), "big") % below


def test_numbers_are_spread_evenly() -> None:
    counts = [0] * 10
    for index in range(5_000):
        counts[KEYS.number("p", str(index), below=10)] += 1
    chi_square = sum((count - 500) ** 2 / 500 for count in counts)
    assert chi_square < 27.9, "0.1 % point of the chi-square distribution with nine degrees of freedom"


@pytest.mark.parametrize("below", [0, -1, 2**64 + 1])
def test_bad_bounds(below: int) -> None:
    with pytest.raises(ValueError, match="below"):
        KEYS.number("p", below=below)


@pytest.mark.parametrize("length", [0, 16, 31])
def test_short_secrets_are_refused(length: int) -> None:
    with pytest.raises(KeyMaterialError, match=f"{length} bytes; at least 32"):
        Keys.from_bytes(b"k" * length)


def test_the_secret_is_never_shown() -> None:
    keys = Keys.from_bytes(b"correct-horse-battery-staple-and-more")
    keys.purpose("p")
    for text in (repr(keys), str(keys), f"{[keys]}"):
        assert "horse" not in text
        assert keys.purpose("p").hex() not in text
        assert repr(keys.purpose("p")) not in text


def test_keys_are_frozen_and_travel_to_workers() -> None:
    with pytest.raises(AttributeError):
        KEYS._secret = b""  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(KEYS)).digest("p", "a") == KEYS.digest("p", "a")


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"k" * 32, b"k" * 32),
        (b"k" * 32 + b"\n", b"k" * 32),
        (b"k" * 32 + b"\r\n", b"k" * 32),
        (b"k" * 32 + b"\n\n", b"k" * 32 + b"\n"),
        (b" " + b"k" * 32, b" " + b"k" * 32),
        (b"0a" * 32 + b"\n", b"0a" * 32),
    ],
    ids=["raw", "line", "windows line", "two lines", "blank before", "hexadecimal"],
)
def test_key_files_are_taken_as_they_are(tmp_path: Path, content: bytes, secret: bytes) -> None:
    assert Keys.from_file(key_file(tmp_path, content)).key_id == Keys.from_bytes(secret).key_id


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o644])
def test_key_files_of_others_are_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(KeyMaterialError, match=f"{mode:04o}.*chmod 600"):
        Keys.from_file(key_file(tmp_path, b"k" * 32, mode))


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_key_files_of_the_owner_are_read(tmp_path: Path, mode: int) -> None:
    assert Keys.from_file(str(key_file(tmp_path, b"k" * 32, mode)))


def test_other_faults_of_key_files(tmp_path: Path) -> None:
    with pytest.raises(InputOutputError, match="cannot be read"):
        Keys.from_file(tmp_path / "missing")
    with pytest.raises(InputOutputError, match="cannot be read"):
        Keys.from_file(tmp_path)
    with pytest.raises(KeyMaterialError, match="not a key file"):
        Keys.from_file(key_file(tmp_path, b"k" * 70_000))
    with pytest.raises(KeyMaterialError, match="31 bytes"):
        Keys.from_file(key_file(tmp_path, b"k" * 31 + b"\n"))


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEID_KEY", raising=False)
    assert Keys.from_environment() is None
    monkeypatch.setenv("DEID_KEY", "k" * 32)
    keys = Keys.from_environment()
    assert keys is not None
    assert keys.key_id == Keys.from_bytes(b"k" * 32).key_id
    assert Keys.from_environment("OTHER", {"OTHER": "é" * 16}) is not None
    with pytest.raises(KeyMaterialError):
        Keys.from_environment("OTHER", {"OTHER": ""})


def test_new_key_files(tmp_path: Path) -> None:
    path = tmp_path / "new"
    previous = os.umask(0)
    try:
        new_key_file(path)
    finally:
        os.umask(previous)
    assert path.stat().st_mode & 0o777 == 0o600
    content = path.read_text(encoding="ascii")
    assert len(bytes.fromhex(content)) == 32
    assert Keys.from_file(path).key_id == Keys.from_bytes(content.strip().encode()).key_id
    with pytest.raises(InputOutputError, match="exists already"):
        new_key_file(path)
    assert path.read_text(encoding="ascii") == content
    with pytest.raises(InputOutputError, match="cannot be written"):
        new_key_file(tmp_path / "missing" / "new")
