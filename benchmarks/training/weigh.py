"""Fit what shape and words of a find add to the encoder's score (`deid.detect.weigh`).

    python benchmarks/training/weigh.py [MODEL] [--notes GLOB ...] [--cost 10] [--jobs 3] [--dry-run]

Notes that the encoder has not seen give the finds, sure ones and weak ones, that no rule overlaps; a find is
right if it overlaps a mention. Logistic regression over the features, their weights kept small (L2), those
seen in fewer than five finds left out. A mention missed costs as much as ``--cost`` finds that are none, one
of a profession as ``--jobs``: the logarithm of that is added to the odds of each find. What the weights bring
is printed for the dev notes, and for the fitted notes by weights fitted to the other folders (six parts).
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import torch
from torch.nn import functional as F

from deid.detect.description_recognizer import PolicyEncoder, finished
from deid.detect.rule_recognizer import RuleRecognizer
from deid.detect.weigh import SCORE, features, logit
from deid.encoder.decode import decode
from deid.encoder.model import DescriptionEncoder
from deid.encoder.weights import default_folder
from deid.formats.gold import Gold, read_gold
from deid.policy import load_policy

DATASET = Path(__file__).resolve().parents[1] / "dataset"
UNSEEN = ("train-j?", "train-k?", "train-l?", "train-m?", "train-n?")
FEWEST = 5  # finds with a feature
SMALLEST = 0.03  # of a weight that is worth a line
FOLDS = 6
JOB = "PROFESSION"
PENALTY = 2.5  # of the squared weights, in nats


@dataclass(frozen=True, slots=True)
class Find:
    """A find of the encoder.

    Args:
        kind: Its type.
        values: Its features.
        right: Whether it overlaps a mention.
        sure: Whether it counts by its threshold.
    """

    kind: str
    values: Mapping[str, float]
    right: bool
    sure: bool

    def odds(self, weights: Mapping[str, float]) -> float:
        """Return what the weights of its features add up to."""
        return sum(weights.get(name, 0.0) * value for name, value in self.values.items())


def main() -> None:
    """Fit, print, and write the weights into the model's calibration."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", type=Path, default=default_folder())
    parser.add_argument("--notes", nargs="+", default=UNSEEN, help="folders of dataset/notes")
    parser.add_argument("--cost", type=float, default=10, help="of a mention missed, in finds that are none")
    parser.add_argument("--jobs", type=float, default=3, help="the same of a profession")
    parser.add_argument("--dry-run", action="store_true", help="leave the model's calibration as it is")
    arguments = parser.parse_args()
    encoder = DescriptionEncoder(arguments.model)
    own, rules = PolicyEncoder(load_policy("base"), encoder), RuleRecognizer("base")
    folders = sorted(
        path for glob in arguments.notes for path in (DATASET / "notes").glob(glob) if path.is_dir()
    )
    parts = [list(finds(own, rules, list(read_gold(folder)))) for folder in folders]
    costs = {kind: arguments.jobs if kind == JOB else arguments.cost for kind in own.types.names}
    weights = fit([find for part in parts for find in part], costs)
    print(f"folders {len(parts)}, finds {sum(map(len, parts))}, weights {len(weights)}")
    report("fitted by the others", list(crossed(parts, costs)))
    dev = finds(own, rules, list(read_gold(DATASET / "dev.jsonl")))
    report("dev", [(find, find.odds(weights) >= 0) for find in dev])
    if not arguments.dry_run:
        encoder.folder.calibrated(replace(encoder.calibration, evidence=weights))


def finds(own: PolicyEncoder, rules: RuleRecognizer, notes: Sequence[Gold]) -> Iterator[Find]:
    """Yield what the encoder finds, sure or not, where no rule finds anything.

    Args:
        own: The encoder with its policy.
        rules: The rules.
        notes: Notes with their mentions.
    """
    encoder, types = own.encoder, own.types
    words = [encoder.split(note.text) for note, _ in notes]
    for (note, marks), split, both in zip(notes, words, encoder.scores(words, types), strict=True):
        ruled = [(each.start, each.end) for each in rules.find(note.text)]
        gold = [(mark.start, mark.end) for mark in marks]
        mentions = decode(note.text, split, both, types.thresholds, first=types.first, weak=True)
        for mention, finding, touching in finished(note.text, mentions, own.kinds):
            place = (finding.start, finding.end)
            if overlaps(place, ruled):
                continue
            names = features(note.text, finding, sure=mention.sure, touching=touching)
            score = logit(finding.score)
            values = dict.fromkeys(names, 1.0) | {SCORE: score, f"{finding.entity_type} {SCORE}": score}
            yield Find(finding.entity_type, values, overlaps(place, gold), mention.sure)


def overlaps(place: tuple[int, int], others: Iterable[tuple[int, int]]) -> bool:
    """Say whether a stretch overlaps one of others."""
    return any(place[0] < end and start < place[1] for start, end in others)


def crossed(parts: Sequence[Sequence[Find]], costs: Mapping[str, float]) -> Iterator[tuple[Find, bool]]:
    """Yield each find and whether it counts by weights that were fitted without its part.

    Args:
        parts: Finds of each folder.
        costs: As in `fit`.
    """
    for fold in range(FOLDS):
        weights = fit([find for at, part in enumerate(parts) if at % FOLDS != fold for find in part], costs)
        for part in parts[fold::FOLDS]:
            yield from ((find, find.odds(weights) >= 0) for find in part)


def fit(fitted: Sequence[Find], costs: Mapping[str, float]) -> dict[str, float]:
    """Return the weight of each feature.

    Args:
        fitted: Finds.
        costs: For each type of a mention missed, in finds that are none.
    """
    seen = Counter(name for find in fitted for name in find.values)
    names = sorted(name for name, count in seen.items() if count >= FEWEST)
    columns = {name: index for index, name in enumerate(names)}
    rows = [
        [(columns[each], value) for each, value in find.values.items() if each in columns] for find in fitted
    ]
    index = torch.tensor([column for row in rows for column, _ in row])
    values = torch.tensor([value for row in rows for _, value in row])
    offsets = torch.tensor([0, *accumulate(map(len, rows))][:-1])
    right = torch.tensor([float(find.right) for find in fitted])
    weights = torch.zeros(len(names), 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        odds = F.embedding_bag(index, weights, offsets, mode="sum", per_sample_weights=values).squeeze(1)
        total = F.binary_cross_entropy_with_logits(odds, right, reduction="sum")
        total = total + PENALTY * weights.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    found = dict(zip(names, weights.squeeze(1).tolist(), strict=True))
    large = {name: weight for name, weight in found.items() if abs(weight) >= SMALLEST}
    shifted = {kind: large.get(kind, 0.0) + math.log(cost) for kind, cost in costs.items()}
    return {name: round(weight, 3) for name, weight in (large | shifted).items()}


def report(name: str, found: Sequence[tuple[Find, bool]]) -> None:
    """Print how many finds are right and wrong, by thresholds alone and weighed; professions apart.

    Args:
        name: Of the notes.
        found: Their finds, and whether they count.
    """
    for what, chosen in (
        ("professions", [each for each in found if each[0].kind == JOB]),
        ("all others", [each for each in found if each[0].kind != JOB]),
    ):
        sure = [find.right for find, _ in chosen if find.sure]
        kept = [find.right for find, counts in chosen if counts]
        print(
            f"{name}, {what}: by thresholds {sum(sure)} right, {len(sure) - sum(sure)} wrong;"
            f" weighed {sum(kept)} right, {len(kept) - sum(kept)} wrong"
        )


if __name__ == "__main__":
    main()
