"""Corruption of training texts that keeps offsets: case, line wraps, lost punctuation."""

from __future__ import annotations

import numpy as np


def _upper(text: str, _: np.random.Generator) -> str:
    return "".join(raised if len(raised := sign.upper()) == 1 else sign for sign in text)


def _lower(text: str, _: np.random.Generator) -> str:
    return "".join(lowered if len(lowered := sign.lower()) == 1 else sign for sign in text)


def _without_punctuation(text: str, _: np.random.Generator) -> str:
    return text.translate(str.maketrans(".,;:", "    "))


def _wrapped(text: str, rng: np.random.Generator) -> str:
    """Break lines at a random width, between words."""
    signs = list(text)
    width = int(rng.integers(30, 90))
    column = 0
    for index, sign in enumerate(signs):
        column = 0 if sign == "\n" else column + 1
        if sign == " " and column >= width:
            signs[index] = "\n"
            column = 0
    return "".join(signs)


def _one_line(text: str, _: np.random.Generator) -> str:
    return text.replace("\n", " ")


_CORRUPTIONS = (
    (0.08, _upper),
    (0.06, _lower),
    (0.05, _without_punctuation),
    (0.06, _wrapped),
    (0.05, _one_line),
)


def corrupt(text: str, rng: np.random.Generator) -> str:
    """Corrupt a text now and then; most come back as they were.

    Args:
        text: The text.
        rng: Source of chance.

    Returns:
        A text of the same length.
    """
    chance = rng.random(len(_CORRUPTIONS))
    for draw, (probability, change) in zip(chance, _CORRUPTIONS, strict=True):
        if draw < probability:
            text = change(text, rng)
    return text
