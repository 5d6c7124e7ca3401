"""Passages for training in which types of the catalogue are sought among ordinary identifiers.

A file holds blocks: a line ``=== TYPE, TYPE``, then the passage. Every mention of a type in the head is
marked with it, everything else that identifies with one of the 29 ordinary types; some types in the head do
not occur.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from deid.errors import UsageError
from deid.formats.markup import GoldMention, read_marked

WORDS = (45, 260)
WITHOUT_MENTION = (0.2, 0.5)  # share of the types in the heads that do not occur
_HEAD = re.compile(r"=== ([A-Z][A-Z0-9_]*(?:, [A-Z][A-Z0-9_]*)*)")


@dataclass(frozen=True, slots=True)
class SoughtPassage:
    """A passage with the types that are sought in it.

    Args:
        name: File and number.
        sought: Types of the catalogue of which it says everything.
        text: The passage.
        mentions: Sought types and ordinary ones.
    """

    name: str
    sought: tuple[str, ...]
    text: str
    mentions: tuple[GoldMention, ...]


def read_sought(folder: Path, ordinary: Collection[str]) -> list[SoughtPassage]:
    """Read all files of a folder.

    Args:
        folder: Holds the files.
        ordinary: Types that may be marked in any passage.

    Raises:
        UsageError: for a block without head, a malformed mark or a mark of a type that is not in the head.
    """
    passages: list[SoughtPassage] = []
    for path in sorted(folder.glob("*.txt")):
        blocks = re.split(r"^(?==== )", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for number, block in enumerate(filter(str.strip, blocks), start=1):
            place = f"{path.name}: block {number}"
            head, _, body = block.partition("\n")
            match = _HEAD.fullmatch(head.strip())
            if match is None:
                raise UsageError(f"{place} does not begin with '=== TYPE, TYPE'")
            sought = tuple(match[1].split(", "))
            text, mentions = read_marked(body.strip("\n"), types={*ordinary, *sought}, place=place)
            passages.append(SoughtPassage(f"{path.stem}-{number}", sought, text, mentions))
    return passages


def check_sought(passages: Iterable[SoughtPassage], types: Collection[str]) -> list[str]:
    """Return what is wrong: length, types not of the training catalogue, how many types do not occur."""
    findings = []
    present: Counter[bool] = Counter()
    for passage in passages:
        words = len(passage.text.split())
        if not WORDS[0] <= words <= WORDS[1]:
            findings.append(f"{passage.name}: {words} words, not {WORDS[0]} to {WORDS[1]}")
        marked = {mention.entity_type for mention in passage.mentions}
        for kind in passage.sought:
            present[kind in marked] += 1
            if kind not in types:
                findings.append(f"{passage.name}: {kind} is not a training type")
    low, high = WITHOUT_MENTION
    if present and not low <= present[False] / present.total() <= high:
        findings.append(f"sought: {present[False]} of {present.total()} types in heads do not occur")
    return findings
