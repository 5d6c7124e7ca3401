"""Weighs what the encoder found: its score together with the shape and the words of the find.

The encoder's score says how a stretch reads in its context. That `3/5` is a grade of strength more often
than a day, and that `Sukarto` is in no list of clinical words, it knows less well than a table. A linear
model over both, fitted by benchmarks/training/weigh.py to notes that the encoder has not seen, decides
about finds of the types that the encoder was calibrated on: some with a word above its threshold are
dropped, some below it are kept.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from deid.detect.lists import word_list
from deid.note import Finding

LISTS = (
    "cell_words", "cities", "clinical_abbreviations", "clinical_brands", "clinical_words", "common_words",
    "drugs", "eponyms", "eponyms_more", "facility_words", "given_names", "name_stops", "organization_words",
    "person_words", "staff_roles", "surnames", "title_words",
)  # fmt: skip
SCORE, TOUCHING, WEAK = "score", "touching", "weak"
_LONGEST_SHAPE = 8
_LONGEST_READ = 64
_LONGEST_RUNS = {"9": 4, "A": 3, "a": 3}  # longer ones are written alike
_LEAST, _MOST = 0.005, 0.995
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Weigher:
    """Decides whether a find counts.

    Args:
        weights: By feature.
        types: Names of the types that it decides about.
    """

    weights: Mapping[str, float]
    types: Collection[str]

    def counts(self, text: str, finding: Finding, *, sure: bool, touching: bool) -> bool:
        """Say whether a find of the encoder is rather an identifier than none.

        Args:
            text: The note.
            finding: What was found.
            sure: Whether one of its words reaches the type's threshold.
            touching: Whether another find stands right beside it.
        """
        if finding.entity_type not in self.types:
            return sure
        kind, score = finding.entity_type, logit(finding.score)
        total = sum(
            self.weights.get(name, 0.0) for name in features(text, finding, sure=sure, touching=touching)
        )
        slope = self.weights.get(SCORE, 0.0) + self.weights.get(f"{kind} {SCORE}", 0.0)
        return total + slope * score >= 0


def logit(score: float) -> float:
    """Return the log-odds of a score, which is kept off 0 and 1."""
    kept = min(max(score, _LEAST), _MOST)
    return math.log(kept / (1 - kept))


def features(text: str, finding: Finding, *, sure: bool, touching: bool) -> Iterator[str]:
    """Yield the names of what speaks for or against a find, apart from its score.

    Args:
        text: The note.
        finding: What was found.
        sure: Whether one of its words reaches the type's threshold.
        touching: Whether another find stands right beside it.
    """
    kind = finding.entity_type
    yield kind
    if not sure:
        yield WEAK
    if touching:
        yield TOUCHING
    surface = text[finding.start : finding.end]
    form = shape(surface)
    yield f"shape {form}"
    yield f"{kind} shape {form}"
    words = _WORD.findall(surface.casefold())
    for name in LISTS:
        listed = sum(word in word_list(name) for word in words)
        if listed:
            yield f"some {name}"
        if listed and listed == len(words):
            yield f"all {name}"
            yield f"{kind} all {name}"


def shape(surface: str) -> str:
    """Return how the beginning of a stretch is written: `9/99` is `3/14`, and `Aaa+ A.` is `Sukarto K.`."""
    runs = ((sign, sum(1 for _ in run)) for sign, run in groupby(surface[:_LONGEST_READ], _class))
    return "".join(_run(sign, length) for sign, length in runs)[:_LONGEST_SHAPE]


def _class(sign: str) -> str:
    if sign.isalpha():
        return "A" if sign.isupper() else "a"
    return "9" if sign.isdigit() else " " if sign.isspace() else sign


def _run(sign: str, length: int) -> str:
    if sign == " ":
        return sign
    return f"{sign}{sign}+" if length > _LONGEST_RUNS.get(sign, length) else sign * length
