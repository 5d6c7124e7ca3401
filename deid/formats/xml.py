"""XML from strangers: parsed without entities, document types, network or depth without end."""

from __future__ import annotations

from lxml import etree

from deid.errors import NoteError, Reason


def parse_xml(content: bytes) -> etree._Element:
    """Return the root of a document without its comments and processing instructions.

    Args:
        content: The document; its encoding is the one that it declares.

    Raises:
        NoteError: if it is not well-formed, is nested deeper than 256 elements, or has a document type.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise NoteError(Reason.INVALID_RECORD, "not well-formed XML") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise NoteError(Reason.INVALID_RECORD, "XML with a document type of its own")
    return root
