"""What can happen to a run at night, one by one, to the real command; docs/reliability.md has the table.

What happens, happens to a process of its own; runs to which nothing happens are made in this one.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import standin
from click.testing import CliRunner
from standin import SECRET, request, tree, write_notes

from deid.cli import main
from deid.run.execute import execute

_NOTES = 400  # and one line that is no record
_COMMAND = Path(__file__).with_name("command.py")
_POLICY = """\
policy: digits
version: "1"
types:
  NUMBER:
    description: A number that stands for a person, such as a record number or a telephone number.
"""


class _Pipeline(standin.DigitRedactor):
    """The stand-in with the constructor of the real one."""

    @classmethod
    def from_policy(cls, policy: object, **options: object) -> _Pipeline:
        del policy, options
        return cls()


@pytest.fixture(scope="module", autouse=True)
def _standin() -> Iterator[None]:
    module = ModuleType("deid.run.pipeline")
    module.Deidentifier = _Pipeline  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "deid.run.pipeline", module)
        patch.setattr("deid.run.manifest.code_digest", standin.code_digest)
        patch.delenv("DEID_KEY", raising=False)
        yield


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    code: int
    stderr: str

    def __post_init__(self) -> None:
        assert SECRET not in self.stderr
        assert "Traceback" not in self.stderr


def _end(process: subprocess.Popen[str]) -> Ended:
    _, stderr = process.communicate(timeout=120)
    return Ended(process.returncode, stderr)


@dataclass(frozen=True)
class Job:
    """A run to be made, and what it comes to when nothing happens."""

    source: Path
    policy: Path
    whole: Path

    def arguments(self, out: Path, *more: str) -> list[str]:
        """Return the arguments of the command."""
        return ["run", str(self.source), "--policy", str(self.policy), "--out", str(out), *more]

    def start(self, out: Path, *more: str, settings: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Start a process."""
        command = [sys.executable, str(_COMMAND), *settings, *self.arguments(out, *more)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def here(self, out: Path, *more: str) -> Ended:
        """Run in this process."""
        result = CliRunner().invoke(main, self.arguments(out, *more), catch_exceptions=False)
        return Ended(result.exit_code, result.stderr)

    def check_resumes(self, out: Path) -> None:
        """Check that nothing was published, and that a resumed run ends as one to which nothing happened."""
        _check_unpublished(out)
        assert self.here(out, "--resume").code == 3
        assert tree(out) == tree(self.whole)


def _check_unpublished(out: Path) -> None:
    manifest = out / "manifest.json"
    assert not manifest.exists() or json.loads(manifest.read_bytes())["status"] == "running"
    for path in out.rglob("*"):
        if path.is_file():
            assert b"Seen on 7/4" not in path.read_bytes(), path


@pytest.fixture(scope="module", name="job")
def _job(tmp_path_factory: pytest.TempPathFactory, _standin: None) -> Job:
    folder = tmp_path_factory.mktemp("night")
    source = write_notes(folder / "notes.jsonl", _NOTES)
    (folder / "policy.yaml").write_text(_POLICY)
    job = Job(source, folder / "policy.yaml", folder / "whole")
    assert job.here(job.whole).code == 3
    return job


def _wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(2400):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("waited in vain")


# ---------------------------------------------------------------- disks


# The largest files are the audit log, then what is kept for the next run, the shard and the units.
@pytest.mark.parametrize(("most", "workers"), [(3_000, 1), (20_000, 2), (100_000, 1), (200_000, 1)])
def test_files_that_cannot_be_written_further(job: Job, tmp_path: Path, most: int, workers: int) -> None:
    out = tmp_path / "out"
    ended = _end(job.start(out, "--workers", str(workers), settings=[f"file_bytes={most}"]))
    assert ended.code == 4
    assert "File too large" in ended.stderr or "disk I/O error" in ended.stderr
    job.check_resumes(out)


_FULL = """
place="$2"
mount -t tmpfs -o "size=$1" none "$place"
shift 2
"$@"; code=$?
cp -r "$place/out" "$place.left"
exit $code
"""


@pytest.mark.parametrize("size", ["120k", "500k"])
def test_a_full_disk(job: Job, tmp_path: Path, size: str) -> None:
    """On a small file system; what it leaves is resumed on another one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    alone = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
    if subprocess.run([*alone, f"mount -t tmpfs none {disk}"], capture_output=True, check=False).returncode:
        pytest.skip("nobody may mount a small disk here")
    command = [sys.executable, str(_COMMAND), *job.arguments(disk / "out")]
    done = subprocess.run(
        [*alone, _FULL, "sh", size, str(disk), *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    ended = Ended(done.returncode, done.stderr)
    assert ended.code == 4
    assert "No space left on device" in ended.stderr or "disk is full" in ended.stderr
    job.check_resumes(tmp_path / "disk.left")


def test_a_target_that_may_not_be_written(job: Job, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    target.chmod(0o555)
    ended = _end(job.start(target / "out"))
    assert ended.code == 4
    assert "Permission denied" in ended.stderr
    assert list(target.iterdir()) == []


def test_a_run_directory_that_may_not_be_written_any_more(job: Job, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert _end(job.start(out, settings=["file_bytes=100000"])).code == 4
    before = tree(out)
    for folder in (out / "work", out):
        folder.chmod(0o555)
    ended = _end(job.start(out, "--resume"))
    assert ended.code == 4
    assert "Permission denied" in ended.stderr
    assert tree(out) == before
    for folder in (out, out / "work"):
        folder.chmod(0o755)
    job.check_resumes(out)


# ---------------------------------------------------------------- processes


def _held(
    job: Job, out: Path, *more: str, settings: Sequence[str] = ()
) -> tuple[subprocess.Popen[str], Path]:
    """Return a run that waits in the middle of its work until the file is removed."""
    hold = out.with_name("hold")
    process = job.start(out, *more, settings=[f"hold={hold}", *settings])
    _wait_for(hold.exists)
    return process, hold


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_killed_or_ended(job: Job, tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM is what a machine sends that goes down; of SIGKILL at each rename, see test_execute.py."""
    process, hold = _held(job, tmp_path / "out")
    process.send_signal(number)
    assert _end(process).code == -number
    hold.unlink()
    job.check_resumes(tmp_path / "out")


def test_two_runs_on_one_directory(job: Job, tmp_path: Path) -> None:
    first, hold = _held(job, tmp_path / "out")
    for more in ((), ("--resume",)):
        second = job.here(tmp_path / "out", *more)
        assert second.code == 2
        assert "is not empty" in second.stderr if not more else "another run is at work" in second.stderr
    hold.unlink()
    assert _end(first).code == 3
    assert tree(tmp_path / "out") == tree(job.whole)


def test_a_worker_that_the_system_kills(job: Job, tmp_path: Path) -> None:
    """As it does where memory is short."""
    (tmp_path / "pids").mkdir()
    process, hold = _held(job, tmp_path / "out", "--workers", "2", settings=[f"pids={tmp_path / 'pids'}"])
    _wait_for(lambda: len(list((tmp_path / "pids").iterdir())) == 2)
    victim, other = (int(path.name) for path in (tmp_path / "pids").iterdir())
    os.kill(victim, signal.SIGKILL)
    ended = _end(process)
    assert ended.code == 4
    assert "a worker process died" in ended.stderr
    _wait_for(lambda: not Path(f"/proc/{other}/cmdline").exists())
    hold.unlink(missing_ok=True)
    job.check_resumes(tmp_path / "out")


def test_no_memory(job: Job, tmp_path: Path) -> None:
    ended = _end(job.start(tmp_path / "out", settings=["eat=Seen on 399/4"]))
    assert ended.code == 4
    assert "failed with MemoryError" in ended.stderr
    job.check_resumes(tmp_path / "out")


# ---------------------------------------------------------------- damaged input


def _check_damaged(job: Job, folder: Path, mended: bytes) -> Ended:
    """Check what becomes of a run over a damaged file, and of one that goes on when the file is mended."""
    out = folder / "out"
    ended = job.here(out)
    assert ended.code == 4
    assert f"cannot read {job.source}" in ended.stderr
    assert list((out / "work").glob("unit-*"))
    _check_unpublished(out)
    before = tree(out)
    assert job.here(out, "--resume").code == 4
    assert tree(out) == before
    job.source.write_bytes(mended)
    changed = job.here(out, "--resume")
    assert changed.code == 5
    assert "changed since the run began: input" in changed.stderr
    assert tree(out) == before
    assert job.here(folder / "anew").code == 0
    return ended


def test_a_corrupt_row_group(job: Job, tmp_path: Path) -> None:
    path = tmp_path / "notes.parquet"
    rows = {"note_id": [f"n{n}" for n in range(900)], "text": [f"{SECRET} on {n}/4" for n in range(900)]}
    pq.write_table(pa.table(rows), path, row_group_size=300, use_dictionary=False, compression="gzip")
    whole = path.read_bytes()
    column = pq.read_metadata(path).row_group(1).column(1)
    start = column.data_page_offset + column.total_compressed_size // 2
    path.write_bytes(whole[:start] + bytes(40) + whole[start + 40 :])
    ended = _check_damaged(replace(job, source=path), tmp_path, whole)
    assert "after row" in ended.stderr


def test_a_truncated_gzip(job: Job, tmp_path: Path) -> None:
    path = tmp_path / "notes.csv.gz"
    rows = (f"n{n},{SECRET} on {n}/4: {'stable ' * 50}\r\n" for n in range(900))
    whole = gzip.compress("".join(("note_id,text\r\n", *rows)).encode())
    path.write_bytes(whole[:-100])
    _check_damaged(replace(job, source=path), tmp_path, whole)
    (shard,) = (tmp_path / "anew" / "notes").iterdir()
    assert len(gzip.decompress(shard.read_bytes()).splitlines()) == 901


# ---------------------------------------------------------------- clocks


@pytest.mark.parametrize("leap", [-1e8, 1e8])
def test_a_clock_that_jumps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leap: float) -> None:
    monkeypatch.setattr("deid.run.manifest.code_digest", standin.code_digest)
    source = write_notes(tmp_path / "notes.jsonl")
    execute(request(source, tmp_path / "whole"))
    times = chain([1e9], repeat(1e9 + leap))
    summary = execute(request(source, tmp_path / "out"), clock=lambda: next(times))
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    timing = json.loads((tmp_path / "out" / "timing.json").read_bytes())
    assert timing["started"] == "2001-09-09T01:46:40+00:00"
    assert timing["seconds"] == summary.seconds == max(leap, 0)
    assert (timing["notes_per_second"] is None) == (leap < 0)
