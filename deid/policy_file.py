"""Strict YAML for policy files: no aliases, no duplicate keys, no tags, and every key knows its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from deid.errors import PolicyError, unknown_name

KeyPath = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)

_MAX_BYTES = 1_000_000
_MAX_DEPTH = 20
_MAX_ERRORS = 10
_SHOWN = 40
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_CORE = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A parsed policy file.

    Args:
        path: Where it was read.
        data: Its top-level mapping.
        marks: Line and column, both from 1, of every key and list entry.
    """

    path: Path
    data: dict[str, Any]
    marks: Mapping[KeyPath, tuple[int, int]] = field(repr=False)

    def known(self, keys: KeyPath) -> KeyPath:
        """Return the longest leading part of a key path that stands in the file."""
        while keys and keys not in self.marks:
            keys = keys[:-1]
        return keys

    def error(self, keys: KeyPath, what: str) -> PolicyError:
        """Word an error at a key path.

        Args:
            keys: The key path; its last parts may be missing in the file.
            what: What is wrong and how to mend it.
        """
        line, column = self.marks.get(self.known(keys), (1, 1))
        where = f"{self.path}:{line}:{column}"
        return PolicyError(f"{where}: {dotted(keys)}: {what}" if keys else f"{where}: {what}")


def dotted(keys: KeyPath) -> str:
    """Write a key path the way messages show it, such as ``types.MRN.patterns[0].regex``."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{shorten(key)}" for key in keys)
    return text.removeprefix(".")


def shorten(value: str) -> str:
    """Cut a value from a policy file to a length that a message may show."""
    return value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…"


class _StrictLoader(yaml.SafeLoader):
    """Composes nodes with the scalars of YAML 1.2's core schema, without aliases and deep nesting.

    YAML 1.1 reads ``no``, ``12:30``, ``010`` and ``2079-03-04`` as a boolean, numbers and a date; such texts
    are common among the examples of a policy, so here they stay strings.
    """

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own attribute
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose one node, refusing anchors, aliases and deep nesting."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None) is not None:
            raise yaml.MarkedYAMLError(
                problem="anchors and aliases (& and *) are not allowed", problem_mark=event.start_mark
            )
        if self.depth >= _MAX_DEPTH:
            raise yaml.MarkedYAMLError(
                problem=f"nested deeper than {_MAX_DEPTH} levels", problem_mark=event.start_mark
            )
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("bool", r"^(?:true|false)$", ["t", "f"]),
    ("int", r"^-?(?:0|[1-9][0-9]{0,17})$", list("-0123456789")),
    ("float", r"^-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,17}(?:e[-+][0-9]{1,2})?$", list("-0123456789")),
):
    _StrictLoader.add_implicit_resolver(_CORE + _tag, re.compile(_pattern), _first)

_SCALARS: Mapping[str, tuple[re.Pattern[str], Callable[[str], Any]]] = {
    "null": (re.compile(r"~|null|"), lambda _: None),
    "bool": (re.compile("true|false"), lambda value: value == "true"),
    "int": (re.compile(r"-?\d{1,18}"), int),
    "float": (re.compile(r"-?\d{1,18}\.\d{1,17}(?:e[-+]\d{1,2})?"), float),
    "str": (re.compile(r"(?s).*"), str),
}


def read_yaml(path: Path) -> YamlFile:
    """Read a policy file.

    Args:
        path: The file, UTF-8, at most a megabyte.

    Raises:
        PolicyError: if it cannot be read, is not YAML, is no mapping, or uses an alias, a tag or a key twice.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > _MAX_BYTES:
        raise PolicyError(f"{path}: larger than {_MAX_BYTES} bytes; a policy file is a few pages of text")
    return parse_yaml(raw, path)


def parse_yaml(raw: bytes, path: Path) -> YamlFile:
    """Parse the bytes of a policy file.

    Args:
        raw: UTF-8.
        path: Where they are from, for messages and relative parents.

    Raises:
        PolicyError: as `read_yaml`.
    """
    marks: dict[KeyPath, tuple[int, int]] = {}
    try:
        loader = _StrictLoader(raw.decode("utf-8-sig"))
        node = loader.get_single_node()
        data = _construct(node, (), marks) if node is not None else None
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        problem = error.problem or error.context or "not valid YAML"
        if "'\\t'" in problem:
            problem = "a tab where YAML wants spaces; indent with spaces"
        raise PolicyError(f"{where}: {problem[:200]}") from None
    except yaml.YAMLError as error:
        place = getattr(error, "position", None)
        at = "" if place is None else f" at character {place}"
        raise PolicyError(f"{path}: a control character that YAML does not allow{at}") from None
    if not isinstance(data, dict):
        raise PolicyError(f"{path}:1:1: a policy file is a mapping that begins with 'policy: NAME'")
    return YamlFile(path, data, marks)


def _construct(node: yaml.Node, keys: KeyPath, marks: dict[KeyPath, tuple[int, int]]) -> Any:
    marks.setdefault(keys, (node.start_mark.line + 1, node.start_mark.column + 1))
    kind = node.tag.removeprefix(_CORE)
    if isinstance(node, yaml.MappingNode) and kind == "map":
        return _construct_mapping(node, keys, marks)
    if isinstance(node, yaml.SequenceNode) and kind == "seq":
        return [_construct(child, (*keys, index), marks) for index, child in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode) and kind in _SCALARS:
        pattern, convert = _SCALARS[kind]
        if not pattern.fullmatch(node.value) or _LONE_SURROGATE.search(node.value):
            raise yaml.MarkedYAMLError(problem=f"not a value of kind {kind}", problem_mark=node.start_mark)
        return convert(node.value)
    raise yaml.MarkedYAMLError(
        problem=f"the tag {shorten(node.tag)!r} is not allowed; write plain YAML",
        problem_mark=node.start_mark,
    )


def _construct_mapping(
    node: yaml.MappingNode, keys: KeyPath, marks: dict[KeyPath, tuple[int, int]]
) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != f"{_CORE}str":
            raise yaml.MarkedYAMLError(problem="a key must be a word", problem_mark=key_node.start_mark)
        key = key_node.value
        if key in data:
            first = marks[(*keys, key)][0]
            raise yaml.MarkedYAMLError(
                problem=f"the key {shorten(key)!r} stands here twice (first on line {first})",
                problem_mark=key_node.start_mark,
            )
        marks[(*keys, key)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        data[key] = _construct(value_node, (*keys, key), marks)
    return data


def validate(model: type[M], file: YamlFile, *, valid_keys: Callable[[KeyPath], Iterable[str]]) -> M:
    """Check a file against a pydantic model.

    Args:
        model: The model of the whole file.
        file: What was read.
        valid_keys: The keys that may stand below a key path, for the closest match.

    Raises:
        PolicyError: one line for each fault, with place, key path, what is wrong and the closest match; no
            value longer than 40 characters is shown.
    """
    try:
        return model.model_validate(file.data)
    except ValidationError as error:
        problems: dict[KeyPath, list[str]] = {}
        for detail in error.errors(include_url=False):
            keys = _key_path(detail, file)
            problems.setdefault(keys, []).append(_what(detail, valid_keys(keys[:-1])))
    raise all_of(str(file.error(keys, "; or ".join(what))) for keys, what in problems.items())


def all_of(faults: Iterable[str]) -> PolicyError:
    """Return one error for several faults, a line for each.

    Args:
        faults: What `YamlFile.error` says of each; the first ten are told.
    """
    lines = list(faults)
    more = [f"… and {len(lines) - _MAX_ERRORS} more"] if len(lines) > _MAX_ERRORS else []
    return PolicyError("\n".join([*lines[:_MAX_ERRORS], *more]))


def _key_path(detail: ErrorDetails, file: YamlFile) -> KeyPath:
    keys = file.known(detail["loc"])
    return detail["loc"] if detail["type"] == "missing" else keys


def _what(detail: ErrorDetails, valid: Iterable[str]) -> str:
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return unknown_name("key", shorten(str(detail["loc"][-1])), valid)
    if kind == "missing":
        return "this key is required"
    if kind == "string_type":
        return "should be text; put the value in quotes"
    if kind == "literal_error":
        expected = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
        close = get_close_matches(value, expected, n=1, cutoff=0.5) if isinstance(value, str) else []
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"should be one of {', '.join(expected)}{hint}"
    message = detail["msg"].removeprefix("Value error, ")
    return message[:1].lower() + message[1:]
