"""What `deid train --from` brings: types never trained on, before and after a few annotated notes.

    python benchmarks/few_shot.py [--model DIR] [--thirds 1]

The first type of each development family of the dataset is added to `safe-harbor`, with its full description,
three views and contrast. Two thirds of the passages of these types are what a user has annotated; each says
only where its own type stands. The other third is never shown to the training. ``--thirds 3`` trains three
times, each time on other two thirds, so that every passage is tested once.

Everything is done with the commands that a user has. Found is what `deid detect` finds under that policy. F1
counts a mention as found if its offsets are exact; "overlap" lets any overlap count. False finds are passages
without the type in which it is found all the same. What the model has forgotten shows in `deid evaluate` of
`safe-harbor` alone on the dev notes. Results go to
results/few-shot.json. ``--steps`` and ``--notes`` make a short trial; write that elsewhere with ``--out``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from throughput import machine
from zero_shot import DEV_FAMILIES, Figures, Offsets, held_out, judge, rounded

from deid.encoder.weights import default_folder
from deid.formats.annotations.records import Gold
from deid.formats.gold import read_gold, write_gold
from deid.note import Note

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "dataset"))
from families import CatalogueType  # noqa: E402 - lies in a folder of scripts
from passages import Passage, read_passages  # noqa: E402

PARTS = 3
MEASURES = ("recall", "notes_without_leak", "precision", "over_redaction", "typed_strict_f1")


@dataclass(frozen=True, slots=True)
class Tested:
    """A passage that was not learned from, and where its type is found in it before and after."""

    passage: Passage
    before: frozenset[Offsets]
    after: frozenset[Offsets]


@dataclass(frozen=True, slots=True)
class Trial:
    """One training.

    Args:
        taught: How many passages it was given.
        tested: What is found in the others.
        seconds: What the command took.
        later: What `deid evaluate` says of `safe-harbor` on the dev notes afterwards.
    """

    taught: int
    tested: tuple[Tested, ...]
    seconds: float
    later: dict[str, Any]


def main() -> None:
    """Train, measure, print and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="start from this model folder; default: the shipped one")
    parser.add_argument("--thirds", type=int, choices=range(1, PARTS + 1), default=1)
    parser.add_argument("--steps", type=int, help="optimizer steps; default: as the command chooses")
    parser.add_argument("--notes", type=int, help="measure what was forgotten on so many dev notes")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "few-shot.json")
    arguments = parser.parse_args()
    types = first_of_each_family()
    passages = [each for each in read_passages(HERE / "dataset" / "passages") if each.entity_type in types]
    with tempfile.TemporaryDirectory(prefix="deid-") as name:
        bench = Bench(Path(name), arguments.steps)
        shutil.copytree(arguments.model or default_folder(), bench.base)  # it stays what it is meanwhile
        bench.policy.write_text(policy_text(types), encoding="utf-8")
        write_gold(bench.dev, list(read_gold(HERE / "dataset" / "dev.jsonl"))[: arguments.notes])
        before = bench.evaluated(bench.base)
        trials = [bench.trial(*parted(passages, third)) for third in range(arguments.thirds)]
    results = summary(trials, before) | {"model": before["model"], "machine": machine()}
    arguments.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=2))


def first_of_each_family() -> dict[str, CatalogueType]:
    """Return the first type of each development family, so that nobody picks them."""
    types, families = held_out()
    first = {family: name for name, family in reversed(families.items()) if family in DEV_FAMILIES}
    return {first[family]: types[first[family]] for family in sorted(first)}


def parted(passages: Iterable[Passage], third: int) -> tuple[list[Passage], list[Passage]]:
    """Return the passages to learn from and those to test on: of each type every third, mentions or none.

    Args:
        passages: Of several types.
        third: Which third is tested, from 0.
    """
    by_type: dict[str, list[Passage]] = {}
    for each in sorted(passages, key=lambda passage: not passage.mentions):
        by_type.setdefault(each.entity_type, []).append(each)
    numbered = [pair for own in by_type.values() for pair in enumerate(own)]
    taught = [each for at, each in numbered if at % PARTS != third]
    return taught, [each for at, each in numbered if at % PARTS == third]


@dataclass(frozen=True, slots=True)
class Bench:
    """What all trainings have in common.

    Args:
        folder: For the policy, the notes and the models.
        steps: Optimizer steps; as the command chooses when None.
    """

    folder: Path
    steps: int | None

    @property
    def base(self) -> Path:
        """Model folder to start from."""
        return self.folder / "base"

    @property
    def policy(self) -> Path:
        """`safe-harbor` and the types to learn."""
        return self.folder / "few-shot.yaml"

    @property
    def dev(self) -> Path:
        """Notes on which it shows what was forgotten."""
        return self.folder / "dev.jsonl"

    def trial(self, taught: Sequence[Passage], tested: Sequence[Passage]) -> Trial:
        """Train on some passages and see what is found in others.

        Args:
            taught: To learn from.
            tested: To find mentions in.
        """
        gold, learned = self.folder / "gold.jsonl", Path(tempfile.mkdtemp(dir=self.folder))
        write_gold(gold, map(as_gold, taught))
        steps = [] if self.steps is None else ["--steps", str(self.steps)]
        begin = time.perf_counter()
        told = run_deid(
            "train", "--from", self.base, "--gold", gold, "--policy", self.policy, "--out", learned, *steps
        )
        seconds = time.perf_counter() - begin
        print(told, end="", file=sys.stderr)
        before, after = (self._found(tested, model) for model in (self.base, learned))
        pairs = zip(tested, before, after, strict=True)
        return Trial(len(taught), tuple(Tested(*each) for each in pairs), seconds, self.evaluated(learned))

    def _found(self, passages: Sequence[Passage], model: Path) -> list[frozenset[Offsets]]:
        """Return where each passage's own type is found."""
        notes = self.folder / "tested.jsonl"
        write_gold(notes, map(as_gold, passages))
        lines = run_deid("detect", notes, "--policy", self.policy, "--model", model).splitlines()
        found = []
        for passage, record in zip(passages, map(json.loads, lines), strict=True):
            own = (span for span in record["spans"] if span["entity_type"] == passage.entity_type)
            found.append(frozenset((span["start"], span["end"]) for span in own))
        return found

    def evaluated(self, model: Path) -> dict[str, Any]:
        """Return what a model does under `safe-harbor` on the dev notes.

        Args:
            model: A model folder.
        """
        told = run_deid("evaluate", self.dev, "--policy", "safe-harbor", "--json", "--model", model)
        evaluation: dict[str, Any] = json.loads(told)
        return evaluation


def run_deid(*arguments: str | Path) -> str:
    """Run the command and return what it prints.

    Args:
        arguments: What follows ``deid``.
    """
    command = [sys.executable, "-m", "deid", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def as_gold(passage: Passage) -> Gold:
    """Return a passage as somebody has annotated it who was looking for its type alone."""
    note = Note(passage.name, passage.text, metadata={"only": [passage.entity_type]})
    return note, passage.mentions


def policy_text(types: dict[str, CatalogueType]) -> str:
    """Return a policy file: `safe-harbor` and some types more.

    Args:
        types: Types by name.
    """
    added = {
        name: {
            "description": kind.rich,
            "views": [kind.line, kind.terse, kind.colloquial],
            "contrast": kind.contrast,
        }
        for name, kind in types.items()
    }
    values = {"policy": "few-shot", "version": "1", "extends": "safe-harbor", "types": added}
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def summary(trials: Sequence[Trial], before: dict[str, Any]) -> dict[str, Any]:
    """Return the results of all trainings as JSON values.

    Args:
        trials: The trainings.
        before: What `deid evaluate` says of `safe-harbor` on the dev notes before.
    """
    tested = [each for trial in trials for each in trial.tested]
    types = sorted({each.passage.entity_type for each in tested})
    return {
        "types": types,
        "trainings": len(trials),
        "passages_learned_from": [trial.taught for trial in trials],
        "passages_tested": len(tested),
        "mentions_tested": sum(len(each.passage.mentions) for each in tested),
        "passages_without": sum(not each.passage.mentions for each in tested),
        "seconds": [round(trial.seconds) for trial in trials],
        "new_types": compared(tested),
        "by_type": {
            name: compared([each for each in tested if each.passage.entity_type == name]) for name in types
        },
        "safe_harbor": {"before": measures(before), "after": [measures(trial.later) for trial in trials]},
    }


def measures(evaluation: dict[str, Any]) -> dict[str, float]:
    """Return some of the figures of an evaluation.

    Args:
        evaluation: As `deid evaluate` writes it.
    """
    return {name: round(evaluation["figures"][name]["value"], 4) for name in MEASURES}


def compared(tested: Sequence[Tested]) -> dict[str, dict[str, float]]:
    """Return the figures of some passages before and after.

    Args:
        tested: The passages.
    """

    def judged(finds: Iterable[frozenset[Offsets]]) -> Figures:
        marks = ([(mark.start, mark.end) for mark in each.passage.mentions] for each in tested)
        return judge(zip(finds, marks, strict=True))

    return {
        "before": rounded(judged(each.before for each in tested)),
        "after": rounded(judged(each.after for each in tested)),
    }


if __name__ == "__main__":
    main()
