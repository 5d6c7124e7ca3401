"""Texts put together from pieces, such as rows or text nodes: what is to stand in each piece afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, order=True)
class Move:
    """Where a replaced stretch went: offsets in the text read, and in the text written.

    Args:
        start: First code point of the stretch.
        end: One past its last.
        new_start: First code point of what stands there now.
        new_end: One past its last.
    """

    start: int
    end: int
    new_start: int
    new_end: int


def divide(text: str, moves: Sequence[Move], pieces: Sequence[tuple[int, int]]) -> list[str]:
    """Return what is to stand in each of the pieces that a text was put together from.

    What replaces a stretch over several pieces goes into the first that it touches, or behind the piece it
    follows if it touches none. Signs between pieces, which a reader put there, go.

    Args:
        text: The text written.
        moves: The replaced stretches, sorted and disjoint.
        pieces: Offsets in the text read, half-open, sorted and disjoint; a piece may be empty.
    """
    written: list[list[str]] = [[] for _ in pieces]
    upcoming = 0
    for number, (start, end) in enumerate(pieces):
        at = start
        if upcoming and moves[upcoming - 1].end > start:  # begun in an earlier piece
            at = min(moves[upcoming - 1].end, end)
        shift = moves[upcoming - 1].new_end - moves[upcoming - 1].end if upcoming else 0
        after = pieces[number + 1][0] if number + 1 < len(pieces) else None
        while upcoming < len(moves) and _begins_here(moves[upcoming], end, after):
            move = moves[upcoming]
            written[number] += (text[at + shift : max(min(move.start, end), at) + shift], _new(text, move))
            at, shift = max(min(move.end, end), at), move.new_end - move.end
            upcoming += 1
        written[number].append(text[at + shift : end + shift] if at < end else "")
    return ["".join(parts) for parts in written]


def joins(pieces: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return the stretches between pieces; see `deid.note.Note`.

    Args:
        pieces: Offsets in a text, half-open, sorted and disjoint.
    """
    return tuple((end, start) for (_, end), (start, _) in pairwise(pieces) if end < start)


def _begins_here(move: Move, end: int, after: int | None) -> bool:
    """Say whether a stretch belongs to the piece that ends at `end`; the next one begins at `after`."""
    return move.start < end or after is None or move.end <= after


def _new(text: str, move: Move) -> str:
    return text[move.new_start : move.new_end]


class JoinedText:
    """A text that is put together from pieces, each of which is told what is to stand in it afterwards."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._waiting = ""
        self._pieces: list[tuple[int, int]] = []
        self._puts: list[Callable[[str], object]] = []

    @property
    def text(self) -> str:
        """The pieces, and the signs between them."""
        return "".join(self._parts)

    @property
    def joins(self) -> tuple[tuple[int, int], ...]:
        """Where the signs between the pieces stand."""
        return joins(self._pieces)

    def sign(self, sign: str) -> None:
        """Have a line break or a tab stand before the next piece; of several a line break.

        Args:
            sign: The sign; none if empty.
        """
        self._waiting = max(self._waiting, sign)

    def add(self, value: str, put: Callable[[str], object]) -> None:
        """Add a piece; an empty one is none.

        Args:
            value: Its text.
            put: Takes its new text.
        """
        if not value:
            return
        if self._waiting and self._parts and not self._parts[-1].endswith("\n"):
            self._append(self._waiting)
        self._waiting = ""
        self._pieces.append((self._length, self._length + len(value)))
        self._puts.append(put)
        self._append(value)

    def write(self, text: str, moves: Sequence[Move]) -> None:
        """Tell each piece its new text.

        Args:
            text: The text written.
            moves: The replaced stretches, sorted and disjoint.
        """
        for put, part in zip(self._puts, divide(text, moves, self._pieces), strict=True):
            put(part)

    def _append(self, part: str) -> None:
        self._parts.append(part)
        self._length += len(part)
