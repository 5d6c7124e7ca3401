"""Cities and countries: others of the same country, state and size, or of the same continent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from deid.operate.failure import OperatorFailure
from deid.operate.surrogates.choice import Choice
from deid.operate.surrogates.lists import field, rows
from deid.operate.surrogates.regions import State, find_state, is_state, other_state, state
from deid.operate.surrogates.words import fold, like

_BETWEEN = re.compile(r"\s*,\s*|\s+")
_COUNTRY_NAMES = {
    "us": "US",
    "usa": "US",
    "america": "US",
    "united states of america": "US",
    "the united states": "US",
    "uk": "GB",
    "britain": "GB",
    "great britain": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "northern ireland": "GB",
    "uae": "AE",
    "korea": "KR",
    "holland": "NL",
    "burma": "MM",
    "congo": "CD",
    "ivory coast": "CI",
}


@dataclass(frozen=True, slots=True)
class _City:
    country: str
    region: str
    size: str


@cache
def _cities() -> dict[str, tuple[_City, ...]]:
    found: dict[str, list[_City]] = {}
    for row in rows("cities"):
        found.setdefault(fold(row[0]), []).append(_City(row[1], row[2], row[3]))
    return {name: tuple(places) for name, places in found.items()}


@cache
def _city_options(country: str, region: str, size: str) -> tuple[str, ...]:
    return tuple(
        row[0]
        for row in rows("cities")
        if row[1] == country and region in ("", row[2]) and size in ("", row[3]) and field(row, 4) == "x"
    )


def is_city(text: str) -> bool:
    """Tell whether a text is the name of a city of the list."""
    return fold(text) in _cities()


def city(text: str, choice: Choice) -> str:
    """Return another city of the same country and similar size, in the surrogate of the city's state.

    Args:
        text: The mention; a state behind the city is replaced, too.
        choice: The draws of this mention.

    Raises:
        OperatorFailure: if there is no letter in it.
    """
    if not any(map(str.isalpha, text)):
        raise OperatorFailure("there is no letter in the name of a city")
    for match in () if is_city(text) else _BETWEEN.finditer(text):
        if match.start() > 0 and is_state(text[match.end() :]):
            behind = text[match.end() :]
            new = city_in(text[: match.start()], choice, find_state(behind))
            return f"{new}{match[0]}{state(behind, choice.of('state'))}"
    return city_in(text, choice, None)


def city_in(text: str, choice: Choice, home: State | None) -> str:
    """Do as `city` for a city whose state is written elsewhere.

    Args:
        text: The city alone.
        choice: The draws of this mention.
        home: The original's state, where it is known.
    """
    key = fold(text)
    place = _place(key, choice, home)
    region = ""
    if place.country == "US":
        known = home if home and home.country == "US" else find_state(place.region)
        region = other_state(known, choice).code if known else ""
    sizes = sorted("01234", key=lambda size: abs(int(size) - int(place.size)))
    for size in sizes:
        options = _city_options(place.country, region, size)
        if len(options) >= 3:
            break
    else:
        options = _city_options(place.country, region, "") or _city_options("US", "", place.size)
    options = options if len(options) > 1 else _city_options("US", "", place.size)
    name = choice.pick(options, key, avoid=lambda option: fold(option) == key or choice.is_taken(option))
    new = like(text, name)
    return new.replace(" ", "\n", 1) if "\n" in text and " " in new else new


def _place(key: str, choice: Choice, home: State | None) -> _City:
    """Return which city of a name is meant: one in a state of the notes, in the country, or the biggest."""
    near = {one.code for one in map(find_state, choice.vocabulary.surfaces("STATE")) if one}
    near |= {home.code} if home else set()
    places = _cities().get(key)
    if places is None:
        return _City("US", min(near, default=""), "1")
    return max(
        places,
        key=lambda place: (
            place.region in near,
            place.country == "US" and place.size >= "2",
            place.size,
            place.country == "US",
            place.region,
        ),
    )


def country(text: str, choice: Choice) -> str:
    """Return another country of the same continent: the name for a name, the code for a code.

    Args:
        text: The mention.
        choice: The draws of this mention.

    Raises:
        OperatorFailure: if there is no letter in it.
    """
    key = fold(text.replace(".", ""))
    if not any(map(str.isalpha, key)):
        raise OperatorFailure("there is no letter in the name of a country")
    one = _countries().get(key)
    options = tuple(name for name in _near(one[3] if one else "") if not one or name != one[0])
    name = choice.pick(options, one[1] if one else key, avoid=choice.is_taken)
    if one and text.isupper() and key in (one[1].lower(), one[2].lower()) and "." not in text:
        return _countries()[fold(name)][len(key) - 1]
    return like(text, name) if len(key) > 3 else name


@cache
def _countries() -> dict[str, tuple[str, ...]]:
    """Return folded name or code -> row of the list."""
    forms = {fold(form): row for row in rows("countries") for form in row[:3]}
    return forms | {name: forms[code.lower()] for name, code in _COUNTRY_NAMES.items()}


@cache
def _near(continent: str) -> tuple[str, ...]:
    return tuple(row[0] for row in rows("countries") if field(row, 4) == "x" and continent in ("", row[3]))
