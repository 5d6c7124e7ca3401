"""Attributes outside of narratives: codes and numbers are carried, the rest is replaced, read or masked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from uuid import NAMESPACE_OID, UUID, uuid5

from lxml import etree

from deid.formats.ccda.section import Place, Rules, Section, Value
from deid.formats.ccda.tables import tables, type_of
from deid.formats.record_ids import same

_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_KIND = re.compile(r"(?:\w{1,16}:)?([A-Z][A-Za-z0-9_]{0,30})")
_OID = re.compile(r"[0-2](?:\.\d{1,40}){1,40}")
_ENUMERATED = re.compile(
    r"true|false|[A-Z]{1,12}(?: [A-Z]{1,12})*|[a-z]{1,20}/[\w.+-]{1,60}|[a-z]{2,3}(?:-[A-Za-z]{2,4})?"
)
_TEMPLATE_VERSION = re.compile(r"\d{4}-\d\d(?:-\d\d)?|POCD_[A-Z]{2}\d{6}(?:UV\d*)?")
_CODE = re.compile(r"\S{1,64}")
_BARE_CODE = re.compile(r"[A-Za-z-]{1,20}")
_UNIT = re.compile(r"[^\s<>]{1,40}")
_NUMBER = re.compile(r"[+-]?(?=\.?\d)\d{0,9}(?:\.\d{1,9})?(?:[eE][+-]?\d{1,2})?")
_SMALL = re.compile(r"[+-]?(?=\.?\d)\d{0,6}(?:\.\d{1,6})?|true|false")
_DATE = re.compile(r"\d{4}(?:\d\d){0,5}(?:\.\d{1,6})?(?:[+-]\d{4})?")
_LONG_DATE = re.compile(r"\d{8}(?:\d\d){0,3}(?:\.\d+)?(?:[+-]\d{4})?")
_ANYTHING = re.compile(r".*\S.*", re.DOTALL)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z-]{1,12}):(.*)", re.DOTALL)
_TEMPLATES = ("templateId", "typeId")
_BOUNDS = ("low", "high", "center", "comp")
_YEARS = "a"


class Attributes:
    """Decides on attributes.

    Args:
        rules: What the policy makes of documents.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._names: dict[str, str] = {}

    def rename(self, name: str) -> str:
        """Return the new name of an element that others refer to within the document.

        Args:
            name: Its ``ID``.
        """
        if self._rules.types is None:
            return name
        return self._names.setdefault(name, f"n{len(self._names) + 1}")

    def read(self, place: Place, *, dates: bool) -> bool:
        """Clear an element of attributes nobody vouches for, and collect those that are replaced or read.

        Args:
            place: The element, which is changed, and its section, which takes values and strings.
            dates: Whether an interval around the element is one of dates.

        Returns:
            Whether bounds within the element are dates.
        """
        element = place.element
        given = {str(name): str(value) for name, value in element.attrib.items()}
        element.attrib.clear()
        kind = _KIND.fullmatch(given.get(_XSI_TYPE, ""))
        is_date = _holds_dates(place.name, kind[1] if kind else "", dates)
        for name, value in given.items():
            if name == _XSI_TYPE and kind:
                element.set(name, value)
            elif name == "ID":
                element.set(name, self.rename(value))
            elif name in tables().enumerated and _ENUMERATED.fullmatch(value):
                element.set(name, value)
        if place.name in _TEMPLATES:
            _carry(element, given, "root", _OID)
            _carry(element, given, "extension", _TEMPLATE_VERSION)
        elif given.keys() & {"root", "extension"}:
            self._identifier(place, given)
        else:
            self._coded(place, given)
            if "value" in given:
                self._value(place, given, is_date=is_date)
            _carry(element, given, "unit", _UNIT)
        found = {str(name): str(value) for name, value in element.attrib.items()}
        element.attrib.clear()
        for name in (*(name for name in given if name in found), *(found.keys() - given.keys())):
            element.set(name, found[name])
        return is_date

    def replace(self, section: Section, value: Value, mask: Callable[[], object]) -> None:
        """Have a value replaced, or masked where the policy lacks its type.

        Args:
            section: Takes the value.
            value: Stands in its place already.
            mask: Takes it out.
        """
        if self._rules.types is None or value.entity_type in self._rules.types:
            section.values.append(value)
        else:
            mask()

    def type_of(self, path: tuple[str, ...]) -> str | None:
        """Return what an element is; None if no rule says it.

        Args:
            path: Names from the root.
        """
        return type_of(path, self._rules.fields)

    def _identifier(self, place: Place, given: Mapping[str, str]) -> None:
        element, root, extension = place.element, given.get("root"), given.get("extension")
        kind = tables().roots.get(root or "")
        if root is not None:
            element.set("root", root if kind else self._new_root(root))
        kind = kind or self.type_of(place.path)
        if extension is not None and kind is None:
            element.set("extension", self._rules.new_id(extension))
        elif extension is not None and kind is not None:
            self._replace_attribute(place, "extension", extension, kind)

    def _new_root(self, root: str) -> str:
        """Return what stands for a root: a UUID, for that of an organization names the organization."""
        if self._rules.new_id is same:
            return root
        try:
            return self._rules.new_id(str(UUID(root)))
        except ValueError:
            return self._rules.new_id(str(uuid5(NAMESPACE_OID, root)))

    def _coded(self, place: Place, given: Mapping[str, str]) -> None:
        element, system = place.element, given.get("codeSystem")
        is_public = tables().is_public(system)
        if system is not None:
            element.set(
                "codeSystem", system if is_public and _OID.fullmatch(system) else self._new_root(system)
            )
        if is_public:
            for attribute in ("codeSystemName", "displayName"):
                if attribute in given:
                    element.set(attribute, given[attribute])
            _carry(element, given, "codeSystemVersion", _CODE)
            _carry(element, given, "code", _CODE)
        elif (
            system is None
            and place.name in tables().bare_codes
            and _BARE_CODE.fullmatch(given.get("code", ""))
        ):
            element.set("code", given["code"])
        else:
            for attribute in ("code", "displayName"):
                if attribute in given:
                    read_attribute(place, attribute, given[attribute])

    def _value(self, place: Place, given: Mapping[str, str], *, is_date: bool) -> None:
        element, name, value = place.element, place.name, given["value"]
        if name == "reference" and value.startswith("#"):
            element.set("value", f"#{self.rename(value[1:])}")
        elif name in ("telecom", "reference"):
            self._telecom(place, value, "URL" if name == "reference" else "PHONE")
        elif "unit" in given and _NUMBER.fullmatch(value):
            element.set("value", value)
            if given["unit"] == _YEARS:
                self._replace_attribute(place, "value", value, "AGE", valid=_NUMBER)
        elif is_date or _LONG_DATE.fullmatch(value):
            if _DATE.fullmatch(value):
                self._replace_attribute(place, "value", value, "DATE", valid=_DATE)
            else:
                mask(element)
        elif _SMALL.fullmatch(value):
            element.set("value", value)
        else:
            read_attribute(place, "value", value)

    def _telecom(self, place: Place, value: str, other: str) -> None:
        element, found = place.element, _SCHEME.fullmatch(value)
        scheme, rest = (f"{found[1]}:", found[2]) if found else ("", value)
        kind = tables().telecom.get(scheme.lower().rstrip(":"), "EMAIL" if "@" in value else other)
        element.set("value", value)
        new = Value(f"{place.shown}.value", kind, rest, lambda new: element.set("value", f"{scheme}{new}"))
        self.replace(place.section, new, lambda: mask(element, "value"))

    def _replace_attribute(
        self, place: Place, attribute: str, value: str, kind: str, *, valid: re.Pattern[str] = _ANYTHING
    ) -> None:
        element = place.element
        element.set(attribute, value)

        def put(new: str) -> None:
            if valid.fullmatch(new):
                element.set(attribute, new)
            else:
                mask(element, attribute, "unit")

        given = Value(f"{place.shown}.{attribute}", kind, value, put)
        self.replace(place.section, given, lambda: mask(element, attribute, "unit"))


def read_attribute(place: Place, attribute: str, value: str) -> None:
    """Have an attribute read as a line of its section's text.

    Args:
        place: The element that holds it.
        attribute: Its name.
        value: What it says.
    """
    element, joined = place.element, place.section.joined
    element.set(attribute, value)
    joined.sign("\n")
    joined.add(value, lambda new: element.set(attribute, new))
    joined.sign("\n")


def mask(element: etree._Element, *attributes: str) -> None:
    """Take attributes out, and say that something was masked.

    Args:
        element: Changed.
        attributes: Their names.
    """
    for attribute in attributes:
        if attribute in element.attrib:
            del element.attrib[attribute]
    # http://terminology.hl7.org/CodeSystem/v3-NullFlavor: masked
    element.set("nullFlavor", "MSK")


def _holds_dates(name: str, kind: str, around: bool) -> bool:
    if kind in tables().date_kinds:
        return True
    if kind in tables().number_kinds:
        return False
    return name in tables().dates or (around and name in _BOUNDS)


def _carry(element: etree._Element, given: Mapping[str, str], attribute: str, form: re.Pattern[str]) -> None:
    if form.fullmatch(given.get(attribute, "")):
        element.set(attribute, given[attribute])
