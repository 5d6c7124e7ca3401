"""Whom a resource is about, when it was written, and what it says of patients and their relatives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deid.formats.fhir.strings import REFERENCE, UUID, identifier_type
from deid.formats.fhir.tables import tables
from deid.note import KnownValue

_SUBJECTS = ("subject", "patient", "beneficiary", "individual", "for", "who", "subscriber")
_KNOWN_NUMBERS = {
    "MRN": "mrn",
    "SSN": "ssn",
    "ACCOUNT_NUMBER": "account_number",
    "HEALTH_PLAN_ID": "health_plan_id",
}
_ADDRESS = {"line": "street_address", "city": "city", "postalCode": "zip_code", "text": "street_address"}
_FULL_DATE = 10
_TELLING_ID = 6


def patient_of(resource: dict[str, Any]) -> str | None:
    """Return the id of the patient whom a resource is about, None if it names none, or several.

    Args:
        resource: As it was read.
    """
    if resource.get("resourceType") == "Patient":
        return _string(resource.get("id"))
    for name in _SUBJECTS:
        for each in _objects(resource.get(name)):
            if (patient := _patient(each.get("reference"), alone=True)) is not None:
                return patient
    found = set(_referred(resource))
    return found.pop() if len(found) == 1 else None


def written(resource: dict[str, Any]) -> str | None:
    """Return the date of a resource, as it stands there.

    Args:
        resource: As it was read.
    """
    for path in tables().dates:
        value: Any = resource
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, str):
            return value
    return None


def known_of(resource: dict[str, Any]) -> tuple[str, tuple[KnownValue, ...]] | None:
    """Return a patient's id and what a Patient or RelatedPerson says; None for other resources.

    Args:
        resource: As it was read.
    """
    kind, patient = resource.get("resourceType"), patient_of(resource)
    if patient is None or kind not in ("Patient", "RelatedPerson"):
        return None
    found = _patient_values(resource, patient) if kind == "Patient" else _relative_values(resource)
    values = dict.fromkeys(KnownValue(each, text.strip()) for each, text in found if text.strip())
    return patient, tuple(values)


def _patient_values(resource: dict[str, Any], patient: str) -> Iterator[tuple[str, str]]:
    for name in _objects(resource.get("name")):
        yield from (("given_name", text) for text in _strings(name.get("given")))
        yield from (("family_name", text) for text in _strings(name.get("family")))
        yield from (("name", text) for text in _strings(name.get("text")))
    # A year or a month is no birthday that could be looked for.
    yield from (
        ("birth_date", text[:_FULL_DATE])
        for text in _strings(resource.get("birthDate"))
        if len(text) >= _FULL_DATE
    )
    yield from _reached(resource)
    for identifier in _objects(resource.get("identifier")):
        kind = _KNOWN_NUMBERS.get(identifier_type(identifier), "other_id")
        yield from ((kind, text) for text in _strings(identifier.get("value")))
    if len(patient) >= _TELLING_ID and any(map(str.isdigit, patient)):
        yield "other_id", patient
    for contact in _objects(resource.get("contact")):
        yield from _relative_values(contact)


def _relative_values(person: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in _objects(person.get("name")):
        given, family = _strings(name.get("given")), _strings(name.get("family"))
        yield "relative_name", " ".join([*given, *family])
        yield from (("relative_name", text) for text in _strings(name.get("text")))
    yield from _reached(person)


def _reached(person: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for contact in _objects(person.get("telecom")):
        for text in _strings(contact.get("value")):
            yield "email" if "@" in text else "phone", text
    for address in _objects(person.get("address")):
        for name, kind in _ADDRESS.items():
            yield from ((kind, text) for text in _strings(address.get(name)))


def _referred(value: Any) -> Iterator[str]:
    """Yield the ids of patients that are referred to by type, at any depth."""
    if isinstance(value, dict):
        if (patient := _patient(value.get("reference"), alone=False)) is not None:
            yield patient
        for each in value.values():
            yield from _referred(each)
    elif isinstance(value, list):
        for each in value:
            yield from _referred(each)


def _patient(reference: object, *, alone: bool) -> str | None:
    if not isinstance(reference, str):
        return None
    if found := REFERENCE.fullmatch(reference):
        return found[2] if found[1] == "Patient" else None
    uuid = UUID.fullmatch(reference) if alone else None
    return uuid[1] if uuid else None


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    items = value if isinstance(value, list) else [value]
    return (item for item in items if isinstance(item, dict))


def _strings(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(item for item in items if isinstance(item, str))


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
