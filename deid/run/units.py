"""Units of work: what they hold depends on the input alone, never on workers, speed or an earlier kill."""

from __future__ import annotations

import heapq
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from deid.audit.tally import OTHER_KIND
from deid.errors import InputOutputError, Reason
from deid.formats.atomic import atomic_file
from deid.formats.known_values import known_from_columns
from deid.formats.schemas import KIND_COLUMNS
from deid.formats.source import Entry
from deid.note import KnownValue, Note, Replacement
from deid.run.crosswalk import Patients
from deid.run.spool import Item, Spool
from deid.run.work import Group, NoteResult

_KIND = re.compile(r"[A-Za-z][A-Za-z /&,_-]{0,39}")
_CONCEPT = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class Partitioning:
    """How an input is cut into units.

    Args:
        notes: Most notes in a unit of notes without a patient.
        characters: Code points from which such a unit is full.
        partition_bytes: Input size for which one partition of patients is made.
        partitions: Most partitions of patients.
    """

    notes: int = 64
    characters: int = 250_000
    partition_bytes: int = 1 << 18
    partitions: int = 256

    def count(self, size: int) -> int:
        """Return the number of patient partitions for an input.

        Args:
            size: Bytes.
        """
        return max(1, min(self.partitions, math.ceil(size / self.partition_bytes)))


@dataclass(frozen=True, slots=True)
class Reject:
    """A note that could not be read.

    Args:
        ordinal: Place in the input, from 0.
        note_id: The note's id.
        reason: Why.
        detail: Further words, never text of the note.
    """

    ordinal: int
    note_id: str
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ItemGroup:
    """The notes of one patient, or one note without a patient.

    Args:
        items: In input order.
        code: Random record code, where the policy asks for one.
        known: What the source knows about the patient.
    """

    items: tuple[Item, ...]
    code: str | None = field(default=None, repr=False)
    known: tuple[KnownValue, ...] = ()

    def to_group(self) -> Group:
        """Return the group for a processor."""
        return Group(tuple(item.to_note() for item in self.items), self.code, self.known)


@dataclass(frozen=True, slots=True)
class Unit:
    """What is worked on and written in one go.

    Args:
        name: Name of its file, without ending.
        groups: Notes to de-identify.
        rejects: Notes that could not be read.
    """

    name: str
    groups: tuple[ItemGroup, ...] = ()
    rejects: tuple[Reject, ...] = ()

    @property
    def notes(self) -> int:
        """Number of notes, unreadable ones included."""
        return sum(len(group.items) for group in self.groups) + len(self.rejects)


def _every(_: ItemGroup) -> bool:
    return True


def read_units(
    entries: Iterable[Entry],
    *,
    spool: Spool,
    patients: Patients,
    partitioning: Partitioning,
    wanted: Callable[[ItemGroup], bool] = _every,
) -> Iterator[Unit]:
    """Cut an input into units: notes without a patient as they come, then the patients by partition.

    New codes of the crosswalk are on disk before the first unit with a patient comes out.

    Args:
        entries: The input.
        spool: Holds the notes of patients until all have been read.
        patients: Partitions, known values and codes.
        partitioning: Sizes.
        wanted: Tells of each group, asked once, whether it is to be worked on; the others are left out.
    """
    count = characters = 0
    groups: list[ItemGroup] = []
    rejects: list[Reject] = []
    for entry in entries:
        if entry.note is None:
            rejects.append(
                Reject(entry.ordinal, entry.note_id, entry.reason or Reason.INVALID_RECORD, entry.detail)
            )
        elif entry.note.patient_id:
            patients.code(entry.note.patient_id)
            item = _item(entry.ordinal, entry.note, patients)
            spool.add(patients.partition(entry.note.patient_id), item)
        else:
            item = _item(entry.ordinal, entry.note, patients)
            group = ItemGroup((item,), None, item.known)
            if wanted(group):
                groups.append(group)
                characters += len(entry.note.text)
        if len(groups) + len(rejects) >= partitioning.notes or characters >= partitioning.characters:
            yield Unit(stretch_name(count), tuple(groups), tuple(rejects))
            count, characters = count + 1, 0
            groups, rejects = [], []
    if groups or rejects:
        yield Unit(stretch_name(count), tuple(groups), tuple(rejects))
    patients.ready()
    for partition in spool.filled():
        if wholes := tuple(filter(wanted, _patient_groups(partition, spool, patients))):
            yield Unit(f"patients-{partition:05d}", wholes)


def stretch_name(number: int) -> str:
    """Return the name of a unit of notes without a patient.

    Args:
        number: From 0, in input order.
    """
    return f"unit-{number:05d}"


def _item(ordinal: int, note: Note, patients: Patients) -> Item:
    return Item(
        ordinal,
        note.note_id,
        note.text,
        patient_id=note.patient_id,
        note_date=note.note_date.isoformat() if note.note_date is not None else None,
        kind=_kind(note.metadata),
        known=known_from_columns(note.metadata, patients.known_columns),
        fields=note.fields,
        joins=note.joins,
    )


def _patient_groups(partition: int, spool: Spool, patients: Patients) -> Iterator[ItemGroup]:
    by_patient: dict[str, list[Item]] = {}
    for item in spool.read(partition):
        by_patient.setdefault(item.patient_id or "", []).append(item)
    return (_patient_group(patient_id, items, patients) for patient_id, items in by_patient.items())


def _patient_group(patient_id: str, items: Sequence[Item], patients: Patients) -> ItemGroup:
    values = chain(patients.known.get(patient_id, ()), *(item.known for item in items))
    return ItemGroup(tuple(items), patients.code(patient_id), tuple(dict.fromkeys(values)))


def _kind(metadata: Mapping[str, Any]) -> str | None:
    names = {str(name).lower(): name for name in metadata}
    for column in KIND_COLUMNS:
        if column in names and (value := metadata[names[column]]) not in (None, ""):
            # Manifests name kinds: anything that does not look like one must not get there.
            pattern = _CONCEPT if column.endswith("_concept_id") else _KIND
            return str(value) if pattern.fullmatch(str(value)) else OTHER_KIND
    return None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Says that a unit is finished.

    Args:
        name: The unit.
        notes: Its notes.
        quarantined: How many of them could not be de-identified.
    """

    name: str
    notes: int
    quarantined: int


def write_unit(folder: Path, unit: Unit, results: Sequence[Sequence[NoteResult]], *, run_id: str) -> Receipt:
    """Write a unit's results, de-identified text and reasons only, in input order; all of them or none.

    Args:
        folder: Where unit files lie.
        unit: What was worked on.
        results: For each of its groups the results of its notes.
        run_id: Digest of all that the results depend on.

    Raises:
        InputOutputError: if the file cannot be written.
        ValueError: if results are missing.
    """
    lines = [_reject_line(reject) for reject in unit.rejects]
    for group, outcomes in zip(unit.groups, results, strict=True):
        lines += (_line(item, result) for item, result in zip(group.items, outcomes, strict=True))
    lines.sort(key=_ordinal)
    receipt = Receipt(unit.name, len(lines), sum("reason" in line for line in lines))
    head = {"run": run_id, "notes": receipt.notes, "quarantined": receipt.quarantined}
    with atomic_file(_path(folder, unit.name)) as stream:
        for line in chain([head], lines):
            stream.write(json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n")
    return receipt


def finished(folder: Path, unit: Unit, *, run_id: str) -> Receipt | None:
    """Return a unit's receipt if its results are there and belong to this run.

    Args:
        folder: Where unit files lie.
        unit: The unit.
        run_id: As given to `write_unit`.
    """
    receipt = receipt_of(folder, unit.name, run_id=run_id)
    return receipt if receipt is not None and receipt.notes == unit.notes else None


def receipt_of(folder: Path, name: str, *, run_id: str) -> Receipt | None:
    """Return the receipt that a unit's file holds; None if there is no file of this run.

    Args:
        folder: Where unit files lie.
        name: The unit.
        run_id: As given to `write_unit`.
    """
    try:
        with _path(folder, name).open("rb") as stream:
            head = json.loads(stream.readline())
    except (FileNotFoundError, ValueError):
        return None
    return Receipt(name, head["notes"], head["quarantined"]) if head.get("run") == run_id else None


def merge_units(
    folder: Path, *, stretches: int, partitions: Sequence[str], carried: Iterable[dict[str, Any]] = ()
) -> Iterator[dict[str, Any]]:
    """Yield the results of all units in input order; memory for one line of each partition.

    Args:
        folder: Where unit files lie.
        stretches: Number of units of notes without a patient.
        partitions: Names of the units of patients.
        carried: Results of notes that no unit holds, in input order.

    Raises:
        InputOutputError: if a file cannot be read.
    """
    consecutive = chain.from_iterable(_lines(folder, stretch_name(number)) for number in range(stretches))
    return heapq.merge(carried, consecutive, *(_lines(folder, name) for name in partitions), key=_ordinal)


def _lines(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    path = _path(folder, name)
    try:
        with path.open("rb") as stream:
            stream.readline()
            for line in stream:
                yield json.loads(line)
    except OSError as error:
        raise InputOutputError(f"{path}: cannot be read: {error.strerror}") from None


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.jsonl"


def _ordinal(line: Mapping[str, Any]) -> int:
    return int(line["ordinal"])


def _reject_line(reject: Reject) -> dict[str, Any]:
    return {
        "ordinal": reject.ordinal,
        "note_id": reject.note_id,
        "kind": None,
        "reason": reject.reason.value,
        "detail": reject.detail,
    }


def _line(item: Item, result: NoteResult) -> dict[str, Any]:
    head = {"ordinal": item.ordinal, "note_id": item.note_id, "kind": item.kind}
    if result.deidentified is None:
        reason = result.reason or Reason.DETECTOR_FAILED
        return {**head, "reason": reason.value, "detail": result.detail}
    spans = [_span(replacement) for replacement in result.deidentified.replacements]
    fields = [asdict(each) for each in result.deidentified.fields]
    return {
        **head,
        "text": result.deidentified.text,
        "spans": spans,
        **({"fields": fields} if fields else {}),
    }


def _span(replacement: Replacement) -> dict[str, Any]:
    span = replacement.span
    return {
        "start": span.start,
        "end": span.end,
        "entity_type": span.entity_type,
        "score": round(float(span.score), 3),
        "detectors": list(span.detectors),
        "evidence": sorted({finding.evidence for finding in span.findings if finding.evidence}),
        "operator": replacement.operator,
        "new_start": replacement.new_start,
        "new_end": replacement.new_end,
    }
