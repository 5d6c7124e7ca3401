"""A run on a real cluster, a master and two workers, one of which is lost meanwhile with all it runs."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import standin
from standin import request, tree, write_notes

from deid.run.execute import execute

pyspark = pytest.importorskip(
    "pyspark", reason="pyspark is not installed: pip install 'clinical-deid[spark]'"
)
if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("there is no Java, which Spark needs", allow_module_level=True)
if not Path("/proc/self/stat").exists():
    pytest.skip("which worker a process belongs to is read from /proc", allow_module_level=True)

_SPARK_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"
_QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
_SETTINGS = {
    "spark.driver.memory": "512m",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.extraJavaOptions": _QUICK,
    "spark.executor.extraJavaOptions": _QUICK,
    "spark.executor.memory": "512m",
    "spark.executorEnv.PYTHONPATH": str(Path(standin.__file__).parent),
}
_LONGEST = 240.0  # seconds, for a machine that has much else to do


def _await(what: Callable[[], Any]) -> Any:
    """Return what comes out as soon as something does."""
    until = time.monotonic() + _LONGEST
    while not (found := what()):
        assert time.monotonic() < until, "it does not happen"
        time.sleep(0.1)
    return found


class _Cluster:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        name = "org.apache.spark.deploy.master.Master"
        log = self._start(name, "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        self.url = _await(lambda: re.search(r"spark://127\.0\.0\.1:\d+", log.read_text()))[0]
        for number in range(2):
            where = ("--host", "127.0.0.1", "--webui-port", "0", "--work-dir", str(folder / f"work{number}"))
            name = "org.apache.spark.deploy.worker.Worker"
            self._start(name, "--cores", "1", "--memory", "512m", *where, self.url)
        self.workers = [process.pid for process in self._processes[1:]]

    def _start(self, name: str, *arguments: str) -> Path:
        log = self._folder / f"log{len(self._processes)}"
        environment = {
            **os.environ,
            "SPARK_DAEMON_JAVA_OPTS": _QUICK,
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_LOCAL_DIRS": str(self._folder),
            "PYSPARK_PYTHON": sys.executable,
        }
        with log.open("wb") as stream:
            self._processes.append(
                subprocess.Popen(
                    [_SPARK_CLASS, name, *arguments], stdout=stream, stderr=stream, env=environment
                )
            )
        return log

    def lose(self, worker: int) -> None:
        """End a worker, its executor and their Python processes, as when a machine is switched off."""
        for pid in [worker, *_below(worker)]:
            os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            process.wait()


def _parents() -> dict[int, int]:
    found = {}
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = each.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        found[int(each.parent.name)] = int(words[1])
    return found


def _below(pid: int) -> list[int]:
    parents = _parents()
    level = found = [pid]
    while level:
        level = [child for child, parent in parents.items() if parent in level]
        found = [*found, *level]
    return found[1:]


@pytest.fixture(name="cluster")
def _cluster(tmp_path: Path) -> Iterator[_Cluster]:
    (tmp_path / "cluster").mkdir()
    cluster = _Cluster(tmp_path / "cluster")
    try:
        yield cluster
    finally:
        cluster.close()


def test_a_worker_that_is_lost_does_not_show(cluster: _Cluster, tmp_path: Path) -> None:
    source = write_notes(tmp_path / "notes.jsonl", 120)
    out, pids, gate = tmp_path / "there", tmp_path / "pids", tmp_path / "gate"
    pids.mkdir()
    wanted = request(source, out, options={"pids": pids, "gate": gate}, shard_notes=50)
    driver = multiprocessing.get_context("spawn").Process(
        target=standin.execute_on_spark,
        args=(wanted,),
        kwargs={"master": cluster.url, "settings": _SETTINGS},
    )
    driver.start()
    try:
        # Every process does one piece of work and waits at the gate in the next one.
        _await(
            lambda: (
                all(any((pids / str(pid)).exists() for pid in _below(worker)) for worker in cluster.workers)
                and len(list((out / "work").glob("*.jsonl"))) >= 2
            )
        )
        cluster.lose(cluster.workers[0])
        gate.touch()
        driver.join(_LONGEST)
        assert driver.exitcode == 0
    finally:
        driver.kill()
        driver.join()
    execute(request(source, tmp_path / "here", shard_notes=50))
    assert tree(out) == tree(tmp_path / "here")
