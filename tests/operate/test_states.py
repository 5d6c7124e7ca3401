from __future__ import annotations

import pytest

from deid.operate.failure import OperatorFailure
from deid.operate.states import state


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12 Alder St, Fairhaven, MA 02719", "MA"),
        ("12 Alder St, Fairhaven, MA 02719-1234, USA", "MA"),
        ("Fairhaven MA 02719", "MA"),
        ("Fairhaven, Massachusetts", "Massachusetts"),
        ("FAIRHAVEN, WEST VIRGINIA", "WEST VIRGINIA"),
        ("12 Alder St\nFairhaven,\nNew  York 10001", "New  York"),
        ("Fairhaven, OR.", "OR"),
        ("New York, New York", "New York"),
    ],
)
def test_state_of_an_address(text: str, expected: str) -> None:
    assert state(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "14 Elm CT",
        "Washington",
        "12 Washington St, Fairhaven",
        "Fairhaven, or",
        "Fairhaven MA",
        "Fairhaven, ZZ 02719",
        "",
    ],
)
def test_no_state(text: str) -> None:
    with pytest.raises(OperatorFailure):
        state(text)


@pytest.mark.parametrize("text", ["Washington", "WA", "wa", "north dakota", " Ohio "])
def test_state_by_type(text: str) -> None:
    assert state(text, is_state=True) == text


def test_not_every_mention_of_the_type_is_a_state() -> None:
    with pytest.raises(OperatorFailure):
        state("Fairhaven", is_state=True)
