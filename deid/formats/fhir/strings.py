"""The strings of a resource: codes that are carried, ids mapped, values replaced, texts read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from deid.errors import Reason
from deid.formats.fhir import slots
from deid.formats.fhir.attachments import plain_mime
from deid.formats.fhir.part import Part, Place, Rules
from deid.formats.fhir.shapes import Shape
from deid.formats.fhir.syntax import Unreadable, leave_out
from deid.formats.fhir.tables import tables

_CODE = re.compile(r"\S{1,128}")
_PUBLIC_CODE = re.compile(r"\S+(?: \S+)*")
_MARKER = re.compile(r"\[[A-Z_]+\]")
_CLOCK = re.compile(r"[0-2]\d:\d\d:\d\d(?:\.\d+)?")
_SAMPLES = re.compile(r"[\d.\sEUL+-]*")
_ADDRESS = re.compile(r"[^\s<>]{1,255}")
REFERENCE = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]*://.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/[^/]*)?"
)
"""A reference by type and id; group 1 and 2."""
UUID = re.compile(r"urn:uuid:([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})")
_TOKENS = frozenset({"version", "linkId", "prefix"})
_SERVER = "https://example.org/fhir/"
_OTHER_ID, _URL, _DATE = "OTHER_ID", "URL", "DATE"


def identifier_type(identifier: dict[str, Any]) -> str:
    """Return what an identifier is, by the code of its type, else by its system.

    Args:
        identifier: An Identifier.
    """
    kind = identifier.get("type")
    codings = kind.get("coding") if isinstance(kind, dict) else None
    for coding in codings if isinstance(codings, list) else ():
        code = coding.get("code") if isinstance(coding, dict) else None
        if isinstance(code, str) and code in tables().identifier_types:
            return tables().identifier_types[code]
    return tables().identifier_systems.get(str(identifier.get("system")), _OTHER_ID)


@dataclass(frozen=True, slots=True)
class String:
    """A string of a resource.

    Args:
        text: The string.
        slot: Where it is to stand; holds nothing yet.
        place: Where that is.
        parent: The object that it is a member of, as it was read.
        shape: The data type of that object.
    """

    text: str = field(repr=False)
    slot: slots.Slot = field(repr=False)
    place: Place
    parent: dict[str, Any] = field(repr=False)
    shape: Shape

    def carry(self, text: str | None = None) -> bool:
        """Put the string, or what stands for it, into its place; returns True: it is decided on."""
        self.slot[0][self.slot[1]] = self.text if text is None else text
        return True

    def carry_if(self, may: object) -> bool:
        """Carry the string if it may be; returns True: it is decided on either way."""
        return self.carry() if may else True


class Strings:
    """Decides on the strings of a resource.

    Args:
        rules: What the policy makes of resources.
        part: Takes texts and values.
    """

    def __init__(self, rules: Rules, part: Part) -> None:
        self._rules, self._part, self._tables = rules, part, tables()
        self._by_shape: dict[Shape, Callable[[String], bool]] = {
            "name": self._in_name,
            "address": self._in_address,
            "contact": self._in_contact,
            "identifier": self._in_identifier,
            "coding": self._in_coding,
            "quantity": self._in_coding,
            "concept": self._in_concept,
            "reference": self._in_reference,
            "extension": self._in_extension,
            "attachment": self._in_attachment,
        }
        self._of_kind: dict[str, Callable[[String], bool]] = {
            "text": self._text,
            "date": self._date,
            "instant": self._date,
            "code": self._code,
            "time": self._clock,
            "id": self._id,
            "uri": self._address,
            "binary": self._binary,
        }

    def read(self, string: String) -> None:
        """Put a string into its place, now or when its new value is known; what is not put there is left out.

        Args:
            string: The string.

        Raises:
            Unreadable: if it holds a lone surrogate.
        """
        place = string.place
        try:
            string.text.encode()
        except UnicodeEncodeError:
            raise Unreadable(Reason.LONE_SURROGATE, place.shown) from None
        if place.name == "id":
            if "resourceType" in string.parent:
                string.carry(self._rules.new_id(string.text))
        elif given := self._rules.fields.get(place.path):
            self._replace(string, given)
        else:
            decide = self._by_shape.get(string.shape)
            if decide is None or not decide(string):
                self._by_kind(string)

    def _in_name(self, string: String) -> bool:
        if string.place.name not in ("text", "family", "given", "prefix", "suffix"):
            return False
        words = string.text.replace(".", "").replace(",", " ").lower().split()
        is_title = all(word in self._tables.titles for word in words)
        if is_title and string.place.name in ("prefix", "suffix"):
            return string.carry()
        return self._replace(string, string.place.strings or "RELATIVE_NAME")

    def _in_address(self, string: String) -> bool:
        given = self._tables.address.get(string.place.name)
        return given is not None and self._replace(string, given)

    def _in_contact(self, string: String) -> bool:
        if string.place.name == "system":
            return string.carry_if(string.text in self._tables.telecom)
        system = str(string.parent.get("system", "email" if "@" in string.text else "phone"))
        given = self._tables.telecom.get(system, self._tables.telecom["other"])
        return string.place.name == "value" and self._replace(string, given)

    def _in_identifier(self, string: String) -> bool:
        given = self._tables.elements.get(string.place.path) or identifier_type(string.parent)
        return string.place.name == "value" and self._replace(string, given)

    def _in_coding(self, string: String) -> bool:
        if string.place.name == "system":
            return string.carry_if(_ADDRESS.fullmatch(string.text))
        if self._tables.is_public(string.parent.get("system")):
            is_code = string.place.name == "code" and _PUBLIC_CODE.fullmatch(string.text)
            return bool(is_code or string.place.name in ("display", "unit")) and string.carry()
        is_unit = _CODE.fullmatch(string.text) and not _MARKER.fullmatch(string.text)
        return bool(string.place.name == "unit" and is_unit) and string.carry()

    def _in_concept(self, string: String) -> bool:
        """Carry a text that only says what a standard calls the code."""
        codings = string.parent.get("coding")
        displays = (
            str(coding.get("display")).casefold()
            for coding in (codings if isinstance(codings, list) else ())
            if isinstance(coding, dict) and self._tables.is_public(coding.get("system"))
        )
        return string.place.name == "text" and string.text.casefold() in displays and string.carry()

    def _in_reference(self, string: String) -> bool:
        if string.place.name == "type":
            return string.carry_if(string.text in self._tables.resources)
        if string.place.name != "display":
            return False
        found = REFERENCE.fullmatch(str(string.parent.get("reference", "")))
        kind = found[1] if found else string.parent.get("type")
        element = string.place.path.rsplit(".", 2)[-2]
        given = self._tables.references.get(str(kind)) if kind else self._tables.referring.get(element)
        return self._replace(string, given) if given else self._as_text(string)

    def _in_extension(self, string: String) -> bool:
        return string.place.name == "url" and string.carry_if(_ADDRESS.fullmatch(string.text))

    def _in_attachment(self, string: String) -> bool:
        if string.place.name != "contentType":
            return False
        mime = plain_mime(string.text)
        return string.carry(mime) if mime else True

    def _by_kind(self, string: String) -> bool:
        """Decide by what the standard says that the element holds."""
        place = string.place
        if given := self._tables.rule("elements", place.path, place.name):
            return self._replace(string, given)
        if place.name in _TOKENS:
            return string.carry_if(_CODE.fullmatch(string.text))
        decide = self._of_kind.get(self._tables.kinds.get(place.name, ""))
        return decide is not None and decide(string)

    def _text(self, string: String) -> bool:
        given = string.place.strings
        return self._replace(string, given) if given else self._as_text(string)

    def _code(self, string: String) -> bool:
        return string.carry_if(_CODE.fullmatch(string.text))

    def _clock(self, string: String) -> bool:
        return string.carry_if(_CLOCK.fullmatch(string.text))

    def _id(self, string: String) -> bool:
        return string.carry(self._rules.new_id(string.text))

    def _binary(self, string: String) -> bool:
        """Carry the samples of a device, which are no base64; leave out what is."""
        return string.carry_if(string.place.name == "data" and _SAMPLES.fullmatch(string.text))

    def _as_text(self, string: String) -> bool:
        self._part.texts.append(slots.string_text(string.slot, string.place.shown, string.text))
        return string.carry()

    def _replace(self, string: String, entity_type: str) -> bool:
        """Have a value replaced; where the policy lacks the type, it is left out."""
        types, place = self._rules.types, string.place
        if types is None:
            return string.carry()
        if entity_type in types:
            form = self._form(place)
            found = slots.value(string.slot, place.shown, string.text, entity_type=entity_type, form=form)
            self._part.values.append(found)
            string.carry()
        return True

    def _form(self, place: Place) -> slots.Form:
        kind = self._tables.kinds.get(place.name)
        if kind in ("date", "instant"):
            named = {place.path, place.name} & self._tables.instants
            return "instant" if kind == "instant" or named else "date"
        return "uri" if kind == "uri" else "string"

    def _date(self, string: String) -> bool:
        types, place = self._rules.types, string.place
        if types is None or _DATE in types:
            return self._replace(string, _DATE)
        if place.kind in self._tables.persons:
            leave_out(*string.slot)
            return True
        return string.carry_if(slots.is_valid(string.text, "date"))

    def _address(self, string: String) -> bool:
        """Map a reference; carry what names a standard; have any other address replaced."""
        text, place, new_id = string.text, string.place, self._rules.new_id
        if text.startswith("#"):
            return string.carry(f"#{new_id(text[1:])}" if text[1:] else text)
        if self._tables.is_public(text):
            return string.carry_if(_ADDRESS.fullmatch(text))
        if uuid := UUID.fullmatch(text):
            return string.carry(f"urn:uuid:{new_id(uuid[1])}")
        found = REFERENCE.fullmatch(text) if place.name != "system" else None
        if found is None or found[1] not in self._tables.resources:
            return place.name == "reference" or self._replace(string, _URL)
        if self._rules.types is None:
            return string.carry()
        base = _SERVER if place.name == "fullUrl" else ""
        return string.carry(f"{base}{found[1]}/{new_id(found[2])}")
