"""Words keep their offsets and forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.encoder.words import SHAPE_COUNT, WordPieces


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t", []),
        ("Smith,MD", ["Smith", ",", "MD"]),
        ("DOB:3/4/79", ["DOB", ":", "3", "/", "4", "/", "79"]),
        ("A1c", ["A", "1", "c"]),
        ("O'Neil_x", ["O", "'", "Neil", "_", "x"]),
        ("José\nLee", ["José", "Lee"]),
        ("李 雷", ["李", "雷"]),
    ],
)
def test_split(pieces: WordPieces, text: str, expected: list[str]) -> None:
    words = pieces.split(text)
    assert [text[start:end] for start, end in zip(words.starts, words.ends, strict=True)] == expected


@given(st.text(max_size=80))
def test_nothing_visible_is_left_out(pieces: WordPieces, text: str) -> None:
    words = pieces.split(text)
    covered = {
        index for start, end in zip(words.starts, words.ends, strict=True) for index in range(start, end)
    }
    assert {index for index, sign in enumerate(text) if sign.isalnum()} <= covered
    assert (words.ends[:-1] <= words.starts[1:]).all()
    assert words.first_piece[-1] == len(words.pieces)
    assert (words.first_piece[1:] > words.first_piece[:-1]).all()
    assert ((words.shapes >= 0) & (words.shapes < SHAPE_COUNT)).all()


def test_case_and_line_breaks_change_the_shape_and_not_the_pieces(pieces: WordPieces) -> None:
    plain, title, upper = (pieces.split(f"by {word}") for word in ("lima", "Lima", "LIMA"))
    assert plain.pieces.tolist() == title.pieces.tolist() == upper.pieces.tolist()
    assert len({words.shapes[1] for words in (plain, title, upper)}) == 3
    shapes = {pieces.split(f"by{gap}Lima").shapes[1] for gap in (" ", "\n", "\n\n")}
    assert len(shapes) == 3


@pytest.mark.parametrize(
    ("left", "right"), [("1", "12"), ("12", "123"), ("1234", "12345"), ("123456", "1234567")]
)
def test_lengths_of_digit_runs_are_told_apart(pieces: WordPieces, left: str, right: str) -> None:
    assert pieces.split(left).shapes[0] != pieces.split(right).shapes[0]


def test_unknown_and_endless_words_have_one_piece(pieces: WordPieces) -> None:
    for word in ("x" * 1000, "\u0e01"):
        assert len(pieces.split(word).pieces) == 1


@pytest.fixture(scope="module")
def cased(tmp_path_factory: pytest.TempPathFactory) -> WordPieces:
    special = [f"[{name}]\t0" for name in ("PAD", "UNK", "CLS", "SEP")]
    likely = ("\u2581Lima", "\u2581lima", "Li", "ma", "\u2581by", "Jos", "e", "\u00e9", "79")
    letters = {*"LIMAimasyb\u2581/,3J", *"dote"} - {"e"}
    lines = [*special, *(f"{piece}\t-2" for piece in likely), *(f"{each}\t-9" for each in sorted(letters))]
    path = tmp_path_factory.mktemp("cased") / "vocab.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return WordPieces(path)


def test_a_cased_vocabulary_tells_case_and_spaces_apart(cased: WordPieces) -> None:
    spaced, lower, glued = (cased.split(text) for text in ("by Lima", "by lima", "by/Lima"))
    assert spaced.pieces[-1] != lower.pieces[-1]
    assert spaced.first_piece.tolist() == [0, 1, 2]
    assert glued.first_piece.tolist() == [0, 1, 2, 4]  # Li ma
    assert cased.split("Lima").pieces.tolist() == cased.split("x Lima").pieces.tolist()[-1:]


def test_an_accent_that_the_vocabulary_lacks_is_left_out(cased: WordPieces) -> None:
    own, lacking = (cased.split(f",Jos{end}").pieces.tolist() for end in ("\u00e9", "\u00eb"))
    assert own != lacking
    assert lacking == cased.split(",Jose").pieces.tolist()


@given(st.text(max_size=80))
def test_every_word_has_a_piece_of_a_cased_vocabulary(cased: WordPieces, text: str) -> None:
    words = cased.split(text)
    assert (words.first_piece[1:] > words.first_piece[:-1]).all()


def test_endless_words_have_one_piece_of_a_cased_vocabulary(cased: WordPieces) -> None:
    assert len(cased.split("Lima" * 1000).pieces) == 1
