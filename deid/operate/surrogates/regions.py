"""States and ZIP codes; cities and streets start from here, so that all of a place fits together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from deid.operate.failure import OperatorFailure
from deid.operate.surrogates.choice import Choice
from deid.operate.surrogates.lists import field, rows
from deid.operate.surrogates.words import fold, like

_US_ZIP = re.compile(r"(\d{5})(?:([\s-]*)(\d{4}))?")


@dataclass(frozen=True, slots=True)
class State:
    """A state or province.

    Args:
        code: Postal code.
        name: Full name.
        country: ISO code of the country.
        short: Older abbreviation without its period, such as ``Calif``; may be empty.
        prefixes: First three digits of its ZIP codes.
        area_codes: Telephone area codes.
    """

    code: str
    name: str
    country: str
    short: str
    prefixes: tuple[str, ...]
    area_codes: tuple[str, ...]


@cache
def states() -> tuple[State, ...]:
    """Return all states and provinces of the list."""
    return tuple(
        State(
            row[0],
            row[1],
            row[2],
            field(row, 3),
            tuple(prefix for part in field(row, 4).split() for prefix in _expand(part)),
            tuple(field(row, 5).split()),
        )
        for row in rows("states")
    )


def _expand(part: str) -> tuple[str, ...]:
    low, high = part.split("-")
    return tuple(f"{number:03d}" for number in range(int(low), int(high) + 1))


@cache
def _states_by_form() -> dict[str, State]:
    forms: dict[str, State] = {}
    for one in states():
        for form in (one.code, one.name, one.short):
            if form:
                forms.setdefault(fold(form), one)
    return forms


@cache
def _states_by_prefix() -> dict[str, State]:
    return {prefix: one for one in states() for prefix in one.prefixes}


def find_state(text: str) -> State | None:
    """Return the state that a name, code or abbreviation stands for, or None."""
    return _states_by_form().get(fold(text.replace(".", "")))


def is_state(text: str) -> bool:
    """Tell whether a text is a state's name, code or abbreviation."""
    return find_state(text) is not None


def other_state(one: State, choice: Choice) -> State:
    """Return the state of the same country that stands for a state throughout the subject's notes."""
    options = tuple(other.name for other in states() if other.country == one.country and other != one)
    return _states_by_form()[fold(choice.of("state").pick(options, one.name, avoid=choice.is_taken))]


def state(text: str, choice: Choice) -> str:
    """Return another state of the same country in the same form: name, code or abbreviation.

    Args:
        text: The mention.
        choice: The draws of this mention.

    Raises:
        OperatorFailure: if there is no letter in it.
    """
    bare = text.replace(".", "")
    if not any(map(str.isalpha, bare)):
        raise OperatorFailure("there is no letter in the name of a state")
    one = find_state(text)
    if one is None:
        names = tuple(other.name for other in states() if other.country == "US")
        return like(text, choice.pick(names, fold(text), avoid=choice.is_taken))
    other = other_state(one, choice)
    if fold(bare) == one.code.lower():
        dotted = ".".join(other.code) + "." if len(text) > len(bare) else other.code
        return dotted.lower() if text.islower() else dotted
    if one.short and fold(bare) == one.short.lower():
        return like(bare, other.short + "." * text.endswith(".") if other.short else other.name)
    return like(text, other.name)


def zip_code(text: str, choice: Choice) -> str:
    """Return a ZIP code of the state that stands for the original's; other postal codes keep their shape.

    Args:
        text: The mention: five digits, ZIP+4, three digits, or a postal code of another country.
        choice: The draws of this mention.

    Raises:
        OperatorFailure: if there is no letter or digit in it.
    """
    match = _US_ZIP.fullmatch(text.strip())
    if match is None:
        bare = text.strip()
        if re.fullmatch(r"\d{3}", bare):
            return text.replace(bare, _prefix(bare, choice))
        return choice.shaped(text, fold(text))
    digits = match[1]
    last = f"{choice.number('last', digits, below=99) + 1:02d}"
    new = _prefix(digits[:3], choice) + last
    if match[3]:
        new += match[2] + choice.shaped(match[3], "plus four", digits, match[3])
    return text.replace(match[0], new)


def _prefix(prefix: str, choice: Choice) -> str:
    one = _states_by_prefix().get(prefix)
    if one:
        options = other_state(one, choice).prefixes
    else:
        options = tuple(other for other in _states_by_prefix() if other != prefix)
    return options[choice.number("prefix", prefix, below=len(options))]
