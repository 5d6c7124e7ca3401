"""Windows cover every word, overlap, and lay out exactly."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.encoder.windows import fade, lay_out, split_windows
from deid.encoder.words import WordPieces


@given(
    st.lists(st.sampled_from(["seen", "by", "lima", "q7x", "3/4", "zzzzzzzz"]), max_size=120),
    st.integers(9, 70),
)
def test_windows_cover_everything(pieces: WordPieces, parts: list[str], size: int) -> None:
    words = pieces.split(" ".join(parts))
    windows = split_windows(words, 0, window=size, overlap=4)
    covered = {index for window in windows for index in range(window.first_word, window.last_word)}
    assert covered == set(range(len(words)))
    assert all(window.pieces <= size for window in windows)
    assert all(window.first_word < window.last_word for window in windows)


def test_neighbors_share_at_least_the_overlap_and_have_like_sizes(pieces: WordPieces) -> None:
    words = pieces.split("seen by dr lima " * 60)
    windows = split_windows(words, 0, window=70, overlap=12)
    assert len(windows) == 4
    for left, right in itertools.pairwise(windows):
        assert words.first_piece[left.last_word] - words.first_piece[right.first_word] >= 11
    sizes = [window.pieces for window in windows]
    assert max(sizes) - min(sizes) <= 4


def test_layout(pieces: WordPieces) -> None:
    words = pieces.split("Seen xy\nlima")
    (window,) = split_windows(words, 0, window=70, overlap=12)
    batch = lay_out([window], [words], pieces, multiple=8)
    assert batch.ids.shape == (1, 8)
    assert batch.ids[0, :6].tolist() == [pieces.cls, *words.pieces.tolist(), pieces.sep]
    assert batch.mask[0].tolist() == [1] * 6 + [0] * 2
    assert batch.shapes[0, 1:5].tolist() == [
        words.shapes[0],
        words.shapes[1],
        words.shapes[1],
        words.shapes[2],
    ]
    assert batch.pool[0, 1, 2:4].tolist() == [0.5, 0.5]
    assert batch.pool[0].sum(1).tolist() == [1, 1, 1, 0, 0, 0, 0, 0]


def test_fade_weighs_inner_edges_down(pieces: WordPieces) -> None:
    words = pieces.split("seen by dr lima " * 60)
    first, second, *_, last = split_windows(words, 0, window=70, overlap=12)
    assert fade(first, len(words), 6)[0] == 1
    assert fade(first, len(words), 6)[-1] == pytest.approx(1 / 7)
    assert fade(second, len(words), 6)[[0, -1]].tolist() == pytest.approx([1 / 7, 1 / 7])
    assert fade(last, len(words), 6)[-1] == 1
    assert np.all(fade(second, len(words), 6) > 0)
