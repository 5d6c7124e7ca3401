"""i2b2-2014 XML: ``<deIdi2b2><TEXT>…</TEXT><TAGS><NAME start= end= text= TYPE="DOCTOR"/>…``.

Source: Stubbs and Uzuner 2015, doi:10.1016/j.jbi.2015.07.020. The corpus itself is under an agreement and
no part of it is here. Tags become the types of the base policy by their ``i2b2`` field, and back; the
corpus has one tag for patients and relatives, so relatives come back as patients. Any other tag keeps its
name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from lxml import etree

from deid.errors import UsageError
from deid.formats.annotations.records import Gold, checked_mention
from deid.formats.atomic import atomic_file, prepare_folder, reading
from deid.formats.markup import GoldMention
from deid.note import Note
from deid.policy import load_policy

# The category (element) of each tag (attribute TYPE), as in the annotation guidelines.
CATEGORIES = {
    "NAME": ("PATIENT", "DOCTOR", "USERNAME"),
    "PROFESSION": ("PROFESSION",),
    "LOCATION": (
        "HOSPITAL",
        "ORGANIZATION",
        "STREET",
        "CITY",
        "STATE",
        "COUNTRY",
        "ZIP",
        "LOCATION-OTHER",
    ),
    "AGE": ("AGE",),
    "DATE": ("DATE",),
    "CONTACT": ("PHONE", "FAX", "EMAIL", "URL", "IPADDR"),
    "ID": (
        "SSN",
        "MEDICALRECORD",
        "HEALTHPLAN",
        "ACCOUNT",
        "LICENSE",
        "VEHICLE",
        "DEVICE",
        "BIOID",
        "IDNUM",
    ),
}
_ELEMENT = {tag: category for category, tags in CATEGORIES.items() for tag in tags}
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2
_ID = re.compile(r"[\w.@ -]+")


@cache
def _types() -> dict[str, str]:
    """Map a tag to the first type of the base policy that has it."""
    types: dict[str, str] = {}
    for kind in load_policy("base").types:
        types.setdefault(kind.i2b2 or kind.name, kind.name)
    return types


@cache
def _tags() -> dict[str, str]:
    """Map a type of the base policy to its tag."""
    return {kind.name: kind.i2b2 or kind.name for kind in load_policy("base").types}


def read(folder: Path) -> Iterator[Gold]:
    """Read the XML files of a folder in the order of their names; ``220-03.xml`` is a note of patient 220.

    Args:
        folder: Of the files; a single file will do.

    Raises:
        UsageError: if a file is no such XML; names the file, never its text.
        InputOutputError: if a file cannot be read.
    """
    for path in sorted(folder.glob("*.xml")) if folder.is_dir() else [folder]:
        place = f"gold {path}"
        with reading(str(path)):
            content = path.read_bytes()
        # No entities, no DTD, no network: the text is somebody's and the file may be anybody's.
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        try:
            root = etree.fromstring(content, parser)
        except etree.XMLSyntaxError as error:
            line = error.lineno or 0
            raise UsageError(f"{place}: not well-formed XML, near line {line}") from None
        text_element, tags = root.find("TEXT"), root.find("TAGS")
        if text_element is None or tags is None or len(text_element):
            raise UsageError(f"{place}: needs the elements TEXT and TAGS")
        text = text_element.text or ""
        mentions = [
            _mention(tag, len(text), f"{place}: tag {number}") for number, tag in enumerate(tags, start=1)
        ]
        patient, dash, _ = path.stem.rpartition("-")
        yield Note(path.stem, text, patient_id=patient if dash else None), tuple(sorted(mentions))


def _mention(tag: etree._Element, length: int, place: str) -> GoldMention:
    start, end = (_number(tag.get(name)) for name in ("start", "end"))
    kind = tag.get("TYPE") or str(tag.tag)
    return checked_mention(start, end, _types().get(kind, kind), length=length, place=place)


def _number(value: str | None) -> int | None:
    return int(value) if value and value.isascii() and value.isdigit() else None


def write(folder: Path, notes: Iterable[Gold]) -> None:
    """Write an XML file for each note; ids become file names, metadata and links are left out.

    Args:
        folder: Made if absent.
        notes: Notes with their mentions.

    Raises:
        UsageError: if a note holds a character that XML cannot, or its id cannot be a file's name.
        InputOutputError: if a file cannot be written.
    """
    prepare_folder(folder, source=None)
    for number, (note, mentions) in enumerate(notes, start=1):
        if not _ID.fullmatch(note.note_id) or note.note_id.startswith("."):
            raise UsageError(f"i2b2: the id of note {number} cannot be a file's name")
        found = _FORBIDDEN.search(note.text)
        if found:
            raise UsageError(
                f"i2b2: note {number} holds the control character U+{ord(found[0]):04X} at {found.start()}"
            )
        root = etree.Element("deIdi2b2")
        # Escaped, not CDATA: a reader of XML turns the carriage returns of CDATA into line feeds.
        etree.SubElement(root, "TEXT").text = note.text
        tags = etree.SubElement(root, "TAGS")
        for at, mention in enumerate(sorted(mentions)):
            kind = _tags().get(mention.entity_type, mention.entity_type)
            element = etree.SubElement(tags, _ELEMENT.get(kind, "OTHER"))
            surface = note.text[mention.start : mention.end]
            values = {
                "id": f"P{at}",
                "start": mention.start,
                "end": mention.end,
                "text": surface,
                "TYPE": kind,
            }
            for name, value in (values | {"comment": ""}).items():
                element.set(name, str(value))
        with atomic_file(folder / f"{note.note_id}.xml") as stream:
            stream.write(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))
