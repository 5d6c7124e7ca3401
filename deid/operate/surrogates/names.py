"""Names of persons, part by part, so that all written forms of one name stay one person."""

from __future__ import annotations

import re

from deid.operate.failure import OperatorFailure
from deid.operate.surrogates.choice import Choice
from deid.operate.surrogates.name_lists import (
    about,
    family_options,
    given_options,
    origin_of_family,
    short_forms,
)
from deid.operate.surrogates.name_parts import NamePart, Role, parse_name
from deid.operate.surrogates.words import fold, like, put

# Letters that often begin a name; Q, U, X and the like would stand out.
_LETTERS = "abcdefghjklmnprstw"
_DIGITS = re.compile(r"\d+(?!\d|(?i:st|nd|rd|th)\b)")


def person_name(text: str, choice: Choice) -> str:
    """Return another person's name in the form of the original.

    Titles, particles (van der), generations (Jr.), degrees, hyphens, quotes, line breaks and case stay.

    Args:
        text: The name as written.
        choice: The draws of this mention.

    Raises:
        OperatorFailure: if there is no name in it.
    """
    parts = parse_name(text)
    pieces = [
        (part.word.start, part.word.end, _part(part, parts, choice))
        for part in parts
        if part.role is not Role.FIXED
    ]
    if not pieces:
        raise OperatorFailure("no name is left between titles and particles")
    new = put(text, pieces)
    if any(map(str.isdigit, new)):
        new = _DIGITS.sub(lambda match: choice.letters_and_digits(match[0], "digits", match[0]), new)
    if fold(new) == fold(text):
        raise OperatorFailure("the surrogate reads like the original")
    return new


def name_word(key: str, choice: Choice) -> str:
    """Return the surrogate of one folded name that stands alone, for names inside other values.

    Args:
        key: A given or family name.
        choice: The draws of this mention.
    """
    role = choice.vocabulary.people.role(key, Role.LONE)
    return family_name(key, choice) if role is Role.FAMILY else given_name(key, choice)


def given_name(key: str, choice: Choice) -> str:
    """Return a given name of the same gender and origin; the short form of one for a short form.

    Where the new formal name has no short form, it stands for the short form as well, or another name does if
    the two stand side by side in the notes: Robert (Bob) Smith.

    Args:
        key: The folded original.
        choice: The draws of this mention.
    """
    people = choice.vocabulary.people
    formal = people.formal(key)
    name = _draw_given(formal, choice)
    if formal == key:
        return name
    shorts = [short for short in short_forms().get(fold(name), ()) if not choice.is_taken(short)]
    shorts = [short for short in shorts if short[0].lower() != key[0]]
    if shorts:
        return shorts[choice.number("short", key, below=len(shorts))]
    return _draw_given(key, choice) if key in people.nicknames else name


def _draw_given(key: str, choice: Choice) -> str:
    known = about(key)
    return choice.pick(
        given_options(known.origin, known.gender),
        *("given", key),
        avoid=lambda option: option[0].lower() == key[0] or choice.is_taken(option),
    )


def family_name(key: str, choice: Choice) -> str:
    """Return a family name of the same origin.

    Args:
        key: The folded original.
        choice: The draws of this mention.
    """
    return choice.pick(
        family_options(origin_of_family(key)),
        *("family", key),
        avoid=lambda option: option[0].lower() == key[0] or choice.is_taken(option),
    )


def initials(letters: str, choice: Choice) -> str:
    """Return the initials of a surrogate name, those of the name they stand for if the notes hold it.

    Args:
        letters: Initials of a whole name, in lower case.
        choice: The draws of this mention.
    """
    parts = choice.vocabulary.people.spelled_out(letters)
    if parts is None:
        return "".join(_initial(letter, choice) for letter in letters)
    return "".join(_first_letter(role, key, choice) for role, key in parts)


def _part(part: NamePart, parts: tuple[NamePart, ...], choice: Choice) -> str:
    word = part.word
    if part.role is Role.INITIAL:
        new = _initial_part(part, parts, choice)
        return new.upper() if word.text.isupper() else new
    role = choice.vocabulary.people.role(word.key, part.role)
    if role is not Role.GIVEN:
        return like(word.text, family_name(word.key, choice))
    return like(word.text, given_name(word.key, choice))


def _initial_part(part: NamePart, parts: tuple[NamePart, ...], choice: Choice) -> str:
    written = [other for other in parts if other.role in (Role.GIVEN, Role.FAMILY, Role.LONE)]
    if not written:
        every = [other for other in parts if other.role is Role.INITIAL]
        new = initials("".join(other.word.key for other in every), choice)
        start = sum(len(other.word.key) for other in every[: every.index(part)])
        return new[start : start + len(part.word.key)]
    people = choice.vocabulary.people
    last_is_missing = part.word.start > written[-1].word.start and all(
        other.role is Role.GIVEN for other in written
    )
    before_comma = all(other.role is Role.GIVEN for other in written) and part is parts[0]
    role = Role.FAMILY if last_is_missing or before_comma else Role.GIVEN
    beside = frozenset(other.word.key for other in written)
    letters = []
    for letter in part.word.key:
        name = people.abbreviated(letter, role, beside)
        letters.append(_initial(letter, choice) if name is None else _first_letter(role, name, choice))
    return "".join(letters)


def _first_letter(role: Role, key: str, choice: Choice) -> str:
    if role is Role.INITIAL:
        return _initial(key[0], choice)
    role = choice.vocabulary.people.role(key, role)
    formal = choice.vocabulary.people.formal(key)
    name = given_name(formal, choice) if role is Role.GIVEN else family_name(key, choice)
    return name[0].lower()


def _initial(letter: str, choice: Choice) -> str:
    options = _LETTERS.replace(letter, "")
    return options[choice.number("initial", letter, below=len(options))]
