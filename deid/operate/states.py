"""The state at the end of an address."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

import yaml

from deid.operate.failure import OperatorFailure

_ZIP = r"(?:[\s,]+[0-9]{5}(?:[-–\s]?[0-9]{4})?)"
_COUNTRY = r"(?:[\s,]+(?:USA?|U\.S\.(?:A\.)?|United States(?: of America)?))"


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    source = files("deid.operate").joinpath("states.yaml").read_text(encoding="utf-8")
    states: dict[str, str] = yaml.safe_load(source)
    names = "|".join(sorted(states.values(), key=len, reverse=True)).replace(" ", r"\s+")
    codes = "|".join(states)
    alone = re.compile(rf"\s*(?i:(?:{names})|(?:{codes}))\s*")
    after_comma = rf",\s*((?i:{names})|{codes})\.?{_ZIP}?{_COUNTRY}?"
    before_zip = rf"\s((?i:{names})|{codes})\.?{_ZIP}{_COUNTRY}?"
    return alone, re.compile(rf"(?s:.*\w)(?:\s*{after_comma}|{before_zip})[\s.]*")


def state(text: str, *, is_state: bool = False) -> str:
    """Return the state that an address names, as written.

    A state counts where it follows a comma or stands before a ZIP code; in ``14 Elm CT`` or ``Washington`` it
    is not told from a court or a city.

    Args:
        text: An address or a part of one.
        is_state: Whether the mention is a state by its type; it may then stand alone.

    Raises:
        OperatorFailure: if there is none.
    """
    alone, in_address = _patterns()
    if is_state and alone.fullmatch(text):
        return text
    match = in_address.fullmatch(text)
    if match is None:
        raise OperatorFailure("no state in it")
    found: str = match[1] or match[2]
    return found
