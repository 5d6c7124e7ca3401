"""Whom a document is about, when it was written, and what its header says of the patient and relatives."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from deid.formats.ccda.tables import tables
from deid.note import KnownValue

_NS = {"v3": "urn:hl7-org:v3"}
_PATIENT = "v3:recordTarget/v3:patientRole"
_RELATIVES = (
    f"{_PATIENT}/v3:patient/v3:guardian",
    "v3:participant/v3:associatedEntity",
    "v3:informant/v3:relatedEntity",
)
_KINDS = {"SSN": "ssn", "HEALTH_PLAN_ID": "health_plan_id", "LICENSE_NUMBER": "other_id"}
_ADDRESS = {"streetAddressLine": "street_address", "city": "city", "postalCode": "zip_code"}
_DATES = (
    "v3:componentOf/v3:encompassingEncounter/v3:effectiveTime/v3:low",
    "v3:componentOf/v3:encompassingEncounter/v3:effectiveTime",
    "v3:effectiveTime",
)
_DAY = 8


def patient_of(root: etree._Element) -> str | None:
    """Return the first number of the patient that is no social security number; None without any.

    Args:
        root: The document.
    """
    found = [
        each for each in root.iterfind(f"{_PATIENT}/v3:id", _NS) if each.get("root") not in tables().roots
    ]
    return next((given for each in found if (given := each.get("extension") or each.get("root"))), None)


def date_of(root: etree._Element) -> str | None:
    """Return when the encounter began, or else when the document was written, as ``YYYYMMDD``.

    Args:
        root: The document.
    """
    for path in _DATES:
        found = root.find(path, _NS)
        if found is not None and len(value := str(found.get("value", ""))) >= _DAY:
            return value[:_DAY]
    return None


def known_of(root: etree._Element) -> Iterator[KnownValue]:
    """Yield what the header says of the patient and of relatives.

    Args:
        root: The document.
    """
    for role in root.iterfind(_PATIENT, _NS):
        yield from _numbers(role)
        yield from _reached(role)
        for patient in role.iterfind("v3:patient", _NS):
            yield from _names(patient)
            for born in patient.iterfind("v3:birthTime", _NS):
                if len(value := str(born.get("value", ""))) >= _DAY:
                    yield KnownValue("birth_date", value[:_DAY])
    family = {
        str(each.text).strip() for each in root.iterfind(f"{_PATIENT}/v3:patient/v3:name/v3:family", _NS)
    }
    for path in _RELATIVES:
        for person in root.iterfind(path, _NS):
            yield from _reached(person)
            for name in person.iterfind(".//v3:name", _NS):
                words = "".join(map(str, name.itertext())).split()
                # A family name that they share is the patient's own in the notes.
                if text := " ".join(word for word in words if word not in family):
                    yield KnownValue("relative_name", text)


def _numbers(role: etree._Element) -> Iterator[KnownValue]:
    for each in role.iterfind("v3:id", _NS):
        if extension := each.get("extension"):
            kind = tables().roots.get(str(each.get("root")))
            yield KnownValue("mrn" if kind is None else _KINDS.get(kind, "other_id"), str(extension))


def _names(person: etree._Element) -> Iterator[KnownValue]:
    for name in person.iterfind("v3:name", _NS):
        if (name.text or "").strip():
            yield KnownValue("name", str(name.text).strip())
        for part, kind in (("given", "given_name"), ("family", "family_name")):
            for each in name.iterfind(f"v3:{part}", _NS):
                if (each.text or "").strip():
                    yield KnownValue(kind, str(each.text).strip())


def _reached(role: etree._Element) -> Iterator[KnownValue]:
    for each in role.iterfind("v3:telecom", _NS):
        if value := str(each.get("value", "")):
            yield KnownValue("email" if "@" in value else "phone", value.split(":", 1)[-1])
    for address in role.iterfind("v3:addr", _NS):
        for part, kind in _ADDRESS.items():
            for each in address.iterfind(f"v3:{part}", _NS):
                if (each.text or "").strip():
                    yield KnownValue(kind, str(each.text).strip())
