"""What a policy makes of resources, and a resource on its way through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deid.errors import Reason
from deid.formats.fhir.slots import Text, Value
from deid.formats.fhir.syntax import DEEPEST, Unreadable
from deid.formats.record_ids import NewId


@dataclass(frozen=True, slots=True)
class Rules:
    """What a policy makes of resources.

    Args:
        types: The policy's types; None where no policy is at work and nothing is replaced.
        fields: Path without indices to type; overrules the format's own.
        drop: Paths without indices that are left out.
        new_id: Gives ids.
    """

    types: frozenset[str] | None
    fields: Mapping[str, str]
    drop: frozenset[str]
    new_id: NewId


@dataclass(slots=True)
class Part:
    """A resource that has entries of its own: one on a line, or one in a bundle.

    Args:
        source: As it was read.
        tree: As it is written; the slots wait for their new values.
        texts: What is read, in the order of the resource.
        values: What is replaced whole.
        holder: Entry of a bundle that holds it; None for a resource on a line.
        problem: Why it cannot be read; it has no tree then.
    """

    source: dict[str, Any] = field(repr=False)
    tree: dict[str, Any] = field(default_factory=dict, repr=False)
    texts: list[Text] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    holder: dict[str, Any] | None = field(default=None, repr=False)
    problem: Unreadable | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where an element stands.

    Args:
        path: From the type of the resource, without indices.
        shown: From the type of the outermost resource, with indices.
        kind: Type of the resource.
        depth: How many elements it lies in.
        strings: What all free text in it is; None where it is read.
    """

    path: str
    shown: str
    kind: str
    depth: int = 0
    strings: str | None = None

    @property
    def name(self) -> str:
        """The element's own name, without the underscore of what stands beside a value."""
        return self.path.rpartition(".")[2].removeprefix("_")

    def at(self, name: str, index: int | None) -> Place:
        """Return the place of an element in this one.

        Args:
            name: The element.
            index: Which of several; None where there is one.

        Raises:
            Unreadable: if it is nested too deep.
        """
        if self.depth >= DEEPEST:
            raise Unreadable(Reason.INVALID_RECORD, "nested too deep")
        shown = f"{self.shown}.{name}" if index is None else f"{self.shown}.{name}[{index}]"
        return Place(f"{self.path}.{name}", shown, self.kind, self.depth + 1, self.strings)
