"""Passages for types never trained on; ``python benchmarks/dataset/passages.py [FILE ...]`` checks them.

A file holds blocks: a line ``=== TYPE_NAME``, then the passage with the sought mentions marked
``⟦X|surface⟧``; nothing else is marked. A third of a type's passages hold no mention.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from deid.errors import DeidError, UsageError
from deid.formats.markup import GoldMention, read_marked

HERE = Path(__file__).resolve().parent
WORDS = (40, 150)
PASSAGES_OF_A_TYPE = 10
WITHOUT_MENTION = (0.25, 0.45)
_HEAD = re.compile(r"=== ([A-Z][A-Z0-9_]*)")


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage in which one type is sought.

    Args:
        name: File and number.
        entity_type: The type.
        text: The passage.
        mentions: Where the type occurs; often nowhere.
    """

    name: str
    entity_type: str
    text: str
    mentions: tuple[GoldMention, ...]


def read_passages(folder: Path) -> list[Passage]:
    """Read all passages of a folder."""
    return [passage for path in sorted(folder.rglob("*.txt")) for passage in read_file(path)]


def read_file(path: Path) -> list[Passage]:
    """Read a file of passages.

    Raises:
        UsageError: for a block without head or a malformed mark.
    """
    passages: list[Passage] = []
    blocks = re.split(r"^(?==== )", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for number, block in enumerate(filter(str.strip, blocks), start=1):
        head, _, body = block.partition("\n")
        match = _HEAD.fullmatch(head.strip())
        if match is None:
            raise UsageError(f"{path.name}: block {number} does not begin with '=== TYPE_NAME'")
        text, marks = read_marked(body.strip("\n"), types={"X"}, place=f"{path.name}: block {number}")
        mentions = tuple(GoldMention(mark.start, mark.end, match[1]) for mark in marks)
        passages.append(Passage(f"{path.stem}-{number}", match[1], text, mentions))
    return passages


def check_passages(passages: Iterable[Passage], types: Collection[str]) -> list[str]:
    """Return what is wrong: length, unknown types, too few passages, too few without a mention."""
    findings = []
    total: Counter[str] = Counter()
    empty: Counter[str] = Counter()
    for passage in passages:
        words = len(passage.text.split())
        if not WORDS[0] <= words <= WORDS[1]:
            findings.append(f"{passage.name}: {words} words, not {WORDS[0]} to {WORDS[1]}")
        if types and passage.entity_type not in types:
            findings.append(f"{passage.name}: {passage.entity_type} is not a held-out type")
        total[passage.entity_type] += 1
        empty[passage.entity_type] += not passage.mentions
    for name, number in total.items():
        low, high = WITHOUT_MENTION
        if number < PASSAGES_OF_A_TYPE or not low <= empty[name] / number <= high:
            findings.append(f"{name}: {number} passages, {empty[name]} of them without a mention")
    return findings


def main() -> None:
    """Check the files named, or all passages."""
    findings: list[str] = []
    passages: list[Passage] = []
    for path in [Path(name) for name in sys.argv[1:]] or sorted((HERE / "passages").rglob("*.txt")):
        try:
            passages += read_file(path)
        except DeidError as error:
            findings.append(str(error))
    findings += check_passages(passages, ())
    for finding in findings:
        print(finding)
    types = len({passage.entity_type for passage in passages})
    empty = sum(not passage.mentions for passage in passages)
    print(f"{len(passages)} passages of {types} types, {empty} without a mention")
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
