"""Reading a person's name: which word is the given name, the family name, an initial, a title."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from deid.operate.surrogates.name_lists import (
    FAMILY_NAME_FIRST,
    about,
    family_names,
    given_names,
    is_family_only,
    is_given,
)
from deid.operate.surrogates.words import Word, words_of

_SUFFIXES = frozenset(("jr", "jnr", "sr", "snr", "ii", "iii", "iv", "esq"))
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
_PARTICLES = frozenset(
    ("de", "del", "della", "di", "von", "der", "den", "ter", "dos", "das", "af", "zu", "y", "la")
)
# Those that may also be a given or family name are taken for particles behind another word only, before
# another particle, or in small letters; joined by a hyphen, in small letters only.
_DOUBTFUL_PARTICLES = frozenset(
    (
        *("van", "le", "al", "el", "ben", "bin", "bint", "ibn", "abd", "abu", "da", "du", "do", "ten", "mac"),
        *("ni", "nic", "ui"),
    )
)
# Those that a hyphen joins to the name they belong to: al-Rashidi, El-Sayed, Abd-Allah.
_HYPHENATED_PARTICLES = frozenset(("al", "el", "ad", "as", "ar", "abd", "abu", "ben", "bin", "ibn"))
# Those that are clear with their accent: Ní Bhriain, Uí Bhriain, Ó Briain.
_ACCENTED_PARTICLES = frozenset(("ni", "ui", "o"))
_EVERY_PARTICLE = _PARTICLES | _DOUBTFUL_PARTICLES | _HYPHENATED_PARTICLES | _ACCENTED_PARTICLES
# What stands for the given name of a newborn, and what may follow it.
_NEWBORNS = frozenset(
    (
        *("baby", "babyboy", "babygirl", "infant", "newborn", "neonate", "twin", "triplet", "boy", "girl"),
        *("bb", "bg"),
    )
)
_AFTER_NEWBORNS = frozenset(("boy", "girl", "male", "female", "of", "twin", "triplet", "a", "b", "c", "d"))
_HYPHENS = ("-", "‐", "‑", "–")
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
        role: ``FIXED`` for what stays: titles, particles, generations, degrees, the middle word of Vietnamese
            names, ``Baby Boy``; ``LONE`` for a name that stands alone.
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
    """Join hyphenated words that are one name: what the lists know, and ``Soo-yeon``, ``Park Ji-Yeon``."""
    joined: list[Word] = []
    for word in words:
        last = joined[-1] if joined else None
        if last and text[last.end : word.start] == "-" and _is_one_name(last, word, words):
            key = f"{last.key}-{word.key}"
            joined[-1] = Word(last.start, word.end, text[last.start : word.end], key)
        else:
            joined.append(word)
    return tuple(joined)


def _is_one_name(left: Word, right: Word, words: tuple[Word, ...]) -> bool:
    key = f"{left.key}-{right.key}"
    if left.key in _HYPHENATED_PARTICLES:
        return False
    if key in given_names() or key in family_names():
        return True
    if is_family_only(left.key) and is_family_only(right.key):
        return False
    if left.text.istitle() and right.text.islower():
        return right.key not in _EVERY_PARTICLE
    beside = any(
        family_names().get(word.key) in FAMILY_NAME_FIRST for word in words if word not in (left, right)
    )
    return beside and about(key).origin in FAMILY_NAME_FIRST


def _is_fixed(text: str, words: tuple[Word, ...], index: int) -> bool:
    word = words[index]
    if index == 0 and word.key in _TITLES:
        return len(words) > 1
    if _is_newborn(text, words, index) or _is_middle_word(words, index):
        return True
    if index > 0 and (word.key in _SUFFIXES or (word.key in _ORDINALS and text[word.start - 1].isdigit())):
        return True
    if index > 0 and word.key in _DEGREES and word.text.isupper():
        return not text.isupper() or "," in text[words[index - 1].end : word.start]
    return _is_particle(text, words, index)


def _is_newborn(text: str, words: tuple[Word, ...], index: int) -> bool:
    """Tell whether a word stands for a newborn's given name beside the family name: ``Baby Boy Smith``."""
    start = max(at for at in range(index + 1) if at == 0 or "," in text[words[at - 1].end : words[at].start])
    end = start
    while end < len(words) and text[words[end].end : words[end].end + 1] != ".":
        if words[end].key not in (_NEWBORNS if end == start else _NEWBORNS | _AFTER_NEWBORNS):
            break
        end += 1
    others = (*words[:start], *words[end:])
    return index < end and any(len(other.key) > 1 and other.key not in _SUFFIXES for other in others)


def _is_middle_word(words: tuple[Word, ...], index: int) -> bool:
    """Tell whether a word is the ``Thi`` of ``Nguyen Thi Lan``, ``Lan Thi Nguyen`` or ``Nguyen, Thi Lan``."""
    if words[index].key != "thi" or not 0 < index < len(words) - 1 or len(words[index + 1].key) == 1:
        return False
    return any(family_names().get(words[at].key) == "vietnamese" for at in (index - 1, index + 1))


def _is_particle(text: str, words: tuple[Word, ...], index: int) -> bool:
    word = words[index]
    following = words[index + 1] if index + 1 < len(words) else None
    if following is None:
        return False
    between = text[word.end : following.start].strip()
    lower = word.text.islower() and not text.islower()
    if between:
        hyphenated = word.key in _HYPHENATED_PARTICLES | _PARTICLES or (
            lower and word.key in _DOUBTFUL_PARTICLES
        )
        return between in _HYPHENS and hyphenated
    accented = word.key in _ACCENTED_PARTICLES and word.text.lower() != word.key
    if word.key in _PARTICLES or accented:
        return True
    doubtful = word.key in _DOUBTFUL_PARTICLES
    first = index == 0 or words[index - 1].key in _TITLES
    return doubtful and (lower or not first or _is_followed_by_particle(text, words, index))


def _is_followed_by_particle(text: str, words: tuple[Word, ...], index: int) -> bool:
    """Tell ``Van der Berg`` and ``Abd al-Rahman`` from ``Ben de la Cruz``, which starts with a given name."""
    following = words[index + 1]
    hyphenated = (
        following.key in _HYPHENATED_PARTICLES and text[following.end : following.end + 1] in _HYPHENS
    )
    return words[index].key not in ("al", "ben") and (following.key in _PARTICLES or hyphenated)


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
        after_particle = index - 1 in fixed and words[index - 1].key in _EVERY_PARTICLE
        if not quoted and (
            index == names[-1] or after_particle or (place > 0 and is_family_only(words[index].key))
        ):
            roles[index] = Role.FAMILY
    for left, right in reversed(list(pairwise(names))):
        if text[words[left].end : words[right].start] == "-":
            roles[left] = roles[right]
    first, last = names[0], names[-1]
    if _is_family_first([words[index].key for index in names], has_middle=_has_middle_word(words, names)):
        return dict.fromkeys(names, Role.GIVEN) | {first: Role.FAMILY}
    if len(names) == 2 and _is_swapped(words[first].key, words[last].key):
        return {first: Role.FAMILY, last: Role.GIVEN}
    return roles


def _has_middle_word(words: tuple[Word, ...], names: list[int]) -> bool:
    first = names[0]
    return first + 1 not in names and words[first + 1].key in ("thi", "van")


def _is_family_first(keys: list[str], *, has_middle: bool) -> bool:
    """Tell whether a name is ``Nguyen Van Thanh``, ``Tran Minh Duc`` or ``Wang Xiaoming``.

    The family name in front is East Asian and no given name elsewhere, or the middle word of Vietnamese names
    stands behind it; the last word is no family name in the first place.
    """
    first, last = keys[0], keys[-1]
    origin = family_names().get(first)
    if origin not in FAMILY_NAME_FIRST:
        return False
    if has_middle and origin == "vietnamese":
        return not (is_family_only(last) and about(last).origin != origin)
    return is_family_only(first) and not (last in family_names() and not is_given(last))


def _is_swapped(first: str, last: str) -> bool:
    """Tell whether two names stand in the order family, given: ``Smith John``, ``Kim Ji-won``."""
    if not is_given(last):
        return False
    origin = family_names().get(first)
    same_origin = about(first).origin != about(last).origin == origin
    other_family = family_names().get(last)
    fits_front = other_family is None or (origin in FAMILY_NAME_FIRST and other_family != origin)
    return is_family_only(first) or (same_origin and fits_front)


def _comma(text: str, words: tuple[Word, ...], fixed: set[int]) -> int | None:
    """Return where the comma of ``Family, Given`` is; not the one before a degree or a generation."""
    for match in _COMMA.finditer(text):
        sides = {word.start < match.start() for index, word in enumerate(words) if index not in fixed}
        if len(sides) == 2:
            return match.start()
    return None


def _role_of_only(words: tuple[Word, ...], index: int, fixed: set[int]) -> Role:
    """Return the role of the one word written out: ``Smith``, ``J. Smith``, ``Smith JA``, ``John S.``."""
    if index - 1 in fixed and words[index - 1].key in _EVERY_PARTICLE:
        return Role.FAMILY
    initials = [other for other in range(len(words)) if other != index and other not in fixed]
    if not initials:
        return Role.LONE
    if min(initials) < index:
        return Role.FAMILY
    return Role.GIVEN if is_given(words[index].key) else Role.FAMILY
