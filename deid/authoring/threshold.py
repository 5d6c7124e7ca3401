"""The threshold of a type that accepted and rejected candidates set, with a bound on what it misses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deid.audit.bounds import upper_bound
from deid.authoring.suggest import LOWEST, Candidate, Pool

HIGHEST = 0.6  # the shipped types are calibrated up to here
MOST_MISSED = 0.2  # a threshold is raised only if no larger share of mentions can be missed


@dataclass(frozen=True, slots=True)
class Decision:
    """The threshold that answers set, and what it does.

    Args:
        previous: The threshold until now.
        threshold: The one that the answers set; the same if they set none.
        accepted: Candidates accepted.
        rejected: Candidates rejected.
        missed: Accepted ones that score lower.
        wrongly_found: Rejected ones that score as much.
        unseen_found: Further candidates, one for each surface, that are found and that nobody judged.
        unseen_missed: Further candidates that are not.
        bound: With 95 % confidence no larger share of the mentions that are like the accepted ones scores
            lower; None if nothing was accepted.
        reason: Why the threshold is not the one that the accepted candidates alone would set; empty if it is.
    """

    previous: float
    threshold: float
    accepted: int
    rejected: int
    missed: int
    wrongly_found: int
    unseen_found: int
    unseen_missed: int
    bound: float | None
    reason: str = ""

    @property
    def changed(self) -> bool:
        """Whether the answers move the threshold."""
        return self.threshold != self.previous


def decide(pool: Pool, answers: Mapping[str, bool], *, recall: float = 0.98) -> Decision:
    """Set the threshold of a type by candidates that somebody accepted or rejected.

    With n accepted candidates sorted by score, the k-th lowest is the threshold, k = floor((n + 1)(1 -
    recall)) and at least 1: the split-conformal choice (Angelopoulos and Bates 2021, section 1), as in the
    calibration of the model. Whatever the distribution of scores, the share of mentions like the accepted
    ones that scores lower is then below the one-sided Clopper-Pearson bound for k - 1 failures in n (Wilks
    1941).

    The accepted candidates are the likeliest and the most uncertain ones, and no sample of all mentions. So a
    threshold is lowered freely, but raised only past what was rejected, never past a candidate that nobody
    judged, and only if the bound is at most `MOST_MISSED`.

    Args:
        pool: All candidates.
        answers: Whether a candidate is accepted, by id; candidates left out were not judged.
        recall: Share of the accepted candidates to be found, in 0..1.
    """
    judged = [each for each in pool.candidates if each.id in answers]
    accepted = sorted(each.score for each in judged if answers[each.id])
    rejected = [each for each in judged if not answers[each.id]]
    settled = {each.key for each in rejected}
    unseen = [each for each in pool.candidates if each.id not in answers and each.key not in settled]
    threshold, bound, reason = pool.threshold, None, "nothing was accepted"
    if accepted:
        rank = max(int((len(accepted) + 1) * (1 - recall)), 1)
        bound = upper_bound(rank - 1, len(accepted))
        wanted = min(max(accepted[rank - 1], LOWEST), HIGHEST)
        threshold, reason = _held(wanted, pool.threshold, bound, unseen)
    shown = {each.key for each in judged}
    best = {each.key: each.score for each in sorted(unseen, key=lambda each: each.score)}
    further = [score for key, score in best.items() if key not in shown]
    return Decision(
        previous=pool.threshold,
        threshold=threshold,
        accepted=len(accepted),
        rejected=len(rejected),
        missed=sum(score < threshold for score in accepted),
        wrongly_found=sum(each.score >= threshold for each in rejected),
        unseen_found=sum(score >= threshold for score in further),
        unseen_missed=sum(score < threshold for score in further),
        bound=bound,
        reason=reason,
    )


def _held(wanted: float, now: float, bound: float, unseen: Sequence[Candidate]) -> tuple[float, str]:
    """Return a threshold that is no higher than the evidence allows, and what holds it."""
    if wanted <= now:
        return wanted, ""
    if bound > MOST_MISSED:
        return now, f"so few accepted ones cannot raise it; accept {_needed()} or more"
    between = [each.score for each in unseen if now <= each.score < wanted]
    if between:
        return min(between), "it is not raised past candidates that nobody judged"
    return wanted, ""


def _needed() -> int:
    """Return how many candidates must be accepted, all of them found, for a threshold to be raised."""
    return next(number for number in range(1, 1000) if upper_bound(0, number) <= MOST_MISSED)
