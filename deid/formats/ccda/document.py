"""A clinical document, taken apart into its header and sections and put together again."""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from dataclasses import replace
from functools import partial

from lxml import etree

from deid.errors import NoteError, Reason
from deid.formats.ccda.attributes import Attributes, mask
from deid.formats.ccda.narrative import NAMESPACE, local_name, read_narrative
from deid.formats.ccda.section import HEADER, Place, Rules, Section, Value
from deid.formats.documents.read import document_text
from deid.formats.fhir.tables import tables as fhir_tables

_OURS = (NAMESPACE, "{urn:hl7-org:sdtc}")
_CODE = re.compile(r"[\w.-]{1,32}")
_BODY = "body"
_PLACES = ("SDLOC",)  # roles of places, whose entities have names of places
_PERSON_PARTS = ("given", "family")
_DOCUMENTS = {
    "application/pdf": ".pdf",
    "text/rtf": ".rtf",
    "application/rtf": ".rtf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
}


class Document:
    """A document on its way through; `sections` wait for their new texts and values.

    Args:
        root: As parsed; changed.
        rules: What the policy makes of it.
    """

    def __init__(self, root: etree._Element, rules: Rules) -> None:
        self._attributes = Attributes(rules)
        self._named: Counter[str] = Counter()
        self._root = root
        self.sections = [Section(HEADER, root)]
        top = Place(root, ("ClinicalDocument",), "ClinicalDocument", self.sections[0])
        self._visit(top, dates=False)

    def written(self) -> bytes:
        """Return the document as XML in UTF-8."""
        written: bytes = etree.tostring(self._root.getroottree(), encoding="UTF-8", xml_declaration=True)
        return written

    def _visit(self, place: Place, *, dates: bool) -> None:
        element = place.element
        if place.name == "section":
            place = replace(place, section=self._begin(element), shown="section")
        elif place.path[-2:] == ("nonXMLBody", "text"):
            self._body(element)
            return
        joined = place.section.joined
        is_binary = element.get("representation") == "B64" or "compression" in element.attrib
        dates = self._attributes.read(place, dates=dates)
        if place.path[-2:] == ("section", "text"):
            joined.sign("\n")
            read_narrative(element, joined, self._attributes.rename)
            joined.sign("\n")
        elif is_binary:
            _empty(element)
        else:
            self._text(place, element, "text")
            self._children(place, dates=dates)

    def _children(self, place: Place, *, dates: bool) -> None:
        seen: Counter[str] = Counter()
        for child in list(place.element):
            if not child.tag.startswith(_OURS):
                place.element.remove(child)
                continue
            name, role = local_name(child), child.get("classCode", "")
            seen[name] += 1
            step = role if name == "participantRole" and role in _PLACES else name
            shown = f"{place.shown}.{name}[{seen[name]}]"
            self._visit(Place(child, (*place.path, step), shown, place.section), dates=dates)
            self._text(replace(place, shown=f"{shown}+"), child, "tail")

    def _begin(self, element: etree._Element) -> Section:
        """Begin a section; it is named by its code, or else by its number."""
        code = element.find(f"{NAMESPACE}code")
        given = code.get("code", "") if code is not None else ""
        name = given if _CODE.fullmatch(given) and given != HEADER else f"section-{len(self.sections)}"
        self._named[name] += 1
        times = self._named[name]
        self.sections.append(Section(name if times == 1 else f"{name}-{times}", element))
        return self.sections[-1]

    def _text(self, place: Place, node: etree._Element, slot: str) -> None:
        """Have the text in an element, or behind one in it, replaced if a rule says what it is, else read."""
        value = getattr(node, slot)
        if not value or not value.strip():
            return
        put, text = partial(setattr, node, slot), value.strip()
        before, _, after = value.partition(text)
        if place.name in ("prefix", "suffix") and _is_title(text):
            return
        if (kind := self._type(place.path)) is not None:
            whole = Value(place.shown, kind, text, lambda new: put(f"{before}{new}{after}"))
            self._attributes.replace(place.section, whole, partial(put, None))
            return
        place.section.joined.sign("\n")
        place.section.joined.add(value, put)
        place.section.joined.sign("\n")

    def _type(self, path: tuple[str, ...]) -> str | None:
        if (kind := self._attributes.type_of(path)) is not None:
            return kind
        if path[-2:-1] not in (("name",), ("addr",)):
            return None
        return self._attributes.type_of(path[:-1]) or ("RELATIVE_NAME" if path[-1] in _PERSON_PARTS else None)

    def _body(self, element: etree._Element) -> None:
        """Read a body that is no XML: plain text, or a document whose text comes out as plain text."""
        section = Section(_BODY, element)
        self.sections.append(section)
        media, is_binary = element.get("mediaType", "text/plain"), element.get("representation") == "B64"
        content = element.text or ""
        try:
            text = _decoded(content, media) if is_binary else content
        except NoteError as error:
            section.problem = error
            return
        if not is_binary and (media != "text/plain" or len(element)):
            section.problem = NoteError(Reason.INVALID_RECORD, "a body of a kind that is not read")
            return
        element.attrib.clear()
        element.set("mediaType", "text/plain")
        element.text = text
        section.joined.add(text, partial(setattr, element, "text"))


def _decoded(content: str, media: str) -> str:
    try:
        data = base64.b64decode("".join(content.split()), validate=True)
        if media == "text/plain":
            return data.decode()
    except (binascii.Error, ValueError):
        raise NoteError(Reason.INVALID_RECORD, "a body that is not base64, or no text in UTF-8") from None
    if media not in _DOCUMENTS:
        raise NoteError(Reason.INVALID_RECORD, "a body of a kind that is not read")
    return document_text(data, _DOCUMENTS[media])


def _empty(element: etree._Element) -> None:
    for child in list(element):
        element.remove(child)
    element.text = None
    mask(element)


def _is_title(value: str) -> bool:
    words = value.replace(".", "").replace(",", " ").lower().split()
    return all(word in fhir_tables().titles for word in words)
