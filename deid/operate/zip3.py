"""ZIP codes cut to three digits where enough people live there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from deid.errors import PolicyError, unknown_name
from deid.operate.failure import OperatorFailure
from deid.policy_operators import CENSUSES

HIDDEN = "000"
_ZIP = re.compile(r"\s*([0-9]{5})(?:\s*[-–+ ]?\s*[0-9]{4})?\s*")


@dataclass(frozen=True, slots=True)
class ZipAreas:
    """The lists of `zip3.yaml`.

    Args:
        restricted: Areas of 20,000 or fewer people, by census year.
        assigned: Areas in which people get mail at home.
    """

    restricted: dict[str, tuple[str, ...]]
    assigned: frozenset[str]


@cache
def zip_areas() -> ZipAreas:
    """Read the shipped lists."""
    source = files("deid.operate").joinpath("zip3.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(source)
    assigned: set[str] = set()
    for stretch in data["assigned"]:
        first, last = stretch.split("-")
        assigned.update(f"{number:03}" for number in range(int(first), int(last) + 1))
    restricted = {year: tuple(sorted(areas)) for year, areas in data["restricted"].items()}
    return ZipAreas(restricted, frozenset(assigned))


@cache
def restricted_areas(census: str = "union") -> tuple[str, ...]:
    """Return the three-digit areas that must not be told, sorted.

    Args:
        census: ``2000``, ``2010``, ``2020``, or ``union`` for those of any of them.

    Raises:
        PolicyError: for any other name.
    """
    lists = zip_areas().restricted
    if census == "union":
        return tuple(sorted({area for areas in lists.values() for area in areas}))
    if census not in lists:
        raise PolicyError(f"zip3_census: {unknown_name('census', census[:40], CENSUSES)}")
    return lists[census]


def zip3(text: str, census: str = "union") -> str:
    """Return the first three digits of a ZIP code, or ``000``.

    ``000`` stands for the restricted areas, as 45 CFR 164.514(b)(2)(i)(B) has it, and for areas that are not
    assigned.

    Args:
        text: A ZIP code of five or nine digits.
        census: See `restricted_areas`.

    Raises:
        OperatorFailure: for anything else, such as a postal code of another country.
    """
    match = _ZIP.fullmatch(text)
    if match is None:
        raise OperatorFailure("this is no ZIP code")
    area = match[1][:3]
    return area if area in zip_areas().assigned and area not in restricted_areas(census) else HIDDEN


def zip3_source(census: str = "union") -> dict[str, Any]:
    """Return which list was applied, for the manifest.

    Args:
        census: See `restricted_areas`.

    Returns:
        ``census``, ``years``, the ``restricted`` areas, and where they are ``from``.
    """
    years = sorted(zip_areas().restricted) if census == "union" else [census]
    return {
        "census": census,
        "years": years,
        "restricted": list(restricted_areas(census)),
        "from": "decennial census: areas of 20,000 people or fewer; 45 CFR 164.514(b)(2)(i)(B)",
    }
