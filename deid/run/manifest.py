"""The manifest: everything a run's output depends on, and what came of it; no clock, path or note text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import deid
from deid.audit.log import MANIFEST_NAME, AuditChain, canonical, read_json, seal
from deid.audit.tally import Tally
from deid.errors import IntegrityError
from deid.formats.atomic import atomic_file, digest_of
from deid.keys import Keys
from deid.policy import Policy

FORMAT_VERSION = 1
RUNNING, COMPLETE = "running", "complete"
_PARTS = ("input", "policy", "key", "model", "code", "options")
_CODE_SUFFIXES = (".py", ".yaml", ".yml", ".tsv", ".csv", ".txt", ".json", ".html", ".j2")
_CENSUS_SOURCE = "45 CFR 164.514(b)(2)(i)(B): areas of 20,000 or fewer people by the census named"


def code_digest() -> str:
    """Return ``sha256:`` and the digest of the package's code and data files; the model has its own."""
    package = Path(deid.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        if path.suffix in _CODE_SUFFIXES and path.is_file():
            digest.update(f"{path.relative_to(package).as_posix()}\0{file_digest(path)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def file_digest(path: Path) -> str:
    """Return ``sha256:`` and the digest of a file's bytes.

    Args:
        path: The file.
    """
    with path.open("rb") as stream:
        return digest_of(stream)


def policy_facts(policy: Policy) -> dict[str, Any]:
    """Return what a manifest says of a policy: its name, digest and the resolved policy itself.

    Args:
        policy: The policy.
    """
    facts: dict[str, Any] = {
        "name": policy.name,
        "version": policy.version,
        "method": policy.method,
        "digest": policy.digest,
        "resolved": policy.model_dump(mode="json"),
    }
    specs = [kind.operator for kind in policy.types] + [policy.default_operator]
    if any(spec.name == "generalize" and spec.params.get("to") == "zip3" for spec in specs):
        facts["zip3"] = {"census": policy.zip3_census, "source": _CENSUS_SOURCE}
    return facts


def run_id(manifest: Mapping[str, Any]) -> str:
    """Return the digest of the parts that a run's results depend on.

    Args:
        manifest: A draft or a finished manifest.
    """
    parts = {name: manifest[name] for name in _PARTS}
    return f"sha256:{hashlib.sha256(canonical(parts).encode()).hexdigest()}"


def check_same(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to resume a run that is not the same any more.

    Args:
        before: The manifest found in the run directory.
        now: The draft of this run.

    Raises:
        IntegrityError: naming which of input, policy, key, model, code and options differ.
    """
    if before.get("format_version") != now["format_version"]:
        raise IntegrityError("cannot resume: the manifest has another format version; begin in a new folder")
    if differing := [name for name in _PARTS if before.get(name) != now[name]]:
        details = [
            f"{name} ({', '.join(_differing(before.get(name), now[name]))})" if name == "options" else name
            for name in differing
        ]
        raise IntegrityError(
            f"cannot resume: changed since the run began: {', '.join(details)};"
            " change it back, or begin in a new folder"
        )


def _differing(before: object, now: Mapping[str, Any]) -> list[str]:
    old = before if isinstance(before, Mapping) else {}
    return sorted(name for name in now if old.get(name) != now[name])


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file for people and programs, all of it or nothing.

    Args:
        path: The file.
        value: What to write.

    Raises:
        InputOutputError: if it cannot be written.
    """
    with atomic_file(path) as stream:
        stream.write(json.dumps(value, indent=2, sort_keys=True, allow_nan=False).encode() + b"\n")


def read_manifest(directory: Path) -> dict[str, Any] | None:
    """Read the manifest of a run directory; None if there is none.

    Args:
        directory: The run directory.

    Raises:
        IntegrityError: if it is not a manifest.
        InputOutputError: if it cannot be read.
    """
    path = directory / MANIFEST_NAME
    return read_json(path) if path.exists() else None


def completed(
    draft: Mapping[str, Any], *, tally: Tally, chain: AuditChain, keys: Keys | None
) -> dict[str, Any]:
    """Return the finished manifest, sealed if there is a secret.

    Args:
        draft: What was known when the run began.
        tally: The counts.
        chain: The audit log's end.
        keys: The run's secret, if it has one.
    """
    audit = {"algorithm": chain.algorithm, "length": chain.length, "head": chain.head}
    manifest = {**draft, "status": COMPLETE, "counts": tally.as_json(), "audit": audit}
    return {**manifest, "seal": seal(manifest, keys)} if keys is not None else manifest
