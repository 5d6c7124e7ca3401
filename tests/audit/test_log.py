from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.audit.log import AuditChain, AuditCheck, canonical, output_digest, seal, verify_log
from deid.errors import InputOutputError, IntegrityError, KeyMaterialError
from deid.keys import Keys
from deid.policy import policy_digest

_KEYS = Keys.from_bytes(b"k" * 32)
_OTHER = Keys.from_bytes(b"o" * 32)
_TEXTS = ["zero", "one", "", "three", "four"]
_QUARANTINED = 2
Lines = list[str]
_SPAN = {
    **{"start": 0, "end": 2, "entity_type": "AGE", "score": 0.5},
    **{"operator": "redact", "detectors": ["rules", "encoder"]},
}
_RESOLVED = {"name": "mine", "types": [{"name": "AGE"}], "gates": {}, "fields": {}}
_POLICY = policy_digest(_RESOLVED)
_COUNTS: dict[str, Any] = {
    "notes": 5,
    "deidentified": 4,
    "quarantined": {"detector-failed": 1},
    "spans": {
        "total": 4,
        "by_type": {"AGE": 4},
        "by_detector": {"rules": 4, "encoder": 4},
        "by_operator": {"redact": 4},
    },
    "fields": {"total": 0, "by_type": {}},
    "note_kinds": {"letter": 5},
}


def _entry(number: int, keys: Keys | None, **changes: Any) -> dict[str, Any]:
    text = None if number == _QUARANTINED else _TEXTS[number]
    facts = {
        "note_id": f"n{number}",
        "ordinal": number,
        "status": "quarantined" if text is None else "deidentified",
        "output_digest": None if text is None else output_digest(text, keys),
        "spans": [] if text is None else [_SPAN],
        "reason": "detector-failed" if text is None else None,
    }
    return {**facts, **changes}


def _chain(keys: Keys | None) -> AuditChain:
    return AuditChain(policy_digest=_POLICY, input_digest="sha256:i", keys=keys)


def _log(keys: Keys | None, numbers: Mapping[int, dict[str, Any]] | None = None) -> tuple[Lines, AuditChain]:
    """Write a sound log; `numbers` changes entries before they are hashed."""
    chain = _chain(keys)
    changes = numbers or {}
    lines = [chain.append(_entry(number, keys, **changes.get(number, {}))) for number in range(5)]
    return lines, chain


def _write(folder: Path, lines: Lines, chain: AuditChain, keys: Keys | None, **changes: Any) -> Path:
    manifest = {
        "status": "complete",
        "policy": {"digest": _POLICY, "resolved": _RESOLVED},
        "input": {"digest": "sha256:i"},
        "key": {"id": keys.key_id if keys is not None else None},
        "counts": _COUNTS,
        "audit": {"algorithm": chain.algorithm, "length": chain.length, "head": chain.head},
    }
    if keys is not None:
        manifest["seal"] = seal(manifest, keys)
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}))
    (folder / "audit.jsonl").write_text("".join(lines))
    return folder


def _outcome(check: AuditCheck) -> tuple[str, int | None] | None:
    return (check.fault.kind, check.fault.entry) if check.fault is not None else None


@pytest.mark.parametrize("keys", [None, _KEYS])
def test_a_sound_log(tmp_path: Path, keys: Keys | None) -> None:
    lines, chain = _log(keys)
    texts = [text for number, text in enumerate(_TEXTS) if number != _QUARANTINED]
    check = verify_log(_write(tmp_path, lines, chain, keys), keys=keys, texts=texts)
    assert check == AuditCheck(5, "hmac-sha256" if keys else "sha256", True)
    assert check.ok


def _changed(line: str, **changes: Any) -> str:
    return canonical({**json.loads(line), **changes}) + "\n"


def _rehashed(line: str, **changes: Any) -> str:
    """Change an entry and hash it anew, as somebody without the secret can."""
    entry = {**json.loads(line), **changes}
    return canonical({**entry, "hash": _chain(None).hash(entry)}) + "\n"


def _swap(lines: Lines) -> Lines:
    return [*lines[:1], lines[2], lines[1], *lines[3:]]


_TAMPERING: dict[str, tuple[Callable[[Lines], Lines], tuple[str, int | None]]] = {
    "id changed": (lambda ls: [*ls[:3], _changed(ls[3], note_id="n9"), *ls[4:]], ("edited", 3)),
    "span removed": (lambda ls: [_changed(ls[0], spans=[]), *ls[1:]], ("edited", 0)),
    "quarantine hidden": (
        lambda ls: [*ls[:2], _changed(ls[2], status="deidentified"), *ls[3:]],
        ("edited", 2),
    ),
    "hash changed": (lambda ls: [*ls[:4], _changed(ls[4], hash="0" * 64)], ("edited", 4)),
    "field added": (lambda ls: [*ls[:1], _changed(ls[1], text="x"), *ls[2:]], ("edited", 1)),
    "white space": (lambda ls: [*ls[:1], ls[1].replace(":", ": ", 1), *ls[2:]], ("edited", 1)),
    "repeated key": (lambda ls: [ls[0].replace("{", '{"seq":7,', 1), *ls[1:]], ("edited", 0)),
    "not JSON": (lambda ls: [*ls[:2], "x\n", *ls[2:]], ("edited", 2)),
    "line torn": (lambda ls: [*ls[:4], ls[4][:20]], ("edited", 4)),
    "seq no number": (lambda ls: [_changed(ls[0], seq="0"), *ls[1:]], ("edited", 0)),
    "first deleted": (lambda ls: ls[1:], ("deleted", 0)),
    "one deleted": (lambda ls: [*ls[:2], *ls[3:]], ("deleted", 2)),
    "two deleted": (lambda ls: [*ls[:1], *ls[3:]], ("deleted", 1)),
    "end deleted": (lambda ls: ls[:3], ("truncated", 3)),
    "all deleted": (lambda _: [], ("truncated", 0)),
    "repeated": (lambda ls: [*ls[:3], ls[1], *ls[3:]], ("inserted", 3)),
    "end repeated": (lambda ls: [*ls, ls[4]], ("inserted", 5)),
    "swapped": (_swap, ("reordered", 1)),
    "last first": (lambda ls: [ls[4], *ls[:4]], ("reordered", 0)),
}


@pytest.mark.parametrize("keys", [None, _KEYS])
@pytest.mark.parametrize("name", _TAMPERING)
def test_tampering_names_the_first_bad_entry(tmp_path: Path, name: str, keys: Keys | None) -> None:
    tamper, expected = _TAMPERING[name]
    lines, chain = _log(keys)
    check = verify_log(_write(tmp_path, tamper(lines), chain, keys), keys=keys)
    assert _outcome(check) == expected
    assert not check.ok
    assert check.entries == (expected[1] or 0)


def test_without_a_secret_a_replaced_entry_shows_in_the_next(tmp_path: Path) -> None:
    lines, chain = _log(None)
    lines[1] = _rehashed(lines[1], note_id="n9")
    assert _outcome(verify_log(_write(tmp_path, lines, chain, None))) == ("forged", 2)


def test_without_a_secret_a_rebuilt_log_does_not_match_the_manifest(tmp_path: Path) -> None:
    _, chain = _log(None)
    rebuilt, _ = _log(None, {1: {"note_id": "n9"}})
    assert _outcome(verify_log(_write(tmp_path, rebuilt, chain, None))) == ("forged", None)


def test_an_appended_entry_that_follows(tmp_path: Path) -> None:
    lines, chain = _log(None)
    length, head = chain.length, chain.head
    more = chain.append(_entry(4, None))
    chain.length, chain.head = length, head
    assert _outcome(verify_log(_write(tmp_path, [*lines, more], chain, None))) == ("inserted", 5)


def test_the_log_of_another_run(tmp_path: Path) -> None:
    chain = AuditChain(policy_digest="sha256:q", input_digest="sha256:i")
    lines = [chain.append(_entry(0, None))]
    assert _outcome(verify_log(_write(tmp_path, lines, chain, None))) == ("forged", 0)


def test_with_a_secret_a_plainly_hashed_entry_is_forged(tmp_path: Path) -> None:
    lines, chain = _log(_KEYS)
    lines[1] = _rehashed(lines[1], note_id="n9")
    assert _outcome(verify_log(_write(tmp_path, lines, chain, _KEYS), keys=_KEYS)) == ("forged", 1)


def test_with_a_secret_a_log_and_manifest_made_anew_without_it_are_forged(tmp_path: Path) -> None:
    lines, chain = _log(None)
    assert _outcome(verify_log(_write(tmp_path, lines, chain, None), keys=_KEYS)) == ("forged", None)


def test_with_a_secret_the_manifest_is_sealed(tmp_path: Path) -> None:
    lines, _ = _log(_KEYS)
    short = _chain(_KEYS)
    for number in range(3):
        short.append(_entry(number, _KEYS))
    recorded = {"algorithm": short.algorithm, "length": short.length, "head": short.head}
    _, chain = _log(_KEYS)
    folder = _write(tmp_path, lines[:3], chain, _KEYS, audit=recorded)
    assert _outcome(verify_log(folder, keys=_KEYS)) == ("manifest", None)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["zero", "one", "three", "four"], None),
        (["zero", "two", "three", "four"], ("text", 1)),
        (["zero", "one", "four", "three"], ("text", 3)),
        (["zero", "one", "three"], ("text", 4)),
        (["zero", None, "three", "four"], ("text", 1)),
        (["zero", "one", "three", "four", "five"], ("text", None)),
    ],
)
@pytest.mark.parametrize("keys", [None, _KEYS])
def test_output_texts(
    tmp_path: Path, texts: list[str | None], expected: tuple[str, int | None] | None, keys: Keys | None
) -> None:
    lines, chain = _log(keys)
    check = verify_log(_write(tmp_path, lines, chain, keys), keys=keys, texts=texts)
    assert _outcome(check) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "running"},
        {"audit": None},
        {"audit": {}},
        {"policy": {}},
        {"policy": {"digest": _POLICY, "resolved": "x"}},
        {"policy": {"digest": _POLICY, "resolved": {**_RESOLVED, "name": "other"}}},
        {"counts": None},
        {"counts": "x"},
        {"counts": {}},
        {"key": None},
        {"audit": {"algorithm": "hmac-sha256", "length": 5, "head": ""}},
        {"audit": {"algorithm": "sha256", "length": "5", "head": ""}},
    ],
)
def test_a_manifest_that_says_too_little(tmp_path: Path, changes: dict[str, Any]) -> None:
    lines, chain = _log(None)
    check = verify_log(_write(tmp_path, lines, chain, None, **changes))
    assert _outcome(check) == ("manifest", None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("notes", 6),
        ("deidentified", 5),
        ("quarantined", {}),
        ("quarantined", {"too-long": 1}),
        ("spans", {**_COUNTS["spans"], "total": 3}),
        ("spans", {**_COUNTS["spans"], "by_type": {"AGE": 3, "DATE": 1}}),
        ("spans", {**_COUNTS["spans"], "by_operator": {"redact": 1}}),
        ("spans", {**_COUNTS["spans"], "by_detector": {"rules": 4}}),
        ("fields", {"total": 1, "by_type": {"AGE": 1}}),
    ],
)
def test_without_a_secret_the_counts_of_the_manifest_are_those_of_the_log(
    tmp_path: Path, name: str, value: object
) -> None:
    lines, chain = _log(None)
    check = verify_log(_write(tmp_path, lines, chain, None, counts={**_COUNTS, name: value}))
    assert _outcome(check) == ("manifest", None)
    assert check.fault is not None
    assert check.fault.detail.endswith(f": {name}")


def test_gates_and_dropped_types_are_no_part_of_the_policy_s_digest(tmp_path: Path) -> None:
    lines, chain = _log(None)
    resolved = {**_RESOLVED, "gates": {"recall": 0.9}, "dropped": [{"name": "SSN"}]}
    folder = _write(tmp_path, lines, chain, None, policy={"digest": _POLICY, "resolved": resolved})
    assert verify_log(folder).ok


def test_an_entry_that_follows_and_does_not_say_what_was_done(tmp_path: Path) -> None:
    lines, chain = _log(None, {1: {"spans": [{"start": 0, "end": 2}]}})
    assert _outcome(verify_log(_write(tmp_path, lines, chain, None))) == ("edited", 1)


@pytest.mark.parametrize(("keys", "message"), [(None, "is keyed"), (_OTHER, "key id")])
def test_a_keyed_log_needs_its_secret(tmp_path: Path, keys: Keys | None, message: str) -> None:
    lines, chain = _log(_KEYS)
    folder = _write(tmp_path, lines, chain, _KEYS)
    with pytest.raises(KeyMaterialError, match=message):
        verify_log(folder, keys=keys)


@pytest.mark.parametrize("name", ["manifest.json", "audit.jsonl"])
def test_files_that_are_not_there(tmp_path: Path, name: str) -> None:
    lines, chain = _log(None)
    (_write(tmp_path, lines, chain, None) / name).unlink()
    with pytest.raises(InputOutputError, match=name):
        verify_log(tmp_path)


@pytest.mark.parametrize("content", ["x", "[]"])
def test_a_manifest_that_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(IntegrityError, match="JSON"):
        verify_log(tmp_path)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _VALUES))
def test_canonical_text_is_one_for_a_value(value: dict[str, Any]) -> None:
    text = canonical(value)
    assert text.isascii()
    assert json.loads(text) == value
    assert canonical(dict(reversed(value.items()))) == text


def test_digests_of_output_depend_on_the_secret() -> None:
    digests = {output_digest("text", keys) for keys in (None, _KEYS, _OTHER)}
    assert len(digests) == 3
    assert output_digest("text", None).startswith("sha256:")
    assert output_digest("text", _KEYS).startswith("hmac-sha256:")
