from __future__ import annotations

import csv
import errno
import io
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import standin
from standin import CODED_POLICY, POLICY, SECRET, request, tree, write_notes

from deid.audit.log import verify_log
from deid.errors import DeidError, InputOutputError, IntegrityError, UsageError
from deid.formats import atomic
from deid.formats.source import Columns
from deid.keys import Keys
from deid.run.directory import output_texts
from deid.run.execute import Progress, RunRequest, execute, stream
from deid.run.units import Partitioning

_KEYS = Keys.from_bytes(b"k" * 32)
_NOTES = 40  # and one line that is no record


@pytest.fixture(name="source")
def _source(tmp_path: Path) -> Path:
    return write_notes(tmp_path / "notes.jsonl", _NOTES)


@pytest.fixture(autouse=True)
def _code(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code may be edited while the tests run; that is no concern of theirs."""
    monkeypatch.setattr("deid.run.manifest.code_digest", standin.code_digest)


def _die(wanted: RunRequest, *, rename: int, after: bool = True) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=standin.execute_and_die, args=(wanted,), kwargs={"rename": rename, "after": after}
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_a_run(source: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    ticks = count(1_000_000_000.0)
    summary = execute(request(source, tmp_path / "out"), progress=seen.append, clock=lambda: next(ticks))
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "audit.jsonl",
        "manifest.json",
        "notes",
        "quarantine",
        "results.sqlite",
        "timing.json",
    ]
    lines = [json.loads(line) for line in (out / "notes" / "part-00000.jsonl").read_text().splitlines()]
    assert [line["note_id"] for line in lines] == [f"n{number}" for number in range(_NOTES) if number != 5]
    # Patient p1 has the notes 1, 8, 22 and 29; note 0 stands alone.
    assert lines[0]["text"] == f"Seen on [N1K0]/[N1K0], {SECRET}."
    assert lines[1] == {
        "note_id": "n1",
        "text": f"Seen on [N4K0]/[N4K0], {SECRET}.",
        "site": "07",
        "patient_id": "p1",
    }
    quarantined = [
        json.loads(line) for line in (out / "quarantine" / "quarantine.jsonl").read_text().splitlines()
    ]
    assert quarantined == [
        {"ordinal": 5, "note_id": "n5", "reason": "detector-failed", "detail": "standin"},
        {"ordinal": 40, "note_id": "line-41", "reason": "invalid-record", "detail": quarantined[1]["detail"]},
    ]
    assert summary.quarantined == (("n5", "detector-failed"), ("line-41", "invalid-record"))
    assert summary.exit_code == 3
    assert summary.passed_through == ("site", "patient_id")
    assert summary.counts["notes"] == _NOTES + 1
    assert seen[-1].stage == "write"
    assert max(each.notes for each in seen if each.stage == "de-identify") == _NOTES + 1
    timing = json.loads((out / "timing.json").read_text())
    assert timing["started"] == "2001-09-09T01:46:40+00:00"
    assert verify_log(out, texts=output_texts(out)).ok


@pytest.mark.parametrize("keys", [None, _KEYS])
def test_the_number_of_workers_does_not_show(source: Path, tmp_path: Path, keys: Keys | None) -> None:
    trees = []
    for workers in (1, 2, 3):
        out = tmp_path / f"out{workers}"
        execute(request(source, out, workers=workers, keys=keys))
        trees.append(tree(out))
    assert trees[0] == trees[1] == trees[2]


def test_partitions_do_not_show_in_the_notes(source: Path, tmp_path: Path) -> None:
    sizes = (Partitioning(), Partitioning(notes=1, partition_bytes=100), Partitioning(notes=7, partitions=2))
    trees = []
    for number, partitioning in enumerate(sizes):
        execute(request(source, tmp_path / f"out{number}", partitioning=partitioning))
        trees.append(tree(tmp_path / f"out{number}"))
    for each in trees:
        each.pop("manifest.json")
    assert trees[0] == trees[1] == trees[2]


def test_nothing_of_a_note_or_a_path_is_in_the_papers(source: Path, tmp_path: Path) -> None:
    execute(request(source, tmp_path / "out", keys=_KEYS))
    for name in ("manifest.json", "timing.json", "audit.jsonl", "quarantine/quarantine.jsonl"):
        content = (tmp_path / "out" / name).read_text()
        assert SECRET not in content, name
        assert str(tmp_path) not in content, name
        assert '"p1"' not in content, name


# Renames of an uninterrupted run: the manifest's draft is the first, then one for each of the units,
# last the shard, the list of quarantined notes, the audit log, the results kept, the timing and the manifest.
@pytest.mark.parametrize(
    ("rename", "after"),
    [
        (1, False),
        (1, True),
        (3, True),
        (9, False),
        (-6, True),
        (-5, True),
        (-3, True),
        (-1, False),
        (-1, True),
    ],
)
def test_a_kill_anywhere_and_resume_give_the_same_bytes(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rename: int, after: bool
) -> None:
    renames = 0
    real = os.replace

    def counted(old: Any, new: Any) -> None:
        nonlocal renames
        renames += 1
        real(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", counted)
        execute(request(source, tmp_path / "whole"))
    wanted = request(source, tmp_path / "out")
    _die(wanted, rename=rename if rename > 0 else renames + 1 + rename, after=after)
    left = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert b"Seen on 7/4" not in left
    execute(request(source, tmp_path / "out", resume=True, workers=2 if rename == 3 else 1))
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def _alive(process: Path) -> bool:
    try:
        return bool(Path("/proc", process.name, "cmdline").read_bytes())
    except FileNotFoundError:
        return False


def test_a_kill_leaves_no_worker_behind(source: Path, tmp_path: Path) -> None:
    execute(request(source, tmp_path / "whole"))
    pids = tmp_path / "pids"
    pids.mkdir()
    _die(request(source, tmp_path / "out", workers=2, options={"pids": pids, "delay": 0.01}), rename=0)
    workers = list(pids.iterdir())
    assert workers
    for _ in range(200):
        if not any(_alive(worker) for worker in workers):
            break
        time.sleep(0.05)
    assert not any(_alive(worker) for worker in workers)
    execute(request(source, tmp_path / "out", resume=True, workers=2))
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_finished_units_are_not_worked_on_again(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputOutputError):
        execute(request(source, tmp_path / "out", factory="test_execute:until_patients"))
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out" / "work").glob("unit-*")}
    assert before
    seen: list[dict[str, int]] = []

    def look(_: Progress) -> None:
        work = tmp_path / "out" / "work"
        seen.append({path.name: path.stat().st_mtime_ns for path in work.glob("unit-*")})

    execute(request(source, tmp_path / "out", resume=True), progress=look)
    assert all(each[name] == time for each in seen if each for name, time in before.items())


def until_patients(policy: object, *, keys: object, streams: int) -> standin.DigitRedactor:
    """A factory whose processor fails at the first patient with several notes."""
    del policy, keys, streams

    class Failing(standin.DigitRedactor):
        def process(self, groups: Any) -> Any:
            if any(len(group.notes) > 1 for group in groups):
                raise RuntimeError(groups[0].notes[0].text)
            return super().process(groups)

    return Failing()


_CHANGES: dict[str, dict[str, Any]] = {
    "policy": {"policy": POLICY.model_copy(update={"version": "2"})},
    "key": {"keys": _KEYS},
    "model": {"factory": "test_execute:other_model"},
    "options": {"drop": ("site",)},
}


def other_model(policy: object, *, keys: object, streams: int) -> standin.DigitRedactor:
    """A factory with another model."""
    del policy, keys, streams
    redactor = standin.DigitRedactor()
    redactor.model_digest = "sha256:other"
    return redactor


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("part", ["input", "code", *_CHANGES])
def test_a_run_that_changed_is_not_resumed(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, finished: bool
) -> None:
    out = tmp_path / "out"
    if finished:
        execute(request(source, out))
    else:
        with pytest.raises(InputOutputError):
            execute(request(source, out, factory="test_execute:until_patients"))
    before = tree(out)
    if part == "code":
        monkeypatch.setattr("deid.run.manifest.code_digest", lambda: "sha256:other")
    if part == "input":
        with source.open("a") as lines:
            lines.write('{"note_id": "more", "text": ""}\n')
    with pytest.raises(IntegrityError, match=f"changed since the run began: {part}"):
        execute(request(source, out, resume=True, **_CHANGES.get(part, {})))
    assert tree(out) == before


def test_resuming_a_finished_run_changes_nothing(source: Path, tmp_path: Path) -> None:
    first = execute(request(source, tmp_path / "out"))
    before = tree(tmp_path / "out")
    again = execute(request(source, tmp_path / "out", resume=True))
    assert tree(tmp_path / "out") == before
    assert again.counts == first.counts
    assert again.quarantined == first.quarantined


def test_a_folder_that_is_not_empty_is_refused(source: Path, tmp_path: Path) -> None:
    execute(request(source, tmp_path / "out"))
    with pytest.raises(UsageError, match="--resume"):
        execute(request(source, tmp_path / "out"))


def test_a_mistake_in_the_call_leaves_no_folder(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no column"):
        execute(request(source, tmp_path / "out", columns=Columns(text="txet")))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["deid.run.units.atomic_file", "deid.formats.atomic.os.replace"])
def test_a_full_disk_loses_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    execute(request(source, tmp_path / "whole"))
    calls = 0

    def full(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > 5:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*arguments, **named)

        return call

    real = os.replace if place.endswith("replace") else atomic.atomic_file
    with monkeypatch.context() as patch, pytest.raises(InputOutputError, match="No space left on device"):
        patch.setattr(place, full(real))
        execute(request(source, tmp_path / "out"))
    execute(request(source, tmp_path / "out", resume=True))
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_an_input_that_changes_meanwhile_is_noticed(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def grow(progress: Progress) -> None:
        if progress.stage == "de-identify" and progress.notes == _NOTES + 1:
            with source.open("a") as lines:
                lines.write('{"note_id": "more", "text": ""}\n')

    with pytest.raises(IntegrityError):
        execute(request(source, tmp_path / "out"), progress=grow)
    assert not (tmp_path / "out" / "audit.jsonl").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_processor_that_fails_as_a_whole(source: Path, tmp_path: Path, workers: int) -> None:
    wanted = request(source, tmp_path / "out", workers=workers, options={"explode": "Seen on 9/4"})
    with pytest.raises(InputOutputError, match="RuntimeError") as caught:
        execute(wanted)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("notes", ["", "no record\n"])
def test_inputs_without_notes(tmp_path: Path, notes: str) -> None:
    (tmp_path / "in.jsonl").write_text(notes)
    summary = execute(request(tmp_path / "in.jsonl", tmp_path / "out"))
    assert summary.counts["deidentified"] == 0
    assert summary.exit_code == (3 if notes else 0)
    assert verify_log(tmp_path / "out", texts=output_texts(tmp_path / "out")).ok


def test_a_long_note(tmp_path: Path) -> None:
    with (tmp_path / "in.jsonl").open("w") as lines:
        for number in range(3):
            text = "7" + "x" * (10_000_000 if number == 1 else 10)
            lines.write(json.dumps({"note_id": f"n{number}", "text": text, "patient_id": "p"}) + "\n")
    summary = execute(request(tmp_path / "in.jsonl", tmp_path / "out", max_characters=20_000_000))
    assert summary.counts["deidentified"] == 3
    summary = execute(request(tmp_path / "in.jsonl", tmp_path / "short"))
    assert summary.quarantined == (("n1", "too-long"),)


def _folder(path: Path) -> Path:
    for number in range(6):
        (path / "ward").mkdir(parents=True, exist_ok=True)
        (path / "ward" / f"{number}.txt").write_bytes(f"Bed {number}\r\nnext {SECRET}\n".encode())
    return path


def _table(path: Path) -> Path:
    with path.open("w", newline="") as stream_:
        writer = csv.writer(stream_)
        writer.writerow(["note_id", "text", "mrn"])
        writer.writerows([f"n{number}", f'Bed {number},\r\n"next"', f"00{number}"] for number in range(6))
    return path


def _frame(path: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = {"note_id": [f"n{n}" for n in range(6)], "text": [f"Bed {n}\r\n" for n in range(6)]}
    pq.write_table(pa.table(rows), path)
    return path


@pytest.mark.parametrize(
    ("name", "make"), [("notes", _folder), ("notes.csv", _table), ("notes.parquet", _frame)]
)
def test_other_formats(tmp_path: Path, name: str, make: Callable[[Path], Path]) -> None:
    source = make(tmp_path / name)
    for workers in (1, 2):
        summary = execute(request(source, tmp_path / f"out{workers}", workers=workers, shard_notes=4))
        assert summary.counts["deidentified"] == 6
        out = tmp_path / f"out{workers}"
        assert all("[N1K0]" in (text or "") for text in output_texts(out))
        assert verify_log(out, texts=output_texts(out)).ok
    assert tree(tmp_path / "out1") == tree(tmp_path / "out2")


def test_an_output_inside_the_input_is_refused(tmp_path: Path) -> None:
    source = _folder(tmp_path / "notes")
    with pytest.raises(UsageError, match="inside the input"):
        execute(request(source, source / "clean"))
    assert not (source / "clean").exists()


def test_known_values_reach_the_patient(source: Path, tmp_path: Path) -> None:
    patients = tmp_path / "patients.csv"
    patients.write_text("patient_id,family_name,shoe_size\np1,Okonkwo,42\n")
    summary = execute(request(source, tmp_path / "out", patients=patients))
    texts = list(output_texts(tmp_path / "out"))
    assert "K1]" in (texts[1] or "")
    assert "K0]" in (texts[2] or "")
    assert summary.unused_columns == ("shoe_size",)
    patients.write_text("patient_id,family_name\np1,Lindqvist\n")
    with pytest.raises(IntegrityError, match=r"options \(known_values\)"):
        execute(request(source, tmp_path / "out", patients=patients, resume=True))


def test_random_codes(source: Path, tmp_path: Path) -> None:
    codes = tmp_path / "codes.csv"
    coded: dict[str, Any] = {"policy": CODED_POLICY, "crosswalk": codes}
    with pytest.raises(InputOutputError):
        execute(request(source, tmp_path / "out", **coded, options={"explode": "31/4"}))
    rows = list(csv.DictReader(codes.read_text().splitlines()))
    assert [row["patient_id"] for row in rows] == ["p1", "p2", "p4", "p5", "p0", "p3", "p6"]
    execute(request(source, tmp_path / "out", **coded, resume=True))
    texts = list(output_texts(tmp_path / "out"))
    assert texts[1] == f"Seen on [{rows[0]['code']}]/[{rows[0]['code']}], {SECRET}."
    execute(request(source, tmp_path / "again", **coded))
    assert list(output_texts(tmp_path / "again")) == texts


def test_resuming_with_another_crosswalk_is_refused(source: Path, tmp_path: Path) -> None:
    def wanted(name: str, **more: Any) -> RunRequest:
        return request(source, tmp_path / "out", policy=CODED_POLICY, crosswalk=tmp_path / name, **more)

    with pytest.raises(InputOutputError):
        execute(wanted("codes.csv", options={"explode": "31/4"}))
    with pytest.raises(IntegrityError, match="other codes"):
        execute(wanted("others.csv", resume=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policy": CODED_POLICY}, "--crosswalk"),
        ({"crosswalk": Path("codes.csv")}, "leave out --crosswalk"),
        ({"workers": 0}, "--workers"),
    ],
)
def test_calls_that_cannot_be(source: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        execute(request(source, tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()


def test_the_crosswalk_lies_apart(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="run directory"):
        execute(request(source, out, policy=CODED_POLICY, crosswalk=out / "codes.csv"))


def _stdin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_a_stream(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(request(source, tmp_path / "out"))
    output = io.BytesIO()
    _stdin(monkeypatch, source.read_bytes())
    summary = stream(request("-", Path("-")), output)
    assert output.getvalue() == (tmp_path / "out" / "notes" / "part-00000.jsonl").read_bytes()
    assert summary.exit_code == 3
    assert not summary.directory.exists()


def test_standard_input_into_a_run_directory(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(request(source, tmp_path / "file"))
    _stdin(monkeypatch, source.read_bytes())
    execute(request("-", tmp_path / "out"))
    _stdin(monkeypatch, source.read_bytes())
    execute(request("-", tmp_path / "out", resume=True))
    shard = "notes/part-00000.jsonl"
    assert tree(tmp_path / "out")[shard] == tree(tmp_path / "file")[shard]


def test_a_stream_needs_jsonl(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="JSONL"):
        stream(request(_table(tmp_path / "notes.csv"), Path("-")), io.BytesIO())


def test_nothing_is_streamed_if_the_run_fails(source: Path) -> None:
    output = io.BytesIO()
    with pytest.raises(DeidError):
        stream(request(source, Path("-"), options={"explode": "Seen on 39/4"}), output)
    assert output.getvalue() == b""
