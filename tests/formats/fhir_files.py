"""Writes, opens and passes on small FHIR exports for tests."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from deid.formats.fhir.bulk import FhirExport
from deid.formats.source import Entry, Outcome, open_source
from deid.policy import load_policy

Json = dict[str, Any]
TYPES = load_policy("base").type_names


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def document(kind: str, data: str, **more: Any) -> Json:
    attachment = {"contentType": kind, "data": data, **more}
    return {"resourceType": "DocumentReference", "id": "d1", "content": [{"attachment": attachment}]}


def export(path: Path, *resources: Json | str, **options: Any) -> FhirExport:
    """Write resources to a file, and open it as a run with a redacting policy would."""
    lines = (each if isinstance(each, str) else json.dumps(each) for each in resources)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", errors="surrogatepass")
    return opened(path, **options)


def opened(path: Path, **options: Any) -> FhirExport:
    source = open_source(path, format="fhir", **{"operators": dict.fromkeys(TYPES, "redact"), **options})
    assert isinstance(source, FhirExport)
    return source


def unchanged(entry: Entry) -> Outcome:
    if entry.note is None:
        return Outcome(entry.ordinal, None)
    return Outcome(entry.ordinal, entry.note.text, {each.path: each.text for each in entry.note.fields})


def redacted(entry: Entry) -> Outcome:
    if entry.note is None:
        return Outcome(entry.ordinal, None)
    new = {each.path: f"[{each.entity_type}]" for each in entry.note.fields}
    return Outcome(entry.ordinal, entry.note.text, new)


def passed(
    source: FhirExport, out: Path, outcome: Callable[[Entry], Outcome] = unchanged
) -> Mapping[str, list[Json]]:
    """Write a source with outcomes made from its entries; return the objects written, by file name."""
    return {
        path.name: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in source.write(map(outcome, source.read()), out)
    }


def only(source: FhirExport, out: Path, outcome: Callable[[Entry], Outcome] = unchanged) -> Json:
    ((written,),) = passed(source, out, outcome).values()
    return written


def fields_of(entries: Iterable[Entry]) -> dict[str, tuple[str, str]]:
    notes = (entry.note for entry in entries)
    return {each.path: (each.entity_type, each.text) for note in notes if note for each in note.fields}


def texts_of(entries: Iterable[Entry]) -> dict[str, str]:
    return {entry.note_id: entry.note.text for entry in entries if entry.note and "#" in entry.note_id}


def strings(value: Any) -> Iterator[str]:
    """Yield all keys and strings, at any depth."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from strings(each)
    elif isinstance(value, str):
        yield value
