from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fhir_files import (
    TYPES,
    Json,
    document,
    encoded,
    export,
    fields_of,
    only,
    opened,
    passed,
    redacted,
    texts_of,
    unchanged,
)

from deid.errors import UsageError
from deid.formats.fhir.bulk import FhirExport
from deid.formats.jsonl import Jsonl
from deid.formats.pieces import Move
from deid.formats.source import Entry, Outcome, open_source
from deid.keys import Keys
from deid.note import KnownValue

STRUCTURE = "http://hl7.org/fhir/StructureDefinition"
UUID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
MASKED = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}
PATIENT: Json = {
    "resourceType": "Patient",
    "id": "p-771",
    "identifier": [
        {"type": {"coding": [{"code": "MR"}]}, "value": "88213047"},
        {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "123-45-6789"},
        {"system": "https://clinic.example.org/ids", "value": "K-17"},
    ],
    "name": [{"family": "Ravenscar", "given": ["Ada", "Jo"], "prefix": ["Dr."], "suffix": ["Zyx"]}],
    "telecom": [{"system": "fax", "value": "406-555-0101"}, {"value": "ada@example.org"}],
    "gender": "female",
    "birthDate": "2018-03-14",
    "address": [{"line": ["9 Kestrel Way"], "city": "Brindlewood", "state": "MT", "postalCode": "59807"}],
    "contact": [{"name": {"text": "Jo Ravenscar"}, "telecom": [{"system": "phone", "value": "555-0102"}]}],
    "photo": [{"contentType": "image/png", "data": "AAAA"}],
}


def quietly(entry: Entry) -> Outcome:
    """Replace every Ada by X, and say where."""
    if entry.note is None:
        return Outcome(entry.ordinal, None)
    text, moves, shift = entry.note.text, [], 0
    for found in re.finditer("Ada(?: |\n|\t)*Ravenscar|Ada", text):
        start = found.start() - shift
        moves.append(Move(*found.span(), start, start + 1))
        shift += len(found[0]) - 1
    new = re.sub("Ada(?: |\n|\t)*Ravenscar|Ada", "X", text)
    fields = {each.path: each.text for each in entry.note.fields}
    return Outcome(entry.ordinal, new, fields, tuple(moves))


def test_a_file_with_resources_is_fhir_and_one_without_is_jsonl(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text(json.dumps(PATIENT) + "\n")
    (tmp_path / "b.ndjson").write_text(
        json.dumps({"note_id": "1", "text": '{"resourceType": "Patient"}'}) + "\n"
    )
    (tmp_path / "c.ndjson.gz").write_bytes(gzip.compress(b"\n" + json.dumps(PATIENT).encode()))
    (tmp_path / "d.json").write_text(json.dumps({"id": "x", "resourceType": "Bundle"}, indent=1))

    found = [type(open_source(path)) for path in sorted(tmp_path.iterdir())]

    assert found == [FhirExport, Jsonl, FhirExport, FhirExport]
    with pytest.raises(UsageError, match=r"'\.json' is of no known format"):
        (tmp_path / "e.json").write_text("{}")
        open_source(tmp_path / "e.json")


def test_a_folder_is_written_with_the_same_names(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "Patient.ndjson").write_text(json.dumps(PATIENT) + "\n\n")
    (folder / "Basic.ndjson.gz").write_bytes(gzip.compress(b'{"resourceType": "Basic", "id": "b"}\n'))
    (folder / "log.json").write_text("{}")
    source = open_source(folder, operators=dict.fromkeys(TYPES, "redact"))
    assert isinstance(source, FhirExport)

    paths = source.write(map(unchanged, source.read()), tmp_path / "out")

    assert [path.name for path in paths] == ["Basic.ndjson.gz", "Patient.ndjson"]
    assert gzip.decompress(paths[0].read_bytes()) == b'{"resourceType":"Basic","id":"id-1"}\n'
    assert source.skipped == 1
    assert source.size() == sum((folder / path.name).stat().st_size for path in paths)


def test_without_a_policy_everything_known_comes_back_digit_by_digit(tmp_path: Path) -> None:
    line = (
        '{"resourceType":"Observation","id":"o1","status":"final","subject":{"reference":"Patient/p-771"},'
        '"effectiveDateTime":"2079-03-04T10:00:00Z","valueQuantity":{"value":72.50,"unit":"mg/dL"},'
        '"note":[{"text":"Näse é"}],"component":[{"valueInteger":9007199254740993,"valueBoolean":true}]}'
    )
    source = export(tmp_path / "a.ndjson", line, operators=None)

    (path,) = source.write(map(unchanged, source.read()), tmp_path / "out")

    assert path.read_text(encoding="utf-8") == line + "\n"


def test_every_text_is_an_entry_behind_the_resource(tmp_path: Path) -> None:
    resource: Json = {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Echo</div>'},
        "subject": {"reference": "Patient/p-771", "display": "Ada Ravenscar"},
        "issued": "2079-03-04T10:00:00Z",
        "code": {
            "coding": [{"system": "http://loinc.org", "code": "1-1", "display": "Echo study"}],
            "text": "echo study",
        },
        "category": [{"coding": [{"system": "https://x.example.org", "code": "E", "display": "Our echo"}]}],
        "conclusion": "Normal.",
        "presentedForm": [{"contentType": "text/plain", "data": encoded("Seen."), "title": "Echo of Ada"}],
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/x", "valueString": "said so"}],
        "contained": [{"resourceType": "Observation", "id": "c", "note": [{"text": "inside"}]}],
    }

    entries = list(export(tmp_path / "a.ndjson", resource).read())

    assert texts_of(entries) == {
        "DiagnosticReport/id-1#text": "Echo",
        "DiagnosticReport/id-1#category[0].coding[0].display": "Our echo",
        "DiagnosticReport/id-1#conclusion": "Normal.",
        "DiagnosticReport/id-1#presentedForm[0].title": "Echo of Ada",
        "DiagnosticReport/id-1#presentedForm[0]": "Seen.",
        "DiagnosticReport/id-1#extension[0].valueString": "said so",
        "DiagnosticReport/id-1#contained[0].note[0].text": "inside",
    }
    first = entries[0].note
    assert first is not None and (first.note_id, first.text) == ("DiagnosticReport/id-1", "")
    assert {each.note.patient_id for each in entries if each.note} == {"p-771"}
    assert first.note_date == date(2079, 3, 4) and first.metadata == {"kind": "DiagnosticReport"}
    assert [entry.ordinal for entry in entries] == list(range(8))


def test_names_numbers_and_addresses_are_values_of_their_types(tmp_path: Path) -> None:
    source = export(tmp_path / "a.ndjson", PATIENT)

    assert fields_of(source.read()) == {
        "Patient.identifier[0].value": ("MRN", "88213047"),
        "Patient.identifier[1].value": ("SSN", "123-45-6789"),
        "Patient.identifier[2].system": ("URL", "https://clinic.example.org/ids"),
        "Patient.identifier[2].value": ("OTHER_ID", "K-17"),
        "Patient.name[0].family": ("PATIENT_NAME", "Ravenscar"),
        "Patient.name[0].given[0]": ("PATIENT_NAME", "Ada"),
        "Patient.name[0].given[1]": ("PATIENT_NAME", "Jo"),
        "Patient.name[0].suffix[0]": ("PATIENT_NAME", "Zyx"),
        "Patient.telecom[0].value": ("FAX", "406-555-0101"),
        "Patient.telecom[1].value": ("EMAIL", "ada@example.org"),
        "Patient.birthDate": ("DATE", "2018-03-14"),
        "Patient.address[0].line[0]": ("STREET_ADDRESS", "9 Kestrel Way"),
        "Patient.address[0].city": ("CITY", "Brindlewood"),
        "Patient.address[0].state": ("STATE", "MT"),
        "Patient.address[0].postalCode": ("ZIP_CODE", "59807"),
        "Patient.contact[0].name.text": ("RELATIVE_NAME", "Jo Ravenscar"),
        "Patient.contact[0].telecom[0].value": ("PHONE", "555-0102"),
    }
    written = only(source, tmp_path / "out", redacted)
    assert written["name"] == [
        {
            "family": "[PATIENT_NAME]",
            "given": ["[PATIENT_NAME]"] * 2,
            "prefix": ["Dr."],
            "suffix": ["[PATIENT_NAME]"],
        }
    ]
    assert written["gender"] == "female"
    assert "photo" not in written


@pytest.mark.parametrize(
    ("resource", "path", "kind"),
    [
        ({"resourceType": "Practitioner", "name": [{"family": "Lee"}]}, "name[0].family", "CLINICIAN_NAME"),
        ({"resourceType": "Organization", "name": "Lee Inc"}, "name", "ORGANIZATION"),
        ({"resourceType": "Location", "name": "Ward"}, "name", "HOSPITAL"),
        ({"resourceType": "Coverage", "subscriberId": "A1"}, "subscriberId", "HEALTH_PLAN_ID"),
        ({"resourceType": "Coverage", "class": [{"value": "G-1"}]}, "class[0].value", "HEALTH_PLAN_ID"),
        ({"resourceType": "Device", "serialNumber": "S-1"}, "serialNumber", "DEVICE_ID"),
        (
            {"resourceType": "Observation", "note": [{"authorString": "Lee"}]},
            "note[0].authorString",
            "CLINICIAN_NAME",
        ),
        (
            {"resourceType": "Encounter", "location": [{"location": {"display": "B"}}]},
            "location[0].location.display",
            "HOSPITAL",
        ),
        (
            {"resourceType": "Observation", "performer": [{"display": "Lee"}]},
            "performer[0].display",
            "CLINICIAN_NAME",
        ),
        (
            {"resourceType": "Basic", "author": {"reference": "Patient/1", "display": "L"}},
            "author.display",
            "PATIENT_NAME",
        ),
        ({"resourceType": "Condition", "onsetAge": {"value": 93, "unit": "years"}}, "onsetAge.value", "AGE"),
        (
            {
                "resourceType": "Basic",
                "extension": [{"url": f"{STRUCTURE}/patient-mothersMaidenName", "valueString": "Lee"}],
            },
            "extension[0].valueString",
            "RELATIVE_NAME",
        ),
        (
            {"resourceType": "AuditEvent", "agent": [{"network": {"address": "192.0.2.1"}}]},
            "agent[0].network.address",
            "IP_ADDRESS",
        ),
        (
            {
                "resourceType": "Patient",
                "name": [
                    {
                        "family": "Lee",
                        "_family": {
                            "extension": [{"url": f"{STRUCTURE}/humanname-own-name", "valueString": "Po"}]
                        },
                    }
                ],
            },
            "name[0]._family.extension[0].valueString",
            "PATIENT_NAME",
        ),
    ],
)
def test_other_elements_have_their_types(tmp_path: Path, resource: Json, path: str, kind: str) -> None:
    found = fields_of(export(tmp_path / "a.ndjson", resource).read())

    assert found[f"{resource['resourceType']}.{path}"][0] == kind


def test_what_the_policy_has_no_type_for_is_left_out_if_it_identifies(tmp_path: Path) -> None:
    visit = {"resourceType": "Encounter", "id": "e", "period": {"start": "2079-03-04"}, "status": "finished"}
    source = export(tmp_path / "a.ndjson", PATIENT, visit, operators={"PROFESSION": "redact"})

    patient, encounter = passed(source, tmp_path / "out")["a.ndjson"]

    assert patient == {
        "resourceType": "Patient",
        "id": "id-1",
        "identifier": [
            {"type": {"coding": [{"code": "MR"}]}},
            {"system": "http://hl7.org/fhir/sid/us-ssn"},
        ],
        "name": [{"prefix": ["Dr."]}],
        "telecom": [{"system": "fax"}],
        "gender": "female",
        "_birthDate": {"extension": [MASKED]},
        "contact": [{"telecom": [{"system": "phone"}]}],
    }
    assert encounter["period"] == {"start": "2079-03-04"}  # the policy does not ask for dates


def test_a_policy_overrules_by_path(tmp_path: Path) -> None:
    resource = {"resourceType": "Observation", "valueString": "A-12", "status": "final", "issued": "2079"}

    source = export(
        tmp_path / "a.ndjson",
        resource,
        fields={"Observation.valueString": "OTHER_ID"},
        drop=("Observation.status",),
    )

    assert fields_of(source.read())["Observation.valueString"] == ("OTHER_ID", "A-12")
    assert texts_of(source.read()) == {}
    assert "status" not in only(source, tmp_path / "out")


@pytest.mark.parametrize(
    ("path", "old", "new", "written"),
    [
        ("birthDate", "2018-03-14", "2018", "2018"),
        ("birthDate", "2018-03-14", "2018-03", "2018-03"),
        ("birthDate", "2018-03-14", "[DATE]", None),
        (
            "deceasedDateTime",
            "2079-03-04T10:00:00+01:00",
            "2079-03-11T10:00:00+01:00",
            "2079-03-11T10:00:00+01:00",
        ),
        ("deceasedDateTime", "2079-03-04T10:00:00+01:00", "2079", "2079"),
        ("birthDate", "14 March 2018", "14 March 2018", "14 March 2018"),
        ("birthDate", "14 March 2018", "21 March 2018", None),
    ],
)
def test_dates_stay_dates_or_are_masked(
    tmp_path: Path, path: str, old: str, new: str, written: str | None
) -> None:
    source = export(tmp_path / "a.ndjson", {"resourceType": "Patient", path: old})

    result = only(
        source, tmp_path / "out", lambda entry: Outcome(entry.ordinal, "", {f"Patient.{path}": new})
    )

    assert result.get(path) == written
    assert (f"_{path}" in result) == (written is None)
    assert result.get(f"_{path}", {"extension": [MASKED]}) == {"extension": [MASKED]}


def test_a_year_is_no_instant(tmp_path: Path) -> None:
    source = export(tmp_path / "a.ndjson", {"resourceType": "Observation", "issued": "2079-03-04T10:00:00Z"})

    result = only(
        source, tmp_path / "out", lambda entry: Outcome(entry.ordinal, "", {"Observation.issued": "2079"})
    )

    assert result == {"resourceType": "Observation", "_issued": {"extension": [MASKED]}}


def test_one_of_several_dates_goes_with_what_stands_beside_them(tmp_path: Path) -> None:
    timing = {"event": ["2079-03-04", "2079-03-05"], "_event": [None, {"id": "x"}]}
    source = export(tmp_path / "a.ndjson", {"resourceType": "ServiceRequest", "occurrenceTiming": timing})

    def outcome(entry: Entry) -> Outcome:
        place = "ServiceRequest.occurrenceTiming.event"
        return Outcome(entry.ordinal, "", {f"{place}[0]": "[DATE]", f"{place}[1]": "2079"})

    assert only(source, tmp_path / "out", outcome)["occurrenceTiming"] == {"event": ["2079"]}


@pytest.mark.parametrize(
    ("quantity", "new", "written"),
    [
        ({"value": 93, "unit": "years"}, "90+", None),
        ({"value": 47, "code": "a"}, "47", {"value": 47, "code": "a"}),
        ({"value": 47, "code": "a"}, "45", {"value": 45, "code": "a"}),
        ({"value": 13, "unit": "days"}, "13 days", {"value": 13, "unit": "days"}),
        ({"value": 13, "unit": "days"}, "[AGE]", None),
    ],
)
def test_an_age_is_a_number_or_left_out(
    tmp_path: Path, quantity: Json, new: str, written: Json | None
) -> None:
    observed = {
        "resourceType": "Observation",
        "code": {"coding": [{"system": "http://loinc.org", "code": "30525-0"}]},
        "valueQuantity": quantity,
    }
    source = export(tmp_path / "a.ndjson", observed)

    result = only(
        source,
        tmp_path / "o",
        lambda each: Outcome(each.ordinal, "", {"Observation.valueQuantity.value": new}),
    )

    assert result.get("valueQuantity") == written


def test_ids_and_references_still_resolve(tmp_path: Path) -> None:
    resource = {
        "resourceType": "Observation",
        "id": "o1",
        "subject": {"reference": "http://ehr.example.org/Patient/p-771/_history/3", "type": "Patient"},
        "performer": [
            {"reference": "#c1"},
            {"reference": f"urn:uuid:{UUID}"},
            {"reference": f"Group/{UUID}"},
        ],
        "device": {"reference": "Device?identifier=77"},
        "contained": [{"resourceType": "Practitioner", "id": "c1"}],
    }

    source = export(tmp_path / "a.ndjson", resource, PATIENT)
    first, patient = passed(source, tmp_path / "out")["a.ndjson"]

    assert first["subject"] == {"reference": f"Patient/{patient['id']}", "type": "Patient"}
    inside, by_urn, by_id = (each["reference"] for each in first["performer"])
    assert inside == f"#{first['contained'][0]['id']}"
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", by_urn)
    assert by_id == f"Group/{by_urn.removeprefix('urn:uuid:')}"
    assert "device" not in first
    for old in (UUID, "p-771", "o1", "c1", "ehr.example"):
        assert old not in (tmp_path / "out" / "a.ndjson").read_text()


def test_ids_are_the_same_whenever_the_input_is_read(tmp_path: Path) -> None:
    source = export(tmp_path / "a.ndjson", PATIENT, {**PATIENT, "id": "p-2"})
    passed(source, tmp_path / "first")
    again = opened(tmp_path / "a.ndjson")
    next(again.read())
    passed(again, tmp_path / "second")

    assert (tmp_path / "first/a.ndjson").read_bytes() == (tmp_path / "second/a.ndjson").read_bytes()


def test_ids_depend_on_the_secret_where_the_policy_does(tmp_path: Path) -> None:
    ids = set()
    for number, secret in enumerate((b"a" * 32, b"a" * 32, b"b" * 32)):
        path = tmp_path / f"{number}.ndjson"
        source = export(
            path, *[{"resourceType": "Basic", "id": "x"}] * number, PATIENT, id_keys=Keys.from_bytes(secret)
        )
        ids.add(passed(source, tmp_path / f"out{number}")[path.name][-1]["id"])

    assert len(ids) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9-.]{1,64}", each) and "p-771" not in each for each in ids)


def test_a_policy_may_keep_ids(tmp_path: Path) -> None:
    source = export(tmp_path / "a.ndjson", PATIENT, operators={"OTHER_ID": "keep"})

    assert only(source, tmp_path / "out")["id"] == "p-771"


def test_what_is_unknown_is_left_out(tmp_path: Path) -> None:
    resource: dict[str, Any] = {
        "resourceType": "Basic",
        "id": "b",
        "Ada Ravenscar": "x",
        "nickname": "Ada",
        "extension": [
            {"url": "https://clinic.example.org/nick", "valueString": "Ada"},
            {"url": "http://hl7.org/fhir/StructureDefinition/geolocation", "extension": []},
            {
                "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
                "extension": [{"url": "text", "valueString": "White"}],
            },
        ],
        "code": {"coding": ["Ada"], "text": {"Ada": 1}},
        "subject": "Ada",
        "identifier": [{"value": 88213047}],
        "created": 20790304,
    }

    source = export(tmp_path / "a.ndjson", resource)

    assert only(source, tmp_path / "out") == {
        "resourceType": "Basic",
        "id": "id-1",
        "extension": [
            {
                "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
                "extension": [{"url": "text", "valueString": "White"}],
            }
        ],
    }


def test_known_values_of_patient_and_relatives(tmp_path: Path) -> None:
    relative = {
        "resourceType": "RelatedPerson",
        "patient": {"reference": "Patient/p-771"},
        "name": [{"family": "Lindqvarn", "given": ["Saoirse"]}],
    }
    year = {"resourceType": "Patient", "id": "p2", "birthDate": "2018"}
    source = export(tmp_path / "a.ndjson", PATIENT, relative, year, "{broken Patient")

    known = source.known_values()

    assert known["p-771"] == tuple(
        KnownValue(kind, text)
        for kind, text in (
            ("given_name", "Ada"),
            ("given_name", "Jo"),
            ("family_name", "Ravenscar"),
            ("birth_date", "2018-03-14"),
            ("phone", "406-555-0101"),
            ("email", "ada@example.org"),
            ("street_address", "9 Kestrel Way"),
            ("city", "Brindlewood"),
            ("zip_code", "59807"),
            ("mrn", "88213047"),
            ("ssn", "123-45-6789"),
            ("other_id", "K-17"),
            ("relative_name", "Jo Ravenscar"),
            ("phone", "555-0102"),
            ("relative_name", "Saoirse Lindqvarn"),
        )
    )
    assert known["p2"] == ()


@pytest.mark.parametrize(
    ("resource", "patient"),
    [
        ({"subject": {"reference": "Patient/a"}}, "a"),
        ({"beneficiary": {"reference": "http://x.example.org/Patient/a"}}, "a"),
        ({"subject": {"reference": f"urn:uuid:{UUID}"}}, UUID),
        (
            {"participant": [{"actor": {"reference": "Patient/a"}}, {"actor": {"reference": "Location/b"}}]},
            "a",
        ),
        (
            {"participant": [{"actor": {"reference": "Patient/a"}}, {"actor": {"reference": "Patient/b"}}]},
            None,
        ),
        ({"subject": {"reference": "Group/a"}}, None),
    ],
)
def test_whose_resource_it_is(tmp_path: Path, resource: Json, patient: str | None) -> None:
    (entry,) = export(tmp_path / "a.ndjson", {"resourceType": "Basic", **resource}).read()

    assert entry.note is not None and entry.note.patient_id == patient


def test_a_bundle_holds_resources_with_entries_of_their_own(tmp_path: Path) -> None:
    bundle = {
        "resourceType": "Bundle",
        "id": "b",
        "link": [{"relation": "self", "url": "http://ehr.example.org/Patient/p-771"}],
        "entry": [
            {"fullUrl": "http://ehr.example.org/fhir/Patient/p-771", "resource": PATIENT},
            {"fullUrl": "urn:uuid:1", "resource": document("text/plain", "%%")},
            {"resource": {"resourceType": "Basic", "subject": {"reference": "Patient/p-771"}}},
        ],
    }
    source = export(tmp_path / "a.json", json.dumps(bundle, indent=2))

    written = json.loads((source.write(map(unchanged, source.read()), tmp_path / "out"))[0].read_text())

    assert [entry.note_id for entry in source.read()] == [
        "Bundle/id-1",
        "Patient/id-2",
        "a.json line 1, resource 2",
        "Basic in a.json line 1, resource 3",
    ]
    assert "link" not in written
    person, basic = written["entry"]
    assert person["fullUrl"] == f"https://example.org/fhir/Patient/{person['resource']['id']}"
    assert basic["resource"]["subject"]["reference"] == f"Patient/{person['resource']['id']}"


def test_a_text_that_fails_is_left_out_and_a_resource_without_its_values_too(tmp_path: Path) -> None:
    resource = {"resourceType": "Observation", "id": "o", "valueString": "bad", "note": [{"text": "good"}]}
    source = export(tmp_path / "a.ndjson", resource)

    def but(note_id: str) -> list[Outcome]:
        return [
            Outcome(entry.ordinal, None) if entry.note_id == note_id else unchanged(entry)
            for entry in source.read()
        ]

    (path,) = source.write(iter(but("Observation/id-1#valueString")), tmp_path / "one")
    assert json.loads(path.read_text()) == {
        "resourceType": "Observation",
        "id": "id-1",
        "note": [{"text": "good"}],
        "_valueString": {"extension": [MASKED]},
    }
    (path,) = source.write(iter(but("Observation/id-1")), tmp_path / "two")
    assert path.read_bytes() == b""


def test_plain_text_keeps_its_charset_while_it_can(tmp_path: Path) -> None:
    data = "Näs Ada".encode("latin-1")
    resource = document("text/plain;charset=ISO-8859-1; x=1", encoded(data), size=7, hash="old")
    source = export(tmp_path / "a.ndjson", resource)

    attachment = only(source, tmp_path / "one", quietly)["content"][0]["attachment"]
    assert attachment == {
        "contentType": "text/plain; charset=ISO-8859-1",
        "data": encoded("Näs X".encode("latin-1")),
        "size": 5,
        "hash": base64.b64encode(hashlib.sha1("Näs X".encode("latin-1")).digest()).decode(),
    }

    def greek(entry: Entry) -> Outcome:
        return Outcome(entry.ordinal, "Ω" if "#" in entry.note_id else "")

    attachment = only(source, tmp_path / "two", greek)["content"][0]["attachment"]
    assert (attachment["contentType"], attachment["data"]) == ("text/plain; charset=utf-8", encoded("Ω"))


def test_html_keeps_its_markup_and_loses_what_is_not_text(tmp_path: Path) -> None:
    page = (
        '<html><head><title>Ada</title><meta name="author" content="Ada"><style>.Ada{}</style></head><body>'
        '<!-- Ada --><p title="Ada" align="left">Seen <b>Ada</b> <i>Ravenscar</i>&amp; co<br>today</p>'
        '<img src="ada.png" alt="Ada"><script>"Ada"</script><a href="mailto:ada@example.org">mail</a>'
        "<table><tr><td>Name<td>Ada</table></body></html>"
    )
    source = export(tmp_path / "a.ndjson", document("text/html", encoded(page)))

    (text,) = texts_of(source.read()).values()
    attachment = only(source, tmp_path / "out", quietly)["content"][0]["attachment"]

    assert text == "Ada\nSeen Ada Ravenscar& co\ntoday\nmail\nName\tAda"
    assert base64.b64decode(attachment["data"]).decode() == (
        '<html><head><title>X</title></head><body><p align="left">Seen <b>X</b><i></i>&amp; co<br>today</p>'
        "<a>mail</a><table><tr><td>Name</td><td>X</td></tr></table></body></html>"
    )


def test_a_narrative_is_read_without_its_markup(tmp_path: Path) -> None:
    div = (
        '<div xmlns="http://www.w3.org/1999/xhtml" id="Ada"><p>Ada&nbsp;R.</p><ul><li>One</li>'
        "<li>Two</li></ul><AdaTag>x</AdaTag></div>"
    )
    source = export(
        tmp_path / "a.ndjson", {"resourceType": "Basic", "text": {"status": "generated", "div": div}}
    )

    assert list(texts_of(source.read()).values()) == ["Ada\xa0R.\nOne\nTwo\nx"]
    assert only(source, tmp_path / "out", quietly)["text"]["div"] == (
        '<div xmlns="http://www.w3.org/1999/xhtml"><p>X\xa0R.</p><ul><li>One</li><li>Two</li></ul>'
        "<span>x</span></div>"
    )


def test_rtf_comes_out_as_plain_text(tmp_path: Path) -> None:
    rtf = r"{\rtf1\ansi{\fonttbl\f0 Arial;}{\*\generator Ada;}\f0 Seen Ada\par caf\'e9}"
    source = export(tmp_path / "a.ndjson", document("application/rtf", encoded(rtf)))

    assert list(texts_of(source.read()).values()) == ["Seen Ada\ncafé"]
    assert only(source, tmp_path / "out", quietly)["content"][0]["attachment"] == {
        "contentType": "text/plain; charset=utf-8",
        "data": encoded("Seen X\ncafé"),
    }


@pytest.mark.parametrize("kind", ["application/pdf", "image/jpeg", "", "application/xml", None])
def test_data_that_cannot_be_read_are_left_out(tmp_path: Path, kind: str | None) -> None:
    resource = document("", encoded("Ada"), size=3, hash="x", url="http://ehr.example.org/Binary/1")
    resource["content"][0]["attachment"]["contentType"] = kind
    source = export(tmp_path / "a.ndjson", resource)

    attachment = only(source, tmp_path / "out")["content"][0]["attachment"]

    assert texts_of(source.read()) == {}
    assert attachment == {
        **({"contentType": kind} if kind else {}),
        "url": "Binary/id-2",
        "_data": {"extension": [MASKED]},
    }


def test_a_binary_is_an_attachment(tmp_path: Path) -> None:
    source = export(
        tmp_path / "a.ndjson",
        {"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": encoded("Ada")},
    )

    assert list(texts_of(source.read()).values()) == ["Ada"]
    assert only(source, tmp_path / "out", quietly)["data"] == encoded("X")


def test_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="have no columns"):
        export(tmp_path / "a.ndjson", PATIENT, known_columns={"x": "mrn"})
