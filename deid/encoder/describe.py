"""What the encoder reads of an entity type: its description in several wordings, never its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Described(Protocol):
    """What a type must offer to be read: the entries of a policy and of a catalogue both do."""

    @property
    def description(self) -> str:
        """The description."""

    @property
    def views(self) -> tuple[str, ...]:
        """Further wordings."""

    @property
    def examples(self) -> tuple[str, ...]:
        """Surface forms as they stand in real notes."""

    @property
    def contrast(self) -> str | None:
        """What is not meant."""


def render(wording: str, *, examples: Sequence[str] = (), contrast: str | None = None) -> str:
    """Word one view of a type.

    Args:
        wording: A description or a further wording of it.
        examples: Surface forms to name.
        contrast: A sentence on what is not meant.
    """
    text = " ".join(wording.split()).rstrip(".") + "."
    if examples:
        text += f" For example: {'; '.join(examples)}."
    if contrast:
        text += f" Not meant: {' '.join(contrast.split()).rstrip('.')}."
    return text


def wordings(kind: Described) -> tuple[str, ...]:
    """Return the views that are encoded and averaged, the fullest one first.

    Args:
        kind: An entry of a policy or a catalogue.
    """
    full = render(kind.description, examples=kind.examples, contrast=kind.contrast)
    plain = [render(wording) for wording in (kind.description, *kind.views)]
    return tuple(dict.fromkeys((full, *plain)))
