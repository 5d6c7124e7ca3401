from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standin import POLICY, SECRET, DigitRedactor

from deid.errors import InputOutputError, KeyMaterialError, NoteError, Reason
from deid.keys import Keys
from deid.policy import Policy
from deid.run.spool import Item
from deid.run.units import ItemGroup, Unit
from deid.run.work import Group, NoteResult
from deid.run.workers import Desk, ModelFacts, Recipe, open_workers, run_unit


def _units(count: int, *, word: str = "") -> Iterator[Unit]:
    for number in range(count):
        item = Item(number, f"n{number}", f"{SECRET} {number} {word if number == 2 else ''}")
        yield Unit(f"unit-{number:05d}", (ItemGroup((item,)),))


def _recipe(**options: Any) -> Recipe:
    return Recipe(POLICY, None, "standin:make", options)


@pytest.mark.parametrize("count", [1, 2])
def test_every_unit_is_worked_on_once(tmp_path: Path, count: int) -> None:
    with open_workers(_recipe(), count) as workers:
        assert workers.model() == ModelFacts("sha256:standin", "python")
        receipts = list(workers.run(_units(7), Desk(tmp_path, "r1")))
    assert sorted(receipt.name for receipt in receipts) == [unit.name for unit in _units(7)]
    assert len(list(tmp_path.iterdir())) == 7


def test_few_units_are_taken_ahead(tmp_path: Path) -> None:
    taken = 0

    def units() -> Iterator[Unit]:
        nonlocal taken
        for unit in _units(30):
            taken += 1
            yield unit

    with open_workers(_recipe(), 2) as workers:
        for done, _ in enumerate(workers.run(units(), Desk(tmp_path, "r1"))):
            assert taken <= done + 6  # four in flight, one waiting, one done


@pytest.mark.parametrize("count", [1, 2])
def test_a_failing_unit_stops_the_run_and_names_no_text(tmp_path: Path, count: int) -> None:
    with (
        pytest.raises(InputOutputError, match=r"unit-00002.*RuntimeError.*--resume") as caught,
        open_workers(_recipe(explode="BANG"), count) as workers,
    ):
        list(workers.run(_units(5, word="BANG"), Desk(tmp_path, "r1")))
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in str(error)
        error = error.__cause__
    assert not (tmp_path / "unit-00002.jsonl").exists()
    assert (tmp_path / "unit-00000.jsonl").exists()


def test_a_worker_that_dies_stops_the_run(tmp_path: Path) -> None:
    with (
        pytest.raises(InputOutputError, match=r"a worker process died.*--resume"),
        open_workers(_recipe(fatal="BANG"), 2) as workers,
    ):
        list(workers.run(_units(5, word="BANG"), Desk(tmp_path, "r1")))


class _Failing(DigitRedactor):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def process(self, groups: object) -> tuple[tuple[NoteResult, ...], ...]:
        raise self._error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KeyMaterialError("a key is needed"), KeyMaterialError),
        (NoteError(Reason.DETECTOR_FAILED), InputOutputError),
        (ValueError(SECRET), InputOutputError),
        (MemoryError(SECRET), InputOutputError),
    ],
)
def test_errors_of_ours_go_on_as_they_are(
    tmp_path: Path, error: Exception, expected: type[Exception]
) -> None:
    (unit,) = _units(1)
    with pytest.raises(expected) as caught:
        run_unit(_Failing(error), unit, Desk(tmp_path, "r1"))
    assert SECRET not in str(caught.value)


class _Counting(DigitRedactor):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    def process(self, groups: tuple[Group, ...]) -> tuple[tuple[NoteResult, ...], ...]:
        self.calls.append(len(groups))
        return super().process(groups)


def test_a_large_unit_is_worked_on_in_batches(tmp_path: Path) -> None:
    items = [Item(number, f"n{number}", "x" * 400_000) for number in range(5)]
    processor = _Counting()
    unit = Unit("unit-00000", tuple(ItemGroup((item,)) for item in items))
    assert run_unit(processor, unit, Desk(tmp_path, "r1")).notes == 5
    assert processor.calls == [3, 2]


def threads(policy: Policy, *, keys: Keys | None, streams: int) -> DigitRedactor:
    """A factory whose processor tells how many threads it was given."""
    del policy, keys
    redactor = DigitRedactor()
    redactor.runtime = f"{streams} {os.environ.get('OMP_NUM_THREADS')}"
    return redactor


def test_cores_are_shared_out_and_the_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deid.run.workers.cores", lambda: 6)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with open_workers(Recipe(POLICY, factory="test_workers:threads"), 2) as workers:
        assert workers.model().runtime == "3 3"
    with open_workers(Recipe(POLICY, factory="test_workers:threads"), 1) as workers:
        assert workers.model().runtime == "6 5"
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert "MKL_NUM_THREADS" not in os.environ
