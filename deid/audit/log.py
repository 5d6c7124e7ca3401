"""The audit log: one entry a note, each bound to the one before by its hash; never note text."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deid.audit.tally import Tally
from deid.errors import InputOutputError, IntegrityError, KeyMaterialError
from deid.keys import Keys
from deid.policy import policy_digest

LOG_NAME = "audit.jsonl"
MANIFEST_NAME = "manifest.json"
DEIDENTIFIED, QUARANTINED = "deidentified", "quarantined"
_PLAIN, _KEYED = "sha256", "hmac-sha256"
_PURPOSE, _OUTPUT_PURPOSE, _SEAL_PURPOSE = "audit", "audit-output", "audit-manifest"
_FIELDS = {"seq", "note_id", "ordinal", "status", "output_digest", "spans", "reason", "prev", "hash"}
_OPTIONAL = {"fields"}


def canonical(value: object) -> str:
    """Return JSON with sorted keys, without white space, in ASCII: one text for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def output_digest(text: str, keys: Keys | None) -> str:
    """Return the digest under which the log knows a de-identified note.

    Args:
        text: The de-identified text.
        keys: HMAC-SHA256 under these if given, else SHA-256 of the text's UTF-8 bytes.
    """
    if keys is not None:
        return f"{_KEYED}:{keys.digest(_OUTPUT_PURPOSE, text).hex()}"
    return f"{_PLAIN}:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def seal(manifest: Mapping[str, Any], keys: Keys) -> str:
    """Return the HMAC-SHA256 that binds a finished manifest, and so the log's length, to a secret.

    Args:
        manifest: The manifest; its own ``seal`` is left out.
        keys: The run's secret.
    """
    body = {name: value for name, value in manifest.items() if name != "seal"}
    return f"{_KEYED}:{keys.digest(_SEAL_PURPOSE, canonical(body)).hex()}"


class AuditChain:
    """Turns facts about notes into the lines of a log.

    Args:
        policy_digest: Digest of the resolved policy; with the input's it is where the chain begins.
        input_digest: Digest of the input.
        keys: Entries are hashed with HMAC-SHA256 under these if given, else with SHA-256.
    """

    def __init__(self, *, policy_digest: str, input_digest: str, keys: Keys | None = None) -> None:
        self._secret = keys.purpose(_PURPOSE) if keys is not None else None
        start = canonical({"input": input_digest, "policy": policy_digest})
        self.head = hashlib.sha256(start.encode()).hexdigest()
        self.length = 0

    @property
    def algorithm(self) -> str:
        """``hmac-sha256`` or ``sha256``."""
        return _PLAIN if self._secret is None else _KEYED

    def hash(self, entry: Mapping[str, Any]) -> str:
        """Return the hash of an entry, over everything in it but the hash."""
        if self._secret is None:
            return _plain_hash(entry)
        return hmac.digest(self._secret, _hashed(entry), "sha256").hex()

    def append(self, facts: Mapping[str, Any]) -> str:
        """Return the next line, with its line break.

        Args:
            facts: Everything but ``seq``, ``prev`` and ``hash``.
        """
        entry = {**facts, "seq": self.length, "prev": self.head}
        digest = self.hash(entry)
        self.accept(digest)
        return canonical({**entry, "hash": digest}) + "\n"

    def accept(self, digest: str) -> None:
        """Move on past an entry that has this hash."""
        self.head = digest
        self.length += 1


def _hashed(entry: Mapping[str, Any]) -> bytes:
    return canonical({name: value for name, value in entry.items() if name != "hash"}).encode()


def _plain_hash(entry: Mapping[str, Any]) -> str:
    return hashlib.sha256(_hashed(entry)).hexdigest()


@dataclass(frozen=True, slots=True)
class AuditFault:
    """The first thing wrong with a log.

    Args:
        kind: One of edited, deleted, inserted, reordered, truncated, forged, manifest, text.
        detail: What was seen; no note text.
        entry: Number of the entry, counted from 0; None where it is not about one entry.
    """

    kind: str
    detail: str
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """What a check of a log gave.

    Args:
        entries: Entries found sound before the fault, or all.
        algorithm: How the entries are hashed.
        texts: Whether the output texts were compared too.
        fault: The first thing wrong, None if all is well.
    """

    entries: int
    algorithm: str
    texts: bool
    fault: AuditFault | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.fault is None


def verify_log(
    run_dir: Path, *, keys: Keys | None = None, texts: Iterable[str | None] | None = None
) -> AuditCheck:
    """Check a run's audit log against itself, its manifest and, if asked, the output texts; entry by entry.

    Of the manifest, the counts are compared with the log and the policy with its digest, with which the log
    begins. The kinds of notes, the model and the options stand in it alone: only its seal tells of changes.

    Without a secret the chain shows accidents and clumsy changes: who can write the folder can rebuild it.
    With one, nobody who does not hold it can change anything unseen.

    Args:
        run_dir: The run directory.
        keys: The secret the run was made with, if it was.
        texts: The output texts in order, None for one that cannot be read; None: they are not compared.

    Raises:
        InputOutputError: if the log or the manifest cannot be read.
        KeyMaterialError: if the run has another secret than the one given, or has one and none is given.
    """
    manifest = read_json(run_dir / MANIFEST_NAME)
    tally = Tally()
    try:
        recorded, counts = manifest["audit"] or {}, dict(manifest["counts"])
        chain = AuditChain(
            policy_digest=manifest["policy"]["digest"], input_digest=manifest["input"]["digest"], keys=keys
        )
        _need_same_key(manifest["key"]["id"], keys)
        fault = _manifest_fault(manifest, keys, chain.algorithm)
    except (KeyError, TypeError, ValueError, AttributeError):
        return AuditCheck(0, _PLAIN, texts is not None, AuditFault("manifest", "the manifest is incomplete"))
    if fault is None:
        try:
            with (run_dir / LOG_NAME).open("rb") as stream:
                fault = (
                    _first_fault(stream, chain, tally, keys=keys, texts=texts)
                    or _end_fault(chain, recorded)
                    or _count_fault(counts, tally)
                )
        except OSError as error:
            raise InputOutputError(f"{run_dir / LOG_NAME}: cannot be read: {error.strerror}") from None
    return AuditCheck(chain.length, chain.algorithm, texts is not None, fault)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object, such as a manifest.

    Args:
        path: The file.

    Raises:
        InputOutputError: if it cannot be read.
        IntegrityError: if it is not a JSON object.
    """
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise InputOutputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise IntegrityError(f"{path}: is not JSON") from None
    if not isinstance(value, dict):
        raise IntegrityError(f"{path}: is not a JSON object")
    return value


def _need_same_key(key_id: str | None, keys: Keys | None) -> None:
    if key_id is not None and keys is None:
        raise KeyMaterialError(
            f"the log is keyed (key id {key_id}): give the secret with --key-file or DEID_KEY"
        )
    if key_id is not None and keys is not None and keys.key_id != key_id:
        raise KeyMaterialError(
            f"the secret given has key id {keys.key_id}, the run was made with key id {key_id}"
        )


def _manifest_fault(manifest: Mapping[str, Any], keys: Keys | None, algorithm: str) -> AuditFault | None:
    if manifest["status"] != "complete":
        return AuditFault("manifest", "the run is not complete; run it again with --resume")
    if manifest["policy"]["digest"] != policy_digest(manifest["policy"]["resolved"]):
        return AuditFault("manifest", "the policy was changed after the run: it has another digest")
    if keys is None:
        return None
    if manifest["key"]["id"] is None or manifest["audit"]["algorithm"] != algorithm:
        what = "a secret was given but the log claims to have none: it was made without one, or made anew"
        return AuditFault("forged", f"{what}; leave out the secret if the run had none")
    if not hmac.compare_digest(str(manifest.get("seal")), seal(manifest, keys)):
        return AuditFault("manifest", "the manifest was changed after the run: its seal does not match")
    return None


def _first_fault(
    lines: Iterator[bytes],
    chain: AuditChain,
    tally: Tally,
    *,
    keys: Keys | None,
    texts: Iterable[str | None] | None,
) -> AuditFault | None:
    outputs = iter(texts) if texts is not None else None
    for line in lines:
        entry = _parse(line)
        if entry is None:
            return AuditFault("edited", "the line is not an entry as it is written", chain.length)
        fault = _content_fault(entry, chain) or _place_fault(entry, chain, lines)
        if fault is None and outputs is not None and entry["status"] == DEIDENTIFIED:
            text = next(outputs, None)
            if text is None or output_digest(text, keys) != entry["output_digest"]:
                fault = AuditFault("text", "the output text is missing or not the one logged", chain.length)
        if fault is not None:
            return fault
        try:
            tally.add(entry)
        except (KeyError, TypeError, AttributeError):
            return AuditFault("edited", "it does not say what was found or done", chain.length)
        chain.accept(entry["hash"])
    if outputs is not None and next(outputs, outputs) is not outputs:
        return AuditFault("text", "there are more output texts than the log knows")
    return None


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
        # White space or a repeated key would leave the hash as it is.
        as_written = canonical(entry).encode() + b"\n"
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or set(entry) - _OPTIONAL != _FIELDS or type(entry["seq"]) is not int:
        return None
    return entry if line == as_written else None


def _content_fault(entry: Mapping[str, Any], chain: AuditChain) -> AuditFault | None:
    if entry["hash"] == chain.hash(entry):
        return None
    if entry["hash"] == _plain_hash(entry):
        return AuditFault("forged", "the entry was hashed without the secret", chain.length)
    return AuditFault("edited", "the content does not match the entry's hash", chain.length)


def _place_fault(entry: Mapping[str, Any], chain: AuditChain, rest: Iterator[bytes]) -> AuditFault | None:
    expected, number = chain.length, entry["seq"]
    if number < expected:
        return AuditFault("inserted", f"number {number} stands here again: an entry was put in", expected)
    if number > expected:
        if any((later := _parse(line)) is not None and later["seq"] == expected for line in rest):
            return AuditFault("reordered", f"number {number} stands here, {expected} comes later", expected)
        return AuditFault("deleted", f"number {number} stands here, {expected} is missing", expected)
    if entry["prev"] != chain.head:
        before = f"entry {expected - 1}" if expected else "this policy and input"
        return AuditFault("forged", f"it does not follow from {before}: one was replaced", expected)
    return None


def _end_fault(chain: AuditChain, recorded: Mapping[str, Any]) -> AuditFault | None:
    length = recorded.get("length")
    if not isinstance(length, int) or recorded.get("algorithm") != chain.algorithm:
        return AuditFault("manifest", "the manifest does not say how long the log is or how it is hashed")
    if chain.length < length:
        return AuditFault("truncated", f"{chain.length} entries, the manifest says {length}", chain.length)
    if chain.length > length:
        return AuditFault("inserted", f"{chain.length} entries, the manifest says {length}", length)
    if recorded.get("head") != chain.head:
        return AuditFault("forged", "the log is sound but not the one of the manifest: it was made anew")
    return None


def _count_fault(counts: Mapping[str, Any], tally: Tally) -> AuditFault | None:
    """Compare the manifest's counts with the log's; kinds of notes do not stand in the log."""
    logged = {name: value for name, value in tally.as_json().items() if name != "note_kinds"}
    differing = [name for name, value in logged.items() if counts.get(name) != value]
    if not differing:
        return None
    return AuditFault("manifest", f"its counts are not those of the log: {', '.join(differing)}")
