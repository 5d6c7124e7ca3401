"""Reading a person's name: which word is the given name, the family name, an initial, a title."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from deid.operate.surrogates.name_lists import (
    about,
    family_names,
    given_names,
    is_family_only,
    is_given,
)
from deid.operate.surrogates.words import Word, words_of

_SUFFIXES = frozenset(("jr", "sr", "ii", "iii", "iv", "esq"))
_ORDINALS = frozenset(("nd", "rd", "th"))
_TITLES = frozenset(
    ("dr", "mr", "mrs", "ms", "miss", "mx", "prof", "professor", "doctor", "rev", "sr", "sra")
)
_DEGREES = frozenset(
    (
        *("md", "phd", "rn", "np", "lpn", "dds", "dmd", "dpm", "dnp", "lcsw", "crna", "rph", "pharmd", "mph"),
        *("msw", "msn", "bsn", "aprn", "arnp", "fnp", "psyd", "otr", "cna", "emt", "facs", "facp", "mbbs"),
    )
)
# Those that may also be a given or family name are taken for particles behind another word only.
_PARTICLES = frozenset(
    ("de", "del", "della", "di", "von", "der", "den", "ter", "dos", "das", "zu", "y", "la")
)
_DOUBTFUL_PARTICLES = frozenset(
    ("van", "le", "al", "el", "ben", "bin", "ibn", "da", "du", "do", "ten", "mac")
)
_QUOTES = "\"“”'‘’(`"
_VOWELS = re.compile("[aeiouy]")
_COMMA = re.compile(r"[,，]")


class Role(Enum):
    """What a word does in a name."""

    GIVEN = "given"
    FAMILY = "family"
    LONE = "lone"
    INITIAL = "initial"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class NamePart:
    """A word of a name with its role.

    Args:
        word: The word.
        role: ``FIXED`` for titles, particles, generations, degrees; ``LONE`` for a name that stands alone.
    """

    word: Word
    role: Role


def parse_name(text: str) -> tuple[NamePart, ...]:
    """Split a person's name into parts and give each a role.

    Args:
        text: ``John Smith``, ``Smith, John Q.``, ``van der Berg``, ``J.S.``, ``O'Brien``, ``Smith JA`` …
    """
    words = _joined(text, words_of(text))
    fixed = {index for index in range(len(words)) if _is_fixed(text, words, index)}
    names = [
        index for index in range(len(words)) if index not in fixed and not _is_initial(text, words, index)
    ]
    roles = _roles(text, words, names, fixed)
    return tuple(
        NamePart(word, Role.FIXED if index in fixed else roles.get(index, Role.INITIAL))
        for index, word in enumerate(words)
    )


def _joined(text: str, words: tuple[Word, ...]) -> tuple[Word, ...]:
    """Join hyphenated words that the lists know as one name, such as ``Ji-won``."""
    joined: list[Word] = []
    for word in words:
        last = joined[-1] if joined else None
        key = f"{last.key}-{word.key}" if last and text[last.end : word.start] == "-" else ""
        if last and key and (key in given_names() or key in family_names()):
            joined[-1] = Word(last.start, word.end, text[last.start : word.end], key)
        else:
            joined.append(word)
    return tuple(joined)


def _is_fixed(text: str, words: tuple[Word, ...], index: int) -> bool:
    word = words[index]
    if index == 0 and word.key in _TITLES:
        return len(words) > 1
    if index > 0 and (word.key in _SUFFIXES or (word.key in _ORDINALS and text[word.start - 1].isdigit())):
        return True
    if index > 0 and word.key in _DEGREES and word.text.isupper():
        return not text.isupper() or "," in text[words[index - 1].end : word.start]
    return _is_particle(text, words, index)


def _is_particle(text: str, words: tuple[Word, ...], index: int) -> bool:
    word = words[index]
    following = words[index + 1] if index + 1 < len(words) else None
    if following is None or text[word.end : following.start].strip():
        return False
    if word.key in _PARTICLES:
        return True
    doubtful = word.key in _DOUBTFUL_PARTICLES
    first = index == 0 or words[index - 1].key in _TITLES
    lower = word.text.islower() and not text.islower()
    return doubtful and (lower or not first or following.key in _PARTICLES)


def _is_initial(text: str, words: tuple[Word, ...], index: int) -> bool:
    word = words[index]
    if len(word.key) == 1:
        return True
    known = word.key in given_names() or word.key in family_names()
    if known or len(word.key) > 3 or not word.text.isupper():
        return False
    if len(words) == 1:
        return not _VOWELS.search(word.key)
    return any(other.text.istitle() and len(other.key) > 1 for other in words)


def _roles(text: str, words: tuple[Word, ...], names: list[int], fixed: set[int]) -> dict[int, Role]:
    if not names:
        return {}
    comma = _comma(text, words, fixed)
    if comma is not None:
        return {index: Role.FAMILY if words[index].start < comma else Role.GIVEN for index in names}
    if len(names) == 1:
        return {names[0]: _role_of_only(words, names[0], fixed)}
    roles = dict.fromkeys(names, Role.GIVEN)
    for place, index in enumerate(names):
        quoted = words[index].start > 0 and text[words[index].start - 1] in _QUOTES
        after_particle = index - 1 in fixed and words[index - 1].key in _PARTICLES | _DOUBTFUL_PARTICLES
        if not quoted and (
            index == names[-1] or after_particle or (place > 0 and is_family_only(words[index].key))
        ):
            roles[index] = Role.FAMILY
    for left, right in reversed(list(pairwise(names))):
        if text[words[left].end : words[right].start] == "-":
            roles[left] = roles[right]
    first, last = names[0], names[-1]
    if len(names) == 2 and _is_swapped(words[first].key, words[last].key):
        return {first: Role.FAMILY, last: Role.GIVEN}
    return roles


def _is_swapped(first: str, last: str) -> bool:
    """Tell whether two names stand in the order family, given: ``Smith John``, ``Kim Ji-won``."""
    if not is_given(last):
        return False
    same_origin = about(first).origin != about(last).origin == family_names().get(first)
    return is_family_only(first) or (same_origin and last not in family_names())


def _comma(text: str, words: tuple[Word, ...], fixed: set[int]) -> int | None:
    """Return where the comma of ``Family, Given`` is; not the one before a degree or a generation."""
    for match in _COMMA.finditer(text):
        sides = {word.start < match.start() for index, word in enumerate(words) if index not in fixed}
        if len(sides) == 2:
            return match.start()
    return None


def _role_of_only(words: tuple[Word, ...], index: int, fixed: set[int]) -> Role:
    """Return the role of the one word written out: ``Smith``, ``J. Smith``, ``Smith JA``, ``John S.``."""
    if index - 1 in fixed and words[index - 1].key in _PARTICLES | _DOUBTFUL_PARTICLES:
        return Role.FAMILY
    initials = [other for other in range(len(words)) if other != index and other not in fixed]
    if not initials:
        return Role.LONE
    if min(initials) < index:
        return Role.FAMILY
    return Role.GIVEN if is_given(words[index].key) else Role.FAMILY
