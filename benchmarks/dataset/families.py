"""The catalogue of entity types: read, validate and count.

``python benchmarks/dataset/families.py [FILE ...]`` checks families of types; exits 1 if anything is wrong.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deid.errors import DeidError, UsageError
from deid.formats.markup import read_marked
from deid.policy import load_policy

HERE = Path(__file__).resolve().parent
SLOT = "{X}"
RICH_WORDS = (40, 120)
_NAME = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")


class CatalogueType(BaseModel):
    """A type as the encoder meets it in training.

    Args:
        line: One-line definition.
        rich: 40 to 120 words with cues and surface forms.
        terse: Its name in a few words.
        colloquial: How a lay person would put it.
        contrast: What is not meant.
        near: Names of three types that it could be mistaken for.
        overlaps: Types that a mention may rightly be called as well.
        surfaces: At least ten surface forms.
        contexts: At least six texts with one slot ``{X}``; other mentions of ordinary types are marked.
        without: Texts with the type's cue words and no mention.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: str
    rich: str
    terse: str
    colloquial: str
    contrast: str
    near: Annotated[tuple[str, ...], Field(min_length=3)]
    overlaps: tuple[str, ...] = ()
    surfaces: Annotated[tuple[str, ...], Field(min_length=10)]
    contexts: Annotated[tuple[str, ...], Field(min_length=6)]
    without: Annotated[tuple[str, ...], Field(min_length=1)]

    @property
    def wordings(self) -> dict[str, str]:
        """The four wordings by kind."""
        return {"line": self.line, "rich": self.rich, "terse": self.terse, "colloquial": self.colloquial}


class Family(BaseModel):
    """A file of related types.

    Args:
        family: Its name.
        types: Types by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str
    types: dict[str, CatalogueType]


def read_family(path: Path) -> Family:
    """Read a family.

    Raises:
        UsageError: if it is no YAML or a field is missing or wrong; names the place.
    """
    try:
        return Family.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise UsageError(
            f"{path.name}: {str(error).splitlines()[0]} {getattr(error, 'problem_mark', '')}"
        ) from None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UsageError(f"{path.name}: {wrong}") from None


def read_families(folder: Path) -> dict[str, Family]:
    """Read all families of a folder, by file name."""
    return {path.stem: read_family(path) for path in sorted(folder.glob("*.yaml"))}


def check_type(name: str, kind: CatalogueType, known: frozenset[str]) -> Iterator[str]:
    """Yield what is wrong with a type."""
    ordinary = load_policy("base").type_names
    if not _NAME.fullmatch(name) or name in ordinary:
        yield "the name is not in UPPER_CASE or is one of the ordinary types"
    words = len(kind.rich.split())
    if not RICH_WORDS[0] <= words <= RICH_WORDS[1]:
        yield f"rich has {words} words, not {RICH_WORDS[0]} to {RICH_WORDS[1]}"
    if len({wording.lower().strip(" .") for wording in kind.wordings.values()}) < 4:
        yield "two wordings are the same"
    if len(set(kind.surfaces)) < len(kind.surfaces) or any(s != s.strip() or not s for s in kind.surfaces):
        yield "a surface occurs twice, is empty or is padded with white space"
    for other in kind.overlaps:
        if other not in known:
            yield f"overlaps: {other} is not a type of the ordinary policy or of this family"
    for number, context in enumerate(kind.contexts, start=1):
        if context.count(SLOT) != 1:
            yield f"context {number} has {context.count(SLOT)} slots, not one"
    for field in ("contexts", "without"):
        for number, text in enumerate(getattr(kind, field), start=1):
            if field == "without" and SLOT in text:
                yield f"without {number} has a slot"
            try:
                read_marked(text, types=frozenset(ordinary), place=f"{field} {number}")
            except DeidError as error:
                yield str(error)


def check_families(families: Iterable[Family]) -> list[str]:
    """Return what is wrong with families and their types."""
    findings: list[str] = []
    owners: dict[str, str] = {}
    ordinary = frozenset(load_policy("base").type_names)
    for family in families:
        known = ordinary | family.types.keys()
        for name, kind in family.types.items():
            if name in owners:
                findings.append(f"{family.family}: {name} is also in {owners[name]}")
            owners.setdefault(name, family.family)
            findings += [f"{family.family}: {name}: {what}" for what in check_type(name, kind, known)]
    return findings


def main() -> None:
    """Check the files named, or the whole catalogue."""
    paths = [Path(name) for name in sys.argv[1:]] or sorted((HERE / "catalogue").rglob("*.yaml"))
    families, findings = [], []
    for path in paths:
        try:
            families.append(read_family(path))
        except DeidError as error:
            findings.append(str(error))
    findings += check_families(families)
    for finding in findings:
        print(finding)
    print(f"{sum(len(family.types) for family in families)} types in {len(families)} families")
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
