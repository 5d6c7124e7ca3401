"""Whether an XML file is a clinical document, by its root."""

from __future__ import annotations

from pathlib import Path

_BEGINNING = 1 << 16
_SUFFIX = ".xml"
_ROOT = "{urn:hl7-org:v3}ClinicalDocument"


def is_clinical_document(path: Path) -> bool:
    """Tell whether a file begins with a ``ClinicalDocument`` of ``urn:hl7-org:v3``.

    Args:
        path: The file.
    """
    if path.suffix.lower() != _SUFFIX:
        return False
    from lxml import etree

    parser = etree.XMLPullParser(events=("start",), resolve_entities=False, no_network=True, load_dtd=False)
    try:
        with path.open("rb") as stream:
            parser.feed(stream.read(_BEGINNING))
        root = next(iter(parser.read_events()), None)
    except (OSError, etree.XMLSyntaxError, ValueError):
        return False
    return root is not None and getattr(root[1], "tag", None) == _ROOT
