"""A resource taken apart: what is carried, mapped or left out, read as text, or replaced whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from deid.errors import Reason
from deid.formats.fhir import slots
from deid.formats.fhir.attachments import attached_text, leave_out_data
from deid.formats.fhir.markup import Markup
from deid.formats.fhir.part import Part, Place, Rules
from deid.formats.fhir.shapes import Shape, shape_of
from deid.formats.fhir.strings import String, Strings
from deid.formats.fhir.syntax import GONE, Number, Unreadable
from deid.formats.fhir.tables import Tables, tables

_WORDS: tuple[Shape, ...] = ("name", "address", "identifier", "reference")  # hold no numbers, bad data do


def take_apart(resource: dict[str, Any], rules: Rules) -> list[Part]:
    """Return the parts of a resource, itself first; those that cannot be read have a problem.

    Args:
        resource: From `deid.formats.fhir.syntax.parse`.
        rules: What to do with it.
    """
    parts: list[Part] = []
    _part(resource, rules, parts, None)
    return parts


def _part(resource: dict[str, Any], rules: Rules, parts: list[Part], holder: dict[str, Any] | None) -> Part:
    part = Part(resource, holder=holder)
    place = len(parts)
    parts.append(part)
    try:
        part.tree = _Walk(rules, part, parts).resource(resource, None)
    except Unreadable as error:
        del parts[place + 1 :]  # what a bundle holds goes with it
        parts[place] = Part(resource, holder=holder, problem=error)
    return parts[place]


class _Walk:
    def __init__(self, rules: Rules, part: Part, parts: list[Part]) -> None:
        self._rules, self._part, self._parts = rules, part, parts
        self._tables: Tables = tables()
        self._strings = Strings(rules, part)

    def resource(self, source: dict[str, Any], place: Place | None) -> dict[str, Any]:
        kind = source.get("resourceType")
        if not isinstance(kind, str) or kind not in self._tables.resources:
            raise Unreadable(Reason.INVALID_RECORD, "resourceType: none of R4")
        here = replace(place, path=kind, kind=kind) if place else Place(kind, kind, kind)
        tree: dict[str, Any] = {"resourceType": kind}
        shape: Shape = "attachment" if kind == "Binary" else "resource"
        self._members(source, tree, here, shape)
        if kind == "Binary":
            self._data(source, tree, here)
        return tree

    def _members(self, source: dict[str, Any], tree: dict[str, Any], place: Place, shape: Shape) -> None:
        for name, value in source.items():
            element = name.removeprefix("_")
            if name == "resourceType" or element not in self._tables.known:
                continue
            if self._is_dropped(place, element):
                continue
            if isinstance(value, list):
                items: list[Any] = [None] * len(value)
                tree[name] = items
                for index, item in enumerate(value):
                    self._value(item, (items, index), place.at(name, index), source, shape)
            else:
                self._value(value, (tree, name), place.at(name, None), source, shape)

    def _is_dropped(self, place: Place, name: str) -> bool:
        path, above = f"{place.path}.{name}", place.path.rpartition(".")[2]
        names = {path, name, f"{above}.{name}"}
        return path in self._rules.drop or not self._tables.dropped.isdisjoint(names)

    def _value(self, value: Any, slot: tuple[Any, Any], place: Place, parent: Any, shape: Shape) -> None:
        holder, key = slot
        name = place.path.rpartition(".")[2]
        if isinstance(value, dict):
            holder[key] = GONE
            self._object(value, slot, place, parent)
        elif isinstance(value, str):
            holder[key] = GONE
            self._strings.read(String(value, slot, place, parent, shape))
        elif isinstance(value, (Number, bool)):
            may = name in self._tables.numbers and shape not in _WORDS
            holder[key] = value if may else GONE
        else:
            holder[key] = None if value is None and isinstance(holder, list) else GONE

    def _object(self, source: dict[str, Any], slot: tuple[Any, Any], place: Place, parent: Any) -> None:
        holder, key = slot
        name = place.path.rpartition(".")[2]
        shape = "other" if name.startswith("_") else shape_of(name, source, self._tables)
        if shape == "resource":
            self._nested(source, slot, place)
            return
        if shape == "extension" and not self._may_pass(source, place, name):
            return
        tree: dict[str, Any] = {}
        holder[key] = tree
        self._members(source, tree, self._typed(source, place, name, shape), shape)
        if shape == "attachment":
            self._data(source, tree, place)
        elif shape == "narrative":
            self._narrative(source, slot, place)
        elif shape == "quantity" and self._is_age(place, parent) and isinstance(source.get("value"), Number):
            self._age(source, slot, place)

    def _nested(self, source: dict[str, Any], slot: tuple[Any, Any], place: Place) -> None:
        holder, key = slot
        if place.path == "Bundle.entry.resource":
            holder[key] = {}
            part = _part(source, self._rules, self._parts, holder)
            holder[key] = part.tree if part.problem is None else GONE
        else:
            holder[key] = self.resource(source, place)

    def _typed(self, source: dict[str, Any], place: Place, name: str, shape: Shape) -> Place:
        """Say what all strings in an object are, where its data type says so."""
        if given := self._rules.fields.get(place.path):
            return replace(place, strings=given)
        if shape == "name":
            return replace(place, strings=self._tables.names.get(place.path, "RELATIVE_NAME"))
        if shape == "address":
            return replace(place, strings="STREET_ADDRESS")
        if shape == "extension" and (given := self._tables.extensions.get(str(source.get("url")))):
            return replace(place, strings=given)
        return place

    def _may_pass(self, extension: dict[str, Any], place: Place, name: str) -> bool:
        """Say whether an extension is one of a standard; unknown ones nobody can judge."""
        url = extension.get("url")
        inside = ".extension.extension" in place.path and isinstance(url, str) and ":" not in url
        if (inside or self._tables.is_public(url)) and url not in self._tables.dropped:
            return True
        if name == "modifierExtension":
            raise Unreadable(Reason.INVALID_RECORD, "modifierExtension: an unknown one changes the meaning")
        return False

    def _data(self, source: dict[str, Any], tree: dict[str, Any], place: Place) -> None:
        """Read the data of an attachment, or leave them out."""
        data = source.get("data")
        if not isinstance(data, str):
            tree.pop("data", None)
            tree["size"] = tree["hash"] = GONE
            return
        tree |= {name: source[name] for name in ("size", "hash") if name in source}
        attached = attached_text(tree, data, place.shown)
        if attached is None:
            leave_out_data(tree)
        else:
            tree["data"] = data
            self._part.texts.append(slots.attachment_text(place.shown, attached))

    def _narrative(self, source: dict[str, Any], slot: tuple[Any, Any], place: Place) -> None:
        div = source["div"]
        if not isinstance(div, str):
            slot[0][slot[1]] = GONE
            return
        try:
            markup = Markup(div, "xhtml")
        except Unreadable as error:
            raise Unreadable(error.reason, f"{place.shown}: {error.detail}") from None
        self._part.texts.append(slots.narrative_text(slot, place.shown, markup))

    def _is_age(self, place: Place, parent: dict[str, Any]) -> bool:
        """Tell whether a quantity is an age: by its element, or as what a code asks for."""
        code = parent.get("code")
        codings = code.get("coding") if isinstance(code, dict) else None
        listed = codings if isinstance(codings, list) else ()
        codes = {str(each.get("code")) for each in listed if isinstance(each, dict)}
        named = not self._tables.ages.isdisjoint(place.path.rsplit(".", 2)[1:])
        return named or not self._tables.age_codes.isdisjoint(codes)

    def _age(self, source: dict[str, Any], slot: tuple[Any, Any], place: Place) -> None:
        if self._rules.types is not None and "AGE" in self._rules.types:
            self._part.values.append(slots.age(slot, place.shown, source, entity_type="AGE"))
