"""Few-shot: a model learns types from some annotated notes, and is held to what it knew of all others."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deid.encoder.calibrate import calibrate
from deid.encoder.corpus import CorpusSpec, TrainingText
from deid.encoder.describe import Described
from deid.encoder.model import DescriptionEncoder, comes_first
from deid.encoder.pretrained.card import CARD
from deid.encoder.train import BaseSpec, Progress, Trainer, TrainingSpec
from deid.encoder.weights import Calibration, ModelFolder
from deid.errors import UsageError

FEWEST_TEXTS = 5
_HELD_OUT = 5  # every fifth text sets thresholds and is not learned from
_FROZEN_SHARE = 2  # the lower half of the layers
_TEXTS, _PIECES = 16, 192
_PASSES = 6
_FEWEST_STEPS, _MOST_STEPS = 60, 300
_RATE = 1e-4


@dataclass(frozen=True, slots=True)
class Annotated:
    """A text and what somebody marked in it.

    Args:
        text: The text with its mentions.
        known: Types that are marked wherever they occur in the text; it says nothing of others.
    """

    text: TrainingText
    known: frozenset[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train.

    Args:
        seed: Makes every draw.
        steps: Optimizer steps; by the number of texts when None.
        report: Called every few steps.
    """

    seed: int = 1
    steps: int | None = None
    report: Callable[[Progress], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Counts:
    """Mentions of the learned types in texts that were not learned from.

    Args:
        gold: Marked.
        found: Found under their type, whole.
        wrong: Found and not marked so.
    """

    gold: int
    found: int
    wrong: int


@dataclass(frozen=True, slots=True)
class Adapted:
    """What came of it.

    Args:
        folder: The new model.
        learned: Names of the types that were learned.
        texts: How many texts were learned from.
        held_out: How many were not.
        before: What the model found in those before.
        after: And after.
        agreement: Share of the letters that all other types take in those texts on which both models agree.
    """

    folder: ModelFolder
    learned: tuple[str, ...]
    texts: int
    held_out: int
    before: Counts
    after: Counts
    agreement: float


def adapt(
    base: Path,
    annotated: Sequence[Annotated],
    types: Mapping[str, Described],
    output: Path,
    plan: Plan = Plan(),
) -> Adapted:
    """Train a copy of a model on annotated texts.

    The upper half of the layers learns; where a text says nothing of a type, the earlier model's opinion is
    kept. Every fifth text is held out: it sets the thresholds of the learned types, and what is reported is
    found in it, so that the figures flatter a little.

    Args:
        base: Model folder to start from.
        annotated: Texts; at least `FEWEST_TEXTS`.
        types: All types of the policy, by name.
        output: Folder to write; must not be the base.
        plan: How to go about it.

    Raises:
        UsageError: for too few texts, or none with a mention of a type of the policy.
    """
    learned = tuple(name for name in types if any(name in each.known for each in annotated))
    if len(annotated) < FEWEST_TEXTS or not any(
        kind in types for a in annotated for _, _, kind in a.text.spans
    ):
        raise UsageError(f"few-shot training needs {FEWEST_TEXTS} texts and mentions of types of the policy")
    order = sorted(
        annotated, key=lambda each: hashlib.sha256(f"{plan.seed} {each.text.text}".encode()).digest()
    )
    held, taught = order[::_HELD_OUT], [each for at, each in enumerate(order) if at % _HELD_OUT]
    if output.resolve() == base.resolve():
        raise UsageError("the new model must not take the place of the one it is made from")
    with tempfile.TemporaryDirectory(prefix="deid-") as name:
        folder = Path(name)
        spec = _write(folder, base, taught, types, plan)
        Trainer(spec, folder).train(plan.report, every=10)
        made = _copied(ModelFolder.open(folder / spec.output), output)
    earlier, later = DescriptionEncoder(base), DescriptionEncoder(output)
    limits = calibrate(later, {each: types[each] for each in learned}, _of(held, learned), recall=0.95)
    made = made.calibrated(_joined(earlier.calibration, limits, {each: types[each] for each in learned}))
    later = DescriptionEncoder(output)
    result = Adapted(
        made,
        learned,
        len(taught),
        len(held),
        _count(earlier, types, learned, held),
        _count(later, types, learned, held),
        _agreement(
            earlier, later, {name: kind for name, kind in types.items() if name not in learned}, order
        ),
    )
    (output / CARD).write_text(
        _card(result, base_digest=earlier.folder.digest, seed=plan.seed), encoding="utf-8"
    )
    return result


def _write(
    folder: Path, base: Path, taught: Sequence[Annotated], types: Mapping[str, Described], plan: Plan
) -> TrainingSpec:
    """Write what the trainer reads: types, and a file of texts for each set of types that they speak of."""
    fields = ("description", "views", "examples", "contrast")
    entries = {name: {each: getattr(kind, each) for each in fields} for name, kind in types.items()}
    (folder / "types.json").write_text(json.dumps({"types": entries}), encoding="utf-8")
    corpora: dict[frozenset[str], list[Annotated]] = {}
    for each in taught:
        corpora.setdefault(frozenset(each.known & types.keys()), []).append(each)
    specs = []
    for number, (known, texts) in enumerate(corpora.items()):
        own = list(known) if len(known) == 1 else []
        with (folder / f"{number}.jsonl").open("w", encoding="utf-8") as stream:
            for each in texts:
                spans = [{"start": s, "end": e, "label": k} for s, e, k in each.text.spans if k in types]
                record = {"text": each.text.text, "spans": spans, "own": own}
                stream.write(json.dumps(record) + "\n")
        specs.append(CorpusSpec(path=f"{number}.jsonl", weight=len(texts)))
    pieces = sum(len(each.text.text) for each in taught) / 4  # about four signs a piece
    wanted = int(_PASSES * max(pieces / _PIECES, len(taught)) / _TEXTS)
    network = ModelFolder.open(base).config()
    return TrainingSpec(
        output="model",
        work="work",
        base=BaseSpec(model=str(base.resolve())),
        types=("types.json",),
        corpora=tuple(specs),
        seed=plan.seed,
        steps=plan.steps or min(max(wanted, _FEWEST_STEPS), _MOST_STEPS),
        texts=_TEXTS,
        types_per_batch=len(types),
        pieces=_PIECES,
        learning_rate=_RATE,
        warmup=5,
        frozen_layers=network.layers // _FROZEN_SHARE,
        kept=1.0,
        quantized=True,
    )


def _copied(made: ModelFolder, output: Path) -> ModelFolder:
    output.mkdir(parents=True, exist_ok=True)
    for path in sorted(made.path.iterdir()):
        (output / path.name).write_bytes(path.read_bytes())
    return ModelFolder.open(output)


def _of(texts: Sequence[Annotated], learned: Sequence[str]) -> list[TrainingText]:
    """Return the texts with the mentions of the learned types."""
    return [
        TrainingText(each.text.text, tuple(span for span in each.text.spans if span[2] in learned))
        for each in texts
    ]


def _joined(earlier: Calibration, limits: Calibration, learned: Mapping[str, Described]) -> Calibration:
    """Return the thresholds of the learned types, and the earlier ones of all others."""
    added = {name for name, kind in learned.items() if comes_first(earlier, name, kind)}
    return Calibration(
        earlier.recall,
        earlier.pooled,
        {**earlier.thresholds, **limits.thresholds},
        {**earlier.descriptions, **limits.descriptions},
        f"sha256:{hashlib.sha256(f'{earlier.data} {limits.data}'.encode()).hexdigest()}",
        tuple(sorted({*earlier.added, *added})),
        earlier.evidence,
    )


def _count(
    encoder: DescriptionEncoder,
    types: Mapping[str, Described],
    learned: Sequence[str],
    held: Sequence[Annotated],
) -> Counts:
    vectors = encoder.describe(types)
    gold = found = wrong = 0
    for each, mentions in zip(held, encoder.find([each.text.text for each in held], vectors), strict=True):
        marked = {span for span in each.text.spans if span[2] in learned}
        seen = {(m.start, m.end, vectors.names[m.type_index]) for m in mentions}
        judged = {mention for mention in seen if mention[2] in each.known}
        gold, found, wrong = gold + len(marked), found + len(marked & seen), wrong + len(judged - marked)
    return Counts(gold, found, wrong)


def _agreement(
    earlier: DescriptionEncoder,
    later: DescriptionEncoder,
    types: Mapping[str, Described],
    texts: Sequence[Annotated],
) -> float:
    """Return how much of what either model takes for one of the types both take, in letters."""
    if not types:
        return 1.0
    raw = [each.text.text for each in texts]
    both = either = 0
    found = (encoder.find(raw, encoder.describe(types)) for encoder in (earlier, later))
    for first, second in zip(*found, strict=True):
        one, other = ({i for m in mentions for i in range(m.start, m.end)} for mentions in (first, second))
        both, either = both + len(one & other), either + len(one | other)
    return both / either if either else 1.0


def _card(adapted: Adapted, *, base_digest: str, seed: int) -> str:
    names = ", ".join(adapted.learned)
    return f"""---
license: apache-2.0
---
# Model adapted from few annotated notes

Made by `deid train --from` out of {base_digest}, seed {seed}:
{adapted.texts} texts were learned from, {adapted.held_out} held out. Types learned: {names}.

| | marked | found, whole and of their type | found and not marked |
|---|---|---|---|
| before | {adapted.before.gold} | {adapted.before.found} | {adapted.before.wrong} |
| after | {adapted.after.gold} | {adapted.after.found} | {adapted.after.wrong} |

Of the letters that either model takes for one of the other types in these texts, both take
{adapted.agreement:.1%}.

The held-out texts also set the thresholds, so the figures flatter a little. Weights can hold traces of the
notes they were trained on: treat this folder like the notes themselves. Measure it on notes of your own
(`deid evaluate --model`) before relying on it.
"""
