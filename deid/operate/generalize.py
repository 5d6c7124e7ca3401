"""Generalization: the part of a value that does not identify."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from deid.errors import PolicyError
from deid.operate.ages import age_90_plus, is_over_89
from deid.operate.date_calendar import full_year
from deid.operate.dates import WrittenDate, parse, parse_all
from deid.operate.failure import OperatorFailure
from deid.operate.operator import Params, PolicyOperator, subject_of
from deid.operate.states import state
from deid.operate.subject import Mentions
from deid.operate.zip3 import zip3
from deid.policy_operators import value_of

_OLDEST_AGE = 89
_RELEASE_YEAR = 2026
_YEAR = re.compile(r"(?:19|2[0-2])\d\d")
_YEARS_ALONE = frozenset({"year", "decade"})
_BIRTH = re.compile(
    r"(?:birth|(?<![^\W_])(?:born|[dy]\.?\s?o\.?\s?b(?![^\W\d_])|b\.?\s*(?:in|on|about|ca?\.?|circa)?\s*$))"
    r"(?:(?!\d{4}).)*$",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Told:
    """What the mentions of a subject tell of years and ages.

    Args:
        newest: Newest year among the dates, and at least the year of this release.
        newest_dated: Newest year among the dates that say more than a year, or 0.
        over_89: Whether one of the ages is over 89.
    """

    newest: int
    newest_dated: int
    over_89: bool


class Generalize(PolicyOperator):
    """Replace a value by the part of it that 45 CFR 164.514(b)(2)(i) allows.

    Parameters:
        to: ``year`` of a date, ``age_90_plus``, ``zip3``, or ``state`` of an address.
        zip3_census: Census whose list of small ZIP areas counts; by default the policy's key of that name.
        day_first: For dates, as in `deid.operate.dates.parse`; the year is the same either way.

    A policy file may leave `to` out for types whose values are known, see `deid.policy_operators.filled`.

    A year is redacted if it tells an age over 89: if it lies 90 years or more before the year of the note.
    Where that is not known, the newest year among the subject's dates stands for it, or 2026 if later: this
    hides some years too many rather than one too few. A year of two digits is taken to lie in the past.

    Where the year of the note is not known and an age over 89 is among the subject's mentions, a year of
    birth tells it: the year of a date after ``born``, ``b.``, ``birth`` or ``DOB`` goes, and so does a year
    written alone, unless another date with month and year is later.
    """

    name: ClassVar[str] = "generalize"

    def __init__(self) -> None:
        self._last: tuple[Mentions, str, _Told] | None = None

    def validate(self, params: Params | None = None) -> None:
        """Check names and values of parameters.

        Args:
            params: See `PolicyOperator.validate`.

        Raises:
            PolicyError: as there, and if `to` is missing.
        """
        super().validate(params)
        if "to" not in (params or {}):
            raise PolicyError(f"generalize.to: missing; one of {', '.join(self.parameters['to'].choices)}")

    def replace(self, text: str, params: Params) -> str:
        """Return the general form.

        Args:
            text: The mention as written.
            params: See the class.

        Raises:
            OperatorFailure: if the value is not understood, or nothing of it may be told.
        """
        to: str = params["to"]
        if to == "year":
            return self._year(text, params)
        if to == "age_90_plus":
            return age_90_plus(text)
        if to == "zip3":
            return zip3(text, self.value(params, "zip3_census"))
        return state(text, is_state=params.get("entity_type") == "STATE")

    def _year(self, text: str, params: Params) -> str:
        subject = subject_of(params)
        told = self._told(subject.mentions, params.get("entity_type", ""))
        reference = subject.note_date.year if subject.note_date else told.newest
        born = told.over_89 and _BIRTH.search(params.get("context", "")) is not None
        years: list[str] = []
        for written in parse(text, self.value(params, "day_first")):
            if written.year_text is None or written.year is None:
                continue
            year = full_year(written.year, reference, ahead=0) if written.short_year else written.year
            of_birth = not subject.note_date and (born or _may_be_of_birth(written, year, told))
            if of_birth or reference - year > _OLDEST_AGE:
                raise OperatorFailure("the year tells an age over 89")
            if written.year_text not in years:
                years.append(written.year_text)
        if not years:
            raise OperatorFailure("the date has no year")
        return "-".join(years)

    def _told(self, mentions: Mentions, entity_type: str) -> _Told:
        last = self._last
        if last is None or last[0] is not mentions or last[1] != entity_type:
            last = (mentions, entity_type, _told(mentions, entity_type))
            self._last = last
        return last[2]


def _told(mentions: Mentions, entity_type: str) -> _Told:
    dates = [surface for kind, surface in mentions if kind == entity_type]
    dated = (
        written.year
        for written in parse_all(dates)
        if written.year is not None and not written.short_year and written.unit not in _YEARS_ALONE
    )
    return _Told(
        newest=max([_RELEASE_YEAR, *(int(year) for surface in dates for year in _YEAR.findall(surface))]),
        newest_dated=max(dated, default=0),
        over_89=any(value_of(kind) == "age" and is_over_89(surface) for kind, surface in mentions),
    )


def _may_be_of_birth(written: WrittenDate, year: int, told: _Told) -> bool:
    return told.over_89 and written.unit == "year" and told.newest_dated <= year
