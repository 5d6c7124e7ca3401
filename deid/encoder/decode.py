"""From word scores to mentions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deid.encoder.windows import FloatArray
from deid.encoder.words import Words

_BEGIN = 0.5
_TOGETHER = 0.5
FURTHER = 0.25  # share of its threshold that a word needs beside one that reaches it
_APART = re.compile(r"\n[ \t]*\n|\t|[ ]{3}")  # an empty line, another column
_BETWEEN = re.compile(";")  # stands between two mentions and in none
_STRONGEST = 3  # types that together may say "PHI, role unclear"


@dataclass(frozen=True, slots=True, order=True)
class Mention:
    """A stretch of text that the encoder takes for a type.

    Args:
        start: First code point.
        end: One past the last code point.
        type_index: Index into the types asked for.
        score: Mean probability of the type over the words, rounded to 3 decimals.
        sure: Whether a word reaches its threshold; else it is a mention only if other evidence says so.
    """

    start: int
    end: int
    type_index: int
    score: float
    sure: bool = True


@dataclass(frozen=True, slots=True)
class _Reading:
    """A text with what the network said of its words; [W, T] arrays, [W] where reduced."""

    text: str
    words: Words
    inside: FloatArray
    begin: FloatArray
    covered: npt.NDArray[np.bool_]
    sure: npt.NDArray[np.bool_]
    best: npt.NDArray[np.intp]
    first: npt.NDArray[np.bool_] | None

    def joined(self, position: int) -> bool:
        """Say whether a word goes on with the mention of the word before it."""
        kind = self.best[position]
        glue = self.text[self.words.ends[position - 1] : self.words.starts[position]]
        if self.covered[position]:
            apart = _APART.search(glue) or ("\n" in glue and not self.sure[position])
            return bool(self.begin[position, kind] < _BEGIN and not apart)
        return not glue and self._is_link(position)

    def _is_link(self, position: int) -> bool:
        """A sign between two glued words of one type, such as a hyphen or a slash, belongs to them."""
        after = position + 1
        return bool(
            after < len(self.words)
            and not self.text[self.words.starts[position]].isalnum()
            and self.words.starts[after] == self.words.ends[position]
            and self.covered[after]
            and self.best[after] == self.best[position - 1]
            and self.begin[after, self.best[after]] < _BEGIN
        )

    def mention(self, first: int, last: int, *, weak: bool) -> Mention | None:
        """Trim signs from the ends and choose the type; None if no word, or no sure one, is left."""
        while first < last and not self.text[self.words.starts[first]].isalnum():
            first += 1
        while last > first and not self.text[self.words.starts[last - 1]].isalnum():
            last -= 1
        sure = self.sure[first:last]
        if first == last or not (weak or sure.any()):
            return None
        means = self.inside[first:last].mean(0)
        leading = self.best[first:last][sure] if sure.any() else self.best[first:last]
        ahead = self.first is not None and self.first[leading].mean() > 0.5
        kind = int((means * self.first if ahead else means).argmax())
        start, end = int(self.words.starts[first]), int(self.words.ends[last - 1])
        return Mention(start, end, kind, round(float(means[kind]), 3), bool(sure.any()))


def decode(  # noqa: PLR0913 - a text with all that was said of it
    text: str,
    words: Words,
    probabilities: tuple[FloatArray, FloatArray],
    thresholds: FloatArray,
    *,
    first: npt.NDArray[np.bool_] | None = None,
    weak: bool = False,
) -> tuple[Mention, ...]:
    """Join words into mentions.

    A mention needs a word at which a type reaches its threshold, or at which the strongest types together do
    where each alone stays below it (a name that is as likely a relative's as a patient's is still a name).
    Words beside it in its line belong to it from a quarter of the threshold on: a weak word alone is as a
    rule none, and one in a name is as a rule part of it (the two thresholds of Canny 1986).

    Args:
        text: The text, for the signs between words.
        words: Its W words.
        probabilities: inside and begin, each [W, T] in 0..1.
        thresholds: [T] least probability for each type.
        first: [T] types that a word belongs to wherever they reach their threshold, whatever the others
            reach: a type that somebody adds is as a rule a special case of a general one.
        weak: Return those without a word that reaches its threshold, too.
    """
    inside, begin = probabilities
    if not len(words) or not inside.shape[1]:
        return ()
    sure = _sure(inside, thresholds)
    reached = inside / thresholds
    between = np.isin(words.starts, [sign.start() for sign in _BETWEEN.finditer(text)])
    covered = (sure | (reached >= FURTHER).any(1)) & ~between
    reading = _Reading(text, words, inside, begin, covered, sure, _best(reached, first), first)
    mentions: list[Mention] = []
    position = 0
    while position < len(words):
        end = position + 1
        if covered[position]:
            while end < len(words) and reading.joined(end):
                end += 1
            mention = reading.mention(position, end, weak=weak)
            mentions += [mention] if mention else []
        position = end
    return tuple(mentions)


def _best(reached: FloatArray, first: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.intp]:
    """Choose each word's type: the one furthest above its threshold; one of those that come first, if any is.

    Args:
        reached: [W, T] probabilities over thresholds.
        first: As in `decode`.
    """
    best: npt.NDArray[np.intp] = reached.argmax(1)
    if first is None or not first.any():
        return best
    ahead = np.where(first, reached, 0)
    chosen: npt.NDArray[np.intp] = np.where(ahead.max(1) >= 1, ahead.argmax(1), best)
    return chosen


def reach(probabilities: FloatArray) -> float:
    """Return the highest threshold at which `decode` finds words of one line as one mention.

    Of words over a line break it says too much where the one behind it is weak: that one is left out.

    Args:
        probabilities: [W] of the words, in 0..1.
    """
    return float(min(probabilities.max(), probabilities.min() / FURTHER))


def _sure(inside: FloatArray, thresholds: FloatArray) -> npt.NDArray[np.bool_]:
    """Say for each word whether it makes a mention: [W] booleans.

    What the strongest types reach together counts from the threshold of the strongest of them, if that is a
    higher one: who sets a high threshold wants few finds.
    """
    alone = (inside >= thresholds).any(1)
    strongest = np.sort(inside, axis=1)[:, -_STRONGEST:]
    needed = np.maximum(_TOGETHER, thresholds[inside.argmax(1)])
    return np.asarray(alone | (1 - np.prod(1 - strongest, axis=1) >= needed))


def merge_windows(
    parts: Sequence[tuple[slice, FloatArray, FloatArray]], shape: tuple[int, int]
) -> FloatArray:
    """Average the logits of overlapping windows.

    Args:
        parts: For each window the words it covers, their weights [w], and logits [w, T].
        shape: (W, T) of the text.

    Returns:
        [W, T] probabilities.
    """
    total = np.zeros(shape, dtype=np.float32)
    weight = np.zeros((shape[0], 1), dtype=np.float32)
    for where, weights, logits in parts:
        total[where] += logits * weights[:, None]
        weight[where] += weights[:, None]
    return np.asarray(1 / (1 + np.exp(-total / weight)), dtype=np.float32)
