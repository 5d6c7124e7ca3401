"""Words of a mention: comparing them, keeping their case, splitting them from what stands between."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

# Everything but white space, digits and the punctuation of names and addresses, so that scripts which
# write vowels as marks stay whole; apostrophes count as letters and are trimmed at the ends.
_WORD = re.compile(r"[^\s\d.,;:()\[\]{}<>\"“”„«»/\\&_+*#=|~!?@$%^\-‐‑‒–—]+")
_APOSTROPHES = "'’‘`ʼ"
_POSSESSIVE = re.compile(r"[’'ʼ][sS]$")
_SPECIAL = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a mention.

    Args:
        start: First code point in the mention.
        end: One past the last code point.
        text: The word as written.
        key: The form in which words are compared.
    """

    start: int
    end: int
    text: str
    key: str


def fold(text: str) -> str:
    """Return the form in which words are compared: lower case, without accents, straight apostrophes.

    Args:
        text: A word, or several: white space is collapsed.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).casefold().translate(_SPECIAL).replace("’", "'")
        decomposed = unicodedata.normalize("NFD", text)
        text = "".join(letter for letter in decomposed if not "\u0300" <= letter <= "\u036f")
    return " ".join(text.lower().split())


def words_of(text: str) -> tuple[Word, ...]:
    """Split a mention into words, without the ``'s`` of a possessive.

    Args:
        text: A mention.
    """
    found = []
    for match in _WORD.finditer(text):
        word = match[0]
        start = match.start() + len(word) - len(word.lstrip(_APOSTROPHES))
        word = word.strip(_APOSTROPHES)
        if len(word) > 3:
            word = _POSSESSIVE.sub("", word)
        if any(map(str.isalpha, word)):
            found.append(Word(start, start + len(word), word, fold(word)))
    return tuple(found)


def like(original: str, surrogate: str) -> str:
    """Write a surrogate in the case of the original: upper, lower, or as the list has it.

    Args:
        original: The word or words replaced.
        surrogate: The replacement, in the usual case of its kind.
    """
    if original.isupper() and len(original) > 1:
        return surrogate.upper()
    return surrogate.lower() if original.islower() else surrogate


def put(text: str, pieces: list[tuple[int, int, str]]) -> str:
    """Replace stretches of a text.

    Args:
        text: The text.
        pieces: Start, end and new text of disjoint stretches, in order.
    """
    parts: list[str] = []
    position = 0
    for start, end, new in pieces:
        parts += (text[position:start], new)
        position = end
    return "".join((*parts, text[position:]))
