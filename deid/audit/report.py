"""What a run did, for people: counts, policy, integrity, and before/after samples if asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from deid.audit.log import LOG_NAME, MANIFEST_NAME
from deid.errors import IntegrityError, UsageError
from deid.formats.atomic import reading
from deid.formats.source import Source
from deid.run.directory import QUARANTINE, QUARANTINE_LIST, TIMING, output_texts
from deid.run.manifest import COMPLETE, read_manifest

_LISTED = 200


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a note, for display.

    Args:
        text: The stretch.
        entity_type: Its type if it is, or was, PHI; else empty.
    """

    text: str = field(repr=False)
    entity_type: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """A note before and after.

    Args:
        note_id: The note.
        before: The source note in pieces.
        after: The de-identified note in pieces.
    """

    note_id: str
    before: tuple[Piece, ...] = field(repr=False)
    after: tuple[Piece, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TypeRow:
    """What was looked for and what was found of it.

    Args:
        name: The entity type.
        hipaa: Its items of 45 CFR 164.514(b)(2)(i), if any.
        detectors: What looked for it.
        operator: What was done.
        count: Mentions replaced, or kept where the operator keeps.
    """

    name: str
    hipaa: str
    detectors: tuple[str, ...]
    operator: str
    count: int


@dataclass(frozen=True, slots=True)
class RunReport:
    """Everything a report shows; no note text and no identifier but in `samples`.

    Args:
        manifest: The run's manifest.
        timing: Clocks and machine facts; empty if they are gone.
        types: A row for each type of the policy, most frequent first.
        quarantined: Note id and reason, the first 200.
        samples: Notes before and after; empty unless asked for.
    """

    manifest: Mapping[str, Any]
    timing: Mapping[str, Any]
    types: tuple[TypeRow, ...]
    quarantined: tuple[tuple[str, str], ...]
    samples: tuple[Sample, ...] = ()


def read_report(directory: Path, *, source: Source | None = None, samples: int = 0) -> RunReport:
    """Gather a report from a finished run.

    Args:
        directory: The run directory.
        source: The run's input, needed for samples.
        samples: How many of the first notes to show before and after.

    Raises:
        UsageError: if there is no finished run.
        IntegrityError: if the source is not the run's input.
        InputOutputError: if a file of the run cannot be read.
    """
    manifest = read_manifest(directory)
    if manifest is None or manifest["status"] != COMPLETE:
        raise UsageError(f"{directory}: there is no finished run here (no complete {MANIFEST_NAME})")
    timing = directory / TIMING
    shown: tuple[Sample, ...] = ()
    with reading(str(directory)):
        clocks = json.loads(timing.read_text(encoding="utf-8")) if timing.is_file() else {}
        with (directory / QUARANTINE / QUARANTINE_LIST).open(encoding="utf-8") as stream:
            listed = [json.loads(line) for line in islice(stream, _LISTED)]
        if source is not None and samples:
            if source.digest() != manifest["input"]["digest"]:
                raise IntegrityError("the source given is not the input of this run: its digest differs")
            shown = tuple(islice(_samples(directory, source), samples))
    return RunReport(
        manifest,
        clocks,
        _type_rows(manifest),
        tuple((line["note_id"], line["reason"]) for line in listed),
        shown,
    )


def _type_rows(manifest: Mapping[str, Any]) -> tuple[TypeRow, ...]:
    counts = manifest["counts"]["spans"]["by_type"]
    rows = [
        TypeRow(
            kind["name"],
            kind["hipaa"] or "",
            tuple(kind["detect"]),
            _operator_words(kind["operator"]),
            counts.get(kind["name"], 0),
        )
        for kind in manifest["policy"]["resolved"]["types"]
    ]
    return tuple(sorted(rows, key=lambda row: (-row.count, row.name)))


def _operator_words(spec: Mapping[str, Any]) -> str:
    params = ", ".join(f"{key}: {value}" for key, value in sorted(spec["params"].items()))
    return f"{spec['name']} ({params})" if params else str(spec["name"])


def _samples(directory: Path, source: Source) -> Iterator[Sample]:
    """Yield the run's notes before and after, in input order, quarantined ones left out."""
    with (directory / LOG_NAME).open(encoding="utf-8") as stream:
        entries = (json.loads(line) for line in stream)
        after = output_texts(directory)
        for read, entry in zip(source.read(), entries, strict=True):
            if entry["reason"] or read.note is None:
                continue
            spans = entry["spans"]
            yield Sample(
                entry["note_id"],
                _pieces(read.note.text, spans, "start", "end"),
                _pieces(next(after) or "", spans, "new_start", "new_end"),
            )


def _pieces(text: str, spans: Sequence[Mapping[str, Any]], start: str, end: str) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    position = 0
    for span in spans:
        pieces.append(Piece(text[position : span[start]]))
        pieces.append(Piece(text[span[start] : span[end]], span["entity_type"]))
        position = span[end]
    pieces.append(Piece(text[position:]))
    return tuple(piece for piece in pieces if piece.text)


def as_json(report: RunReport) -> dict[str, Any]:
    """Return a report as plain values; the policy's descriptions are left to the manifest."""
    manifest = dict(report.manifest)
    manifest["policy"] = {key: value for key, value in manifest["policy"].items() if key != "resolved"}
    values: dict[str, Any] = {"manifest": manifest, "timing": dict(report.timing)}
    values["types"] = [asdict(row) for row in report.types]
    values["quarantined"] = [{"note_id": note, "reason": reason} for note, reason in report.quarantined]
    if report.samples:
        values["samples"] = [asdict(sample) for sample in report.samples]
    return values


def as_html(report: RunReport) -> str:
    """Return a report as one self-contained HTML page without scripts.

    Args:
        report: From `read_report`.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("deid.audit", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html.j2")
    most = max((row.count for row in report.types), default=0)
    return template.render(report=report, manifest=report.manifest, most=max(most, 1))
