"""Generalization: the part of a value that does not identify."""

from __future__ import annotations

import re
from typing import ClassVar

from deid.errors import PolicyError
from deid.operate.ages import age_90_plus
from deid.operate.date_calendar import full_year
from deid.operate.dates import parse
from deid.operate.failure import OperatorFailure
from deid.operate.operator import Params, PolicyOperator, subject_of
from deid.operate.states import state
from deid.operate.subject import Subject
from deid.operate.zip3 import zip3

_OLDEST_AGE = 89
_RELEASE_YEAR = 2026
_YEAR = re.compile(r"(?:19|2[0-2])\d\d")


class Generalize(PolicyOperator):
    """Replace a value by the part of it that 45 CFR 164.514(b)(2)(i) allows.

    Parameters:
        to: ``year`` of a date, ``age_90_plus``, ``zip3``, or ``state`` of an address.
        zip3_census: Census whose list of small ZIP areas counts; by default the policy's key of that name.
        day_first: For dates, as in `deid.operate.shift_date.ShiftDate`.

    A policy file may leave `to` out for types whose values are known, see `deid.policy_operators.filled`.

    A year is redacted if it tells an age over 89: if it lies 90 years or more before the year of the note.
    Where that is not known, the newest year among the subject's dates stands for it, or 2026 if later: this
    hides some years too many rather than one too few. A year of two digits is taken to lie in the past.
    """

    name: ClassVar[str] = "generalize"

    def __init__(self) -> None:
        self._newest: tuple[tuple[tuple[str, str], ...], str, int] | None = None

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
        subject, entity_type = subject_of(params), params.get("entity_type", "")
        reference = subject.note_date.year if subject.note_date else self._newest_year(subject, entity_type)
        years: list[str] = []
        for written in parse(text, self.value(params, "day_first")):
            if written.year_text is None or written.year is None:
                continue
            year = full_year(written.year, reference, ahead=0) if written.short_year else written.year
            if reference - year > _OLDEST_AGE:
                raise OperatorFailure("the year tells an age over 89")
            if written.year_text not in years:
                years.append(written.year_text)
        if not years:
            raise OperatorFailure("the date has no year")
        return "-".join(years)

    def _newest_year(self, subject: Subject, entity_type: str) -> int:
        last = self._newest
        if last is None or last[0] is not subject.mentions or last[1] != entity_type:
            dates = (surface for kind, surface in subject.mentions if kind == entity_type)
            years = (int(year) for surface in dates for year in _YEAR.findall(surface))
            last = (subject.mentions, entity_type, max(years, default=_RELEASE_YEAR))
            self._newest = last
        return max(last[2], _RELEASE_YEAR)
