"""A run that is killed and resumed gives the same bytes: SIGKILL at random points of runs over the samples.

    python benchmarks/kill_resume.py [--kills 20] [--policy safe-harbor] [--seed 1]

The samples are run to the end once with one worker and once with two. Then a run is started again and again,
killed with SIGKILL after a random fraction of the time the straight run took, and resumed; half of them with
two workers. What is in notes/, audit.jsonl, quarantine/ and manifest.json is compared byte for byte with the
straight run. The samples are cut into units of a few notes, so that there is something to resume.

Half of the kills are drawn over the whole time, which on notes this few is mostly loading; the other half
over the time that follows the first manifest. All runs use a copy of the package made at the start: a change
to the code in between would rightly be refused. Prints a table and exits with 1 if a byte differs.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPARED = ("notes", "audit.jsonl", "quarantine", "manifest.json")
MANIFEST = "manifest.json"
RUN = """
import sys
from pathlib import Path
from deid.run.execute import RunRequest, execute
from deid.run.units import Partitioning

if __name__ == "__main__":
    source, policy, out, workers = sys.argv[1:5]
    request = RunRequest(
        input=source, policy=policy, out=Path(out), workers=int(workers), resume="--resume" in sys.argv,
        partitioning=Partitioning(notes=4, partition_bytes=8_000),
    )
    sys.exit(execute(request).exit_code)
"""


@dataclass(frozen=True)
class Straight:
    """A run that nobody killed.

    Args:
        out: Its directory.
        seconds: How long it took.
        begun: Seconds until its manifest was there.
    """

    out: Path
    seconds: float
    begun: float


@dataclass(frozen=True)
class Bench:
    """Where and on what runs are made.

    Args:
        folder: Holds the copy of the package and all runs.
        source: The notes.
        policy: Name or path.
    """

    folder: Path
    source: Path
    policy: str

    def start(self, out: Path, workers: int, *, resume: bool = False) -> subprocess.Popen[bytes]:
        """Start a run in a process of its own."""
        more = ["--resume"] if resume else []
        command = [sys.executable, "run.py", str(self.source), self.policy, str(out), str(workers), *more]
        return subprocess.Popen(command, cwd=self.folder, stderr=subprocess.PIPE)

    def finish(self, out: Path, workers: int, *, resume: bool = False) -> None:
        """Run to the end."""
        process = self.start(out, workers, resume=resume)
        _, errors = process.communicate()
        if process.returncode not in (0, 3):
            sys.exit(f"a run failed with exit code {process.returncode}:\n{errors.decode()}")


def main() -> None:
    """Run, kill, resume, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--policy", default="safe-harbor")
    parser.add_argument("--input", type=Path, default=ROOT / "sample_notes" / "notes.jsonl")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    policy = Path(arguments.policy)
    with tempfile.TemporaryDirectory() as folder:
        copy_package(Path(folder))
        name = str(policy.resolve()) if policy.suffix == ".yaml" else arguments.policy
        bench = Bench(Path(folder), arguments.input.resolve(), name)
        different = compare(bench, arguments.kills, random.Random(arguments.seed))
    print(f"\n{arguments.kills} runs killed and resumed, {different} differ")
    sys.exit(1 if different else 0)


def copy_package(folder: Path) -> None:
    """Copy the package and the policies; a process started in the folder imports the copy."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "deid", folder / "deid", ignore=ignore)
    shutil.copytree(ROOT / "policies", folder / "policies")
    (folder / "run.py").write_text(RUN, encoding="utf-8")


def compare(bench: Bench, kills: int, chance: random.Random) -> int:
    """Kill and resume; return how many runs differ from the straight ones."""
    straight = {workers: run_straight(bench, workers) for workers in (1, 2)}
    for workers, run in straight.items():
        print(f"straight, {workers} worker(s): {run.seconds:.1f} s, manifest after {run.begun:.1f} s")
    if (faults := differences(straight[1].out, straight[2].out)) != []:
        sys.exit(f"one worker and two differ in {', '.join(faults)}")
    print(f"\n{'kill':>4}  {'workers':>7}  {'after':>19}  {'found then':<28}  result")
    different = 0
    for number in range(kills):
        workers = 1 + number % 2
        run = straight[workers]
        fraction, late = chance.random(), number % 4 >= 2
        seconds = fraction * (run.seconds - run.begun if late else run.seconds)
        out = bench.folder / f"killed-{number}"
        state = kill(bench, out, workers, after=seconds, late=late)
        bench.finish(out, workers, resume=True)
        faults = differences(run.out, out)
        different += bool(faults)
        result = f"DIFFERS: {', '.join(faults)}" if faults else "identical"
        moment = f"{'manifest +' if late else 'start +'} {seconds:.2f} s"
        print(f"{number:>4}  {workers:>7}  {moment:>19}  {state:<28}  {result}", flush=True)
        shutil.rmtree(out)
    return different


def run_straight(bench: Bench, workers: int) -> Straight:
    """Run to the end, and look when the manifest is there."""
    out = bench.folder / f"straight-{workers}"
    start = time.monotonic()
    process = bench.start(out, workers)
    begun = 0.0
    while process.poll() is None:
        if not begun and (out / MANIFEST).exists():
            begun = time.monotonic() - start
        time.sleep(0.01)
    seconds = time.monotonic() - start
    _, errors = process.communicate()
    if process.returncode not in (0, 3):
        sys.exit(f"the straight run failed with exit code {process.returncode}:\n{errors.decode()}")
    return Straight(out, seconds, begun or seconds)


def kill(bench: Bench, out: Path, workers: int, *, after: float, late: bool) -> str:
    """Start a run, kill it after so many seconds, and say what there was of it then.

    Args:
        bench: Where and on what.
        out: The run directory.
        workers: Processes.
        after: Seconds.
        late: Count them from the moment at which the manifest is there.
    """
    process = bench.start(out, workers)
    while late and process.poll() is None and not (out / MANIFEST).exists():
        time.sleep(0.01)
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate()
    if process.returncode != -signal.SIGKILL:
        return "had ended"
    if not (out / MANIFEST).exists():
        return "nothing"
    units = len(list((out / "work").glob("*.jsonl")))
    merging = " and output" if (out / "notes").exists() else ""
    return f"{units} finished units{merging}"


def differences(expected: Path, found: Path) -> list[str]:
    """Name the files that are not the same in both, or are in one only."""
    before, after = dict(contents(expected)), dict(contents(found))
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of all that must be the same."""
    for name in COMPARED:
        for path in sorted((folder / name).rglob("*")) if (folder / name).is_dir() else [folder / name]:
            if path.is_file():
                yield path.relative_to(folder).as_posix(), path.read_bytes()


if __name__ == "__main__":
    main()
