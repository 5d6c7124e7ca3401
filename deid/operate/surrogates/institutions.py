"""Hospitals, organizations, parks and counties: another proper name, the same word of the kind."""

from __future__ import annotations

import re

from deid.operate.failure import OperatorFailure
from deid.operate.surrogates.choice import Choice
from deid.operate.surrogates.lists import column
from deid.operate.surrogates.proper import Run, head_words, proper_runs, run_key, write_run
from deid.operate.surrogates.words import fold, like, put, words_of

_WITH_DIGITS = re.compile(r"[^\W_]*\d[^\W_]*")


def hospital(text: str, choice: Choice) -> str:
    """Return another place of care; ``St. Brannock's Hospital`` keeps ``St.`` and ``Hospital``.

    Args:
        text: The mention.
        choice: The draws of this mention.

    Raises:
        OperatorFailure: if there is no letter or digit in it.
    """
    return _institution(text, "hospital", choice)


def organization(text: str, choice: Choice) -> str:
    """Return another organization; School, Church, Bank, Inc and the like stay. See `hospital`."""
    return _institution(text, "organization", choice)


def location(text: str, choice: Choice) -> str:
    """Return another park, county, lake or landmark; the word of the kind stays. See `hospital`."""
    return _institution(text, "location", choice)


def _institution(text: str, kind: str, choice: Choice) -> str:
    numbers = list(_WITH_DIGITS.finditer(text))
    apart = frozenset(index for match in numbers for index in range(*match.span()))
    pieces = [(match.start(), match.end(), choice.shaped(match[0], "number", match[0])) for match in numbers]
    pieces += [_piece(text, run, kind, choice) for run in proper_runs(text, kind, apart=apart)]
    if pieces:
        return put(text, sorted(pieces))
    if not words_of(text):
        raise OperatorFailure("there is no word in the name of a place or organization")
    # Only words of the kind (General Hospital): a name in front makes it another one.
    name = choice.pick(column("place_names"), fold(text), avoid=choice.is_taken)
    return f"{like(text, name)} {text}"


def _piece(text: str, run: Run, kind: str, choice: Choice) -> tuple[int, int, str]:
    word = run[0]
    acronym = len(run) == 1 and word.text.isupper() and 2 <= len(word.text) <= 5
    if acronym and (not text.isupper() or len(words_of(text)) == 1):
        return word.start, word.end, _acronym(word.text, kind, choice)
    name = choice.pick(column("place_names"), run_key(run), avoid=choice.is_taken)
    return write_run(text, run, name)


def _acronym(letters: str, kind: str, choice: Choice) -> str:
    """Return other letters; the initials of the surrogate where the notes hold the name in full."""
    for full in choice.vocabulary.surfaces(choice.entity_type):
        if _initials(full, kind) == letters.lower():
            new = _initials(_institution(full, kind, choice), kind).upper()
            if new != letters and len(new) == len(letters):
                return new
    return choice.shaped(letters, "acronym", letters.lower())


def _initials(text: str, kind: str) -> str:
    small = head_words("any")
    words = [word for word in words_of(text) if word.key not in small and len(word.key) > 1]
    return "".join(word.key[0] for word in words) if len(words) > 1 else ""
