"""Places in a resource that wait for their new value: texts that are read, values that are replaced whole."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from deid.formats.fhir.attachments import AttachedText
from deid.formats.fhir.markup import Markup
from deid.formats.fhir.syntax import GONE, Number, leave_out
from deid.formats.source import NewTexts

Form = Literal["string", "date", "instant", "uri"]
_ZONE = r"(?:Z|[+-]\d\d:\d\d)"
_TIME = rf"T\d\d:\d\d:\d\d(?:\.\d+)?{_ZONE}"
# What is valid where, http://hl7.org/fhir/R4/datatypes.html#primitive.
_FORMS: dict[Form, re.Pattern[str]] = {
    "string": re.compile(r".*\S.*", re.DOTALL),
    "date": re.compile(rf"\d{{4}}(?:-\d\d(?:-\d\d(?:{_TIME})?)?)?"),
    "instant": re.compile(rf"\d{{4}}-\d\d-\d\d{_TIME}"),
    "uri": re.compile(r"[^\s<>\[\]{}\"\\^`|]+"),
}
Slot = tuple[Any, Any]
"""The object or list that holds an element, and its name or index."""
_YEARS = frozenset({"a", "y", "yr", "year", "years"})


@dataclass(frozen=True, slots=True)
class Text:
    """A text that is read.

    Args:
        path: Where it stands, with indices.
        text: What it says.
        put: Writes the new text.
        remove: Leaves the text out.
        joins: Where text nodes of markup were put together; see `deid.note.Note`.
    """

    path: str
    text: str = field(repr=False)
    put: Callable[[NewTexts], None]
    remove: Callable[[], None]
    joins: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Value:
    """A value that is replaced whole.

    Args:
        path: Where it stands, with indices.
        entity_type: What it is.
        text: The value.
        put: Writes the new value, or leaves the element out where that would not be valid.
    """

    path: str
    entity_type: str
    text: str = field(repr=False)
    put: Callable[[str], None]


def is_valid(text: str, form: Form) -> bool:
    """Tell whether a text is a valid FHIR value.

    Args:
        text: The value.
        form: Of what kind.
    """
    return _FORMS[form].fullmatch(text) is not None


def string_text(slot: Slot, path: str, text: str) -> Text:
    """Return the slot of a string that is free text.

    Args:
        slot: Where it stands.
        path: With indices.
        text: The string.
    """
    holder, key = slot

    def put(new: NewTexts) -> None:
        holder[key] = new.text

    return Text(path, text, put, partial(leave_out, holder, key))


def attachment_text(path: str, attached: AttachedText) -> Text:
    """Return the slot of a text in an attachment.

    Args:
        path: With indices.
        attached: The text.
    """
    joins = attached.markup.joins if attached.markup is not None else ()
    return Text(path, attached.text, attached.put, attached.remove, joins)


def narrative_text(slot: Slot, path: str, markup: Markup) -> Text:
    """Return the slot of a narrative: the text of its ``div``; it goes with its status.

    Args:
        slot: Where it stands.
        path: With indices.
        markup: The ``div``.
    """
    holder, key = slot

    def put(new: NewTexts) -> None:
        holder[key]["div"] = markup.write(new)

    def remove() -> None:
        holder[key] = GONE

    return Text(path, markup.text, put, remove, markup.joins)


def value(slot: Slot, path: str, text: str, *, entity_type: str, form: Form) -> Value:
    """Return the slot of a value.

    Args:
        slot: Where it stands.
        path: With indices.
        text: The value.
        entity_type: What it is.
        form: What a new value has to look like.
    """
    holder, key = slot

    def put(new: str) -> None:
        if new == text or is_valid(new, form):
            holder[key] = new
        else:
            leave_out(holder, key)

    return Value(path, entity_type, text, put)


def age(slot: Slot, path: str, quantity: dict[str, Any], *, entity_type: str) -> Value:
    """Return the slot of an age; one that comes out as anything but another number is left out.

    Args:
        slot: Where it stands.
        path: With indices.
        quantity: The age, with a value.
        entity_type: What it is.
    """
    digits = quantity["value"].digits
    holder, key = slot
    unit = str(quantity.get("code") or quantity.get("unit") or "a").lower()
    text = digits if unit in _YEARS else f"{digits} {quantity.get('unit') or unit}"

    def put(new: str) -> None:
        if new == text:
            return
        if text == digits and re.fullmatch(r"\d{1,3}", new):
            holder[key]["value"] = Number(new)
        else:
            holder[key] = GONE

    return Value(f"{path}.value", entity_type, text, put)
