"""Same-shape surrogates for training texts, made on the fly: the context has to do the work, not the surface.

The choice for a word is a function of a key and the word, so that one person stays one person over all notes
of a patient that are refilled under one key, and a run can be resumed exactly.
"""

from __future__ import annotations

import calendar
import json
import random
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deid.errors import UsageError

Spans = Sequence[tuple[int, int, str]]

_LETTERS = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\d+")
_RUN = re.compile(r"[^\W\d_]+|\d+")
_MONTHS = tuple(calendar.month_name)[1:]
_DAYS = tuple(calendar.day_name)
_SHORT = {name[:3].lower(): table for table in (_MONTHS, _DAYS) for name in table}
_SHORT |= {"sept": _MONTHS, "tues": _DAYS, "thur": _DAYS, "thurs": _DAYS}
_LONG = {name.lower(): table for table in (_MONTHS, _DAYS) for name in table}
_PARTICLES = "jr sr ii iii iv de del della da di do dos la le van der den von zu bin ibn al el st mc mac y e"
_ADDRESS_WORDS = "http https www com org net edu gov mil int uk au ca in nz za ie co html htm php portal mail"
_KEPT_IN_NAMES, _KEPT_IN_ADDRESSES = frozenset(_PARTICLES.split()), frozenset(_ADDRESS_WORDS.split())
_DOMAINS = ("com", "com", "com", "org", "net", "edu", "gov", "health", "care", "example", "example")
_RESERVED = frozenset({"example", "test", "invalid"})
_NAMES = frozenset({"PATIENT_NAME", "RELATIVE_NAME", "CLINICIAN_NAME"})
_INSTITUTIONS = frozenset({"HOSPITAL", "ORGANIZATION", "LOCATION_OTHER", "STREET_ADDRESS"})
_PLACES = {"CITY": "city", "COUNTRY": "country", "STATE": "state"}
_NAMES_THAT_ARE_WORDS = (
    "Will May Grant Hope Rose Young Long Mark Pat Sandy Dawn Frank Bill Price Bishop Summer Joy Chase"
    " Faith Major Parker Baker Cook Banks Fields Rivers Brooks Stone Wood Woods Field Day Weeks Love Best"
    " Good Short Little Black White Brown Green Gray Gold Silver Penny Carol Iris Violet Lily Daisy"
    " Heather Ivy Olive Ginger Basil Drew Chance Hunter Mason Carter Taylor Dean Duke Earl King Prince"
    " Noble Case Page Reed Lane Street Park Hill Parkinson Crohn Graves Hodgkin Foley Murphy Cushing"
    " Addison Marfan Bell Down Turner Wilson Paget Barrett"
)
_WORD_NAMES = tuple(_NAMES_THAT_ARE_WORDS.split())
_HOLIDAYS = (
    "Christmas",
    "Easter",
    "Thanksgiving",
    "Labor Day",
    "Memorial Day",
    "New Year's Eve",
    "Diwali",
    "Eid",
)


class Refiller:
    """Replaces the mentions of a text by others of the same shape.

    Args:
        pools: Surfaces by pool: ``given``, ``family``, ``city``, ``country``, ``state``, ``state_code``,
            ``street`` and ``place``; ``generic``, the lower-case words of institutions and addresses that
            stay as they are; and one for each entity type whose surfaces are taken whole.
    """

    def __init__(self, pools: Mapping[str, Sequence[str]]) -> None:
        self._words = {name: tuple(words) for name, words in pools.items()}
        self._generic = frozenset(self._words.get("generic", ()))
        self._given = frozenset(word.lower() for word in self._words["given"])
        self._family = frozenset(word.lower() for word in self._words["family"])

    @classmethod
    def read(cls, path: Path) -> Refiller:
        """Read pools from a JSON object of lists.

        Raises:
            UsageError: if the file is not there.
        """
        if not path.is_file():
            raise UsageError(f"pools {path} are not there; build them first")
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def refill(self, text: str, spans: Spans, key: int) -> tuple[str, tuple[tuple[int, int, str], ...]]:
        """Return the text with other mentions, and where they are.

        Args:
            text: The text.
            spans: Disjoint, sorted (start, end, type).
            key: Chooses; texts of one patient share it.
        """
        draw = _Draw(self, key, [text[start:end] for start, end, kind in spans if kind in _NAMES])
        parts: list[str] = []
        moved: list[tuple[int, int, str]] = []
        position = length = 0
        for start, end, kind in spans:
            new = draw.surrogate(text[start:end], kind)
            parts += (text[position:start], new)
            begin = length + start - position
            length = begin + len(new)
            moved.append((begin, length, kind))
            position = end
        return "".join([*parts, text[position:]]), tuple(moved)

    def pool(self, name: str) -> tuple[str, ...]:
        """Return a pool."""
        return self._words.get(name, ())

    def is_generic(self, word: str) -> bool:
        """Whether a word of an institution's name says what it is, not which."""
        return word.lower() in self._generic

    def kind_of_name(self, word: str) -> str:
        """Return the pool that a part of a name belongs to."""
        lower = word.lower()
        return "given" if lower in self._given and lower not in self._family else "family"


class _Draw:
    """The choices under one key."""

    def __init__(self, owner: Refiller, key: int, names: Sequence[str]) -> None:
        self._owner, self._key = owner, key
        self._initials: dict[str, str] = {}
        for surface in names:
            for word in _LETTERS.findall(surface):
                if len(word) > 1:
                    self._initials.setdefault(word[0].upper(), self._name_word(word)[0].upper())

    def _hash(self, purpose: str, word: str) -> int:
        return zlib.crc32(f"{self._key}:{purpose}:{word.lower()}".encode())

    def _pick(self, pool: Sequence[str], purpose: str, word: str) -> str:
        return pool[self._hash(purpose, word) % len(pool)]

    def _random(self, purpose: str, word: str) -> random.Random:
        return random.Random(self._hash(purpose, word))

    def surrogate(self, surface: str, kind: str) -> str:
        if kind in _NAMES:
            return _LETTERS.sub(lambda match: self._name(match[0], surface), surface)
        if kind in _PLACES:
            return self._place(surface, _PLACES[kind])
        if kind in _INSTITUTIONS:
            return self._institution(surface, kind)
        makers: dict[str, Callable[[str], str]] = {
            "DATE": self._date,
            "AGE": self._age,
            "EMAIL": self._address,
            "URL": self._address,
            "USERNAME": self._login,
            "PROFESSION": lambda whole: self._whole(whole, "PROFESSION"),
        }
        if kind in makers:
            return makers[kind](surface)
        if self._owner.pool(kind):
            surface = self._pick(self._owner.pool(kind), kind, surface)
            if self._hash("as it is", surface) % 3 == 0 or not _DIGITS.search(surface):
                return surface
        return self.code(surface)

    def _name(self, word: str, surface: str) -> str:
        if word.lower() in _KEPT_IN_NAMES or (word.islower() and not surface.islower()):
            return word
        if len(word) == 1:
            known = self._initials.get(word.upper())
            letter = known or "ABCDEFGHJKLMNPRSTVW"[self._hash("initial", word) % 19]
            return _with_case(letter, word)
        return _with_case(self._name_word(word), word)

    def _name_word(self, word: str) -> str:
        if self._hash("odd", word) % 100 < 8:
            return self._pick(_WORD_NAMES, "odd name", word)
        pool = self._owner.kind_of_name(word)
        return self._pick(self._owner.pool(pool), "name", word)

    def _place(self, surface: str, pool: str) -> str:
        if pool == "state":
            pool = "state_code" if len(surface) == 2 else "state"
        return _with_case(self._pick(self._owner.pool(pool), pool, surface), surface)

    def _institution(self, surface: str, kind: str) -> str:
        if kind != "STREET_ADDRESS" and self._hash("whole", surface) % 2:
            return self._whole(surface, kind)

        def word(match: re.Match[str]) -> str:
            part = match[0]
            if part.isdigit():
                return self._digits(part, surface)
            if self._owner.is_generic(part) or (part.islower() and not surface.islower()):
                return part
            if len(part) <= 5 and part.isupper() and not surface.isupper():
                return self._letters(part, surface)
            if len(part) == 1:
                return part
            pools = ("street",) if kind == "STREET_ADDRESS" else ("place", "family", "city", "street")
            pool = self._pick(pools, "pool", part)
            return _with_case(self._pick(self._owner.pool(pool), "institution", part), part)

        return _RUN.sub(word, surface)

    def _whole(self, surface: str, kind: str) -> str:
        pool = self._owner.pool(kind)
        return _with_case(self._pick(pool, kind, surface), surface) if pool else surface

    def _date(self, surface: str) -> str:
        chance = self._random("date", surface)
        words = _LETTERS.sub(lambda match: _calendar_word(match[0], chance), surface)
        if words == surface and surface in _HOLIDAYS:
            return chance.choice(_HOLIDAYS)
        made = _DIGITS.sub(lambda match: _calendar_number(match[0], chance), words)
        return re.sub(r"(\d+)(st|nd|rd|th)\b", lambda match: match[1] + _ordinal(int(match[1])), made)

    def _age(self, surface: str) -> str:
        chance = self._random("age", surface)

        def number(match: re.Match[str]) -> str:
            years = int(match[0])
            low, high = (1, 17) if years < 18 else (18, 89) if years < 90 else (90, 104)
            decade = surface.endswith("s")
            return str(chance.randrange(20, 90, 10) if decade else chance.randint(low, high))

        return _DIGITS.sub(number, surface)

    def _address(self, surface: str) -> str:
        def word(match: re.Match[str]) -> str:
            part = match[0]
            if part.isdigit():
                return self._digits(part, surface)
            if part.lower() in _RESERVED:
                return _with_case(self._pick(_DOMAINS, "domain", surface), part)
            if part.lower() in _KEPT_IN_ADDRESSES or len(part) < 3:
                return part
            return _with_case(self._pick(self._owner.pool("family"), "name", part), part)

        return _RUN.sub(word, surface).replace(" ", "")

    def _login(self, surface: str) -> str:
        def word(match: re.Match[str]) -> str:
            part = match[0]
            if part.isdigit():
                return self._digits(part, surface)
            if len(part) <= 3:
                return self._letters(part, surface)
            stem = _plain(self._pick(self._owner.pool("family"), "login", part))
            initial = self._letters(part[0], surface)
            return _with_case((initial + stem)[: len(part) + 1], part)

        return _RUN.sub(word, surface)

    def code(self, surface: str) -> str:
        """Return a code of the same shape; its letters stay in three of ten codes, as a prefix would."""
        keep = self._hash("letters", surface) % 10 < 3

        def run(match: re.Match[str]) -> str:
            part = match[0]
            if part.isdigit():
                return self._digits(part, f"{surface}{match.start()}")
            return part if keep or not part.isascii() else self._letters(part, f"{surface}{match.start()}")

        return _RUN.sub(run, surface)

    def _digits(self, digits: str, purpose: str) -> str:
        chance = self._random("digits", f"{purpose}:{digits}")
        first = "0" if digits[0] == "0" else chance.choice("123456789")
        return first + "".join(chance.choices("0123456789", k=len(digits) - 1))

    def _letters(self, letters: str, purpose: str) -> str:
        chance = self._random("letters", f"{purpose}:{letters}")
        made = "".join(chance.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=len(letters)))
        return _with_case(made, letters)


def _plain(word: str) -> str:
    return "".join(_LETTERS.findall(word))


def _with_case(new: str, old: str) -> str:
    """Write `new` in the case of `old`."""
    if old.isupper() and (len(old) > 1 or len(new) == 1):
        return new.upper()
    return new.lower() if old.islower() else new


def _calendar_word(word: str, chance: random.Random) -> str:
    lower = word.lower()
    if lower in _LONG and lower != "may":
        return _with_case(chance.choice(_LONG[lower]), word)
    if lower in _SHORT or lower == "may":
        table = _SHORT.get(lower, _MONTHS)
        return _with_case(chance.choice(table)[:3], word)
    return word


def _calendar_number(digits: str, chance: random.Random) -> str:
    value, size = int(digits), len(digits)
    if size == 4:
        return str(chance.randint(1931, 2034)) if 1900 <= value <= 2100 else digits
    if size >= 8:
        date = f"{chance.randint(1931, 2034)}{chance.randint(1, 12):02}{chance.randint(1, 28):02}"
        return date + "".join(chance.choices("012345", k=size - 8))
    if size > 2:
        return digits
    low, high = (1, 12) if 0 < value <= 12 else (13, 28) if 12 < value <= 31 else (0, 99)
    made = str(chance.randint(low, high))
    return made.zfill(size) if digits[0] == "0" or (low, high) == (0, 99) else made


def _ordinal(value: int) -> str:
    if value % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
