"""A processor with the interface of the real one that redacts digits, and runs with it."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from deid.errors import Reason
from deid.keys import Keys
from deid.note import DeidentifiedNote, Finding, Note, ReplacedField, Replacement, Span
from deid.policy import EntityType, OperatorSpec, Policy
from deid.run import manifest
from deid.run.execute import RunRequest, execute
from deid.run.units import Partitioning
from deid.run.work import Group, NoteResult

SECRET = "PEPPERCORN"  # stands in notes; must never stand in a message

POLICY = Policy(
    name="standin",
    version="1",
    method="custom",
    default_operator=OperatorSpec(name="redact"),
    types=(EntityType(name="NUMBER", description="Digits.", operator=OperatorSpec(name="redact")),),
)
CODED_POLICY = POLICY.model_copy(
    update={
        "types": (
            EntityType(
                name="NUMBER",
                description="Digits.",
                operator=OperatorSpec(name="pseudonym", params={"code": "random"}),
            ),
        )
    }
)


class DigitRedactor:
    """Replaces digits; says how many notes the patient has, so that a group torn apart would show.

    Args:
        delay: Seconds to take for a note.
        explode: Raise instead of giving results for notes that contain this word.
        fatal: End the process at notes that contain this word.
        pids: Folder that gets a file named after the process.
        gate: File for which to wait before all but the first work.
    """

    model_digest = "sha256:standin"
    runtime = "python"

    def __init__(
        self,
        *,
        delay: float = 0.0,
        explode: str = "",
        fatal: str = "",
        pids: Path | None = None,
        gate: Path | None = None,
    ) -> None:
        self._delay, self._explode, self._fatal = delay, explode, fatal
        self._gate, self._began = gate, False
        if pids is not None:
            (pids / str(os.getpid())).touch()

    def process(self, groups: Sequence[Group]) -> tuple[tuple[NoteResult, ...], ...]:
        while self._began and self._gate is not None and not self._gate.exists():
            time.sleep(0.05)
        self._began = True
        return tuple(tuple(self._note(note, group) for note in group.notes) for group in groups)

    def _note(self, note: Note, group: Group) -> NoteResult:
        time.sleep(self._delay)
        if self._fatal and self._fatal in note.text:
            os._exit(9)
        if self._explode and self._explode in note.text:
            raise RuntimeError(f"cannot read {note.text}")
        if "QUARANTINE" in note.text:
            return NoteResult(note.note_id, None, Reason.DETECTOR_FAILED, "standin")
        name = group.code or f"N{len(group.notes)}K{len(group.known)}"
        matches = list(re.finditer(r"\d+", note.text))
        ends = [0, *(match.end() for match in matches)]
        parts: list[str] = []
        replacements: list[Replacement] = []
        length = 0
        for match, (before, _) in zip(matches, pairwise([*ends, len(note.text)]), strict=False):
            parts += (note.text[before : match.start()], f"[{name}]")
            start = length + len(parts[-2])
            length = start + len(parts[-1])
            finding = Finding(match.start(), match.end(), "NUMBER", 0.98765, "rules", "digits")
            span = Span(match.start(), match.end(), "NUMBER", 0.98765, (finding,))
            replacements.append(Replacement(span, "redact", f"[{name}]", start, length))
        text = "".join([*parts, note.text[ends[-1] :]])
        fields = tuple(
            ReplacedField(each.path, each.entity_type, "redact", f"[{each.entity_type}]")
            for each in note.fields
        )
        return NoteResult(note.note_id, DeidentifiedNote(note.note_id, text, tuple(replacements), fields))


def make(policy: Policy, *, keys: Keys | None, streams: int, **options: Any) -> DigitRedactor:
    """Build a stand-in, called as the real factory is."""
    del policy, keys, streams
    return DigitRedactor(**options)


def write_notes(path: Path, count: int = 40) -> Path:
    """Write JSONL with patients, notes without one, one to be quarantined and one that is no record."""
    with path.open("w", encoding="utf-8") as stream:
        for number in range(count):
            record = {"note_id": f"n{number}", "text": f"Seen on {number}/4, {SECRET}.", "site": "07"}
            if number % 3:
                record["patient_id"] = f"p{number % 7}"
            if number == 5:
                record["text"] += " QUARANTINE"
            stream.write(json.dumps(record) + "\n")
        stream.write(f"no record {SECRET}\n")
    return path


def request(source: Path | str, out: Path, **changes: Any) -> RunRequest:
    """Ask for a run of the stand-in, cut into many small units."""
    small = Partitioning(notes=4, partition_bytes=1000)
    settings = {"policy": POLICY, "factory": "standin:make", "partitioning": small}
    return RunRequest(input=source, out=out, **{**settings, **changes})


def code_digest() -> str:
    """Stand in for the digest of the code."""
    return "sha256:code"


def tree(directory: Path) -> dict[str, bytes]:
    """Return what must be the same in every run: all files but the clocks and the salted digests."""
    own = ("timing.json", "results.sqlite")
    files = (path for path in directory.rglob("*") if path.is_file() and path.name not in own)
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in sorted(files)}


def execute_on_spark(wanted: RunRequest, *, master: str, settings: dict[str, str]) -> None:
    """Carry out a run on a cluster, in a process of its own."""
    from deid.run.spark import Cluster

    execute(wanted, engine=Cluster(master=master, settings=settings).engine)


def execute_and_die(wanted: RunRequest, *, rename: int, after: bool) -> None:
    """Carry out a run and end it with SIGKILL at a rename, counted from 1; 0 is the first finished unit."""
    manifest.code_digest = code_digest
    count = 0
    real = os.replace

    def replace(source: Any, target: Any) -> None:
        nonlocal count
        count += 1
        if count < rename:
            real(source, target)
            return
        if after:
            real(source, target)
        os.kill(os.getpid(), signal.SIGKILL)

    if rename:
        os.replace = replace
        execute(wanted)
    execute(wanted, progress=lambda _: os.kill(os.getpid(), signal.SIGKILL))
