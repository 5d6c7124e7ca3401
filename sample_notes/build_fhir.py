"""Writes `fhir/`, a bulk export of three invented patients: run me after a change, from anywhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "fhir"
Resource = dict[str, Any]

PLANTED = (
    *("Ravenscar", "Philippa", "Thorsgard", "Emeric", "Lindqvarn", "Saoirse", "Marguerite", "Chidinma"),
    *("Whitcombe", "Castellane", "Wendell", "Beatriz"),
    *(
        "88213047",
        "88213122",
        "88213590",
        "123-45-6789",
        "406) 555-0142",
        "406) 555-0177",
        "406) 555-0163",
        "406) 555-0128",
    ),
    *("ravenscar@example.org", "17 Juniper", "402 Alder", "9 Kestrel", "Brindlewood", "59807"),
    *("2018-03-14", "2044-11-02", "1987-07-25", "2079-02-11", "02/11/2079", "2079-02-14", "March 3, 2079"),
    *("pat-77103", "pat-77104", "pat-77105", "prac-310", "org-12", "doc-9001", "rep-4400", "obs-5501"),
    *("7c9e6679-7425-40de-944b-e07fc1f90ae7", "St. Brendan", "ehr.brendan.example.org"),
)
"""What no output may hold."""

PATIENTS = (
    ("pat-77103", "Philippa", "Ravenscar", "female", "2018-03-14", "88213047", "555-0142", "17 Juniper Lane"),
    ("pat-77104", "Emeric", "Thorsgard", "male", "2044-11-02", "88213122", "555-0177", "402 Alder Court"),
    ("pat-77105", "Saoirse", "Lindqvarn", "female", "1987-07-25", "88213590", "555-0163", "9 Kestrel Way"),
)
NOTE = """DISCHARGE SUMMARY

Patient: Philippa Ravenscar    MRN: 88213047    DOB: 03/14/2018
Admitted: 02/11/2079    Discharged: 02/14/2079

Ms. Ravenscar is a 60-year-old woman with Parkinson disease who was admitted with community-acquired pneumonia.
Her daughter Marguerite Ravenscar can be reached at (406) 555-0128. She improved on ceftriaxone 1 g daily and was
discharged home to 17 Juniper Lane, Brindlewood. Follow-up with Dr. Wendell Whitcombe on March 3, 2079.

Signed: Wendell Whitcombe, MD
"""
PAGE = """<!DOCTYPE html>
<html><head><title>Visit note: Emeric Thorsgard</title><meta name="author" content="Beatriz Castellane"></head>
<body><!-- printed for Emeric Thorsgard --><h1>Visit note</h1>
<table><tr><th>Name</th><td>Emeric <b>Thorsgard</b></td></tr><tr><th>Phone</th><td>(406) 555-0177</td></tr></table>
<p title="Thorsgard">Mr. Thorsgard was seen on 02/11/2079 for asthma.<br>Peak flow 480 L/min. Continue albuterol.</p>
<p>Contact: <a href="mailto:t.thorsgard@example.org">Chidinma Thorsgard</a>, his wife.</p></body></html>
"""
RTF = (
    r"{\rtf1\ansi{\fonttbl\f0\fswiss Helvetica;}\f0\pard "
    r"ECHOCARDIOGRAM\par Patient: Saoirse Lindqvarn, MRN 88213590\par "
    r"Ejection fraction 55%. No wall motion abnormality.\par Read by Beatriz Castellane, MD\par}"
)


def resources() -> Iterator[Resource]:
    """Yield the resources."""
    for patient in PATIENTS:
        yield _patient(*patient)
    yield {
        "resourceType": "Practitioner",
        "id": "prac-310",
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}],
        "name": [{"family": "Whitcombe", "given": ["Wendell"], "prefix": ["Dr."], "suffix": ["MD"]}],
        "telecom": [{"system": "phone", "value": "(406) 555-0128"}],
    }
    yield {"resourceType": "Organization", "id": "org-12", "name": "St. Brendan Medical Center"}
    yield _document("doc-9001", "pat-77103", "text/plain", NOTE)
    yield _document("7c9e6679-7425-40de-944b-e07fc1f90ae7", "pat-77104", "text/html; charset=utf-8", PAGE)
    yield from _reports()
    yield from _observations()


def _patient(*about: str) -> Resource:
    patient, given, family, gender, born, number, phone, street = about
    rows = f"<tr><td>Name</td><td>{given} <b>{family}</b></td></tr><tr><td>Born</td><td>{born}</td></tr>"
    return {
        "resourceType": "Patient",
        "id": patient,
        "meta": {"versionId": "3", "lastUpdated": "2079-02-14T08:30:00.000-07:00", "source": "#pat"},
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><table class="grid">{rows}</table></div>',
        },
        "extension": [
            {
                "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex",
                "valueCode": gender[0].upper(),
            },
            {"url": "https://ehr.brendan.example.org/ext/nickname", "valueString": given[:3]},
        ],
        "identifier": [
            {
                "use": "usual",
                "type": {
                    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]
                },
                "system": "https://ehr.brendan.example.org/mrn",
                "value": number,
            },
            {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "123-45-6789"},
        ],
        "name": [{"use": "official", "family": family, "given": [given]}],
        "telecom": [
            {"system": "phone", "value": f"(406) {phone}"},
            {"system": "email", "value": f"{family.lower()}@example.org"},
        ],
        "gender": gender,
        "birthDate": born,
        "address": [
            {"line": [street], "city": "Brindlewood", "state": "MT", "postalCode": "59807", "country": "US"}
        ],
        "contact": [{"name": {"family": family, "given": ["Marguerite"]}}],
        "managingOrganization": {"reference": "Organization/org-12", "display": "St. Brendan Medical Center"},
    }


def _document(document: str, patient: str, kind: str, text: str) -> Resource:
    data = text.encode()
    attachment = {"contentType": kind, "data": base64.b64encode(data).decode(), "size": len(data)}
    return {
        "resourceType": "DocumentReference",
        "id": document,
        "status": "current",
        "type": {
            "coding": [{"system": "http://loinc.org", "code": "18842-5", "display": "Discharge summary"}]
        },
        "subject": {"reference": f"Patient/{patient}"},
        "date": "2079-02-14T09:15:00-07:00",
        "author": [{"reference": "Practitioner/prac-310", "display": "Wendell Whitcombe"}],
        "content": [{"attachment": attachment}],
        "context": {"period": {"start": "2079-02-11", "end": "2079-02-14"}},
    }


def _reports() -> Iterator[Resource]:
    forms = [
        {"contentType": "text/rtf", "data": base64.b64encode(RTF.encode()).decode(), "title": "Echo"},
        {"contentType": "application/pdf", "data": base64.b64encode(b"%PDF-1.4 Lindqvarn").decode()},
    ]
    yield {
        "resourceType": "DiagnosticReport",
        "id": "rep-4400",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "34552-0"}], "text": "Echocardiogram"},
        "subject": {"reference": "Patient/pat-77105"},
        "effectiveDateTime": "2079-02-11",
        "issued": "2079-02-11T16:00:00-07:00",
        "performer": [{"reference": "Practitioner/prac-310"}],
        "result": [{"reference": "Observation/obs-5501"}],
        "conclusion": "Normal left ventricular function. Reported to Ms. Lindqvarn by phone, (406) 555-0163.",
        "presentedForm": forms,
    }


def _observations() -> Iterator[Resource]:
    for number, (patient, *_) in enumerate(PATIENTS):
        yield {
            "resourceType": "Observation",
            "id": f"obs-550{number + 1}",
            "status": "final",
            "code": {
                "coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}],
                "text": "Heart rate",
            },
            "subject": {"reference": f"https://ehr.brendan.example.org/fhir/Patient/{patient}"},
            "effectiveDateTime": "2079-02-11T10:05:00-07:00",
            "valueQuantity": {
                "value": 72.50 + number,
                "unit": "beats/minute",
                "system": "http://unitsofmeasure.org",
                "code": "/min",
            },
            "note": [{"text": f"Taken by telephone, patient called from (406) {PATIENTS[number][6]}."}],
        }


def build(folder: Path) -> None:
    """Write a file for each type of resource.

    Args:
        folder: Made if absent.
    """
    folder.mkdir(exist_ok=True)
    lines: dict[str, list[str]] = {}
    for resource in resources():
        lines.setdefault(resource["resourceType"], []).append(json.dumps(resource))
    for kind, each in lines.items():
        (folder / f"{kind}.ndjson").write_text("\n".join(each) + "\n", encoding="utf-8")


if __name__ == "__main__":
    build(FOLDER)
