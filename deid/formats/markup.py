"""Marked text, the way people write gold by hand: ``⟦TYPE|surface⟧`` or ``⟦TYPE#k|surface⟧``."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from deid.errors import UsageError, unknown_name

_OPEN, _CLOSE = "⟦", "⟧"
_MARK = re.compile(r"⟦([A-Z][A-Z0-9_]*)(?:#([A-Za-z0-9]+))?\|([^⟦⟧]+)⟧")


@dataclass(frozen=True, slots=True, order=True)
class GoldMention:
    """A marked mention.

    Args:
        start: First code point in the plain text.
        end: One past the last code point.
        entity_type: The mark's type.
        link: The mark's ``#k``, linking mentions of one person, place or number; empty if absent.
    """

    start: int
    end: int
    entity_type: str
    link: str = ""


def read_marked(
    marked: str, *, types: Collection[str] | None = None, place: str = "text"
) -> tuple[str, tuple[GoldMention, ...]]:
    """Split marked text into plain text and gold mentions.

    Args:
        marked: Text with marks.
        types: The type names allowed; any when None.
        place: Where the text is from, for the error (a file name; never text).

    Raises:
        UsageError: for a mark that is not closed, nested, empty, padded with white space, or of unknown type.
    """
    parts: list[str] = []
    mentions: list[GoldMention] = []
    length = position = 0
    for match in _MARK.finditer(marked):
        before = marked[position : match.start()]
        kind, link, surface = match[1], match[2] or "", match[3]
        where = f"{place}: mark {len(mentions) + 1} (line {marked.count(chr(10), 0, match.start()) + 1})"
        if types is not None and kind not in types:
            raise UsageError(f"{where}: {unknown_name('entity type', kind, types)}")
        if surface != surface.strip():
            raise UsageError(f"{where}: the marked surface begins or ends with white space")
        parts += (before, surface)
        start = length + len(before)
        length = start + len(surface)
        mentions.append(GoldMention(start, length, kind, link))
        position = match.end()
    parts.append(marked[position:])
    text = "".join(parts)
    for sign in (_OPEN, _CLOSE):
        if sign in text:
            line = text.count("\n", 0, text.index(sign)) + 1
            raise UsageError(f"{place}: unbalanced or malformed mark near line {line}; write ⟦TYPE|surface⟧")
    return text, tuple(mentions)


def write_marked(text: str, mentions: Collection[GoldMention]) -> str:
    """Put marks into plain text; the inverse of `read_marked`.

    Args:
        text: Plain text.
        mentions: Disjoint mentions in any order.
    """
    parts: list[str] = []
    position = 0
    for mention in sorted(mentions):
        link = f"#{mention.link}" if mention.link else ""
        surface = text[mention.start : mention.end]
        parts += (text[position : mention.start], f"{_OPEN}{mention.entity_type}{link}|{surface}{_CLOSE}")
        position = mention.end
    return "".join([*parts, text[position:]])
