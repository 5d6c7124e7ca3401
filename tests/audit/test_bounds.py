from __future__ import annotations

import pytest

from deid.audit.bounds import interval, upper_bound


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


def test_an_interval_is_reproducible() -> None:
    values = [0.1, 0.5, 0.9]
    assert interval(values, mean, seed=3) == interval(values, mean, seed=3)
    with pytest.raises(ValueError, match="no groups"):
        interval([], mean)
