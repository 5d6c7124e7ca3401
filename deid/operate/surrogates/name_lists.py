"""What the frozen lists know of names: gender and origin of given names, origin of family names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from deid.operate.surrogates.lists import field, rows
from deid.operate.surrogates.words import fold

# Below this size, an origin's list is filled up with English given names.
_ENOUGH = 30
# Origins whose family name is written in front of the given names.
FAMILY_NAME_FIRST = frozenset(("chinese", "korean", "vietnamese"))
# Endings of family names that the lists do not hold; the first that fits decides.
_ENDINGS = (
    ("poulos akis idis iou", "greek"),
    ("enko chuk ova eva ov ev sky skaya", "russian"),
    ("ski ska wicz czyk", "polish"),
    ("vic", "balkan"),
    ("escu", "romanian"),
    ("ez", "hispanic"),
    ("sson sen quist", "nordic"),
    ("mann bauer", "german"),
    ("stein baum", "jewish"),
    ("elli ini etti ucci", "italian"),
    ("oglu", "turkish"),
    ("zadeh pour", "persian"),
    ("ullah", "arabic"),
    ("swamy kumar", "south-asian"),
    ("eaux eau", "french"),
)


@dataclass(frozen=True, slots=True)
class GivenName:
    """What is known of a given name.

    Args:
        gender: ``m``, ``f`` or ``u`` for either.
        origin: Name of an origin group.
        rare: Whether it is hardly ever a given name; a family name then wins.
    """

    gender: str
    origin: str
    rare: bool


_UNKNOWN = GivenName("u", "anglo", rare=True)


@cache
def given_names() -> dict[str, GivenName]:
    """Return folded given name -> what is known of it."""
    return {fold(row[0]): GivenName(row[1], row[2], rare=field(row, 3) == "r") for row in rows("given_names")}


@cache
def family_names() -> dict[str, str]:
    """Return folded family name -> origin."""
    return {fold(row[0]): row[1] for row in rows("family_names")}


@cache
def formal_names() -> dict[str, tuple[str, ...]]:
    """Return folded short form -> the folded formal names it may stand for."""
    found: dict[str, tuple[str, ...]] = {}
    for row in rows("nicknames"):
        for short in row[1].split():
            found[fold(short)] = (*found.get(fold(short), ()), fold(row[0]))
    return found


@cache
def short_forms() -> dict[str, tuple[str, ...]]:
    """Return folded formal name -> its short forms."""
    return {fold(row[0]): tuple(row[1].split()) for row in rows("nicknames")}


def is_given(key: str) -> bool:
    """Tell whether a folded word is a given name in the first place, rather than a family name or no name."""
    known = next((found for found in map(_known, (key, *formal_names().get(key, ()))) if found), None)
    if known is None:
        return False
    family = family_names().get(key)
    return family is None or not (known.rare or (family == "anglo" != known.origin))


def is_family_only(key: str) -> bool:
    """Tell whether a folded word is a family name and hardly ever a given one."""
    return key in family_names() and not is_given(key)


def about(key: str) -> GivenName:
    """Return what is known of a folded given name; a name of nobody in particular if nothing is.

    A hyphenated name that the lists do not hold is told by East Asian names with the same last syllable:
    ``Soo-yeon`` by ``Ji-yeon`` and ``Seo-yeon``.
    """
    return _known(key) or _UNKNOWN


def _known(key: str) -> GivenName | None:
    known = given_names().get(key)
    return _by_last_syllable().get(key.rpartition("-")[2]) if known is None and "-" in key else known


@cache
def _by_last_syllable() -> dict[str, GivenName]:
    """Return last syllable of East Asian names -> what they have in common."""
    found: dict[str, set[tuple[str, str]]] = {}
    for key, known in given_names().items():
        if "-" in key and known.origin in FAMILY_NAME_FIRST:
            found.setdefault(key.rpartition("-")[2], set()).add((known.gender, known.origin))
    return {
        syllable: GivenName(genders.pop() if len(genders) == 1 else "u", origins.pop(), rare=False)
        for syllable, facts in found.items()
        for genders, origins in [({gender for gender, _ in facts}, {origin for _, origin in facts})]
        if len(origins) == 1
    }


def origin_of_family(key: str) -> str:
    """Return the origin of a folded family name, guessed from its ending if the lists do not hold it."""
    origin = family_names().get(key)
    if origin:
        return origin
    for endings, group in _ENDINGS:
        if key.endswith(tuple(endings.split())):
            return group
    return "anglo"


@cache
def given_options(origin: str, gender: str) -> tuple[str, ...]:
    """Return the given names of an origin and gender that may be drawn.

    Args:
        origin: Name of an origin group.
        gender: ``u`` takes names that women and men bear alike, from all origins if the origin has few.
    """
    drawable = [row for row in rows("given_names") if field(row, 3) == "x"]
    own = tuple(row[0] for row in drawable if row[1] == gender and row[2] == origin)
    if len(own) >= _ENOUGH:
        return own
    return own + tuple(row[0] for row in drawable if row[1] == gender and row[2] == "anglo" != origin)


@cache
def family_options(origin: str) -> tuple[str, ...]:
    """Return the family names of an origin that may be drawn."""
    return tuple(row[0] for row in rows("family_names") if row[1] == origin and field(row, 2) == "x")
