"""What reading a sample says about the whole run: leak rates with bounds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deid.audit.bounds import upper_bound, upper_count
from deid.audit.log import LOG_NAME
from deid.audit.sample import COLUMNS, OVER_REDACTED
from deid.errors import IntegrityError, UsageError
from deid.formats.atomic import digest_of, reading
from deid.formats.gold import read_gold
from deid.formats.sheet import read_sheet

_NEEDED = ("entry", "output_digest", "leaks")


@dataclass(frozen=True, slots=True)
class ReadNote:
    """What a reader found in a note.

    Args:
        entry: Number of its entry in the audit log.
        output_digest: Digest of the text that was read.
        kind: What kind of note it is; empty where nobody knows.
        patient: Its patient in the sheet; empty without patients.
        leaks: Places that still identify somebody; None if the note was not read.
        over_redactions: Markers in the place of clinical content.
        types: Types of the leaks, where the reader named them.
    """

    entry: int
    output_digest: str
    kind: str
    patient: str
    leaks: int | None
    over_redactions: int
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rate:
    """Cases with a leak among those read, and what that bounds.

    Args:
        leaking: Cases with a leak.
        read: Cases read.
        upper: One-sided 95 % bound on the rate in all cases like these (Clopper-Pearson).
    """

    leaking: int
    read: int
    upper: float


@dataclass(frozen=True, slots=True)
class Review:
    """What reading a sample says about a run.

    Args:
        notes: Notes with a leak.
        patients: Patients with a leak in the notes read; None where the notes have no patients.
        in_run: De-identified notes of the run.
        leaking_in_run: At most so many of them leak, with a confidence of 95 %.
        leaks: Leaks found.
        over_redactions: Markers in the place of clinical content.
        unread: Notes in the sheet that were not read.
        by_kind: Notes with a leak and notes read, by kind of note.
        by_type: Leaks by type, where the reader named them.
        sheet: Digest of the sheet.
    """

    notes: Rate
    patients: Rate | None
    in_run: int
    leaking_in_run: int
    leaks: int
    over_redactions: int
    unread: int
    by_kind: Mapping[str, tuple[int, int]]
    by_type: Mapping[str, int]
    sheet: str


def read_review(directory: Path, sheet: Path) -> Review:
    """Read a filled-in sheet and bound the leak rate of the run it was drawn from.

    Args:
        directory: The run directory.
        sheet: The CSV sheet of ``deid sample``, or an export of doccano or Label Studio made from it.

    Raises:
        UsageError: if the sheet cannot be read, or nobody read a note; names rows, never text.
        IntegrityError: if a text is not one of the run's output, or stands there twice.
    """
    with reading(str(sheet)), sheet.open("rb") as stream:
        digest = digest_of(stream)
    rows = list(_csv_rows(sheet) if sheet.suffix.lower() == ".csv" else _annotated(sheet))
    in_run = _check(directory, rows, sheet)
    done = [row for row in rows if row.leaks is not None]
    if not done:
        raise UsageError(f"review {sheet}: no note was read: the column leaks is empty everywhere")
    leaking = sum(bool(row.leaks) for row in done)
    patients = {row.patient for row in done if row.patient}
    touched = {row.patient for row in done if row.leaks and row.patient}
    kinds, bad = Counter(row.kind for row in done), Counter(row.kind for row in done if row.leaks)
    return Review(
        notes=_rate(leaking, len(done)),
        patients=_rate(len(touched), len(patients)) if patients else None,
        in_run=in_run,
        leaking_in_run=upper_count(leaking, len(done), in_run),
        leaks=sum(row.leaks or 0 for row in done),
        over_redactions=sum(row.over_redactions for row in done),
        unread=len(rows) - len(done),
        by_kind={kind: (bad[kind], kinds[kind]) for kind in sorted(kinds)},
        by_type=dict(Counter(kind for row in done for kind in row.types).most_common()),
        sheet=digest,
    )


def _rate(leaking: int, read: int) -> Rate:
    return Rate(leaking, read, upper_bound(leaking, read))


def _check(directory: Path, rows: Iterable[ReadNote], sheet: Path) -> int:
    """Hold the sheet against the audit log; return the number of de-identified notes."""
    wanted: dict[int, str] = {}
    for row in rows:
        if row.entry in wanted:
            raise IntegrityError(f"review {sheet}: entry {row.entry} stands there twice")
        wanted[row.entry] = row.output_digest
    done = 0
    with reading(str(directory)), (directory / LOG_NAME).open(encoding="utf-8") as stream:
        for line in stream:
            entry = json.loads(line)
            done += not entry["reason"]
            if entry["seq"] in wanted and wanted.pop(entry["seq"]) != entry["output_digest"]:
                raise IntegrityError(
                    f"review {sheet}: entry {entry['seq']} is another text than in this run: "
                    "the sheet was drawn from another run"
                )
    if wanted:
        raise IntegrityError(f"review {sheet}: entry {min(wanted)} is not in this run")
    return done


def _csv_rows(sheet: Path) -> Iterator[ReadNote]:
    for number, row in read_sheet(sheet, COLUMNS, needed=_NEEDED, what="review"):
        place = f"review {sheet}: row {number}"
        entry = _count(row["entry"], f"{place}: entry")
        if entry is None:
            raise UsageError(f"{place}: entry is empty")
        yield ReadNote(
            entry,
            row["output_digest"],
            row.get("kind", ""),
            row.get("patient", ""),
            _count(row["leaks"], f"{place}: leaks"),
            _count(row.get("over_redactions"), f"{place}: over_redactions") or 0,
        )


def _count(value: str | None, place: str) -> int | None:
    cell = (value or "").strip()
    if not cell:
        return None
    if not cell.isascii() or not cell.isdigit():
        raise UsageError(f"{place} is not a whole number")
    return int(cell)


def _annotated(sheet: Path) -> Iterator[ReadNote]:
    for number, (note, mentions) in enumerate(read_gold(sheet), start=1):
        about: Mapping[str, Any] = note.metadata
        entry, digest = about.get("entry"), about.get("output_digest")
        if not isinstance(entry, int) or not isinstance(digest, str):
            raise UsageError(f"review {sheet}: note {number} has lost its entry or output_digest")
        types = tuple(each.entity_type for each in mentions if each.entity_type != OVER_REDACTED)
        yield ReadNote(
            entry,
            digest,
            str(about.get("kind") or ""),
            str(about.get("patient") or ""),
            len(types),
            len(mentions) - len(types),
            types,
        )
