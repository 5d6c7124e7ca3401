"""Policies written out: as a list, as one resolved file, as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from deid.policy import (
    DETECTORS,
    EntityType,
    Policy,
    ResolvedPolicy,
    available_policies,
    load_policy,
)


@dataclass(frozen=True, slots=True)
class PolicySummary:
    """A line of the list of policies.

    Args:
        name: The policy's name.
        version: Version of its text.
        method: Legal basis it is written for.
        types: Number of its types.
        description: What it is for.
        digest: Digest of the resolved policy.
    """

    name: str
    version: str
    method: str
    types: int
    description: str
    digest: str


def list_policies() -> tuple[PolicySummary, ...]:
    """Return a summary of every shipped policy, sorted by name.

    Raises:
        PolicyError: if one of them cannot be loaded.
    """
    return tuple(
        PolicySummary(
            name=policy.name,
            version=policy.version,
            method=policy.method,
            types=len(policy.types),
            description=policy.description,
            digest=policy.digest,
        )
        for policy in map(load_policy, available_policies())
    )


def policy_as_file(policy: Policy) -> dict[str, Any]:
    """Return a resolved policy in the form of a policy file that extends nothing.

    Args:
        policy: Loading the result again gives a policy with the same digest.
    """
    top = {
        "policy": policy.name,
        "version": policy.version,
        "method": policy.method,
        "description": policy.description,
        "source": policy.source,
        "zip3_census": policy.zip3_census,
        "default_operator": policy.default_operator.as_file(),
        "gates": dict(policy.gates),
    }
    return {
        **{key: value for key, value in top.items() if value},
        "types": {entity_type.name: _type_as_file(entity_type) for entity_type in policy.types},
    }


def _type_as_file(entity_type: EntityType) -> dict[str, Any]:
    values = entity_type.model_dump(mode="json", exclude={"name", "operator"}, exclude_defaults=True)
    if entity_type.detect == DETECTORS:
        values.pop("detect", None)
    return {**values, "operator": entity_type.operator.as_file()}


def type_origins(resolved: ResolvedPolicy, name: str) -> dict[str, str]:
    """Return for every key of a type the name of the file that sets it.

    Args:
        resolved: The policy and its files.
        name: The type.
    """
    origins = {}
    for key in _type_as_file(resolved.policy.type(name)):
        file, path = resolved.origin("types", name, key)
        if key == "operator" and len(path) < 3:
            file, path = resolved.origin("default_operator")
        origins[key] = file.path.name if path else "built-in default"
    return origins


def policy_as_json(resolved: ResolvedPolicy) -> dict[str, Any]:
    """Return digest, files, the resolved policy in file form, and the origin of every key of every type.

    Args:
        resolved: The policy and its files.
    """
    policy = resolved.policy
    return {
        "digest": policy.digest,
        "files": [file.path.name for file in resolved.files],
        "policy": policy_as_file(policy),
        "origins": {name: type_origins(resolved, name) for name in policy.type_names},
    }


def render_policy(resolved: ResolvedPolicy) -> str:
    """Write a resolved policy as YAML, each type with a comment on the files it comes from.

    Args:
        resolved: The policy and its files.
    """
    file = policy_as_file(resolved.policy)
    types = file.pop("types")
    names = " <- ".join(entry.path.name for entry in resolved.files)
    parts = [f"# resolved from {names}\n# digest {resolved.policy.digest}\n", _dump(file), "types:\n"]
    for name, values in types.items():
        body = "".join(f"  {line}\n" for line in _dump({name: values}).splitlines())
        parts.append(f"  # {_origin_comment(type_origins(resolved, name))}\n{body}")
    return "".join(parts)


def _origin_comment(origins: dict[str, str]) -> str:
    main = origins["description"]
    others: dict[str, list[str]] = {}
    for key, name in origins.items():
        if name != main:
            others.setdefault(name, []).append(key)
    return "; ".join([f"from {main}", *(f"{', '.join(keys)} from {name}" for name, keys in others.items())])


def _dump(values: dict[str, Any]) -> str:
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110)
