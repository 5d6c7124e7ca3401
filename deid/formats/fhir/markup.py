"""HTML and XHTML: their text, and the same markup around another text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from html.entities import html5
from typing import Literal

from lxml import etree, html
from lxml.html import defs

from deid.errors import Reason
from deid.formats.fhir.syntax import Unreadable
from deid.formats.pieces import JoinedText
from deid.formats.source import NewTexts

_NAMES_OF_BLOCKS = """
address article aside blockquote body caption center dd details dir div dl dt fieldset figcaption figure
footer form h1 h2 h3 h4 h5 h6 header hr html legend li main menu nav ol p pre section summary table tbody
tfoot thead title tr ul
"""
_NOT_TEXT = """
applet audio base canvas embed frame frameset iframe img input link map math meta noframes noscript object
param picture script source style svg template track video
"""
_OF_FORM = """
align border cellpadding cellspacing colspan dir height lang nowrap rowspan rules scope span start type valign
width
"""
_BLOCKS = frozenset(_NAMES_OF_BLOCKS.split())  # with a line break at both ends
_CELLS = frozenset({"td", "th"})  # with a tab before
_LEFT_OUT = frozenset(_NOT_TEXT.split())  # scripts, pictures, what is fetched from elsewhere
_ATTRIBUTES = frozenset(_OF_FORM.split())
_PLAIN_VALUE = re.compile(r"[A-Za-z-]{1,12}|[0-9.]{1,6}(?:%|px|em|pt)?")
_XHTML = "{http://www.w3.org/1999/xhtml}"
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_DOCTYPE = re.compile(r"<!DOCTYPE[^\[<>]*>", re.IGNORECASE)
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_OF_XML = frozenset({"amp", "lt", "gt", "quot", "apos"})
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_FATAL = 3


class Markup:
    """The text of a piece of HTML or XHTML: its text nodes, with line breaks at blocks and tabs at cells.

    Comments, scripts, pictures, links' addresses and all attributes but those of form are gone already.

    Args:
        source: The markup.
        syntax: ``xhtml`` is read as XML without document type, entities or network; ``html`` as browsers do.

    Raises:
        Unreadable: if it is not well-formed, has a document type of its own, or is nested too deep.
    """

    def __init__(self, source: str, syntax: Literal["html", "xhtml"]) -> None:
        self._syntax = syntax
        self._root = _parsed(source, syntax)
        if _name(self._root) in _LEFT_OUT:
            raise Unreadable(Reason.INVALID_RECORD, f"{syntax}: no text element at the top")
        _clean(self._root)
        self._joined = _joined(self._root)
        self.text, self.joins = self._joined.text, self._joined.joins

    def write(self, new: NewTexts) -> str:
        """Return the markup with the new text in its text nodes.

        Args:
            new: The text, with the stretches that were replaced; signs that markup cannot hold become spaces.
        """
        self._joined.write(_CONTROL.sub(" ", new.text), new.moves)
        written: str = etree.tostring(
            self._root,
            encoding="unicode",
            method="xml" if self._syntax == "xhtml" else "html",
            with_tail=False,
        )
        return written


def _joined(root: etree._Element) -> JoinedText:
    joined = JoinedText()
    for element, place, sign in _steps(root):
        joined.sign(sign)
        if place:
            joined.add(getattr(element, place) or "", partial(setattr, element, place))
    return joined


_Step = tuple[etree._Element, Literal["text", "tail"] | None, str]


def _steps(root: etree._Element) -> Iterator[_Step]:
    """Yield text nodes in reading order, and the signs that stand before them."""
    for event, element in etree.iterwalk(root, events=("start", "end")):
        name = _name(element)
        sign = "\n" if name in _BLOCKS or name == "br" else ""
        if event == "start":
            yield element, None, "\t" if name in _CELLS else sign
            yield element, "text", ""
        else:
            yield element, None, sign if name in _BLOCKS else ""
            if element is not root:
                yield element, "tail", ""


def _parsed(source: str, syntax: Literal["html", "xhtml"]) -> etree._Element:
    text = _CONTROL.sub(" ", _DECLARATION.sub("", source))
    if syntax == "xhtml":
        return _parsed_xhtml(_DOCTYPE.sub("", text, count=1))
    parser = html.HTMLParser(
        no_network=True, remove_comments=True, remove_pis=True, huge_tree=False, encoding="utf-8"
    )
    try:
        root = html.document_fromstring(text.encode(), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        raise Unreadable(Reason.INVALID_RECORD, "html: cannot be parsed") from None
    if any(entry.level >= _FATAL for entry in parser.error_log):
        raise Unreadable(Reason.INVALID_RECORD, "html: cannot be parsed to its end")
    return root


def _parsed_xhtml(text: str) -> etree._Element:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Unreadable(Reason.INVALID_RECORD, "xhtml: a document type of its own")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        return etree.fromstring(_ENTITY.sub(_as_number, text).encode(), parser)
    except etree.XMLSyntaxError:
        raise Unreadable(Reason.INVALID_RECORD, "xhtml: not well-formed") from None


def _as_number(match: re.Match[str]) -> str:
    """Write an entity of HTML, which XML does not know, as its characters' numbers."""
    signs = html5.get(f"{match[1]};")
    if signs is None or match[1] in _OF_XML:
        return match[0]
    return "".join(f"&#{ord(sign)};" for sign in signs)


def _name(element: etree._Element) -> str:
    return element.tag.removeprefix(_XHTML).lower() if isinstance(element.tag, str) else ""


def _clean(root: etree._Element) -> None:
    """Take out what is neither text nor its form; a tag of nobody's standard becomes a span."""
    for element in list(root.iter()):
        if not isinstance(element.tag, str):
            raise Unreadable(Reason.INVALID_RECORD, "markup: an entity that is not declared")
        name = _name(element)
        if name in _LEFT_OUT and element.getparent() is not None:
            _remove(element)
            continue
        if name not in defs.tags:
            element.tag = f"{_XHTML}span" if element.tag.startswith("{") else "span"
        for attribute, value in list(element.attrib.items()):
            if str(attribute) not in _ATTRIBUTES or not _PLAIN_VALUE.fullmatch(str(value)):
                del element.attrib[attribute]
    etree.cleanup_namespaces(root, keep_ns_prefixes=[])


def _remove(element: etree._Element) -> None:
    """Remove an element; the text behind it stays."""
    parent, before = element.getparent(), element.getprevious()
    if parent is None:
        return
    if element.tail:
        if before is not None:
            before.tail = (before.tail or "") + element.tail
        else:
            parent.text = (parent.text or "") + element.tail
    parent.remove(element)
