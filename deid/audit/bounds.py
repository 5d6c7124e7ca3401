"""Bounds on rates: exact ones for notes and patients, by resampling patients for everything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isnan
from typing import TypeVar

import numpy as np
from scipy.stats import beta, hypergeom

T = TypeVar("T")
CONFIDENCE = 0.95


def upper_bound(failures: int, total: int, *, confidence: float = CONFIDENCE) -> float:
    """Return the one-sided upper bound of Clopper and Pearson (1934) on a failure rate.

    With 0 of 300 notes leaking, the rate in all notes like these is below 0.99 % with a confidence of 95 %.

    Args:
        failures: Notes or patients with a leak.
        total: Notes or patients looked at, drawn independently.
        confidence: Between 0 and 1.

    Raises:
        ValueError: if there are more failures than cases, or none of both.
    """
    if not 0 <= failures <= total or total < 1:
        raise ValueError(f"need 0 <= failures <= total and total >= 1, got {failures} of {total}")
    if failures == total:
        return 1.0
    return float(beta.ppf(confidence, failures + 1, total - failures))


def exact_interval(hits: int, total: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the two-sided interval of Clopper and Pearson (1934) on a rate.

    Args:
        hits: Cases of the kind counted.
        total: Cases looked at, drawn independently.
        confidence: Between 0 and 1.

    Raises:
        ValueError: if there are more hits than cases, or none of both.
    """
    one_sided = 1 - (1 - confidence) / 2
    return 1 - upper_bound(total - hits, total, confidence=one_sided), upper_bound(
        hits, total, confidence=one_sided
    )


def upper_count(failures: int, drawn: int, population: int, *, confidence: float = CONFIDENCE) -> int:
    """Return the one-sided upper bound on the number of failures in a finite population.

    The largest number of failures under which a simple sample shows as few as were seen with a probability
    above 1 - confidence (Wright 1991, *Exact Confidence Bounds when Sampling from Small Finite Universes*).

    Args:
        failures: Failures in the sample.
        drawn: Size of the sample, drawn without replacement.
        population: Size of the whole.
        confidence: Between 0 and 1.

    Raises:
        ValueError: if the numbers do not fit each other.
    """
    if not 0 <= failures <= drawn <= population or drawn < 1:
        raise ValueError(
            f"need 0 <= failures <= drawn <= population, got {failures}, {drawn} and {population}"
        )
    low, high = failures, population - (drawn - failures)
    while low < high:
        middle = (low + high + 1) // 2
        if hypergeom.cdf(failures, population, middle, drawn) > 1 - confidence:
            low = middle
        else:
            high = middle - 1
    return low


def interval(
    groups: Sequence[T],
    measure: Callable[[Sequence[T]], float],
    *,
    draws: int = 1000,
    confidence: float = CONFIDENCE,
    seed: int = 1,
) -> tuple[float, float]:
    """Return the percentile interval of a share when groups are drawn again with replacement.

    The mentions of a patient are not independent of each other; patients are (Efron and Tibshirani 1993,
    chapter 13). Where the share is 1 or 0, all draws are alike and say nothing of how few there were: the
    other end is then the one-sided bound of Clopper and Pearson (1934) for that many patients without one
    exception, 1 - (1 - confidence) ** (1 / patients) away. It bounds the share of patients with any
    exception, and so the mean of their shares.

    Args:
        groups: One entry for each patient.
        measure: Computes a share in 0..1 from a sample of groups; draws, and patients, for which it is not a
            number do not count.
        draws: Number of samples.
        confidence: Share of the draws inside the interval, or confidence of the exact bound.
        seed: Makes the draws.

    Raises:
        ValueError: without groups.
    """
    if not groups:
        raise ValueError("no groups to draw from")
    share = measure(groups)
    if share in (0.0, 1.0):
        patients = sum(not isnan(measure([group])) for group in groups)
        reach = upper_bound(0, patients, confidence=confidence)
        return (1 - reach, 1.0) if share else (0.0, reach)
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        chosen = rng.integers(len(groups), size=len(groups))
        values.append(measure([groups[index] for index in chosen]))
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return float(low), float(high)
