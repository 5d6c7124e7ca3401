"""What the source knows of a patient, hidden in all its written forms, as a Presidio recognizer."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from dateutil import parser as date_parser
from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from deid.detect.fold import fold
from deid.detect.results import as_results
from deid.detect.variants import Form, FormSearch, name_forms, number_forms, phrase_forms
from deid.note import Finding, KnownValue

# What a known value is, and the type under which it is hidden.
KINDS: Mapping[str, str] = {
    "name": "PATIENT_NAME",
    "given_name": "PATIENT_NAME",
    "family_name": "PATIENT_NAME",
    "relative_name": "RELATIVE_NAME",
    "birth_date": "DATE",
    "mrn": "MRN",
    "ssn": "SSN",
    "phone": "PHONE",
    "email": "EMAIL",
    "street_address": "STREET_ADDRESS",
    "city": "CITY",
    "zip_code": "ZIP_CODE",
    "account_number": "ACCOUNT_NUMBER",
    "health_plan_id": "HEALTH_PLAN_ID",
    "other_id": "OTHER_ID",
}
_NAMES = frozenset({"name", "given_name", "family_name", "relative_name"})
_PHRASES = frozenset({"email", "street_address", "city"})


def known_forms(values: Iterable[KnownValue], types: Iterable[str]) -> Iterator[Form]:
    """Yield the written forms of known values.

    Args:
        values: From the source.
        types: Types that the policy detects by known values; others are left out.
    """
    wanted = frozenset(types)
    values = tuple(values)
    for value in values:
        kind = KINDS.get(value.kind)
        if kind is None or kind not in wanted or not value.text.strip():
            continue
        like = Finding(0, 1, kind, 1.0, "known", value.kind)
        if value.kind in _NAMES:
            yield from name_forms(value.text, like, certain=True)
        elif value.kind == "birth_date":
            yield from date_forms(value.text, like)
        elif value.kind in _PHRASES:
            yield from phrase_forms(value.text, like)
        else:
            yield from number_forms(value.text, like)
    yield from _full_names(values, wanted)


def _full_names(values: tuple[KnownValue, ...], wanted: frozenset[str]) -> Iterator[Form]:
    """Join a given and a family name that the source keeps apart."""
    given = [value.text for value in values if value.kind == "given_name"]
    family = [value.text for value in values if value.kind == "family_name"]
    if given and family and "PATIENT_NAME" in wanted:
        like = Finding(0, 1, "PATIENT_NAME", 1.0, "known", "name")
        yield from name_forms(f"{given[0]} {family[0]}", like, certain=True)


def date_forms(value: str, like: Finding) -> Iterator[Form]:
    """Yield the ways in which a full date is written, the American order first.

    Args:
        value: As the source has it: ISO, or any unambiguous form; ignored if it is no date.
        like: What an occurrence is.
    """
    try:
        day = date_parser.parse(value).date()
    except (ValueError, OverflowError):
        return
    for form in sorted(_written(day)):
        yield Form(fold(form).text.casefold(), compact=False, capital=False, finding=like)


def _written(day: date) -> set[str]:
    years = (f"{day.year:04}", f"{day.year % 100:02}", f"'{day.year % 100:02}")
    months = (str(day.month), f"{day.month:02}")
    days = (str(day.day), f"{day.day:02}")
    names = (calendar.month_name[day.month], calendar.month_abbr[day.month])
    forms = {f"{years[0]}{months[1]}{days[1]}", f"{months[1]}{days[1]}{years[0]}"}
    for year in years:
        for month in months:
            for number in days:
                for sign in "/-.":
                    forms |= {sign.join(parts) for parts in ((month, number, year), (number, month, year))}
                    forms.add(sign.join((year, month, number)))
    for year in years:
        for name in names:
            for number in (*days, f"{day.day}{_ordinal(day.day)}"):
                forms |= {f"{name} {number}, {year}", f"{name} {number} {year}", f"{name}. {number}, {year}"}
                forms |= {f"{number} {name} {year}", f"{number}-{name}-{year}", f"{number} of {name} {year}"}
                forms |= {f"{number} {name}, {year}", f"{number} of {name}, {year}"}
    return forms


def _ordinal(number: int) -> str:
    if 10 < number % 100 < 14:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


class KnownValueRecognizer(EntityRecognizer):
    """Finds one patient's known values; made anew for each patient.

    Args:
        values: From the source.
        types: Types to look for.
        supported_language: The language of the texts.
        name: The recognizer's name in results.
    """

    name: str

    def __init__(
        self,
        values: Iterable[KnownValue],
        types: Iterable[str],
        supported_language: str = "en",
        name: str = "KnownValueRecognizer",
    ) -> None:
        wanted = tuple(types)
        self._search = FormSearch(known_forms(values, wanted))
        super().__init__(supported_entities=list(wanted), supported_language=supported_language, name=name)

    def load(self) -> None:
        """Do nothing: there is no model."""

    def find(self, text: str) -> tuple[Finding, ...]:
        """Return the occurrences of known values in a text."""
        return self._search.find(text)

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Find known values.

        Args:
            text: The text.
            entities: Types wanted; all when empty.
            nlp_artifacts: Not used.
        """
        del nlp_artifacts
        return as_results(self, self.find(text), entities)
