"""The audit report of a run: what was done under which policy, how well that works, what is left."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from deid.audit.evaluation_page import scale_floor
from deid.audit.evidence import Evidence, no_evidence
from deid.audit.log import LOG_NAME, MANIFEST_NAME
from deid.audit.pages import render
from deid.audit.risks import risks, treatments
from deid.audit.safe_harbor import Item, at_work, operator_words, safe_harbor_items
from deid.authoring.lint import LintFinding, lint_resolved
from deid.errors import IntegrityError, UsageError
from deid.formats.atomic import reading
from deid.formats.source import Source
from deid.policy import Policy
from deid.run.directory import QUARANTINE, QUARANTINE_LIST, TIMING, output_texts
from deid.run.manifest import COMPLETE, read_manifest

_LISTED = 200
_MAPS = 12  # notes of which the span map is drawn
_REPLACED, _KEPT = "#2f6f8f", "#d9a400"


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
        operator: What the policy asks for.
        applied: Operator and mentions, from the log, where others were applied too (``on_failure`` says
            what is done where the first one cannot replace a mention); else empty.
        count: Mentions replaced, or kept where the operator keeps.
    """

    name: str
    hipaa: str
    detectors: tuple[str, ...]
    operator: str
    applied: tuple[tuple[str, int], ...]
    count: int

    @property
    def operators(self) -> str:
        """The operator, and those applied with their numbers where others were."""
        applied = ", ".join(f"{name} {number:,}" for name, number in self.applied)
        return f"{self.operator}; applied: {applied}" if applied else self.operator


@dataclass(frozen=True, slots=True)
class RunReport:
    """Everything a report shows; no note text and no identifier but in `samples`.

    Args:
        manifest: The run's manifest.
        timing: Clocks and machine facts; empty if they are gone.
        lint: What is wrong or unsafe in the policy in force.
        types: A row for each type of the policy, most frequent first.
        items: The eighteen items of Safe Harbor and what covers them.
        treatments: What became of dates, ages and ZIP codes: type, operator, in plain words.
        quarantined: Place in the input, from 1, and reason; the first 200. Ids stand in the run's own list.
        spans: Offsets of the first notes' spans: entry, length seen, (start, end, color).
        evidence: What was measured on marked notes, and what reading a sample showed.
        risks: What remains, in plain words.
        samples: Notes before and after; empty unless asked for.
    """

    manifest: Mapping[str, Any]
    timing: Mapping[str, Any]
    lint: tuple[LintFinding, ...]
    types: tuple[TypeRow, ...]
    items: tuple[Item, ...]
    treatments: tuple[tuple[str, str, str], ...]
    quarantined: tuple[tuple[int, str], ...]
    spans: tuple[tuple[str, int, tuple[tuple[int, int, str], ...]], ...]
    evidence: Evidence
    risks: tuple[str, ...]
    samples: tuple[Sample, ...] = ()


def read_report(
    directory: Path, *, evidence: Evidence | None = None, source: Source | None = None, samples: int = 0
) -> RunReport:
    """Gather a report from a finished run.

    Args:
        directory: The run directory.
        evidence: From `deid.audit.evidence.gather`; none if it is left out.
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
    policy = Policy.model_validate(manifest["policy"]["resolved"])
    known = evidence or no_evidence()
    counts = manifest["counts"]["spans"]["by_type"]
    known_values = _had_known_values(manifest)
    return RunReport(
        manifest,
        clocks,
        lint_resolved(policy),
        _type_rows(policy, counts, _applied(directory), known_values=known_values),
        safe_harbor_items(policy, counts, known.evaluation, known_values=known_values),
        treatments(policy),
        tuple((line["ordinal"] + 1, line["reason"]) for line in listed),
        _span_maps(directory, policy),
        known,
        risks(manifest, policy, known),
        shown,
    )


def _span_maps(
    directory: Path, policy: Policy
) -> tuple[tuple[str, int, tuple[tuple[int, int, str], ...]], ...]:
    """Return where mentions stand in the first notes that have any; offsets alone."""
    kept = {kind.name for kind in policy.types if kind.operator.name == "keep"}
    with reading(str(directory)), (directory / LOG_NAME).open(encoding="utf-8") as stream:
        entries = (entry for line in stream if (entry := json.loads(line))["spans"])
        return tuple(
            (
                f"entry {entry['seq']}",
                max(span["end"] for span in entry["spans"]),
                tuple(
                    (span["start"], span["end"], _KEPT if span["entity_type"] in kept else _REPLACED)
                    for span in entry["spans"]
                ),
            )
            for entry in islice(entries, _MAPS)
        )


def _had_known_values(manifest: Mapping[str, Any]) -> bool:
    return bool(
        manifest.get("known_patients")
        or manifest["options"]["known_columns"]
        or manifest["counts"]["spans"]["by_detector"].get("known")
    )


def _applied(directory: Path) -> dict[str, Counter[str]]:
    """Return by type how often each operator was applied, from the log."""
    applied: dict[str, Counter[str]] = defaultdict(Counter)
    with reading(str(directory)), (directory / LOG_NAME).open(encoding="utf-8") as stream:
        for line in stream:
            for span in json.loads(line)["spans"]:
                applied[span["entity_type"]][span["operator"]] += 1
    return applied


def _type_rows(
    policy: Policy, counts: Mapping[str, int], applied: Mapping[str, Counter[str]], *, known_values: bool
) -> tuple[TypeRow, ...]:
    rows = []
    for kind in policy.types:
        done = applied.get(kind.name, Counter())
        rows.append(
            TypeRow(
                kind.name,
                kind.hipaa or "",
                at_work(kind, known_values=known_values),
                operator_words(kind.operator),
                tuple(done.most_common()) if set(done) - {kind.operator.name} else (),
                counts.get(kind.name, 0),
            )
        )
    return tuple(sorted(rows, key=lambda row: (-row.count, row.name)))


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
    values["policy_findings"] = [
        {"code": each.code, "severity": each.severity, "key": each.place.key, "reason": each.reason}
        for each in report.lint
    ]
    values["types"] = [asdict(row) for row in report.types]
    values["safe_harbor"] = [asdict(item) for item in report.items]
    values["treatments"] = [
        {"entity_type": name, "operator": operator, "effect": effect}
        for name, operator, effect in report.treatments
    ]
    values["quarantined"] = [{"position": place, "reason": reason} for place, reason in report.quarantined]
    values["evaluation"] = report.evidence.evaluation and {
        **report.evidence.evaluation,
        "fits_this_run": report.evidence.fits(report.manifest),
    }
    values["review"] = report.evidence.review and asdict(report.evidence.review)
    values["residual_risks"] = list(report.risks)
    if report.samples:
        values["samples"] = [asdict(sample) for sample in report.samples]
    return values


def as_html(report: RunReport) -> str:
    """Return a report as one self-contained HTML page without scripts.

    Args:
        report: From `read_report`.
    """
    return _rendered(report, "report.html.j2")


def as_markdown(report: RunReport) -> str:
    """Return a report as Markdown, without samples.

    Args:
        report: From `read_report`.
    """
    return _rendered(report, "report.md.j2")


def _rendered(report: RunReport, template: str) -> str:
    most = max((row.count for row in report.types), default=0)
    rows = [
        (item.letter, item.recall, item.bounds, item.mentions)
        for item in report.items
        if item.recall is not None and item.bounds is not None
    ]
    return render(
        template,
        report=report,
        manifest=report.manifest,
        most=max(most, 1),
        evaluation=report.evidence.evaluation,
        review=report.evidence.review,
        fits=report.evidence.fits(report.manifest),
        measured=rows,
        floor=scale_floor(recall for _, recall, _, _ in rows),
    )
