"""Parts of a document that are notes of their own: the header, the sections, a body that is no XML."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lxml import etree

from deid.errors import NoteError
from deid.formats.ccda.narrative import local_name
from deid.formats.pieces import JoinedText
from deid.formats.record_ids import NewId
from deid.formats.source import NewTexts

HEADER = "header"
_KEPT = frozenset({"templateId", "component"})
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Rules:
    """What a policy makes of documents.

    Args:
        types: The policy's types; None where no policy is at work.
        fields: End of a path to type; overrules the format's own.
        new_id: Gives ids of records.
    """

    types: frozenset[str] | None
    fields: Mapping[str, str]
    new_id: NewId


@dataclass(frozen=True, slots=True)
class Value:
    """A value that is replaced whole.

    Args:
        path: Where it stands in its section, with indices.
        entity_type: What it is.
        text: The value.
        put: Takes the new value.
    """

    path: str
    entity_type: str
    text: str = field(repr=False)
    put: Callable[[str], None]


@dataclass(slots=True)
class Section:
    """A part of a document that is a note.

    Args:
        name: ``header``, ``body``, or the code of the section with a number where it is not the first.
        element: What goes if the note is quarantined, but for sections within.
        joined: Its text: title, narrative, and the strings of its entries.
        values: What is replaced whole.
        problem: Why it cannot be read.
    """

    name: str
    element: etree._Element = field(repr=False)
    joined: JoinedText = field(default_factory=JoinedText, repr=False)
    values: list[Value] = field(default_factory=list)
    problem: NoteError | None = None

    def put(self, new: NewTexts) -> None:
        """Write the new text and values into the document.

        Args:
            new: Signs that XML cannot hold become spaces.
        """
        self.joined.write(_CONTROL.sub(" ", new.text), new.moves)
        for value in self.values:
            value.put(_CONTROL.sub(" ", new.fields[value.path]))

    def remove(self) -> None:
        """Leave out all that was read in this section."""
        for child in list(self.element):
            if local_name(child) not in _KEPT:
                self.element.remove(child)
        self.element.text = None
        self.element.attrib.clear()
        self.element.set("nullFlavor", "MSK")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an element stands.

    Args:
        element: The element.
        path: Names from the root.
        shown: Names from the section, with indices.
        section: What it belongs to.
    """

    element: etree._Element = field(repr=False)
    path: tuple[str, ...]
    shown: str
    section: Section

    @property
    def name(self) -> str:
        """The element's own name."""
        return self.path[-1]
