"""A sample of a run's output for people to read: drawn by a seed, spread over kinds and patients."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from deid.audit.log import LOG_NAME
from deid.errors import UsageError, unknown_name
from deid.formats.annotations import doccano, label_studio
from deid.formats.annotations.records import Gold
from deid.formats.atomic import atomic_file
from deid.formats.schemas import kind_columns
from deid.formats.sheet import OWNER_ONLY, write_sheet
from deid.note import Note
from deid.run.directory import output_notes
from deid.run.manifest import read_manifest

STRATA = ("kind", "patient")
SHEET, DOCCANO, LABEL_STUDIO, README = "sheet.csv", "doccano.jsonl", "label-studio.json", "README.txt"
COLUMNS = ("entry", "output_digest", "kind", "patient", "text", "leaks", "over_redactions", "comment")
OVER_REDACTED = "OVER_REDACTED"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A de-identified note drawn for reading.

    Args:
        entry: Number of its entry in the audit log, from 0.
        output_digest: The digest that the log has of its text.
        kind: What kind of note it is; empty where the output does not say.
        patient: ``p1``, ``p2`` and so on, in the order of the run; empty without patients.
        text: The text as it came out of the run.
    """

    entry: int
    output_digest: str
    kind: str
    patient: str
    text: str = field(repr=False)


def draw(directory: Path, notes: int, *, by: tuple[str, ...] = (), seed: int = 1) -> tuple[Drawn, ...]:
    """Draw notes of a finished run, each with the same chance.

    With strata the notes are put in their order, by chance within each, and every n-th is taken from a start
    drawn by chance (systematic sampling, Cochran 1977, chapter 8): each stratum gets its share, and rates and
    bounds need no weights.

    Args:
        directory: The run directory.
        notes: How many; all if there are not more.
        by: Names of `STRATA`, the coarsest first.
        seed: Makes the draw.

    Raises:
        UsageError: for an unknown stratum, or a run without de-identified notes.
    """
    for name in by:
        if name not in STRATA:
            raise UsageError(unknown_name("stratum", name, STRATA))
    wanted = _choose(directory, notes, by, Random(seed))
    drawn = [(wanted[at], each) for at, each in enumerate(_entries(directory)) if at in wanted]
    return tuple(each for _, each in sorted(drawn, key=lambda pair: pair[0]))


def _choose(directory: Path, notes: int, by: tuple[str, ...], random: Random) -> Mapping[int, int]:
    """Return the places of the notes drawn among the de-identified ones, each with its rank for reading."""
    keys = [
        (tuple(getattr(each, name) for name in by), random.random(), at)
        for at, each in enumerate(_entries(directory))
        if by
    ]
    count = len(keys) or sum(1 for _ in _entries(directory))
    if not count:
        raise UsageError(f"{directory}: the run has no de-identified notes to draw from")
    if not by:
        places = random.sample(range(count), min(notes, count))
    else:
        keys.sort()
        step = max(count / notes, 1.0)
        start = random.random() * step
        places = [keys[int(start + number * step)][2] for number in range(min(notes, count))]
        random.shuffle(places)
    return {at: rank for rank, at in enumerate(places)}


def _entries(directory: Path) -> Iterator[Drawn]:
    """Yield the de-identified notes of a run."""
    patients: dict[str, str] = defaultdict(lambda: f"p{len(patients) + 1}")
    with (directory / LOG_NAME).open(encoding="utf-8") as stream:
        done = (entry for line in stream if not (entry := json.loads(line))["reason"])
        for entry, note in zip(done, output_notes(directory), strict=True):
            if note is not None:
                patient = patients[note.patient_id] if note.patient_id is not None else ""
                yield Drawn(entry["seq"], entry["output_digest"], _kind(note), patient, note.text)


def _kind(note: Note) -> str:
    columns = kind_columns(note.metadata)
    return str(note.metadata[columns[0]]) if columns else ""


def write_sample(directory: Path, drawn: tuple[Drawn, ...], out: Path, *, seed: int) -> None:
    """Write the review sheet: CSV to fill in, and the same for doccano and Label Studio.

    The files hold de-identified text that nobody has read yet; only their owner can open them.

    Args:
        directory: The run directory.
        drawn: From `draw`.
        out: A folder that is not there yet, or is empty.
        seed: As in `draw`, for the record.

    Raises:
        UsageError: if the folder holds something, or lies in the run directory.
        InputOutputError: if it cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"the folder {out} is not empty: name an empty or new one")
    if out.resolve().is_relative_to(directory.resolve()):
        raise UsageError(f"the folder {out} lies in the run directory; name another")
    out.mkdir(parents=True, exist_ok=True)
    write_sheet(
        out / SHEET,
        COLUMNS,
        ((each.entry, each.output_digest, each.kind, each.patient, each.text, "", "", "") for each in drawn),
    )
    doccano.write(out / DOCCANO, (_gold(each) for each in drawn))
    label_studio.write(out / LABEL_STUDIO, (_gold(each) for each in drawn))
    for name in (DOCCANO, LABEL_STUDIO):
        (out / name).chmod(OWNER_ONLY)
    manifest = read_manifest(directory) or {}
    _write(out / README, _instructions(manifest, len(drawn), seed))


def _gold(each: Drawn) -> Gold:
    fields: dict[str, Any] = {"entry": each.entry, "output_digest": each.output_digest}
    fields |= {"kind": each.kind, "patient": each.patient}
    return Note(f"entry-{each.entry}", each.text, metadata=fields), ()


def _write(path: Path, content: str) -> None:
    with atomic_file(path, mode=OWNER_ONLY) as stream:
        stream.write(content.encode())


def _instructions(manifest: Mapping[str, Any], drawn: int, seed: int) -> str:
    return f"""\
{drawn} of {manifest["counts"]["deidentified"]} de-identified notes, drawn with seed {seed} from the run
whose audit log ends in {manifest["audit"]["head"]}.

Nobody has read these texts yet: handle them like the notes they come from.

Read each text for what still identifies somebody, and write down how many such places there are:
- {SHEET}: put the number into the column leaks (0 if there is none; leave it empty if you did not read the
  note), and into over_redactions how many markers stand where clinical content was;
- {DOCCANO} and {LABEL_STUDIO}: mark every leak with its type, and markers in the place of clinical content
  with {OVER_REDACTED}; export all notes that you read, those without marks too.
Then: deid report RUN_DIR --review FILE
"""
