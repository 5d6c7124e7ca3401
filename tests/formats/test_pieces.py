from __future__ import annotations

from functools import partial
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from deid.formats.pieces import JoinedText, Move, divide


def replaced(text: str, changes: list[tuple[int, int, str]]) -> tuple[str, list[Move]]:
    new, moves, at = "", [], 0
    for start, end, instead in changes:
        new += text[at:start]
        moves.append(Move(start, end, len(new), len(new) + len(instead)))
        new += instead
        at = end
    return new + text[at:], moves


def test_replacements_stay_in_their_pieces() -> None:
    text = "Seen by Ana|Lima today|ok"
    new, moves = replaced(text, [(8, 11, "X"), (12, 16, "Yzzzzzz")])
    assert divide(new, moves, [(0, 11), (12, 22), (23, 25)]) == ["Seen by X", "Yzzzzzz today", "ok"]


def test_a_stretch_over_pieces_goes_into_the_first() -> None:
    text = "Seen by Ana|Lima today|ok"
    new, moves = replaced(text, [(8, 16, "[NAME]")])
    assert divide(new, moves, [(0, 11), (12, 22), (23, 25)]) == ["Seen by [NAME]", " today", "ok"]


def test_a_stretch_over_whole_pieces_empties_them() -> None:
    text = "ab|cd|ef"
    new, moves = replaced(text, [(1, 7, "#")])
    assert divide(new, moves, [(0, 2), (3, 5), (6, 8)]) == ["a#", "", "f"]


def test_a_stretch_that_begins_between_pieces_goes_into_the_next() -> None:
    text = "ab, cd"
    new, moves = replaced(text, [(2, 5, "#")])
    assert divide(new, moves, [(0, 2), (4, 6)]) == ["ab", "#d"]


def test_a_stretch_between_pieces_is_not_lost() -> None:
    text = "ab, cd"
    new, moves = replaced(text, [(2, 3, "#")])
    assert divide(new, moves, [(0, 2), (4, 6)]) == ["ab#", "cd"]


@given(st.data())
def test_pieces_without_gaps_give_the_whole_text(data: st.DataObject) -> None:
    text = data.draw(st.text("abc ", min_size=1, max_size=20))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=5)) | {0, len(text)})
    ends = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    changes = [
        (start, end, data.draw(st.text("XYZ", max_size=4))) for start, end in list(pairwise(ends))[::2]
    ]
    new, moves = replaced(text, changes)
    assert "".join(divide(new, moves, list(pairwise(cuts)))) == new


def test_pieces_of_a_joined_text_are_told_their_new_text() -> None:
    joined, new = JoinedText(), [""] * 3
    joined.sign("\n")
    joined.add("Ann", partial(new.__setitem__, 0))
    joined.sign("\t")
    joined.sign("\n")
    joined.sign("")
    joined.add("", partial(new.__setitem__, 0))
    joined.add("Lee\n", partial(new.__setitem__, 1))
    joined.sign("\t")
    joined.add("seen", partial(new.__setitem__, 2))
    joined.sign("\n")
    assert joined.text == "Ann\nLee\nseen"
    joined.write("[NAME]\nseen", (Move(0, 7, 0, 6),))
    assert new == ["[NAME]", "\n", "seen"]
