"""Which data type an object is, as its name and its members show; http://hl7.org/fhir/R4/datatypes.html."""

from __future__ import annotations

from typing import Any, Literal

from deid.formats.fhir.syntax import Number
from deid.formats.fhir.tables import Tables

Shape = Literal[
    "resource",
    "extension",
    "attachment",
    "name",
    "address",
    "contact",
    "identifier",
    "narrative",
    "quantity",
    "concept",
    "reference",
    "coding",
    "other",
]
_OF_ATTACHMENTS = """
id extension contentType language data url size hash title creation _contentType _data _title _creation
"""
_ATTACHMENT = frozenset(_OF_ATTACHMENTS.split())
_ATTACHMENTS = frozenset({"attachment", "presentedForm", "image", "legallyBindingAttachment"})
_SAMPLED = frozenset({"dimensions", "origin", "period"})


def shape_of(name: str, value: dict[str, Any], tables: Tables) -> Shape:
    """Return the data type of an object.

    Args:
        name: Of the element that holds it.
        value: The object.
        tables: The tables of this format.
    """
    if "resourceType" in value:
        return "resource"
    if name in ("extension", "modifierExtension"):
        return "extension"
    if _is_attachment(name, value):
        return "attachment"
    if name == "name" or name.endswith("HumanName") or not value.keys().isdisjoint(("family", "given")):
        return "name"
    if (
        name == "address"
        or name.endswith("Address")
        or not value.keys().isdisjoint(("line", "city", "postalCode"))
    ):
        return "address"
    return _with_value(name, value, tables) or _coded(name, value)


def _is_attachment(name: str, value: dict[str, Any]) -> bool:
    if isinstance(value.get("data"), str):
        return value.keys().isdisjoint(_SAMPLED)
    named = name in _ATTACHMENTS or name.endswith("Attachment")
    return named or ("contentType" in value and value.keys() <= _ATTACHMENT)


def _with_value(name: str, value: dict[str, Any], tables: Tables) -> Shape | None:
    if name == "telecom" or name.endswith("ContactPoint") or str(value.get("system")) in tables.telecom:
        return "contact"
    if name.lower().endswith("identifier"):
        return "identifier"
    if isinstance(value.get("value"), Number) or "unit" in value:
        return "quantity"
    if "value" in value and not value.keys().isdisjoint(("system", "assigner")):
        return "identifier"
    return None


def _coded(name: str, value: dict[str, Any]) -> Shape:
    if "div" in value:
        return "narrative"
    if "coding" in value:
        return "concept"
    if isinstance(value.get("code"), str) or isinstance(value.get("system"), str):
        return "coding"
    is_reference = isinstance(value.get("reference"), str) or "identifier" in value
    if is_reference or (isinstance(value.get("display"), str) and name != "coding"):
        return "reference"
    return "coding" if "display" in value else "other"
