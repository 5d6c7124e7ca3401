"""A run: read, work, merge; it can be killed at any point and resumed to the same bytes."""

from __future__ import annotations

import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import deid
from deid.audit.log import DEIDENTIFIED, LOG_NAME, MANIFEST_NAME, QUARANTINED, AuditChain, output_digest
from deid.audit.tally import Tally
from deid.errors import IntegrityError, UsageError
from deid.formats.atomic import atomic_file, prepare_folder
from deid.formats.known_values import KnownValues, read_known_values
from deid.formats.pieces import Move
from deid.formats.remote import is_remote, local_copy
from deid.formats.schemas import with_schema
from deid.formats.source import Columns, Entry, KnowsPatients, Outcome, Source, open_source
from deid.keys import Keys
from deid.note import KnownValue
from deid.operate.catalog import needs_code, needs_key
from deid.policy import Policy, load_policy
from deid.run import manifest as manifests
from deid.run.crosswalk import Crosswalk, Patients
from deid.run.deliver import deliver, open_target
from deid.run.directory import (
    NOTES,
    QUARANTINE,
    QUARANTINE_LIST,
    RESULTS,
    TIMING,
    WORK,
    RunSummary,
    disk_errors,
    hold,
    summarize,
)
from deid.run.results import Earlier, Results, read_earlier
from deid.run.spool import Spool
from deid.run.units import Partitioning, Receipt, Unit, finished, merge_units, read_units, stretch_name
from deid.run.workers import FACTORY, Desk, Engine, ModelFacts, Recipe, Workers, cores, open_workers

_REPORT_EVERY = 1000
_ID_TYPE = "OTHER_ID"  # decides whether ids of records are derived from the secret
_LOGGED = ("path", "entity_type", "operator")  # of a field; its value stays out of the log


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What is asked of a run.

    Args:
        input: File, folder, URL of one (`deid.formats.remote`) or table of a database; ``-`` is JSONL on
            standard input.
        policy: A policy, the name of a shipped one, or a path.
        out: The run directory: absent or empty, unless a run is resumed.
        keys: The secret, if there is one.
        workers: Processes; 1 is the calling one.
        resume: Go on with a run that was killed, or begin one.
        since: Run directory of an earlier run, whose results are carried over for what has not changed.
        columns: Which column holds what.
        format: Format of the input; by its name when None.
        schema: Preset of columns.
        drop: Columns that are not carried to the output.
        known_columns: Column to the kind of known value that it holds.
        delimiter: Between the cells of a CSV file; by its name when None.
        group_by: Column of note ids, where a note is in many rows.
        order_by: Column that numbers the rows of a note.
        max_characters: Longest note in code points; longer ones are quarantined.
        shard_notes: Notes in an output file of a table.
        patients: File of known values by patient.
        crosswalk: File of random codes by patient; needed where the policy asks for such codes.
        options: Further arguments of the factory, such as ``model``; results may not depend on them.
        partitioning: How the input is cut into units.
        factory: ``module:attribute`` of what builds a processor.
        to: Table to make of the notes too, where the input is one; it is there as a whole or not at all.
    """

    input: str | Path
    policy: str | Path | Policy
    out: Path
    keys: Keys | None = None
    workers: int = 1
    resume: bool = False
    since: Path | None = None
    columns: Columns = field(default_factory=Columns)
    format: str | None = None
    schema: str | None = None
    drop: tuple[str, ...] = ()
    known_columns: Mapping[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    group_by: str | None = None
    order_by: str | None = None
    max_characters: int = 1_000_000
    shard_notes: int = 50_000
    patients: Path | None = None
    crosswalk: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    partitioning: Partitioning = field(default_factory=Partitioning)
    factory: str = FACTORY
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Args:
        stage: ``de-identify`` or ``write``.
        notes: Notes done in this stage.
        quarantined: How many of them were quarantined.
    """

    stage: str
    notes: int
    quarantined: int


Report = Callable[[Progress], object]
_Values = tuple[KnownValue, ...]


def execute(
    request: RunRequest,
    *,
    progress: Report | None = None,
    clock: Callable[[], float] = time.time,
    engine: Engine = open_workers,
) -> RunSummary:
    """Carry out a run; an input that a URL names is copied to this machine first.

    Args:
        request: What is asked.
        progress: Told now and then how far the run is.
        clock: Seconds since 1970; goes to timing.json only.
        engine: Starts the workers: processes of this machine, or `deid.run.spark`; the output is the same.

    Raises:
        UsageError: for an output folder, option or column that cannot be used.
        PolicyError: if the policy cannot be loaded.
        KeyMaterialError: if the policy needs a secret and there is none.
        InputOutputError: if something cannot be read or written, or a worker fails; resume then.
        IntegrityError: if a resumed run is not the same any more, or the input changed meanwhile.
    """
    report = progress or _silent
    if not is_remote(str(request.input)):
        return _execute(request, report, clock, engine)
    with local_copy(str(request.input), beside=request.out) as path:
        return _execute(replace(request, input=path), report, clock, engine)


def _execute(request: RunRequest, report: Report, clock: Callable[[], float], engine: Engine) -> RunSummary:
    started = clock()
    policy = request.policy if isinstance(request.policy, Policy) else load_policy(request.policy)
    target = open_target(request.to, source=str(request.input), resume=request.resume)
    source = _open(request, policy)
    _check(request, policy, source)
    known = read_known_values(request.patients) if request.patients else KnownValues({}, ())
    recipe = Recipe(policy, request.keys, request.factory, request.options)
    earlier = read_earlier(request.since, request.keys) if request.since is not None else None
    job = _Job(request, policy, source, report, earlier)
    with disk_errors(request.out), hold(request.out, resume=request.resume):
        with engine(recipe, request.workers) as workers:
            unfinished = job.begin(workers.model())
            if unfinished:
                job.work(workers, _merged(known.by_patient, source))
            count = workers.count
        if unfinished:
            job.finish(started, clock, workers=count)
        if job.work_folder.exists():
            shutil.rmtree(job.work_folder)
        if target is not None:
            deliver(target, request.out)
    seconds = max(clock() - started, 0.0)  # a clock may be set back meanwhile
    return replace(summarize(request.out), unused_columns=known.ignored, seconds=seconds)


def stream(request: RunRequest, output: BinaryIO, *, clock: Callable[[], float] = time.time) -> RunSummary:
    """De-identify JSONL to a stream, without a run directory; nothing comes out before all is done.

    Args:
        request: What is asked; `out` and `resume` have no meaning.
        output: Takes the lines, quarantined notes left out.
        clock: As for `execute`.

    Raises:
        DeidError: as `execute`; a UsageError if the input is not JSONL.
    """
    is_jsonl = request.format == "jsonl" or Path(request.input).suffix in (".jsonl", ".ndjson")
    if str(request.input) != "-" and not is_jsonl:
        raise UsageError("--out - writes JSONL and needs JSONL as input; give a folder with --out instead")
    with tempfile.TemporaryDirectory(prefix="deid-") as folder:
        summary = execute(replace(request, out=Path(folder) / "run", resume=False), clock=clock)
        for shard in sorted((summary.directory / NOTES).iterdir()):
            with shard.open("rb") as lines:
                shutil.copyfileobj(lines, output)
        output.flush()
    return summary


def _silent(_: Progress) -> None:
    pass


def _open(request: RunRequest, policy: Policy) -> Source:
    operators = {kind.name: kind.operator for kind in policy.types}
    ids = operators.get(_ID_TYPE)
    return open_source(
        request.input,
        columns=request.columns,
        format=request.format,
        schema=request.schema,
        drop=request.drop,
        fields=policy.fields,
        known_columns=request.known_columns,
        max_characters=request.max_characters,
        shard_notes=request.shard_notes,
        delimiter=request.delimiter,
        group_by=request.group_by,
        order_by=request.order_by,
        operators={name: operator.name for name, operator in operators.items()},
        id_keys=request.keys if ids is not None and needs_key(ids) else None,
    )


def _check(request: RunRequest, policy: Policy, source: Source) -> None:
    if request.workers < 1:
        raise UsageError(f"--workers must be at least 1, got {request.workers}")
    out = request.out.resolve()
    if source.path is not None and source.path.is_dir() and out.is_relative_to(source.path.resolve()):
        raise UsageError(f"the output folder {request.out} lies inside the input; name another")
    specs = [policy.default_operator, *(kind.operator for kind in policy.types)]
    asks = any(needs_code(spec) for spec in specs)
    if request.crosswalk is None:
        if asks:
            raise UsageError(f"policy {policy.name} asks for random codes: name their file with --crosswalk")
    elif not asks:
        raise UsageError(f"policy {policy.name} asks for no random codes: leave out --crosswalk")
    elif request.crosswalk.resolve().is_relative_to(out):
        raise UsageError(
            "--crosswalk must not lie in the run directory: who gets the notes must not get the codes"
        )


def _merged(given: Mapping[str, _Values], source: Source) -> Mapping[str, _Values]:
    """Join what the caller says of each patient with what the source itself knows."""
    told = source.known_values() if isinstance(source, KnowsPatients) else {}
    return {
        patient: tuple(dict.fromkeys((*given.get(patient, ()), *told.get(patient, ()))))
        for patient in dict.fromkeys((*given, *told))
    }


def _draft(
    request: RunRequest, policy: Policy, source: Source, model: ModelFacts, earlier: Earlier | None
) -> dict[str, Any]:
    patients = request.patients
    return {
        "format_version": manifests.FORMAT_VERSION,
        "deid_version": deid.__version__,
        "status": manifests.RUNNING,
        "code": {"digest": manifests.code_digest()},
        "policy": manifests.policy_facts(policy),
        "model": asdict(model),
        "key": {"id": request.keys.key_id if request.keys is not None else None},
        "input": {
            "reader": type(source).__name__,
            "digest": source.digest(),
            "bytes": source.size(),
            "skipped_files": getattr(source, "skipped", 0),  # only a folder can hold other files
            "files_as_text": getattr(source, "as_text", 0),  # documents of word processors
        },
        "options": {
            "columns": asdict(with_schema(request.columns, request.schema)),
            "format": request.format,
            "schema": request.schema,
            "drop": list(request.drop),
            "known_columns": dict(request.known_columns),
            "known_values": manifests.file_digest(patients) if patients is not None else None,
            "delimiter": request.delimiter,
            "group_by": request.group_by,
            "order_by": request.order_by,
            "max_characters": request.max_characters,
            "shard_notes": request.shard_notes,
            "partitioning": asdict(request.partitioning),
            "since_manifest": earlier.digest if earlier is not None else None,
        },
        "known_patients": 0,
        "passed_through": list(source.passed_through()),
        "crosswalk": None,
        "since": None,
    }


class _Job:
    """The two passes over the input: units are worked on, then their results are merged in input order."""

    def __init__(
        self, request: RunRequest, policy: Policy, source: Source, report: Report, earlier: Earlier | None
    ) -> None:
        self._request, self._policy, self._source, self._report = request, policy, source, report
        self._earlier = earlier
        self.work_folder = request.out / WORK
        self._draft: dict[str, Any] = {}
        self._desk = Desk(self.work_folder, "")
        self._entries = self._notes = self._quarantined = self._stretches = 0
        self._partitions: list[str] = []

    def begin(self, model: ModelFacts) -> bool:
        """Write the draft of a manifest, or compare with the run resumed; tell if there is work to do."""
        self._draft = _draft(self._request, self._policy, self._source, model, self._earlier)
        before = manifests.read_manifest(self._request.out)
        if before is None:
            manifests.write_json(self._request.out / MANIFEST_NAME, self._draft)
        else:
            manifests.check_same(before, self._draft)
            if before.get("status") == manifests.COMPLETE:
                return False
        self.work_folder.mkdir(exist_ok=True)
        self._desk = Desk(self.work_folder, manifests.run_id(self._draft))
        place, keys = self.work_folder / RESULTS, self._request.keys
        self._results = Results(place, self._draft, keys=keys, earlier=self._earlier)
        return True

    def work(self, workers: Workers, known: Mapping[str, tuple[KnownValue, ...]]) -> None:
        """Work on the units that are not finished yet."""
        request, source = self._request, self._source
        self._draft["known_patients"] = sum(map(bool, known.values()))
        path = request.crosswalk
        with ExitStack() as stack:
            crosswalk = stack.enter_context(Crosswalk(path)) if path is not None else None
            patients = Patients(
                partitions=request.partitioning.count(self._draft["input"]["bytes"]),
                keys=request.keys,
                known=known,
                known_columns=request.known_columns,
                crosswalk=crosswalk,
                record=self.work_folder / "crosswalk",
            )
            spool = stack.enter_context(Spool(request.out, patients.partitions))
            stack.enter_context(self._results.reading())
            units = read_units(
                self._counted(source.read()),
                spool=spool,
                patients=patients,
                partitioning=request.partitioning,
                wanted=self._results.wanted,
            )
            for receipt in workers.run(self._unfinished(units), self._desk):
                self._done(receipt)
            if crosswalk is not None:
                self._draft["crosswalk"] = {"digest": crosswalk.digest}
        if self._earlier is not None:
            differing = self._earlier.differing(self._draft)
            self._draft["since"] = {"differing": list(differing), **self._results.counts}

    def finish(self, started: float, clock: Callable[[], float], *, workers: int) -> None:
        """Write notes, audit log, quarantine list and timing, and last the manifest that says so."""
        out = self._request.out
        prepare_folder(out, source=None)
        for name in (NOTES, QUARANTINE):
            if (out / name).is_dir():
                shutil.rmtree(out / name)
        (out / QUARANTINE).mkdir()
        with self._results.merging():
            tally, chain = self._merge()
        self._results.put_in_place(out)
        _write_timing(out, started=started, ended=clock(), notes=tally.notes, workers=workers)
        final = manifests.completed(self._draft, tally=tally, chain=chain, keys=self._request.keys)
        manifests.write_json(out / MANIFEST_NAME, final)

    def _merge(self) -> tuple[Tally, AuditChain]:
        out = self._request.out
        tally = Tally()
        chain = AuditChain(
            policy_digest=self._draft["policy"]["digest"],
            input_digest=self._draft["input"]["digest"],
            keys=self._request.keys,
        )
        with atomic_file(out / LOG_NAME) as log, atomic_file(out / QUARANTINE / QUARANTINE_LIST) as listing:
            outcomes = self._outcomes(tally, chain, log=log, listing=listing)
            self._source.write(outcomes, out / NOTES)
        if tally.notes != self._entries:
            raise IntegrityError(f"{self._entries} notes were read, {tally.notes} written: the input changed")
        return tally, chain

    def _counted(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            self._entries += 1
            yield entry

    def _unfinished(self, units: Iterable[Unit]) -> Iterator[Unit]:
        for unit in units:
            if unit.name == stretch_name(self._stretches):
                self._stretches += 1
            else:
                self._partitions.append(unit.name)
            receipt = finished(self._desk.folder, unit, run_id=self._desk.run_id)
            if receipt is None:
                yield unit
            else:
                self._done(receipt)

    def _done(self, receipt: Receipt) -> None:
        self._notes += receipt.notes
        self._quarantined += receipt.quarantined
        self._report(Progress("de-identify", self._notes, self._quarantined))

    def _outcomes(
        self, tally: Tally, chain: AuditChain, *, log: BinaryIO, listing: BinaryIO
    ) -> Iterator[Outcome]:
        lines = merge_units(
            self._desk.folder,
            stretches=self._stretches,
            partitions=self._partitions,
            carried=self._results.carried(),
        )
        for ordinal, line in enumerate(lines):
            if line["ordinal"] != ordinal:
                raise IntegrityError(f"the result of note {ordinal} is missing; begin in a new folder")
            tally.add(line)
            log.write(chain.append(_facts(line, self._request.keys)).encode())
            if "reason" in line:
                kept = {name: line[name] for name in ("ordinal", "note_id", "reason", "detail")}
                listing.write(json.dumps(kept).encode() + b"\n")
            else:
                self._results.keep(line)
            if ordinal % _REPORT_EVERY == 0:
                self._report(Progress("write", tally.notes, sum(tally.quarantined.values())))
            fields = {each["path"]: each["text"] for each in line.get("fields", ())}
            moves = (Move(*(span[name] for name in Move.__slots__)) for span in line.get("spans", ()))
            yield Outcome(ordinal, line.get("text"), fields, tuple(moves))


def _facts(line: Mapping[str, Any], keys: Keys | None) -> dict[str, Any]:
    text = line.get("text")
    fields = [{name: each[name] for name in _LOGGED} for each in line.get("fields", ())]
    return {
        "note_id": line["note_id"],
        "ordinal": line["ordinal"],
        "status": QUARANTINED if text is None else DEIDENTIFIED,
        "output_digest": None if text is None else output_digest(text, keys),
        "spans": line.get("spans", []),
        "reason": line.get("reason"),
        **({"fields": fields} if fields else {}),
    }


def _write_timing(out: Path, *, started: float, ended: float, notes: int, workers: int) -> None:
    """Clocks and facts of the machine, apart from all that is the same in every run."""
    seconds = max(ended - started, 0.0)
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    own, children = (resource.getrusage(each).ru_maxrss * unit for each in who)
    manifests.write_json(
        out / TIMING,
        {
            "started": datetime.fromtimestamp(started, UTC).isoformat(),
            "ended": datetime.fromtimestamp(ended, UTC).isoformat(),
            "seconds": round(seconds, 3),
            "notes_per_second": round(notes / seconds, 3) if seconds else None,
            "workers": workers,
            "cores": cores(),
            "peak_memory_bytes": {"main": own, "largest_worker": children},
        },
    )
