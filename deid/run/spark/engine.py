"""Spark's tasks as the workers of a run.

The driver reads the input, cuts it into units and merges their results, as on one machine; tasks do the
work between. A unit's file is complete when it appears and depends on the input alone: which task wrote it,
and how often, does not matter, and tasks can be repeated as Spark likes.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from typing import Any

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark import SparkContext, inheritable_thread_target
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from deid.errors import InputOutputError, IntegrityError, UsageError
from deid.run import manifest as manifests
from deid.run.spark import executor
from deid.run.spark.executor import ANSWER, Facts, Order
from deid.run.units import Receipt, Unit, receipt_of
from deid.run.workers import Desk, Engine, ModelFacts, Recipe, Workers

_SETTINGS = {
    "spark.app.name": "deid",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.io.encryption.enabled": "true",  # notes that Spark puts on a disk meanwhile
    "spark.rpc.message.maxSize": "1024",  # a unit is part of its task
}
_MOST_JOBS = 16
_PATIENCE = 90.0  # seconds; network file systems show new files after up to a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where Spark is.

    Args:
        master: Such as ``spark://host:7077`` or ``yarn``; None for what Spark's settings say, or else for all
            cores of this machine.
        settings: Of the session, such as ``spark.executor.memory``; they come before ours.
    """

    master: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def engine(self, recipe: Recipe, count: int) -> Iterator[Workers]:
        """Work in a session of its own; an `Engine`, which `deid.run.execute.execute` takes.

        Args:
            recipe: How to build a processor.
            count: 1; the cluster decides.

        Raises:
            UsageError: for another count, or if a session is running already.
            InputOutputError: if there is no Java or no cluster, or Spark gives up.
        """
        _check_count(count)
        with self.session() as session:
            yield _tasks(session, recipe, lean=True)

    @contextmanager
    def session(self) -> Iterator[SparkSession]:
        """Start a session, and stop it at the end.

        Raises:
            UsageError: if a session is running already.
            InputOutputError: if there is no Java or no cluster.
        """
        if SparkContext._active_spark_context is not None:
            raise UsageError("a Spark session is running already: give it to session_engine")
        settings: dict[str, Any] = {**_SETTINGS, **self.settings}
        os.environ.setdefault("PYSPARK_PYTHON", settings.get("spark.pyspark.python", sys.executable))
        builder = SparkSession.builder.config(map=settings)
        if self.master is not None:
            builder = builder.master(self.master)
        with _failures("Spark cannot be started"), _without_pandas():
            session = builder.getOrCreate()
        try:
            session.sparkContext.setLogLevel("ERROR")
            yield session
        finally:
            session.stop()


def session_engine(session: SparkSession) -> Engine:
    """Return what `deid.run.execute.execute` starts its workers with in a session that is running.

    Args:
        session: Stays as it is. Where its ``spark.io.encryption.enabled`` is off, Spark may put notes on
            disks in plain text.
    """

    def engine(recipe: Recipe, count: int) -> AbstractContextManager[Workers]:
        _check_count(count)
        return nullcontext(_tasks(session, recipe, lean=False))

    return engine


def _check_count(count: int) -> None:
    if count != 1:
        raise UsageError("on Spark the cluster decides how many tasks work at a time: leave out --workers")


def _tasks(session: SparkSession, recipe: Recipe, *, lean: bool) -> _Tasks:
    threads = int(session.conf.get("spark.task.cpus", "1") or 1)
    return _Tasks(session, Order(replace(recipe, streams=threads), lean))


class _Tasks:
    """Jobs of a few units each, with twice as many units under way as there are cores."""

    def __init__(self, session: SparkSession, order: Order) -> None:
        self._session, self._order = session, order
        self._facts = Facts(ModelFacts("", ""), "")

    @property
    def count(self) -> int:
        return self._session.sparkContext.defaultParallelism

    def model(self) -> ModelFacts:
        with _failures("Spark cannot work"):
            rows = self._session.range(0, 1, numPartitions=1)
            (answer,) = _answers(map_rows(rows, partial(executor.describe, order=self._order)))
        if not isinstance(answer, Facts) or answer.code != manifests.code_digest():
            raise IntegrityError(
                "the executors have another version of clinical-deid than the driver: install the same on all"
            )
        self._facts = answer
        return answer.model

    def run(self, units: Iterable[Unit], desk: Desk) -> Iterator[Receipt]:
        work = partial(executor.work_on_units, order=self._order, facts=self._facts, desk=desk)
        names: list[str] = []
        with _failures("Spark gave up"), self._threads() as threads:
            for receipt in self._receipts(units, work, threads):
                names.append(receipt.name)
                yield receipt
        _await_files(names, desk)

    @contextmanager
    def _threads(self) -> Iterator[ThreadPoolExecutor]:
        """Open threads for jobs; if the run ends early, so do the jobs under way."""
        tag = f"deid-{uuid.uuid4()}"
        self._session.addTag(tag)
        threads = ThreadPoolExecutor(_MOST_JOBS)
        try:
            yield threads
        except BaseException:
            self._session.interruptTag(tag)
            raise
        finally:
            self._session.removeTag(tag)
            threads.shutdown(cancel_futures=True)

    def _receipts(
        self, units: Iterable[Unit], work: Callable[..., Any], threads: ThreadPoolExecutor
    ) -> Iterator[Receipt]:
        waiting = iter(units)
        inheriting = inheritable_thread_target(self._session)
        pending: set[Future[list[Facts | Receipt]]] = set()
        for batch in iter(lambda: list(islice(waiting, self._size()[1])), []):
            pending.add(threads.submit(inheriting(_answers), map_rows(self._frame(batch), work)))
            if len(pending) >= self._size()[0]:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from _receipts(done)
        yield from _receipts(wait(pending).done)

    def _size(self) -> tuple[int, int]:
        """Return how many jobs are under way and how many units each has; executors come and go."""
        units = 2 * self.count
        jobs = min(_MOST_JOBS, units)
        return jobs, units // jobs

    def _frame(self, units: Iterable[Unit]) -> DataFrame:
        rows = [pa.RecordBatch.from_pydict({"unit": [executor.pack(unit)]}) for unit in units]
        return self._session.createDataFrame(pa.Table.from_batches(rows))


def map_rows(
    frame: DataFrame, work: Callable[..., Any], schema: str | StructType = f"{ANSWER} string"
) -> DataFrame:
    """Return `DataFrame.mapInArrow`, without its warning of pandas.

    Args:
        frame: Rows.
        work: From batches to batches.
        schema: Of what comes out.
    """
    with _without_pandas():
        return frame.mapInArrow(work, schema)


@contextmanager
def _without_pandas() -> Iterator[None]:
    """Silence what PySpark 4 says of pandas 3 wherever a function is made: only Arrow is used here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        yield


def _answers(frame: DataFrame) -> list[Facts | Receipt]:
    return [executor.read_answer(each) for each in frame.toArrow().column(ANSWER).to_pylist()]


def _receipts(done: Iterable[Future[list[Facts | Receipt]]]) -> Iterator[Receipt]:
    answers = chain.from_iterable(future.result() for future in done)
    return (answer for answer in answers if isinstance(answer, Receipt))


def _await_files(names: Iterable[str], desk: Desk) -> None:
    """Wait until this machine sees what the tasks have written, also on a network file system that lags."""
    until = time.monotonic() + _PATIENCE
    for name in names:
        while receipt_of(desk.folder, name, run_id=desk.run_id) is None:
            if time.monotonic() > until:
                raise InputOutputError(
                    f"{desk.folder.parent}: the driver does not see what an executor wrote; the run directory"
                    " must lie on storage that the driver and all executors share"
                )
            time.sleep(0.5)


@contextmanager
def _failures(what: str) -> Iterator[None]:
    """Turn failures of Spark, whose words may be anybody's, into errors of ours."""
    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise InputOutputError(f"{what}: {_hint(error)}") from None


def _hint(error: Exception) -> str:
    words = str(error)
    if "No module named 'deid'" in words:
        return "an executor has no clinical-deid: install it there, and name its Python with PYSPARK_PYTHON"
    if "JAVA_GATEWAY_EXITED" in words:
        return (
            "its process ended at once: it needs Java 17 or later (on the path, or JAVA_HOME), and a master"
            " such as local[4] or spark://host:7077"
        )
    condition = error.getCondition() if isinstance(error, PySparkException) else None
    return (
        f"{condition or type(error).__name__}; see Spark's log;"
        " a run has kept its finished units and goes on with --resume"
    )
