"""Thresholds for a stated recall, measured on notes that were not trained on."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from deid.encoder.corpus import TrainingText
from deid.encoder.decode import reach
from deid.encoder.describe import Described
from deid.encoder.model import DescriptionEncoder, description_digest
from deid.encoder.weights import Calibration

_FEWEST = 30  # mentions below which a type takes the value of all together
_LOWEST, _HIGHEST = 0.05, 0.3


def calibrate(
    encoder: DescriptionEncoder,
    types: Mapping[str, Described],
    texts: Sequence[TrainingText],
    *,
    recall: float = 0.98,
) -> Calibration:
    """Choose for each type the highest threshold at which the stated share of its mentions is found.

    The score of a mention is the highest threshold at which the strongest probabilities of any type cover all
    its words (`deid.encoder.decode.reach`): a mention is covered if every word is, under whatever type. With
    n mentions sorted by score, the k-th lowest is the threshold, k = floor((n + 1) (1 - recall)): the
    split-conformal choice, valid for exchangeable mentions (Angelopoulos and Bates 2021, section 1).

    Args:
        encoder: The model.
        types: The types to calibrate, by name.
        texts: Held-out texts, labelled with all of these types.
        recall: Share of mentions to be found, in 0..1.
    """
    vectors = encoder.describe(types)
    scores: dict[str, list[float]] = defaultdict(list)
    for begin in range(0, len(texts), 64):
        group = texts[begin : begin + 64]
        words = [encoder.split(text.text) for text in group]
        for text, split, (inside, _) in zip(group, words, encoder.scores(words, vectors), strict=True):
            for start, end, kind in text.spans:
                first = int(np.searchsorted(split.ends, start, "right"))
                last = int(np.searchsorted(split.starts, end, "left"))
                letters = [i for i in range(first, last) if text.text[split.starts[i]].isalnum()]
                if kind in types and letters:
                    scores[kind].append(reach(inside[letters].max(1)))
    everything = [score for values in scores.values() for score in values]
    pooled = _quantile(everything, recall) if everything else 0.5
    thresholds = {
        kind: _quantile(scores[kind], recall) if len(scores[kind]) >= _FEWEST else pooled for kind in types
    }
    digest = hashlib.sha256()
    for text in texts:
        digest.update(repr((text.text, text.spans)).encode())
    return Calibration(
        recall=recall,
        pooled=pooled,
        thresholds=thresholds,
        descriptions={kind: description_digest(types[kind]) for kind in thresholds},
        data=f"sha256:{digest.hexdigest()}",
    )


def _quantile(scores: Sequence[float], recall: float) -> float:
    rank = int((len(scores) + 1) * (1 - recall))
    value = sorted(scores)[max(rank - 1, 0)]
    return round(float(np.clip(value, _LOWEST, _HIGHEST)), 3)
