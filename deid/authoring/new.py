"""A new policy file, with a file of tests beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deid.authoring.policy_tests import tests_of
from deid.errors import UsageError
from deid.formats.atomic import atomic_file
from deid.policy import load_policy

_SCHEMA = "# yaml-language-server: $schema=./policy.schema.json\n"
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class NewType:
    """A type to add.

    Args:
        name: Upper case, such as ``COURT_DOCKET``.
        description: What it is, where it stands, what surrounds it.
        examples: Invented surface forms.
    """

    name: str
    description: str
    examples: tuple[str, ...] = ()


def write_policy(path: Path, *, name: str, extends: str | None, types: Sequence[NewType]) -> Path:
    """Write a policy file and its tests; nothing is written if the policy would not load.

    Args:
        path: The policy file, which is not there yet.
        name: The policy's name.
        extends: A shipped policy or a path relative to the file; None for a policy of its own.
        types: Types to add; one at least where nothing is extended.

    Returns:
        The file of tests.

    Raises:
        UsageError: if a file is there already, or the ending is another than .yaml.
        PolicyError: if the policy would not load, as `load_policy` words it.
        InputOutputError: if a file cannot be written.
    """
    if path.suffix != ".yaml":
        raise UsageError(f"{path}: a policy file ends in .yaml")
    tests = tests_of(path)
    for file in (path, tests):
        if file.exists():
            raise UsageError(f"{file} is there already: name another")
    values: dict[str, Any] = {"policy": name, "version": "1"}
    if extends is not None:
        values["extends"] = extends
    else:
        values["default_operator"] = "redact"
    values["types"] = {
        kind.name: {"description": kind.description}
        | ({"examples": list(kind.examples)} if kind.examples else {})
        for kind in types
    }
    draft = path.with_name(f".{path.stem}.draft.yaml")
    try:
        _write(draft, values, head=_SCHEMA)
        load_policy(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _write(tests, {"policy": f"./{path.name}", "tests": _examples(types)}, head="")
    return tests


def _examples(types: Sequence[NewType]) -> list[dict[str, str]]:
    """Return a test for each type that has an example, and one in which nothing is to be found."""
    texts = [
        {
            "name": f"{kind.name} with a cue",
            "text": f"Note: {_cue(kind.name)} ⟦{kind.name}|{kind.examples[0]}⟧ on file.",
        }
        for kind in types
        if kind.examples
    ]
    return [*texts, {"name": "clinical text stays", "text": "BP 120/80, potassium 4.1, lungs clear."}]


def _cue(name: str) -> str:
    return name.replace("_", " ").lower()


def _write(path: Path, values: dict[str, Any], *, head: str) -> None:
    body = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=_WIDTH)
    with atomic_file(path) as stream:
        stream.write((head + body).encode())
