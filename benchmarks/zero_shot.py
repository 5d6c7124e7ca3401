"""Finding types that were never trained on, from a description: the passages of the held-out families.

    python benchmarks/zero_shot.py [--model DIR] [--split test]

Each passage is asked for one type; a third of them hold none, and all are full of ordinary PHI. Types are
asked for in four wordings and in all of them together, and by the one line with the contrast or with six
surface forms, alone and beside the types of `safe-harbor`. The threshold is the one that is best on the dev
families, for all types one. ``--split dev`` prints the dev families only. The test families are for measuring
only: nobody reads what is found in them.

What the encoder says is finished as in a run: drawn out, trimmed, doubted (`deid.detect`).

F1 counts a mention as found if its offsets are exact; "overlap" lets any overlap count. False finds are
passages without the type in which something is found all the same. Results go to results/zero-shot.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from throughput import machine

from deid.detect.description_recognizer import kept
from deid.encoder.decode import Mention, decode
from deid.encoder.model import DescriptionEncoder
from deid.encoder.windows import FloatArray
from deid.encoder.words import Words
from deid.policy import EntityType, load_policy

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "dataset"))
from families import CatalogueType, read_families  # noqa: E402 - lies in a folder of scripts
from passages import Passage, read_passages  # noqa: E402

DEV_FAMILIES = frozenset({"court", "tribal", "farming_and_fishing", "travel", "digital_life"})
Offsets = tuple[int, int]
WORDINGS = ("line", "line+contrast", "line+examples", "rich", "terse", "colloquial", "all")
EXAMPLES = 6
SHIPPED = "safe-harbor"
GRID = tuple(round(float(value), 3) for value in np.geomspace(0.02, 0.95, 24))
NEARLY = 0.03  # of F1, by which a higher threshold may be worse


@dataclass(frozen=True, slots=True)
class Scored:
    """A passage with the network's word scores for everything asked: inside and begin, each [W, T]."""

    passage: Passage
    words: Words
    scores: tuple[FloatArray, FloatArray]


@dataclass(frozen=True, slots=True)
class Setting:
    """What is asked of each passage.

    Args:
        wording: One of `WORDINGS`.
        kinds: What each column of the scores stands for.
        places: Column of each description.
        others: Columns of the types asked for beside.
        limits: Their thresholds.
    """

    wording: str
    kinds: Sequence[EntityType]
    places: Mapping[str, int]
    others: Sequence[int]
    limits: FloatArray


@dataclass(frozen=True, slots=True)
class Figures:
    """How well mentions were found at one threshold.

    Args:
        precision: Share of the finds with exact offsets.
        recall: Share of the mentions.
        f1: Of both.
        overlap_f1: The same where any overlap counts.
        false_finds: Share of the passages without the type that have a find.
    """

    precision: float
    recall: float
    f1: float
    overlap_f1: float
    false_finds: float


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path)
    parser.add_argument("--split", choices=("dev", "test"), default="test")
    arguments = parser.parse_args()
    encoder = DescriptionEncoder(arguments.model)
    measured = Measured.of(encoder, test=arguments.split == "test")
    results: dict[str, Any] = {}
    print(f"{'wording':<14}{'company':<10}{'threshold':>10}" + "".join(f"{n:>15}" for n in _columns()))
    for wording in WORDINGS:
        for beside in (False, True):
            setting = measured.setting(wording, beside=beside)
            threshold = best(measured.dev, setting)
            shown = figures(measured.test or measured.dev, setting, threshold)
            company = "shipped" if beside else "alone"
            results[f"{wording}, {company}"] = {"threshold": threshold, **rounded(shown)}
            numbers = "".join(f"{value:>15.3f}" for value in rounded(shown).values())
            print(f"{wording:<14}{company:<10}{threshold:>10.3f}{numbers}")
    if measured.test and arguments.model is None:
        beside_shipped = measured.setting("rich", beside=True)
        threshold = results["rich, shipped"]["threshold"]
        by_family = {
            family: rounded(figures(own, beside_shipped, threshold))
            for family, own in sorted(measured.by_family().items())
        }
        found = {
            "passages": {"dev": len(measured.dev), "test": len(measured.test)},
            "model": encoder.folder.digest,
            "test": results,
            "test_rich_beside_shipped_by_family": by_family,
            "machine": machine(),
        }
        path = HERE / "results" / "zero-shot.json"
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Measured:
    """Passages with the scores of everything that is asked of them.

    Args:
        dev: Passages of the dev families.
        test: Passages of the test families; empty if they are not asked for.
        families: Family of each held-out type.
        kinds: What each column of the scores stands for.
        places: Column of each description.
        shipped: Columns of the shipped types.
        limits: Their thresholds.
    """

    dev: tuple[Scored, ...]
    test: tuple[Scored, ...]
    families: Mapping[str, str]
    kinds: tuple[EntityType, ...]
    places: Mapping[str, int]
    shipped: tuple[int, ...]
    limits: FloatArray

    @classmethod
    def of(cls, encoder: DescriptionEncoder, *, test: bool) -> Measured:
        """Read all passages with an encoder.

        Args:
            encoder: The model.
            test: Also those of the test families.
        """
        types, families = held_out()
        shipped = {kind.name: kind for kind in load_policy(SHIPPED).types}
        asked = {
            f"{name} {wording}": worded(kind, wording) for name, kind in types.items() for wording in WORDINGS
        }
        kinds = asked | shipped
        vectors = encoder.describe(kinds)
        places = {name: index for index, name in enumerate(vectors.names)}
        passages = read_passages(HERE / "dataset" / "passages")
        if not test:
            passages = [each for each in passages if families[each.entity_type] in DEV_FAMILIES]
        words = [encoder.split(passage.text) for passage in passages]
        scored = [
            Scored(passage, split, both)
            for passage, split, both in zip(passages, words, encoder.scores(words, vectors), strict=True)
        ]
        columns = tuple(places[name] for name in shipped)
        return cls(
            tuple(each for each in scored if families[each.passage.entity_type] in DEV_FAMILIES),
            tuple(each for each in scored if families[each.passage.entity_type] not in DEV_FAMILIES),
            families,
            tuple(kinds.values()),
            places,
            columns,
            vectors.thresholds[list(columns)],
        )

    def setting(self, wording: str, *, beside: bool) -> Setting:
        """Return what is asked: one wording, alone or beside the shipped types.

        Args:
            wording: One of `WORDINGS`.
            beside: Ask for the shipped types too.
        """
        others = self.shipped if beside else ()
        return Setting(wording, self.kinds, self.places, others, self.limits if beside else self.limits[:0])

    def by_family(self) -> dict[str, list[Scored]]:
        """Return the test passages by family."""
        found: dict[str, list[Scored]] = {}
        for each in self.test:
            found.setdefault(self.families[each.passage.entity_type], []).append(each)
        return found


def held_out() -> tuple[dict[str, CatalogueType], dict[str, str]]:
    """Return the held-out types, and the family of each."""
    types: dict[str, CatalogueType] = {}
    families: dict[str, str] = {}
    for stem, family in read_families(HERE / "dataset" / "catalogue" / "held-out").items():
        types |= family.types
        families |= dict.fromkeys(family.types, stem)
    return types, families


def worded(kind: CatalogueType, wording: str) -> EntityType:
    """Return a type in one of its wordings, or in all, as it would stand in a policy.

    Args:
        kind: The type.
        wording: One of `WORDINGS`.
    """
    name, _, added = wording.partition("+")
    every = name == "all"
    return EntityType(
        name="SOUGHT",
        description=kind.wordings["rich" if every else name],
        views=(kind.line, kind.terse, kind.colloquial) if every else (),
        examples=kind.surfaces[:EXAMPLES] if added == "examples" else (),
        contrast=kind.contrast if every or added == "contrast" else None,
        operator=load_policy(SHIPPED).default_operator,
    )


def best(scored: Sequence[Scored], setting: Setting) -> float:
    """Return the highest threshold of `GRID` whose F1 is as good as the best, or nearly.

    F1 hardly changes over a wide stretch in which false finds fall by half.

    Args:
        scored: Passages.
        setting: What is asked.
    """
    by_limit = {limit: figures(scored, setting, limit).f1 for limit in GRID}
    return max(limit for limit, f1 in by_limit.items() if f1 >= max(by_limit.values()) - NEARLY)


def figures(scored: Sequence[Scored], setting: Setting, threshold: float) -> Figures:
    """Judge the finds in passages.

    Args:
        scored: Passages.
        setting: What is asked.
        threshold: Least probability of the type asked for.
    """
    return judge(
        (_found(each, setting, threshold), {(mark.start, mark.end) for mark in each.passage.mentions})
        for each in scored
    )


def judge(passages: Iterable[tuple[Collection[Offsets], Collection[Offsets]]]) -> Figures:
    """Compare what was found of the type asked for with what there is.

    Args:
        passages: Start and end of the finds and of the mentions, for each passage.
    """
    right = overlapping = predicted = touched = total = empty = wrong = 0
    for found, gold in passages:
        right += sum(mention in gold for mention in found)
        overlapping += sum(any(_overlap(mention, mark) for mark in gold) for mention in found)
        touched += sum(any(_overlap(mention, mark) for mention in found) for mark in gold)
        predicted += len(found)
        total += len(gold)
        empty += not gold
        wrong += bool(found) and not gold
    loose = _f1(overlapping / max(predicted, 1), touched / max(total, 1))
    precision, recall = right / max(predicted, 1), right / max(total, 1)
    return Figures(precision, recall, _f1(precision, recall), loose, wrong / max(empty, 1))


def _found(each: Scored, setting: Setting, threshold: float) -> list[Offsets]:
    columns = [setting.places[f"{each.passage.entity_type} {setting.wording}"], *setting.others]
    mentions = _decoded(each, columns, np.append(np.float32(threshold), setting.limits))
    kinds = [setting.kinds[column] for column in columns]
    return [
        (finding.start, finding.end)
        for mention, finding in kept(each.passage.text, mentions, kinds)
        if mention.type_index == 0
    ]


def _decoded(each: Scored, columns: Sequence[int], limits: FloatArray) -> tuple[Mention, ...]:
    inside, begin = (part[:, columns] for part in each.scores)
    return decode(
        each.passage.text,
        each.words,
        (inside, begin),
        limits.astype(np.float32),
        first=np.arange(len(limits)) == 0,
    )


def _overlap(one: Offsets, other: Offsets) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _columns() -> tuple[str, ...]:
    return ("precision", "recall", "f1", "overlap f1", "false finds")


def rounded(shown: Figures) -> dict[str, float]:
    """Return figures as JSON values, with four decimals."""
    names = ("precision", "recall", "f1", "overlap_f1", "false_finds")
    return {name: round(float(getattr(shown, name)), 4) for name in names}


if __name__ == "__main__":
    main()
