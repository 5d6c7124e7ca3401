"""Changes to the text of a policy file that leave its comments and its layout as they are."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import indent
from typing import Any

import yaml

from deid.errors import PolicyError, UsageError
from deid.formats.atomic import atomic_file, reading
from deid.policy import EntityType, ResolvedPolicy, resolve_policy
from deid.policy_file import KeyPath, dotted, parse_yaml

_BEFORE_THRESHOLD = ("description", "views", "examples", "contrast", "patterns", "detect")
_OWN_COMMENT = "deid policy suggest:"


def read_policy_text(path: Path) -> tuple[str, str]:
    """Return the text of a policy file, its lines ended by LF, and the digest of its bytes.

    Args:
        path: The file.

    Raises:
        PolicyError: if it is not UTF-8.
        InputOutputError: if it cannot be read.
    """
    raw, digest = _bytes(path)
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n"), digest
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None


def _bytes(path: Path) -> tuple[bytes, str]:
    with reading(str(path)):
        raw = path.read_bytes()
    return raw, hashlib.sha256(raw).hexdigest()


def load_policy_text(text: str, path: Path, *, beside: bool = True) -> ResolvedPolicy:
    """Load a text as if it stood in a policy's file.

    Args:
        text: The text.
        path: The file.
        beside: Whether it may name a parent relative to the file; it then goes into a hidden file beside that
            for a moment.

    Raises:
        PolicyError: as `deid.policy.load_policy`.
    """
    folder = path.parent if beside else None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=".yaml", dir=folder)
    except OSError as error:
        raise PolicyError(f"{folder}: cannot be written to: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode())
        resolved = resolve_policy(Path(name))
    except PolicyError as error:
        raise PolicyError(str(error).replace(name, str(path))) from None
    finally:
        Path(name).unlink()
    own, *parents = resolved.files
    if any(parent.path.resolve() == path.resolve() for parent in parents):
        raise PolicyError(f"{path}:1:1: extends: the policies extend one another in a circle")
    return replace(resolved, files=(replace(own, path=path), *parents))


def save_policy_text(path: Path, text: str, *, base: str = "") -> None:
    """Write a text to a policy's file; line ends and permissions stay.

    Args:
        path: The file, which is there.
        text: The text.
        base: Digest of the file that the change began from; not compared when empty.

    Raises:
        UsageError: if the file has changed since.
        PolicyError: if the text does not load.
        InputOutputError: if the file cannot be written.
    """
    try:
        load_policy_text(text, path)
    except PolicyError:
        raise PolicyError(f"Not saved: {path} would not load. Mend it first.") from None
    raw, digest = _bytes(path)
    if base not in ("", digest):
        raise UsageError(f"Not saved: {path} was changed elsewhere. Copy your change and start again.")
    ends = "\r\n" if b"\r\n" in raw else "\n"
    target = path.resolve()
    with atomic_file(target, mode=stat.S_IMODE(target.stat().st_mode)) as stream:
        stream.write(text.replace("\n", ends).encode())


def with_example(text: str, kind: EntityType, example: str) -> str:
    """Add an example to a type in the text of a policy file, and change nothing else of it.

    Args:
        text: The text, which loads.
        kind: The type as that policy resolves it.
        example: One line.

    Raises:
        UsageError: if the text is written in a way that this cannot extend.
    """
    left, node = _deepest(text, ("types", kind.name, "examples"))
    quoted = [json.dumps(each, ensure_ascii=False) for each in (*kind.examples, example)]
    if left:
        block = "\n".join(f"- {each}" for each in quoted)
        made = _inserted(text, node, *_below(left, f"[{', '.join(quoted)}]", block))
    else:
        made = _inserted(text, node, quoted[-1], f"- {quoted[-1]}")
    if not _sets_only(text, made, ("types", kind.name, "examples"), [*kind.examples, example]):
        raise UsageError(f"Not added: write the example under types.{kind.name}.examples by hand.")
    return made


def with_threshold(text: str, name: str, threshold: float, *, why: str) -> str:
    """Set the threshold of a type in the text of a policy file, and change nothing else of it.

    Args:
        text: The text, which loads.
        name: The type; if it is inherited, it gets an entry of its own.
        threshold: In 0..1.
        why: What the number rests on; it becomes a comment where there is room for one.

    Raises:
        UsageError: if the text is written in a way that this cannot extend.
    """
    value = f"{threshold:g}"
    comment = f"  # {_OWN_COMMENT} {why}"
    left, node = _deepest(text, ("types", name, "threshold"))
    entry = f"threshold: {value}"
    if not left:
        made = _replaced(text, node, value, comment)
    elif left == ("threshold",):
        made = _inserted(text, node, entry, entry + comment, behind=_BEFORE_THRESHOLD)
    else:
        made = _inserted(text, node, *_below(left[:-1], f"{{{entry}}}", entry + comment))
    if not _sets_only(text, made, ("types", name, "threshold"), threshold):
        raise UsageError(f"Not written: set types.{name}.threshold to {value} by hand.")
    return made


def with_value(text: str, keys: KeyPath, value: object) -> str:
    """Set a key or a list entry in the text of a policy file, and change nothing else of it.

    Args:
        text: The text, which loads.
        keys: Its key path; a key that is missing is added behind the last one there.
        value: Text, a number, a list or a mapping.

    Raises:
        UsageError: if the text is written in a way that this cannot change.
    """
    left, node = _deepest(text, keys)
    flow = _in_flow(value)
    if not left:
        made = _swapped(text, node, flow)
    else:
        names = [str(key) for key in left]
        entry = f"{names[-1]}: {flow}"
        shapes = (entry, entry) if len(left) == 1 else _below(names[:-1], f"{{{entry}}}", entry)
        made = _inserted(text, node, *shapes)
    if not _sets_only(text, made, keys, value):
        raise UsageError(f"Not written: set {dotted(keys)} by hand.")
    return made


def _in_flow(value: object) -> str:
    """Write a value in YAML on one line."""
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", value) and value not in ("true", "false", "null")
        return value if plain else json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_in_flow(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_in_flow, value))}]"
    return json.dumps(value)


def _swapped(text: str, node: yaml.Node | None, flow: str) -> str:
    """Put a value in the place of another; what stood in a block below its key moves up to the key."""
    if node is None:
        return text
    start, end = node.start_mark.index, _end(node, text)
    before = text[:start].rstrip()
    line = before[before.rfind("\n") + 1 :]
    if "\n" in text[len(before) : start] and line.endswith(":") and "#" not in line:
        return f"{before} {flow}{text[end:]}"
    return text[:start] + flow + text[end:]


def _deepest(text: str, keys: KeyPath) -> tuple[KeyPath, yaml.Node | None]:
    """Return the last node of a key path that the text has, and the keys that are left."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    while keys and (child := _child(node, keys[0])) is not None:
        node, keys = child, keys[1:]
    return keys, node


def _child(node: yaml.Node | None, key: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        entry: yaml.Node = node.value[key]
        return entry
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in pairs if name.value == key), None)


def _below(keys: Sequence[str | int], flow: str, block: str) -> tuple[str, str]:
    """Write a value below some keys, in flow style and in block style."""
    for key in reversed(keys[1:]):
        flow = f"{{{key}: {flow}}}"
    lines = [f"{'  ' * depth}{key}:" for depth, key in enumerate(keys)]
    return f"{keys[0]}: {flow}", "\n".join([*lines, indent(block, "  " * len(keys))])


def _inserted(
    text: str, node: yaml.Node | None, flow: str, block: str, *, behind: Sequence[str] | None = None
) -> str:
    """Put an entry into a collection, in the style that the collection has.

    It goes behind the last entry; behind the last of the keys named, if some are, or else to the beginning.
    """
    if not isinstance(node, yaml.CollectionNode):
        return text
    first = node.start_mark.index + bool(node.flow_style)
    if not node.value:
        return f"{text[:first]}{flow}{text[first:]}"
    earlier = node.value if behind is None else [pair for pair in node.value if pair[0].value in behind]
    if not earlier:
        joint = f"{flow}, " if node.flow_style else f"{block}\n{' ' * node.start_mark.column}"
        return f"{text[:first]}{joint}{text[first:]}"
    at = _end(earlier[-1], text)
    if node.flow_style:
        return f"{text[:at]}, {flow}{text[at:]}"
    at = text.find("\n", at) if "\n" in text[at:] else len(text)
    return f"{text[:at]}\n{indent(block, ' ' * node.start_mark.column)}{text[at:]}"


def _end(last: yaml.Node | tuple[yaml.Node, yaml.Node], text: str) -> int:
    """Return where the last character of a node stands, without the comments and empty lines after it."""
    node = last[1] if isinstance(last, tuple) else last
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        return _end(node.value[-1], text)
    return len(text[: node.end_mark.index].rstrip())


def _replaced(text: str, node: yaml.Node | None, value: str, comment: str) -> str:
    """Replace a scalar, and the comment behind it if it is one of ours or there is none."""
    if not isinstance(node, yaml.ScalarNode):
        return text
    start, end = node.start_mark.index, node.end_mark.index
    behind = re.compile(rf"[ ]*(?:# {re.escape(_OWN_COMMENT)}.*)?$", re.MULTILINE).match(text, end)
    if behind is None:
        return text[:start] + value + text[end:]
    return text[:start] + value + comment + text[behind.end() :]


def _sets_only(old: str, new: str, keys: KeyPath, value: object) -> bool:
    """Say whether a text is another one with one key or list entry set."""
    wanted = parse_yaml(old.encode(), Path("policy")).data
    place: Any = wanted
    for key in keys[:-1]:
        if isinstance(place, dict):
            place[key] = place.get(key) or {}
        place = place[key]
    place[keys[-1]] = value
    try:
        return parse_yaml(new.encode(), Path("policy")).data == wanted
    except PolicyError:
        return False
