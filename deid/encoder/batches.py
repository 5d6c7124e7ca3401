"""Training batches: a pure function of the seed and the step, so that a run can be resumed exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deid.encoder.corpus import TrainingText, TrainingType
from deid.encoder.corrupt import corrupt
from deid.encoder.describe import render
from deid.encoder.sources import Corpus
from deid.encoder.windows import Batch, FloatArray, Window, lay_out
from deid.encoder.words import WordPieces, Words

_DESCRIPTION_BUCKETS = 4
_SIGNS_A_PIECE = 6  # more than clinical text has, so that a stretch fills a window
_POSITIVE_SHARE = 0.7  # of the types in a batch; the others are mostly absent from its texts


@dataclass(frozen=True, slots=True)
class Passage:
    """Words ``first_word`` to ``last_word`` (exclusive) of a text, as any vocabulary cuts them."""

    text: str
    first_word: int
    last_word: int


@dataclass(frozen=True, slots=True)
class Labelled:
    """Windows with their labels.

    Args:
        batch: B windows of W words.
        inside: [B, W, T] 1 where a word lies in a mention of the type.
        begin: [B, W, T] 1 where a mention of the type begins.
        weight: [B, W, T] 0 where nothing is known (padding included), else 1.
        passages: The B windows for networks that cut words into other pieces.
    """

    batch: Batch
    inside: FloatArray
    begin: FloatArray
    weight: FloatArray
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """What one step learns from.

    Args:
        names: The T types.
        descriptions: A wording of each, in the order of `names`, in length buckets.
        parts: Labelled windows in length buckets.
        own: Where another network reads the descriptions: one bucket of them, cut as texts are, and which of
            the T types it holds, for the network to learn reading them itself.
    """

    names: tuple[str, ...]
    descriptions: tuple[Batch, ...]
    parts: tuple[Labelled, ...]
    own: tuple[Batch, slice] | None = None


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A text of a batch: as its corpus has it, as it is read, and the window of it that is."""

    corpus: Corpus
    text: TrainingText
    read: str
    words: Words
    window: Window


class BatchMaker:
    """Draws batches from corpora and types.

    Args:
        corpora: Where texts come from.
        types: Types by name.
        pieces: Cuts texts.
        sizes: (texts, types, pieces of a window) in a batch.
        seed: Makes the draws.
    """

    def __init__(
        self,
        corpora: Sequence[Corpus],
        types: Mapping[str, TrainingType],
        pieces: WordPieces,
        *,
        sizes: tuple[int, int, int],
        seed: int,
    ) -> None:
        self._corpora, self._types, self._pieces = corpora, types, pieces
        self.describing: WordPieces | None = None  # cuts descriptions that another network reads
        self._texts, self._type_count, self._length = sizes
        self._seed = seed
        weights = np.asarray([corpus.weight for corpus in corpora])
        self._shares = weights / weights.sum()

    def make(self, step: int) -> TrainingBatch:
        """Draw the batch of a step.

        Args:
            step: Number of the step.
        """
        rng = np.random.default_rng([self._seed, step])
        drawn = []
        for index in rng.choice(len(self._corpora), self._texts, p=self._shares):
            corpus = self._corpora[index]
            text = self._stretch(corpus.draw(rng), rng)
            read = corrupt(text.text, rng)
            words = self._pieces.split(read)
            drawn.append(_Drawn(corpus, text, read, words, self._window(words, rng)))
        chosen = self._choose_types([(each.corpus, each.text) for each in drawn], rng)
        names, descriptions, own = self._describe(chosen, rng, step)
        drawn.sort(key=lambda each: each.window.pieces)
        middle = len(drawn) // 2
        parts = [self._label(half, names) for half in (drawn[:middle], drawn[middle:]) if half]
        return TrainingBatch(names, descriptions, tuple(parts), own)

    def _stretch(self, text: TrainingText, rng: np.random.Generator) -> TrainingText:
        """Cut a long text down to what a window can hold, between words and outside mentions."""
        most = _SIGNS_A_PIECE * self._length
        if len(text.text) <= most:
            return text
        begin = int(rng.integers(len(text.text) - most + 1))
        begin = text.text.rfind(" ", 0, begin) + 1
        begin = min([start for start, end, _ in text.spans if start < begin < end], default=begin)
        end = max([end for start, end, _ in text.spans if start < begin + most < end], default=begin + most)
        spans = ((s - begin, e - begin, kind) for s, e, kind in text.spans if begin <= s and e <= end)
        own = (
            (max(s - begin, 0), min(e, end) - begin, kind) for s, e, kind in text.own if s < end and e > begin
        )
        return replace(text, text=text.text[begin:end], spans=tuple(spans), own=tuple(own))

    def _window(self, words: Words, rng: np.random.Generator) -> Window:
        """Choose a stretch of at most `length` pieces."""
        total = int(words.first_piece[-1])
        if total <= self._length:
            return Window(0, 0, len(words), total)
        offset = int(rng.integers(0, total - self._length + 1))
        first = int(np.searchsorted(words.first_piece, offset, "left"))
        limit = int(words.first_piece[first]) + self._length
        last = int(np.searchsorted(words.first_piece, limit, "right")) - 1
        return Window(0, first, last, int(words.first_piece[last] - words.first_piece[first]))

    def _choose_types(
        self, drawn: Sequence[tuple[Corpus, TrainingText]], rng: np.random.Generator
    ) -> tuple[str, ...]:
        """Choose the types of a batch: many that occur, some of their companions, some at random."""
        present = {kind for _, text in drawn for _, _, kind in text.spans if kind}
        companions = {kind for corpus, _ in drawn if len(corpus.labels) < 80 for kind in corpus.labels}
        companions |= {near for kind in present if kind in self._types for near in self._types[kind].near}
        chosen: list[str] = []
        for pool, share in ((present, _POSITIVE_SHARE), (companions, 0.9), (set(self._types), 1.0)):
            left = sorted((pool & self._types.keys()) - set(chosen))
            wanted = max(int(self._type_count * share) - len(chosen), 0)
            chosen += rng.permutation(left)[:wanted].tolist()
        return tuple(chosen)

    def _describe(
        self, names: Sequence[str], rng: np.random.Generator, step: int
    ) -> tuple[tuple[str, ...], tuple[Batch, ...], tuple[Batch, slice] | None]:
        """Word the types, shortest first, and lay the wordings out in buckets of like length."""
        texts = [self._wording(self._types[name], rng) for name in names]
        reading = self.describing or self._pieces
        words = [reading.split(text) for text in texts]
        windows = sorted(
            (self._beginning(each, index) for index, each in enumerate(words)), key=lambda each: each.pieces
        )
        size = -(-len(windows) // _DESCRIPTION_BUCKETS)
        starts = range(0, len(windows), size)
        ordered = tuple(names[window.text_index] for window in windows)
        buckets = tuple(lay_out(windows[first : first + size], words, reading) for first in starts)
        if self.describing is None:
            return ordered, buckets, None
        first = starts[step % len(starts)]
        cut = [self._pieces.split(texts[each.text_index]) for each in windows[first : first + size]]
        own = lay_out([self._beginning(each, index) for index, each in enumerate(cut)], cut, self._pieces)
        return ordered, buckets, (own, slice(first, first + len(cut)))

    def _beginning(self, words: Words, index: int) -> Window:
        """Return as much of a wording as is read."""
        last = int(np.searchsorted(words.first_piece, self._length, "right")) - 1
        return Window(index, 0, last, int(words.first_piece[last]))

    def _wording(self, kind: TrainingType, rng: np.random.Generator) -> str:
        """Word a type afresh: full, plain, or one of its further wordings, with some of its examples."""
        count = min(len(kind.examples), int(rng.integers(0, 7)))
        examples = tuple(rng.permutation(kind.examples)[:count].tolist()) if count else ()
        form = rng.random()
        if form < 0.35:
            return render(kind.description, examples=examples, contrast=kind.contrast)
        if form < 0.6 or not kind.views:
            return render(kind.description, examples=examples if form < 0.45 else ())
        view = kind.views[int(rng.integers(len(kind.views)))]
        return render(view, examples=examples if form < 0.7 else ())

    def _label(self, drawn: Sequence[_Drawn], names: tuple[str, ...]) -> Labelled:
        windows = [replace(each.window, text_index=index) for index, each in enumerate(drawn)]
        batch = lay_out(windows, [each.words for each in drawn], self._pieces)
        shape = (len(drawn), batch.pool.shape[1], len(names))
        inside, begin, weight = (np.zeros(shape, dtype=np.float32) for _ in range(3))
        for row, each in enumerate(drawn):
            text, words, window = each.text, each.words, each.window
            size = window.last_word - window.first_word
            weight[row, :size] = self._known(each.corpus, names)
            for start, end, kind in text.spans:
                first = int(np.searchsorted(words.ends, start, "right")) - window.first_word
                last = int(np.searchsorted(words.starts, end, "left")) - window.first_word
                if last <= 0 or first >= size:
                    continue
                where = slice(max(first, 0), min(last, size))
                weight[row, where] *= self._comparable(kind, names)
                if kind in names:
                    column = names.index(kind)
                    inside[row, where, column] = 1
                    weight[row, where, column] = 1
                    if first >= 0:
                        begin[row, first, column] = 1
            for start, end, kind in text.own:
                if kind in names:
                    first = int(np.searchsorted(words.ends, start, "right")) - window.first_word
                    last = int(np.searchsorted(words.starts, end, "left")) - window.first_word
                    weight[row, max(first, 0) : max(min(last, size), 0), names.index(kind)] = 1
        passages = (Passage(each.read, each.window.first_word, each.window.last_word) for each in drawn)
        return Labelled(batch, inside, begin, weight, tuple(passages))

    def _known(self, corpus: Corpus, names: tuple[str, ...]) -> FloatArray:
        """Return [T] 1 where a word outside all spans is a counterexample to a type, 0 where nobody knows."""
        values = [
            name in corpus.labels or (corpus.negative and not self._types[name].common) for name in names
        ]
        return np.asarray(values, dtype=np.float32)

    def _comparable(self, kind: str, names: tuple[str, ...]) -> FloatArray:
        """Return [T] 1 where a mention of ``kind`` is a counterexample to a type, 0 where it may be one."""
        if not kind or kind not in self._types:
            return np.zeros(len(names), dtype=np.float32)
        own = self._types[kind].overlaps
        values = [not (name in own or kind in self._types[name].overlaps) for name in names]
        return np.asarray(values, dtype=np.float32)
