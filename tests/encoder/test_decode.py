"""Word scores become mentions."""

from __future__ import annotations

import numpy as np
import pytest

from deid.encoder.decode import decode, merge_windows, reach
from deid.encoder.words import WordPieces

LOW, HIGH = 0.02, 0.95


def found(
    pieces: WordPieces, text: str, inside: dict[str, int | tuple[int, ...]], begin: tuple[str, ...]
) -> list[tuple[str, int]]:
    """Decode, with the types of words, and the words that begin a mention."""
    words = pieces.split(text)
    probabilities = np.full((len(words), 3), LOW, dtype=np.float32)
    starts = np.full((len(words), 3), LOW, dtype=np.float32)
    for index in range(len(words)):
        surface = text[words.starts[index] : words.ends[index]]
        kinds = inside.get(surface, ())
        for kind in (kinds,) if isinstance(kinds, int) else kinds:
            probabilities[index, kind] = HIGH if isinstance(kinds, int) else 0.4
            starts[index, kind] = HIGH if surface in begin else LOW
    mentions = decode(text, words, (probabilities, starts), np.full(3, 0.5, dtype=np.float32))
    return [(text[mention.start : mention.end], mention.type_index) for mention in mentions]


@pytest.mark.parametrize(
    ("text", "inside", "begin", "expected"),
    [
        ("seen by Lima", {}, (), []),
        ("seen by Ana Lima today", {"Ana": 0, "Lima": 0}, ("Ana",), [("Ana Lima", 0)]),
        # Neighbors of one type do not fuse where the second one begins.
        ("Ana Bo", {"Ana": 0, "Bo": 0}, ("Ana", "Bo"), [("Ana", 0), ("Bo", 0)]),
        # A sign between glued words of one type belongs to them; signs at the ends do not.
        ("Lima-Ortiz,", {"Lima": 0, "Ortiz": 0, ",": 0}, ("Lima",), [("Lima-Ortiz", 0)]),
        ("Lima , Ortiz", {"Lima": 0, "Ortiz": 0}, ("Lima", "Ortiz"), [("Lima", 0), ("Ortiz", 0)]),
        # A semicolon stands between two.
        ("N 8; N 9", {"N": 0, "8": 0, ";": 0, "9": 0}, (), [("N 8", 0), ("N 9", 0)]),
        # A name broken over a line is one mention, over a blank line two.
        ("Ana\nLima", {"Ana": 0, "Lima": 0}, ("Ana",), [("Ana\nLima", 0)]),
        ("Ana\n\nLima", {"Ana": 0, "Lima": 0}, ("Ana",), [("Ana", 0), ("Lima", 0)]),
        # Two roles below the threshold are together above it.
        ("by Lima", {"Lima": (0, 1)}, ("Lima",), [("Lima", 0)]),
        # Nothing but signs is no mention.
        ("a - b", {"-": 2}, (), []),
    ],
)
def test_cases(
    pieces: WordPieces,
    text: str,
    inside: dict[str, int | tuple[int, ...]],
    begin: tuple[str, ...],
    expected: list[tuple[str, int]],
) -> None:
    assert found(pieces, text, inside, begin) == expected


@pytest.mark.parametrize(("threshold", "count"), [(0.3, 1), (0.6, 1), (0.7, 0)])
def test_a_high_threshold_counts_for_types_together_too(
    pieces: WordPieces, threshold: float, count: int
) -> None:
    inside = np.asarray([[0.6, 0.1]], dtype=np.float32)
    limits = np.full(2, threshold, dtype=np.float32)
    assert len(decode("Lima", pieces.split("Lima"), (inside, 0 * inside), limits)) == count


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ((0.6, 0.2, 0.1), ["Ana Lima"]),
        ((0.2, 0.6, 0.2), ["Ana Lima today"]),
        ((0.4, 0.4, 0.4), []),
        ((0.1, 0.1, 0.6), ["today"]),
    ],
)
def test_a_weak_word_belongs_to_a_mention_beside_a_sure_one(
    pieces: WordPieces, probabilities: tuple[float, ...], expected: list[str]
) -> None:
    text = "Ana Lima today"
    inside = np.asarray(probabilities, dtype=np.float32)[:, None]
    mentions = decode(text, pieces.split(text), (inside, 0 * inside), np.full(1, 0.5, dtype=np.float32))
    assert [text[mention.start : mention.end] for mention in mentions] == expected
    assert (reach(inside[:2, 0]) >= 0.5) == (text[:8] in " ".join(expected))


@pytest.mark.parametrize(("second", "expected"), [(0.6, ["Ana\nLima"]), (0.4, ["Ana"])])
def test_a_weak_word_in_the_next_line_does_not(
    pieces: WordPieces, second: float, expected: list[str]
) -> None:
    text = "Ana\nLima"
    inside = np.asarray([0.6, second], dtype=np.float32)[:, None]
    mentions = decode(text, pieces.split(text), (inside, 0 * inside), np.full(1, 0.5, dtype=np.float32))
    assert [text[mention.start : mention.end] for mention in mentions] == expected


def test_weak_mentions_are_told_apart(pieces: WordPieces) -> None:
    words = pieces.split("by Lima and Ana")
    inside = np.array([[0.01], [0.3], [0.01], [0.9]], dtype=np.float32)
    begin = np.full((4, 1), 0.9, dtype=np.float32)
    limits = np.full(1, 0.5, dtype=np.float32)
    (ana,) = decode("by Lima and Ana", words, (inside, begin), limits)
    lima, again = decode("by Lima and Ana", words, (inside, begin), limits, weak=True)
    assert (lima.start, lima.end, lima.score, lima.sure) == (3, 7, 0.3, False)
    assert (again, ana.sure) == (ana, True)


def test_no_words_and_no_types(pieces: WordPieces) -> None:
    empty = np.zeros((0, 0), dtype=np.float32)
    assert decode("", pieces.split(""), (empty, empty), np.zeros(0, dtype=np.float32)) == ()
    none = np.zeros((1, 0), dtype=np.float32)
    assert decode("x", pieces.split("x"), (none, none), np.zeros(0, dtype=np.float32)) == ()


def test_overlapping_windows_are_averaged_by_weight() -> None:
    left = (slice(0, 2), np.array([1, 1], dtype=np.float32), np.array([[0.0], [4.0]], dtype=np.float32))
    right = (slice(1, 3), np.array([3, 1], dtype=np.float32), np.array([[0.0], [2.0]], dtype=np.float32))
    expected = 1 / (1 + np.exp(-np.array([[0.0], [1.0], [2.0]])))
    assert merge_windows([left, right], (3, 1)) == pytest.approx(expected)
