"""Perturbations: what exports, scanners and people do to a note, with its gold marks moved along."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from deid.formats.markup import GoldMention
from deid.operate.surrogates.lists import field, rows

Marked = tuple[str, tuple[GoldMention, ...]]
Edit = tuple[int, int, str]  # first, one past the last, what takes the place

NAME_TYPES = frozenset({"PATIENT_NAME", "RELATIVE_NAME", "CLINICIAN_NAME"})
ORIGINS = (
    "anglo",
    "arabic",
    "chinese",
    "french",
    "german",
    "hispanic",
    "irish",
    "italian",
    "japanese",
    "korean",
    "nordic",
    "polish",
    "russian",
    "south-asian",
    "vietnamese",
    "west-african",
)
SEXES = ("f", "m")
_RATE = 0.03  # share of the letters or signs that scanning and look-alikes change
_WIDTH = 60  # columns after which lines are broken
# What optical character recognition takes for each other; a list of our own, the classic pairs.
_SCANNED: Mapping[str, str] = {
    "0": "O",
    "O": "0",
    "1": "l",
    "l": "1",
    "I": "l",
    "5": "S",
    "S": "5",
    "8": "B",
    "B": "8",
    "m": "rn",
    "e": "c",
    "a": "o",
    "n": "ri",
    "t": "f",
    "h": "b",
    "G": "6",
    "Z": "2",
    ",": ".",
}
# Letters of other scripts that look like Latin ones (Unicode confusables.txt, single letters only).
_ALIKE: Mapping[str, str] = dict(zip("aceopxyiABCEHKMOPTX", "асеорхуіАВСЕНКМОРТХ", strict=True))
_ENTITIES: Mapping[str, str] = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "'": "&#39;",
    '"': "&quot;",
    "’": "&rsquo;",
}
_WORD = re.compile(r"[^\W\d_]{2,}")


def edited(marked: Marked, edits: Sequence[Edit]) -> Marked:
    """Apply edits to a text and move its marks along.

    An edit may lie inside a mark or outside, or change its ends from within; it may not cross an end.

    Args:
        marked: A text with its marks.
        edits: Sorted and disjoint.
    """
    text, mentions = marked
    parts: list[str] = []
    position = 0
    ends = sorted({offset for mention in mentions for offset in (mention.start, mention.end)})
    moved: dict[int, int] = {}
    length = 0
    waiting = iter(ends)
    offset = next(waiting, None)
    for start, end, new in [*edits, (len(text), len(text), "")]:
        while offset is not None and offset <= start:
            moved[offset] = length + offset - position
            offset = next(waiting, None)
        parts += (text[position:start], new)
        length += start - position + len(new)
        position = end
    kept = (
        replace(each, start=moved[each.start], end=moved[each.end])
        for each in mentions
        if moved[each.start] < moved[each.end]
    )
    return "".join(parts), tuple(kept)


def _sign_by_sign(change: Callable[[str], str]) -> Callable[[Marked, Random], Marked]:
    def perturb(marked: Marked, _: Random) -> Marked:
        edits = [(at, at + 1, new) for at, sign in enumerate(marked[0]) if (new := change(sign)) != sign]
        return edited(marked, edits)

    return perturb


def _now_and_then(table: Mapping[str, str]) -> Callable[[Marked, Random], Marked]:
    def perturb(marked: Marked, rng: Random) -> Marked:
        edits = [
            (at, at + 1, table[sign])
            for at, sign in enumerate(marked[0])
            if sign in table and rng.random() < _RATE
        ]
        return edited(marked, edits)

    return perturb


def _without_punctuation(marked: Marked, _: Random) -> Marked:
    """Take out commas, full stops, colons and semicolons that do not stand between digits."""
    found = re.finditer(r"(?<!\d)[.,:;]|[.,:;](?!\d)", marked[0])
    edges = {offset for mention in marked[1] for offset in range(mention.start, mention.end)}
    return edited(marked, [(m.start(), m.end(), "") for m in found if m.start() not in edges])


def _zero_width(marked: Marked, rng: Random) -> Marked:
    """Put zero-width spaces into one word of ten."""
    words = (match for match in _WORD.finditer(marked[0]) if rng.random() < 0.1)
    return edited(marked, [(at := match.start() + 1, at, "\u200b") for match in words])


def _line_wraps(marked: Marked, _: Random) -> Marked:
    """Break lines at the blank after the width, also inside marks."""
    edits: list[Edit] = []
    begin = 0
    for at, sign in enumerate(marked[0]):
        if sign == "\n":
            begin = at + 1
        elif sign == " " and at - begin >= _WIDTH:
            edits.append((at, at + 1, "\n"))
            begin = at + 1
    return edited(marked, edits)


PERTURBATIONS: Mapping[str, Callable[[Marked, Random], Marked]] = {
    "upper case": _sign_by_sign(str.upper),
    "lower case": _sign_by_sign(str.lower),
    "no punctuation": _without_punctuation,
    "scanned": _now_and_then(_SCANNED),
    "look-alike letters": _now_and_then(_ALIKE),
    "zero-width characters": _zero_width,
    "no-break spaces": _sign_by_sign(lambda sign: "\u00a0" if sign == " " else sign),
    "line wraps": _line_wraps,
    "HTML entities": _sign_by_sign(lambda sign: _ENTITIES.get(sign, sign)),
}


@dataclass(frozen=True, slots=True)
class NameSwap:
    """Gives every person of a note a name of one origin and sex.

    Args:
        origin: One of `ORIGINS`.
        sex: ``f`` or ``m``.
    """

    origin: str
    sex: str

    def __call__(self, marked: Marked, rng: Random) -> Marked:
        """Swap the names; the same word gets the same name throughout the note."""
        text, mentions = marked
        chosen: dict[str, str] = {}
        given, family = _pools(self.origin, self.sex)
        edits: list[Edit] = []
        for mention in mentions:
            if mention.entity_type in NAME_TYPES:
                edits += self._edits(text, mention, (given, family), chosen, rng)
        return edited(marked, edits)

    def _edits(
        self,
        text: str,
        mention: GoldMention,
        pools: tuple[tuple[str, ...], tuple[str, ...]],
        chosen: dict[str, str],
        rng: Random,
    ) -> Iterator[Edit]:
        words = list(_WORD.finditer(text, mention.start, mention.end))
        reversed_order = "," in text[mention.start : mention.end]
        for number, match in enumerate(words):
            is_family = (number == 0) if reversed_order else (number == len(words) - 1)
            key = match[0].lower()
            if key not in chosen:
                chosen[key] = rng.choice(pools[1] if is_family else pools[0])
            name = chosen[key]
            cased = name.upper() if match[0].isupper() else name.lower() if match[0].islower() else name
            yield match.start(), match.end(), cased


def _pools(origin: str, sex: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    given = tuple(
        row[0]
        for row in rows("given_names")
        if row[1] in {sex, "u"} and row[2] == origin and field(row, 3) == "x"
    )
    family = tuple(row[0] for row in rows("family_names") if row[1] == origin and field(row, 2) == "x")
    return given, family


def name_swaps() -> dict[str, NameSwap]:
    """Return a swap for each origin and sex, by name."""
    return {f"names: {origin}, {sex}": NameSwap(origin, sex) for origin in ORIGINS for sex in SEXES}
