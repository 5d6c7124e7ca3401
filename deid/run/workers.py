"""Workers: the calling process, or a pool of fresh ones; each builds its processor once."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from multiprocessing.connection import wait as wait_for
from operator import attrgetter
from pathlib import Path
from typing import Any, Protocol, cast

from deid.errors import DeidError, InputOutputError, NoteError
from deid.keys import Keys
from deid.lean import leave_out_training_libraries
from deid.policy import Policy
from deid.run.units import Receipt, Unit, write_unit
from deid.run.work import Group, NoteResult

FACTORY = "deid.run.pipeline:Deidentifier.from_policy"
_BATCH_CHARACTERS = 1_000_000
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Processor(Protocol):
    """What a worker needs of a de-identifier."""

    @property
    def model_digest(self) -> str:
        """Digest of the encoder's weights, empty without an encoder."""

    def process(self, groups: tuple[Group, ...]) -> tuple[tuple[NoteResult, ...], ...]:
        """De-identify groups; for each the results of its notes, in order."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a worker builds its processor.

    Args:
        policy: The resolved policy.
        keys: The run's secret, if it has one.
        factory: ``module:attribute`` of a callable that takes the policy, ``keys`` and ``streams``.
        options: Further keyword arguments.
        streams: Batches that one processor computes side by side; has no influence on results.
    """

    policy: Policy
    keys: Keys | None = None
    factory: str = FACTORY
    options: Mapping[str, Any] = field(default_factory=dict)
    streams: int = 1

    def build(self) -> Processor:
        """Import the factory and call it."""
        module, _, attribute = self.factory.partition(":")
        make = attrgetter(attribute)(import_module(module))
        return cast(Processor, make(self.policy, keys=self.keys, streams=self.streams, **self.options))


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a manifest says of the model.

    Args:
        digest: Digest of the weights.
        runtime: What computes it, and how exactly, such as ``openvino bf16``.
    """

    digest: str
    runtime: str


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the results of units go.

    Args:
        folder: The folder of the unit files.
        run_id: Digest of everything that results depend on; a unit file of another run does not count.
    """

    folder: Path
    run_id: str


class Workers(Protocol):
    """One or more processors at work."""

    @property
    def count(self) -> int:
        """How many units are worked on side by side."""

    def model(self) -> ModelFacts:
        """Describe the model."""

    def run(self, units: Iterable[Unit], desk: Desk) -> Iterator[Receipt]:
        """Work on units, and yield a receipt for each as it is finished."""


Engine = Callable[[Recipe, int], AbstractContextManager[Workers]]
"""Starts workers for a recipe, as many as asked, and stops them at the end; `open_workers` is one."""


@contextmanager
def open_workers(recipe: Recipe, count: int) -> Iterator[Workers]:
    """Start workers and stop them at the end.

    Args:
        recipe: How to build a processor.
        count: 1 for the calling process, more for that many processes.

    Raises:
        InputOutputError: if a worker dies or fails; finished units stay finished.
    """
    threads = max(1, cores() // count)
    recipe = replace(recipe, streams=threads)
    if count == 1:
        yield _Here(recipe.build())
        return
    with _threads(threads):
        pool = ProcessPoolExecutor(
            count,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(recipe,),
        )
        try:
            yield _Pool(pool, count)
        except BrokenProcessPool:
            raise InputOutputError(
                "a worker process died (killed, or out of memory); no note is lost:"
                " run again with --resume, with fewer --workers if memory was short"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


class _Here:
    count = 1

    def __init__(self, processor: Processor) -> None:
        self._processor = processor

    def model(self) -> ModelFacts:
        return facts_of(self._processor)

    def run(self, units: Iterable[Unit], desk: Desk) -> Iterator[Receipt]:
        for unit in units:
            yield run_unit(self._processor, unit, desk)


class _Pool:
    def __init__(self, pool: ProcessPoolExecutor, count: int) -> None:
        self._pool, self.count = pool, count
        self._most = 2 * count

    def model(self) -> ModelFacts:
        # One call for each worker, so that all of them load at the same time.
        facts = [self._pool.submit(_describe) for _ in range(self.count)]
        first, *_ = [each.result() for each in facts]
        return first

    def run(self, units: Iterable[Unit], desk: Desk) -> Iterator[Receipt]:
        pending: set[Future[Receipt]] = set()
        for unit in units:
            if len(pending) >= self._most:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
            pending.add(self._pool.submit(_run_unit, unit, desk))
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)


def run_unit(processor: Processor, unit: Unit, desk: Desk) -> Receipt:
    """De-identify a unit and write its file.

    Args:
        processor: Does the work.
        unit: The notes.
        desk: Where the results go.

    Raises:
        InputOutputError: if the processor fails as a whole or the file cannot be written; names no text.
    """
    results = process(processor, (group.to_group() for group in unit.groups), place=unit.name)
    return write_unit(desk.folder, unit, results, run_id=desk.run_id)


def process(
    processor: Processor, groups: Iterable[Group], *, place: str
) -> tuple[tuple[NoteResult, ...], ...]:
    """De-identify groups in batches; for each the results of its notes, in order.

    Args:
        processor: Does the work.
        groups: One for each patient.
        place: What they are, for errors.

    Raises:
        InputOutputError: if the processor fails as a whole; names no text.
    """
    try:
        return tuple(_process(processor, groups))
    except DeidError as error:
        if isinstance(error, NoteError):
            raise _failure(place, error) from None
        raise
    except Exception as error:
        # Whatever a library says may quote the note: only the name of the exception goes on.
        raise _failure(place, error) from None


def _process(processor: Processor, groups: Iterable[Group]) -> Iterator[tuple[NoteResult, ...]]:
    batch: list[Group] = []
    size = 0
    for group in groups:
        batch.append(group)
        size += sum(len(note.text) for note in group.notes)
        if size >= _BATCH_CHARACTERS:
            yield from processor.process(tuple(batch))
            batch, size = [], 0
    if batch:
        yield from processor.process(tuple(batch))


def _failure(place: str, error: Exception) -> InputOutputError:
    return InputOutputError(
        f"{place}: the work failed with {type(error).__name__}; mend the cause;"
        " a run has kept its finished units and goes on with --resume"
    )


def facts_of(processor: Processor) -> ModelFacts:
    """Return what a manifest says of a processor's model.

    Args:
        processor: The processor.
    """
    return ModelFacts(processor.model_digest, str(getattr(processor, "runtime", "")))


def cores() -> int:
    """Return the number of processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Tell the numeric libraries of processes started meanwhile how many threads to use."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def lighten(recipe: Recipe) -> None:
    """Spare a process of our own the libraries that its processor does not need.

    Args:
        recipe: What the process works by.
    """
    if recipe.options.get("runtime") != "torch":
        leave_out_training_libraries()


_RECIPES: list[Recipe] = []


def _start_worker(recipe: Recipe) -> None:
    lighten(recipe)
    _RECIPES.append(recipe)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A killed run must not leave workers behind that still write when the next run is under way.
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


@cache
def _processor() -> Processor:
    return _RECIPES[-1].build()


def _describe() -> ModelFacts:
    return facts_of(_processor())


def _run_unit(unit: Unit, desk: Desk) -> Receipt:
    return run_unit(_processor(), unit, desk)
