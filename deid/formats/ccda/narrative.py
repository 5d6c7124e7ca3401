"""The narrative of a section: its text, and which of its markup is carried."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from lxml import etree

from deid.formats.ccda.tables import tables
from deid.formats.pieces import JoinedText

NAMESPACE = "{urn:hl7-org:v3}"
# NarrativeBlock.xsd of CDA R2.
_BLOCKS = frozenset(
    {"paragraph", "list", "item", "caption", "table", "thead", "tbody", "tfoot", "tr", "footnote"}
)
_CELLS = frozenset({"td", "th"})
_INLINE = frozenset(
    {"text", "content", "sub", "sup", "br", "footnoteRef", "linkHtml", "renderMultiMedia", "col", "colgroup"}
)
_HOLD_NO_TEXT = frozenset({"list", "table", "thead", "tbody", "tfoot", "tr", "colgroup"})
_OF_FORM = frozenset(
    {
        "border",
        "width",
        "align",
        "valign",
        "colspan",
        "rowspan",
        "span",
        "cellpadding",
        "cellspacing",
        "listType",
    }
)
_PLAIN_VALUE = re.compile(r"[A-Za-z-]{1,12}|[0-9.]{1,6}(?:%|px|em|pt)?")
_REFERENCES = frozenset({"IDREF", "referencedObject", "href"})


def read_narrative(root: etree._Element, joined: JoinedText, rename: Callable[[str], str]) -> None:
    """Add the text nodes of a narrative to a text; attributes that are no form go, elements of nobody's too.

    White space over lines, and all between the rows of a table or the items of a list, is no text and stays.

    Args:
        root: The narrative; changed.
        joined: Takes the text nodes, with line breaks at blocks and tabs at cells.
        rename: Gives the new ids of elements.
    """
    for event, element in list(etree.iterwalk(root, events=("start", "end"))):
        if event == "start":
            _clean(element, root, rename)
        name = local_name(element)
        is_block = name in _BLOCKS
        if event == "start":
            joined.sign("\t" if name in _CELLS else "\n" if is_block or name == "br" else "")
            _add(element, "text", name, joined)
        else:
            joined.sign("\n" if is_block else "")
            parent = element.getparent()
            if element is not root and parent is not None:
                _add(element, "tail", local_name(parent), joined)


def local_name(element: etree._Element) -> str:
    """Return an element's name without its namespace.

    Args:
        element: The element.
    """
    return etree.QName(element).localname


def _add(element: etree._Element, place: str, holder: str, joined: JoinedText) -> None:
    value = getattr(element, place) or ""
    if value.strip() or not (value.count("\n") or holder in _HOLD_NO_TEXT):
        joined.add(value, partial(setattr, element, place))
    elif value and holder not in _HOLD_NO_TEXT:
        joined.sign("\t" if holder in _CELLS else "\n")


def _clean(element: etree._Element, root: etree._Element, rename: Callable[[str], str]) -> None:
    known = _BLOCKS | _CELLS | _INLINE
    if element is not root and (not element.tag.startswith(NAMESPACE) or local_name(element) not in known):
        element.tag = f"{NAMESPACE}content"
    for name, value in list(element.attrib.items()):
        new = _attribute(str(name), str(value), rename)
        if new is None:
            del element.attrib[name]
        else:
            element.set(name, new)


def _attribute(name: str, value: str, rename: Callable[[str], str]) -> str | None:
    if name == "ID":
        return rename(value)
    if name in _REFERENCES:
        marks = (
            value.split() if name != "href" else [value.removeprefix("#")] if value.startswith("#") else []
        )
        sign = "#" if name == "href" else ""
        return " ".join(f"{sign}{rename(mark)}" for mark in marks) or None
    if name == "styleCode":
        return " ".join(style for style in value.split() if style in tables().styles) or None
    return value if name in _OF_FORM and _PLAIN_VALUE.fullmatch(value) else None
