"""Windows over long notes: even lengths, overlapping, cut between words, nothing left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deid.encoder.words import IntArray, WordPieces, Words

FloatArray = npt.NDArray[np.float32]

_MULTIPLE = 16


@dataclass(frozen=True, slots=True)
class Window:
    """Words ``first_word`` to ``last_word`` (exclusive) of one text."""

    text_index: int
    first_word: int
    last_word: int
    pieces: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows laid out for the network; B windows of at most L pieces and W words.

    Args:
        ids: [B, L] vocabulary ids.
        shapes: [B, L] shape classes.
        mask: [B, L] 1 for a piece, 0 for padding.
        pool: [B, W, L] averages a word's pieces; rows of padding are zero.
    """

    ids: IntArray
    shapes: IntArray
    mask: FloatArray
    pool: FloatArray


def split_windows(words: Words, text_index: int, *, window: int, overlap: int) -> list[Window]:
    """Cut a text into as few windows as will do, of nearly equal length.

    Args:
        words: The text.
        text_index: Carried into the windows.
        window: Most pieces in a window; a single word of more pieces gets a window of its own.
        overlap: Pieces that neighbors share, at least.
    """
    total, count = int(words.first_piece[-1]), len(words)
    if not count:
        return []
    if total <= window:
        return [Window(text_index, 0, count, total)]
    number = -(-(total - overlap) // (window - overlap))
    step = (total - overlap) / number
    windows: list[Window] = []
    last = 0
    for index in range(number):
        first = min(int(np.searchsorted(words.first_piece, index * step, "right")) - 1, last)
        limit = int(words.first_piece[first]) + window
        last = int(np.searchsorted(words.first_piece, min(limit, (index + 1) * step + overlap), "right")) - 1
        last = count if index == number - 1 else max(last, first + 1)
        windows += _within(words, text_index, first, last, window)
    return windows


def _within(words: Words, text_index: int, first: int, last: int, window: int) -> list[Window]:
    """Halve a stretch until it fits; only long words at a cut make that necessary."""
    pieces = int(words.first_piece[last] - words.first_piece[first])
    if pieces <= window or last - first == 1:
        return [Window(text_index, first, last, min(pieces, window))]
    middle = (first + last) // 2
    return [
        *_within(words, text_index, first, middle, window),
        *_within(words, text_index, middle, last, window),
    ]


def padded(pieces: int, *, multiple: int = _MULTIPLE) -> int:
    """Return the length at which the network reads a window, with the special pieces at its ends.

    Args:
        pieces: Of the window.
        multiple: Lengths are rounded up to it, so that few distinct shapes occur.
    """
    return -(-(pieces + 2) // multiple) * multiple


def lay_out(
    windows: Sequence[Window], texts: Sequence[Words], pieces: WordPieces, *, multiple: int = _MULTIPLE
) -> Batch:
    """Lay windows out as arrays, padded to a multiple so that few distinct shapes occur.

    Args:
        windows: What to lay out.
        texts: The texts that the windows' ``text_index`` points into.
        pieces: Gives the special pieces.
        multiple: Lengths are rounded up to it.
    """
    length = max(padded(window.pieces, multiple=multiple) for window in windows)
    widest = max(window.last_word - window.first_word for window in windows)
    width = -(-widest // multiple) * multiple
    ids = np.full((len(windows), length), pieces.pad, dtype=np.int32)
    shapes = np.zeros((len(windows), length), dtype=np.int32)
    mask = np.zeros((len(windows), length), dtype=np.float32)
    pool = np.zeros((len(windows), width, length), dtype=np.float32)
    for row, window in enumerate(windows):
        words = texts[window.text_index]
        bounds = (
            words.first_piece[window.first_word : window.last_word + 1] - words.first_piece[window.first_word]
        )
        bounds = np.minimum(bounds, window.pieces)
        counts = np.diff(bounds)
        offset = int(words.first_piece[window.first_word])
        ids[row, 0] = pieces.cls
        ids[row, 1 : window.pieces + 1] = words.pieces[offset : offset + window.pieces]
        ids[row, window.pieces + 1] = pieces.sep
        mask[row, : window.pieces + 2] = 1
        of_word = np.repeat(np.arange(len(counts)), counts)
        shapes[row, 1 : window.pieces + 1] = words.shapes[window.first_word : window.last_word][of_word]
        pool[row, of_word, np.arange(1, window.pieces + 1)] = np.repeat(1 / np.maximum(counts, 1), counts)
    return Batch(ids, shapes, mask, pool)


def fade(window: Window, words: int, overlap: int) -> FloatArray:
    """Weight a window's words by their distance to an inner edge, so that overlapping windows cross-fade.

    Args:
        window: The window.
        words: Number of words in the text.
        overlap: Distance in words at which the weight reaches 1.

    Returns:
        [last_word - first_word] weights in (0, 1].
    """
    size = window.last_word - window.first_word
    weights = np.ones(size, dtype=np.float32)
    ramp = np.minimum(np.arange(1, size + 1, dtype=np.float32) / (overlap + 1), 1)
    if window.first_word:
        weights *= ramp
    if window.last_word < words:
        weights *= ramp[::-1]
    return weights
