"""Occupations: another one of the same category, in the same case."""

from __future__ import annotations

import re
from functools import cache

from deid.operate.failure import OperatorFailure
from deid.operate.surrogates.choice import Choice
from deid.operate.surrogates.lists import rows
from deid.operate.surrogates.words import fold

_STATUS = re.compile(
    r"\s*(?:(?:semi-)?retired|former(?:ly)?|ex|disabled|unemployed|laid-off|part-time|full-time)(?:[\s-]+|$)",
    re.IGNORECASE,
)


@cache
def _categories() -> dict[str, tuple[str, ...]]:
    return {row[0]: tuple(row[1].split("; ")) for row in rows("professions")}


@cache
def _category_of() -> dict[str, str]:
    return {title: category for category, titles in _categories().items() for title in titles}


@cache
def _category_of_head() -> dict[str, str]:
    """Return last word of an occupation -> the category in which it is the last word most often."""
    found: dict[str, list[str]] = {}
    for title, category in _category_of().items():
        found.setdefault(title.split()[-1], []).append(category)
    return {head: max(sorted(set(names)), key=names.count) for head, names in found.items()}


def profession(text: str, choice: Choice) -> str:
    """Return another occupation; words for the state of employment in front (retired) stay.

    Args:
        text: The mention.
        choice: The draws of this mention.

    Raises:
        OperatorFailure: if there is no letter in it.
    """
    start = 0
    while match := _STATUS.match(text, start):
        start = match.end()
    kept, rest = text[:start], text[start:]
    key = fold(rest)
    if not any(map(str.isalpha, key)):
        raise OperatorFailure("there is no occupation")
    singular = key.removesuffix("s") if key not in _category_of() else key
    category = _category_of().get(singular) or _category_of_head().get(singular.split()[-1])
    titles = _categories()[category] if category else tuple(_category_of())
    new = choice.pick(titles, singular, avoid=lambda option: option == singular or choice.is_taken(option))
    return kept + _in_case(rest, new + "s" * (singular != key))


def _in_case(original: str, new: str) -> str:
    if original.isupper() and len(original) > 1:
        return new.upper()
    if all(word[0].isupper() for word in original.split()):
        return " ".join(word[0].upper() + word[1:] for word in new.split())
    return new[0].upper() + new[1:] if original[0].isupper() else new
