from __future__ import annotations

from collections.abc import Sequence
from math import comb, isnan

import pytest

from deid.audit.bounds import exact_interval, interval, upper_bound, upper_count


@pytest.mark.parametrize(
    ("failures", "total", "expected"),
    [
        (0, 300, 0.00994),  # 1 - 0.05 ** (1 / 300)
        (5, 1000, 0.01048),
        (0, 59, 0.04951),  # the 59 of tables of tolerance limits: 95 % confidence, 95 % free
        (1, 93, 0.05000),
        (3, 3, 1.0),
        (0, 1, 0.95),
    ],
)
def test_known_tables(failures: int, total: int, expected: float) -> None:
    assert upper_bound(failures, total) == pytest.approx(expected, abs=6e-5)


def test_other_confidence() -> None:
    assert upper_bound(0, 300, confidence=0.99) == pytest.approx(1 - 0.01 ** (1 / 300))


@pytest.mark.parametrize(("failures", "total"), [(0, 0), (-1, 5), (6, 5)])
def test_impossible_counts_are_refused(failures: int, total: int) -> None:
    with pytest.raises(ValueError, match="failures"):
        upper_bound(failures, total)


def mean(values: object) -> float:
    return sum(values) / len(values)  # type: ignore[call-overload,arg-type,no-any-return]


def test_an_interval_by_resampling() -> None:
    """Of 400 tosses with 100 hits: the normal approximation gives .25 -+ .042."""
    low, high = interval([1.0] * 100 + [0.0] * 300, mean)
    assert low == pytest.approx(0.208, abs=0.006)
    assert high == pytest.approx(0.292, abs=0.006)


def test_an_interval_is_wider_where_groups_are_few_and_alike_inside() -> None:
    groups = [[1.0] * 50, [0.0] * 50, [1.0] * 50, [0.0] * 50]
    low, high = interval(groups, lambda drawn: mean([value for group in drawn for value in group]))
    assert (low, high) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([1.0] * 3, (0.3684, 1.0)),  # 0.05 ** (1 / 3)
        ([1.0] * 16, (0.8293, 1.0)),
        ([0.0] * 16, (0.0, 0.1707)),
        ([1.0], (0.05, 1.0)),
        ([1.0, float("nan"), 1.0, 1.0], (0.3684, 1.0)),  # a patient without a mention is no case
    ],
)
def test_without_one_exception_the_bound_is_exact_over_patients(
    groups: list[float], expected: tuple[float, float]
) -> None:
    def share(drawn: Sequence[float]) -> float:
        told = [value for value in drawn if not isnan(value)]
        return mean(told) if told else float("nan")

    assert interval(groups, share) == pytest.approx(expected, abs=1e-4)
    assert interval([1.0] * 3, share, confidence=0.99)[0] == pytest.approx(0.01 ** (1 / 3))


def test_an_interval_is_reproducible() -> None:
    values = [0.1, 0.5, 0.9]
    assert interval(values, mean, seed=3) == interval(values, mean, seed=3)
    with pytest.raises(ValueError, match="no groups"):
        interval([], mean)


@pytest.mark.parametrize(
    ("hits", "total", "expected"),
    [
        (0, 10, (0.0, 0.3085)),  # 1 - 0.025 ** (1 / 10)
        (10, 10, (0.6915, 1.0)),
        (8, 10, (0.4439, 0.9748)),  # Clopper and Pearson 1934, chart for n = 10
        (81, 100, (0.7193, 0.8816)),
    ],
)
def test_two_sided_intervals(hits: int, total: int, expected: tuple[float, float]) -> None:
    assert exact_interval(hits, total) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("failures", "drawn", "population"), [(0, 12, 90), (2, 12, 90), (5, 300, 2000)])
def test_a_finite_population(failures: int, drawn: int, population: int) -> None:
    """The bound is the last number under which so few failures are not rarer than 1 in 20."""

    def chance(total: int) -> float:
        ways = sum(comb(total, seen) * comb(population - total, drawn - seen) for seen in range(failures + 1))
        return ways / comb(population, drawn)

    bound = upper_count(failures, drawn, population)
    assert chance(bound) > 0.05 >= chance(bound + 1)
    assert bound <= population * upper_bound(failures, drawn)


def test_a_population_read_whole_and_impossible_counts() -> None:
    assert upper_count(3, 50, 50) == 3
    assert upper_count(0, 1, 20) == 18  # with 19 of 20 the one drawn is clean once in twenty times
    with pytest.raises(ValueError, match="drawn"):
        upper_count(3, 2, 50)
