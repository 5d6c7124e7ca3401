"""Runs that carry over what an earlier one found: same bytes as a run over everything, and no more work."""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
import shutil
import signal
import sqlite3
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import standin
from standin import CODED_POLICY, POLICY, SECRET, request, tree, write_notes

from deid.audit.log import verify_log
from deid.errors import IntegrityError, UsageError
from deid.keys import Keys
from deid.run.directory import RESULTS, RunSummary, output_texts
from deid.run.execute import execute

_KEYS = Keys.from_bytes(b"k" * 32)
_NOTES = 40  # and one line that is no record
_FAILING = 3  # notes of patient p5, of which note 5 goes to quarantine: they are worked on in every run
Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def _code(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code may be edited while the tests run; that is no concern of theirs."""
    monkeypatch.setattr("deid.run.manifest.code_digest", standin.code_digest)


@pytest.fixture(name="source")
def _source(tmp_path: Path) -> Path:
    return write_notes(tmp_path / "notes.jsonl", _NOTES)


@pytest.fixture(name="earlier", params=[None, _KEYS], ids=["salt", "key"])
def _earlier(source: Path, tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, Keys | None]:
    execute(standin.request(source, tmp_path / "earlier", keys=request.param))
    return tmp_path / "earlier", request.param


class _Idle(standin.DigitRedactor):
    """Has the stand-in's model and fails at any work but that on notes which fail anyway."""

    def process(self, groups: Any) -> Any:
        if any("QUARANTINE" not in "".join(note.text for note in group.notes) for group in groups):
            raise RuntimeError("asked to work")
        return super().process(groups)


def idle(policy: object, *, keys: object, streams: int) -> _Idle:
    """A factory of processors that refuse to work."""
    del policy, keys, streams
    return _Idle()


def other_model(policy: object, *, keys: object, streams: int) -> standin.DigitRedactor:
    """A factory with another model."""
    del policy, keys, streams
    redactor = standin.DigitRedactor()
    redactor.model_digest = "sha256:other"
    return redactor


def _edit(source: Path, change: Callable[[Rows], Rows]) -> None:
    *lines, rest = source.read_text().splitlines()
    rows = change([json.loads(line) for line in lines])
    source.write_text("".join(json.dumps(row) + "\n" for row in rows) + rest + "\n")


def _without_manifest(directory: Path) -> dict[str, bytes]:
    found = tree(directory)
    del found["manifest.json"]  # says what was carried over
    return found


def _since(summary: RunSummary) -> tuple[int, ...]:
    assert summary.since is not None
    return tuple(summary.since[name] for name in ("carried_over", "new", "again", "gone"))


def _row(note_id: str, patient_id: str | None, text: str = "Called 7 times.") -> dict[str, Any]:
    return {"note_id": note_id, "text": text, **({"patient_id": patient_id} if patient_id else {})}


def _changed(rows: Rows, number: int, **values: Any) -> Rows:
    return [*rows[:number], {**rows[number], **values}, *rows[number + 1 :]]


# Patient p1 has the notes 1, 8, 22 and 29, p2 as many; every third stands alone.
# Of each change: how many are new or changed, worked on again, gone or changed.
_CHANGES: dict[str, tuple[Callable[[Rows], Rows], tuple[int, int, int]]] = {
    "nothing": (lambda rows: rows, (0, 0, 0)),
    "a note of a patient more": (lambda rows: [_row("x", "p1"), *rows], (1, 4, 0)),
    "a note of a patient less": (lambda rows: [*rows[:8], *rows[9:]], (0, 3, 1)),
    "a changed text": (lambda rows: _changed(rows, 8, text="Called 7 times."), (1, 3, 1)),
    "another date": (lambda rows: _changed(rows, 8, note_date="2079-03-04"), (1, 3, 1)),
    "another id": (lambda rows: _changed(rows, 8, note_id="n8b"), (1, 3, 1)),
    "a note of somebody else's": (lambda rows: _changed(rows, 8, patient_id="p2"), (1, 7, 1)),
    "a new patient": (lambda rows: [*rows, _row("x", "p99"), _row("y", "p99")], (2, 0, 0)),
    "a patient less": (lambda rows: [row for row in rows if row.get("patient_id") != "p1"], (0, 0, 4)),
    "a note alone more": (lambda rows: [*rows[:7], _row("x", None), *rows[7:]], (1, 0, 0)),
    "a note alone twice": (lambda rows: [*rows, rows[0]], (0, 0, 0)),
    "a note alone less": (lambda rows: rows[1:], (0, 0, 1)),
    "a note alone changed": (lambda rows: _changed(rows, 0, text="Called 7 times."), (1, 0, 1)),
    "another order": (lambda rows: [rows[8], *rows[:8], *rows[9:]], (0, 4, 0)),
    "a column that nobody reads": (lambda rows: _changed(rows, 8, site="08"), (0, 0, 0)),
    "all of them": (lambda rows: [{**row, "text": row["text"] + "!"} for row in rows], (40, 0, 40)),
    "none left": (lambda rows: [], (0, 0, 40)),
}


@pytest.mark.parametrize("name", _CHANGES)
def test_the_output_is_that_of_a_run_over_everything(
    source: Path, tmp_path: Path, earlier: tuple[Path, Keys | None], name: str
) -> None:
    change, (new, again, gone) = _CHANGES[name]
    old, keys = earlier
    _edit(source, change)
    execute(request(source, tmp_path / "full", keys=keys))
    failing = {"all of them": 0, "none left": 0}.get(name, _FAILING)
    for workers in (1, 2) if name == "a changed text" else (1,):
        out = tmp_path / f"out{workers}"
        summary = execute(request(source, out, keys=keys, since=old, workers=workers))
        assert _without_manifest(out) == _without_manifest(tmp_path / "full")
        assert verify_log(out, keys=keys, texts=output_texts(out)).ok
        rows = summary.counts["notes"] - 1
        assert _since(summary) == (rows - new - again - failing, new, again + failing, gone)


def test_the_same_data_make_no_work(source: Path, tmp_path: Path, earlier: tuple[Path, Keys | None]) -> None:
    old, keys = earlier
    summary = execute(request(source, tmp_path / "out", keys=keys, since=old, factory="test_results:idle"))
    assert _since(summary) == (_NOTES - _FAILING, 0, _FAILING, 0)
    assert _without_manifest(tmp_path / "out") == _without_manifest(old)


def test_one_night_after_the_other(source: Path, tmp_path: Path, earlier: tuple[Path, Keys | None]) -> None:
    before, keys = earlier
    for night in range(3):
        _edit(source, lambda rows, night=night: [*rows[1:], _row(f"night{night}", f"p{night}")])  # type: ignore[misc]
        out = tmp_path / f"night{night}"
        summary = execute(request(source, out, keys=keys, since=before))
        assert _since(summary)[0] > _NOTES / 2
        shutil.rmtree(before)
        before = out
    execute(request(source, tmp_path / "full", keys=keys))
    assert _without_manifest(before) == _without_manifest(tmp_path / "full")


def test_the_manifest_names_the_earlier_run(source: Path, tmp_path: Path) -> None:
    execute(request(source, tmp_path / "old"))
    manifest = tmp_path / "old" / "manifest.json"
    execute(request(source, tmp_path / "out", since=manifest))
    found = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    expected = hashlib.sha256(manifest.read_bytes()).hexdigest()
    assert found["options"]["since_manifest"] == f"sha256:{expected}"
    assert found["since"] == {"differing": [], "carried_over": 37, "new": 0, "again": 3, "gone": 0}


# Renames: the manifest, a unit of notes alone, two of patients; then the shard, the list of quarantined
# notes, the audit log, the results kept, the timing and the manifest.
@pytest.mark.parametrize("rename", [2, 4, 8])
def test_a_kill_and_resume_give_the_same_bytes(source: Path, tmp_path: Path, rename: int) -> None:
    execute(request(source, tmp_path / "old"))
    _edit(source, lambda rows: _changed(_changed(rows, 8, text="Called 7 times."), 0, text="Called."))
    execute(request(source, tmp_path / "whole", since=tmp_path / "old"))
    out = tmp_path / "out"
    process = multiprocessing.get_context("spawn").Process(
        target=standin.execute_and_die,
        args=(request(source, out, since=tmp_path / "old"),),
        kwargs={"rename": rename, "after": True},
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    for since in (None, tmp_path / "whole"):
        with pytest.raises(IntegrityError, match=r"options \(since_manifest\)"):
            execute(request(source, out, since=since, resume=True))
    execute(request(source, out, since=tmp_path / "old", resume=True))
    assert tree(out) == tree(tmp_path / "whole")


def test_known_values_and_codes_count(source: Path, tmp_path: Path) -> None:
    patients, codes = tmp_path / "patients.csv", tmp_path / "codes.csv"
    patients.write_text("patient_id,family_name\np1,Okonkwo\n")
    coded: dict[str, Any] = {"policy": CODED_POLICY, "crosswalk": codes, "patients": patients}
    execute(request(source, tmp_path / "old", **coded))
    old = list(output_texts(tmp_path / "old"))
    since = {**coded, "since": tmp_path / "old"}

    patients.write_text("patient_id,family_name\np1,Okonkwo\np1,Lindqvist\n")
    summary = execute(request(source, tmp_path / "known", **since))
    assert _since(summary) == (_NOTES - 4 - _FAILING, 0, 4 + _FAILING, 0)
    assert list(output_texts(tmp_path / "known")) == old

    patients.write_text("patient_id,family_name\np1,Okonkwo\n")
    _edit(source, lambda rows: [_row("x", "p99"), *rows])
    summary = execute(request(source, tmp_path / "same", **since))
    assert _since(summary) == (_NOTES - _FAILING, 1, _FAILING, 0)
    first, *texts = output_texts(tmp_path / "same")
    assert texts == old

    rows = list(csv.DictReader(codes.read_text().splitlines()))
    assert first == f"Called [{rows[-1]['code']}] times."
    codes.write_text(codes.read_text().replace(rows[0]["code"], "9999999999"))
    summary = execute(request(source, tmp_path / "codes", **since))
    assert _since(summary) == (_NOTES - 4 - _FAILING, 1, 4 + _FAILING, 0)
    assert "[9999999999]" in (list(output_texts(tmp_path / "codes"))[2] or "")


def test_another_policy_model_or_code_has_everything_worked_on(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(request(source, tmp_path / "old"))
    policy = POLICY.model_copy(update={"version": "2"})
    others: dict[str, dict[str, Any]] = {
        "policy": {"policy": policy}, "model": {"factory": "test_results:other_model"}, "code": {}
    }  # fmt: skip
    for part, changes in others.items():
        if part == "code":
            monkeypatch.setattr("deid.run.manifest.code_digest", lambda: "sha256:other")
        summary = execute(request(source, tmp_path / part, since=tmp_path / "old", **changes))
        assert summary.since is not None
        assert summary.since["differing"] == [part]
        assert _since(summary) == (0, 0, _NOTES, 0)


@pytest.mark.parametrize(
    ("before", "now"), [(None, _KEYS), (_KEYS, None), (_KEYS, Keys.from_bytes(b"x" * 32))]
)
def test_another_secret_is_refused(
    source: Path, tmp_path: Path, before: Keys | None, now: Keys | None
) -> None:
    execute(request(source, tmp_path / "old", keys=before))
    with pytest.raises(IntegrityError, match="another secret"):
        execute(request(source, tmp_path / "out", keys=now, since=tmp_path / "old"))
    assert not (tmp_path / "out").exists()


def _unfinished(old: Path) -> None:
    manifest = json.loads((old / "manifest.json").read_bytes())
    (old / "manifest.json").write_text(json.dumps({**manifest, "status": "running"}))


def _other_counts(old: Path) -> None:
    manifest = json.loads((old / "manifest.json").read_bytes())
    (old / "manifest.json").write_text(json.dumps({**manifest, "counts": {}}))


def _statement(text: str) -> Callable[[Path], None]:
    def change(old: Path) -> None:
        with sqlite3.connect(old / RESULTS) as database:
            database.execute(text)
        database.close()

    return change


def _other_text(old: Path) -> None:
    with sqlite3.connect(old / RESULTS) as database:
        (packed,) = database.execute("SELECT content FROM result WHERE ordinal = 1").fetchone()
        content = json.loads(zlib.decompress(packed))
        forged = zlib.compress(json.dumps({**content, "text": "Nothing to see."}).encode())
        database.execute("UPDATE result SET content = ? WHERE ordinal = 1", (forged,))
    database.close()


_DAMAGES: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
    "unfinished": (_unfinished, UsageError, "no finished run"),
    "no run": (shutil.rmtree, UsageError, "no finished run"),
    "no results": (lambda old: (old / RESULTS).unlink(), UsageError, "keeps no results"),
    "cut off": (lambda old: (old / RESULTS).write_bytes((old / RESULTS).read_bytes()[:6000]), IntegrityError,
                "damaged"),
    "no database": (lambda old: (old / RESULTS).write_bytes(b"x" * 5000), IntegrityError, "damaged"),
    "another version": (_statement("UPDATE kept SET version = 9"), UsageError, "another version"),
    "forged text": (_other_text, IntegrityError, "was changed"),
    "swapped notes": (_statement("UPDATE note SET digest = (SELECT digest FROM note WHERE ordinal = 2) WHERE"
                                 " ordinal = 1"), IntegrityError, "was changed"),
}  # fmt: skip


@pytest.mark.parametrize("name", _DAMAGES)
def test_an_earlier_run_that_will_not_do(
    source: Path, tmp_path: Path, earlier: tuple[Path, Keys | None], name: str
) -> None:
    damage, kind, message = _DAMAGES[name]
    old, keys = earlier
    damage(old)
    with pytest.raises(kind, match=message) as caught:
        execute(request(source, tmp_path / "out", keys=keys, since=old))
    assert SECRET not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_manifest_that_was_changed_is_refused(source: Path, tmp_path: Path) -> None:
    execute(request(source, tmp_path / "old", keys=_KEYS))
    _other_counts(tmp_path / "old")
    with pytest.raises(IntegrityError, match="seal"):
        execute(request(source, tmp_path / "out", keys=_KEYS, since=tmp_path / "old"))


def test_what_is_kept_is_for_the_owner_and_says_nothing_of_the_input(
    source: Path, earlier: tuple[Path, Keys | None]
) -> None:
    old, _ = earlier
    path = old / RESULTS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = path.read_bytes()
    with sqlite3.connect(path) as database:
        contents = [zlib.decompress(packed) for (packed,) in database.execute("SELECT content FROM result")]
        digests = {each for row in database.execute("SELECT digest, together FROM note") for each in row}
    database.close()
    assert len(contents) == _NOTES - 1
    for line in source.read_text().splitlines()[:-1]:
        row = json.loads(line)
        assert row["text"].encode() not in kept
        assert not any(row["text"].encode() in content for content in contents)
        for value in (row["text"], row["note_id"], row.get("patient_id", "p1"), line):
            plain = hashlib.sha256(value.encode()).digest()
            assert not any(digest in plain for digest in digests)


def test_two_runs_without_a_secret_have_nothing_in_common(source: Path, tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        execute(request(source, tmp_path / name))
        with sqlite3.connect(tmp_path / name / RESULTS) as database:
            found.append({digest for (digest,) in database.execute("SELECT digest FROM note")})
        database.close()
    assert len(found[0]) == len(found[1]) == _NOTES
    assert not found[0] & found[1]
