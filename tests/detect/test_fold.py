"""Folding: plain ASCII where typography varies, and exact ways back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.detect.fold import fold


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("plain text\n", "plain text\n"),
        ("a\u00a0b\u2009c\u3000d\u202fe", "a b c d e"),
        ("1‐2‑3‒4–5—6−7", "1-2-3-4-5-6-7"),
        ("‘it’s’ “so”", "'it's' \"so\""),
        ("０１２３ ＡＢ：（", "0123 AB:("),
        ("٠١٢ ०१२", "012 012"),
        ("\U0001d7d2\U0001d7d3", "45"),
        ("zero\u200bwidth\u00adhyphen\ufeff\ufe0f", "zerowidthhyphen"),
        ("one\r\ntwo\rthree\r\r\nfour", "one\ntwo\nthree\n\nfour"),
        ("line\u2028paragraph\u2029next\x85", "line\nparagraph\nnext\n"),
        ("1⁄2 № 3 7∶30", "1/2 # 3 7:30"),
        ("10² ½ José ß 中", "10² ½ José ß 中"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
        ("", ""),
        ("\u200b", ""),
    ],
)
def test_folded_text(text: str, folded: str) -> None:
    assert fold(text).text == folded


def test_offsets_lead_back() -> None:
    text = "é\u200bSSN\u00a0\u200b987–65\u00ad–4320\r\n"
    found = fold(text)
    start = found.text.index("987")
    end = start + len("987-65-4320")
    expected = text.index("987"), text.index("4320") + 4
    assert found.original(start, end) == expected
    prefix = len(found.text[:start].encode())
    assert found.original_bytes(prefix, prefix + end - start) == expected


def test_zero_width_characters_at_the_ends_stay_outside() -> None:
    text = "\u200b42\u200b"
    assert fold(text).original(0, 2) == (1, 3)


ODD = st.characters(categories=["L", "N", "P", "S", "Z", "C"])
TEXTS = st.text(st.one_of(st.sampled_from("a1 -–\u00a0\u200b\r\n‘é中😀\u00ad"), ODD), max_size=60)


@given(TEXTS)
def test_every_code_point_maps_to_one_of_its_own(text: str) -> None:
    folded = fold(text)
    origins = [folded.original(at, at + 1) for at in range(len(folded.text))]
    assert all(end == start + 1 for start, end in origins)
    starts = [start for start, _ in origins]
    assert starts == sorted(set(starts))
    byte = 0
    for at, sign in enumerate(folded.text):
        width = len(sign.encode())
        assert folded.original_bytes(byte, byte + width) == origins[at]
        byte += width


@given(TEXTS)
def test_folding_twice_changes_nothing(text: str) -> None:
    once = fold(text).text
    assert fold(once).text == once


@given(st.text(st.characters(max_codepoint=127, exclude_characters="\r")))
def test_ascii_is_left_alone(text: str) -> None:
    folded = fold(text)
    assert folded.text == text
    assert folded.data == text.encode()
