"""Resources as JSON: read strictly, written with every number digit by digit as it was."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from deid.errors import Reason
from deid.formats.jsonl import distinct

DEEPEST = 64


class Unreadable(Exception):
    """A resource cannot be read and goes to quarantine.

    Args:
        reason: Member of the closed list.
        detail: What and where, in words of FHIR; never a value.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is written."""

    digits: str


class _Gone(Enum):
    GONE = "gone"


GONE: Final = _Gone.GONE
"""Stands where an element is left out."""

# What it means: http://hl7.org/fhir/R4/extension-data-absent-reason.html
_MASKED = {
    "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
    "valueCode": "masked",
}


def parse(line: bytes) -> dict[str, Any]:
    """Read an object; numbers become `Number`.

    Args:
        line: JSON in UTF-8.

    Raises:
        Unreadable: if it is anything else, a key occurs twice, or it is nested too deep.
    """
    try:
        value = json.loads(
            line.decode(),
            object_pairs_hook=distinct,
            parse_float=Number,
            parse_int=Number,
            parse_constant=_no_constant,
        )
    except UnicodeDecodeError as error:
        raise Unreadable(Reason.INVALID_UTF8, f"byte {error.start}") from None
    except (ValueError, RecursionError):
        raise Unreadable(Reason.INVALID_RECORD, "not a JSON object with distinct keys") from None
    if not isinstance(value, dict):
        raise Unreadable(Reason.INVALID_RECORD, "not a JSON object")
    return value


def write(value: Any) -> str:
    """Return JSON without spaces; what is left out goes, and what is empty then goes, too.

    Args:
        value: From `parse`, with `GONE` in places.
    """
    return _written(_pruned(value))


def leave_out(container: Any, key: Any) -> None:
    """Leave an element out, and say in its place that it is masked, where FHIR has a place for that.

    Args:
        container: The object or list that holds it; changed.
        key: Name or index.
    """
    container[key] = GONE
    if isinstance(container, dict) and not key.startswith("_"):
        beside = container.get(f"_{key}")
        told = beside if isinstance(beside, dict) else {}
        extensions = told.get("extension")
        before = extensions if isinstance(extensions, list) else []
        container[f"_{key}"] = {**told, "extension": [*before, _MASKED]}


def _no_constant(_: str) -> Any:
    raise ValueError("not JSON")


def _pruned(value: Any) -> Any:
    if isinstance(value, list):
        kept = [item for item in map(_pruned, value) if item is not GONE]
        return kept if any(item is not None for item in kept) else GONE
    if not isinstance(value, dict):
        return value
    kept_members = {key: new for key, old in value.items() if (new := _pruned(old)) is not GONE}
    for key, new in value.items():
        # Where an element of a list goes, the list beside it no longer tells of the same places.
        if isinstance(new, list) and len(kept_members.get(key, ())) != len(new):
            kept_members.pop(f"_{key}", None)
    return kept_members or GONE


def _written(value: Any) -> str:
    if isinstance(value, dict):
        members = (f"{json.dumps(key, ensure_ascii=False)}:{_written(each)}" for key, each in value.items())
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    return value.digits if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)
