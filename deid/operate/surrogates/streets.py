"""Street addresses: other numbers and names, the type of street and the unit as they are."""

from __future__ import annotations

import re

from deid.operate.failure import OperatorFailure
from deid.operate.surrogates.choice import Choice
from deid.operate.surrogates.lists import column
from deid.operate.surrogates.places import city_in, is_city
from deid.operate.surrogates.proper import head_words, proper_runs, run_key, write_run
from deid.operate.surrogates.regions import State, find_state, is_state, state, zip_code
from deid.operate.surrogates.words import fold, put

_WITH_DIGITS = re.compile(r"[^\W_]*\d[^\W_]*")
_ORDINAL = re.compile(r"(\d+)(st|nd|rd|th)", re.IGNORECASE)
_TAIL = re.compile(r"(?P<state>[^\d]*?)(?P<between>\s*)(?P<zip>\d{5}(?:-\d{4})?)?$")


def street_address(text: str, choice: Choice) -> str:
    """Return another address of the same form: as many digits, the same type of street and unit.

    City, state and ZIP code behind a comma or a line break are replaced as such.

    Args:
        text: The mention.
        choice: The draws of this mention.

    Raises:
        OperatorFailure: if there is no letter or digit in it.
    """
    parts = re.split(r"(\s*[,\n]\s*)", text)
    home = next(filter(None, (find_state(_tail(part)[0]) for part in parts[2::2])), None)
    segments = [_street(parts[0], choice), *(_segment(part, choice, home) for part in parts[2::2])]
    separators = [*parts[1::2], ""]
    new = "".join(segment + separator for segment, separator in zip(segments, separators, strict=True))
    if fold(new) == fold(text):
        raise OperatorFailure("there is nothing to replace in the address")
    return new


def _tail(text: str) -> tuple[str, str, str]:
    """Split ``IL 62701`` into state, what stands between, and ZIP code."""
    match = _TAIL.match(text)
    return (match["state"], match["between"], match["zip"] or "") if match else ("", "", "")


def _segment(text: str, choice: Choice, home: State | None) -> str:
    if is_city(text):
        return city_in(text, choice.of("city"), home)
    name, between, code = _tail(text)
    if (name or code) and (not name or is_state(name)):
        new_state = state(name, choice.of("state")) if name else ""
        new_code = zip_code(code, choice.of("zip_code")) if code else ""
        return new_state + between + new_code
    return _street(text, choice)


def _street(text: str, choice: Choice) -> str:
    pieces = []
    apart = set()
    for match in _WITH_DIGITS.finditer(text):
        pieces.append((match.start(), match.end(), _number(match[0], choice)))
        apart |= set(range(*match.span()))
    for run in proper_runs(text, "street_address", apart=frozenset(apart)):
        if len(run) == 1 and len(run[0].key) == 1:
            letter = choice.shaped(run[0].text, "unit", run[0].key)
            pieces.append((run[0].start, run[0].end, letter))
            continue
        name = choice.pick(column("street_names"), "street", run_key(run), avoid=choice.is_taken)
        pieces.append(write_run(text, run, name))
    return put(text, sorted(pieces)) if pieces else _only_heads(text, choice)


def _only_heads(text: str, choice: Choice) -> str:
    """Replace the first word of a name that is all head words, such as ``Park Place``."""
    words = [
        word for word in re.finditer(r"[^\W\d_]+", text) if fold(word[0]) in head_words("street_address")
    ]
    if not words:
        return text
    name = choice.pick(column("street_names"), "street", fold(text), avoid=choice.is_taken)
    return text[: words[0].start()] + name + text[words[0].end() :]


def _number(text: str, choice: Choice) -> str:
    """Return another number of as many digits, with its letter (14B) or the right ordinal ending (42nd)."""
    ordinal = _ORDINAL.fullmatch(text)
    if not ordinal:
        return choice.shaped(text, "number", fold(text))
    new = choice.shaped(ordinal[1], "number", ordinal[1])
    return new + like_ordinal(new, ordinal[2])


def like_ordinal(number: str, ending: str) -> str:
    """Return the ending of an English ordinal in the case of another one.

    Args:
        number: Digits.
        ending: ``st``, ``nd``, ``rd`` or ``th`` as written in the original.
    """
    regular = {"1": "st", "2": "nd", "3": "rd"}.get(number[-1], "th")
    new = "th" if number[-2:-1] == "1" else regular
    return new.upper() if ending.isupper() else new
