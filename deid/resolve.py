"""From overlapping findings to sorted, disjoint spans; each letter and digit found stays covered."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

from deid.note import Finding, Span

# Who is believed about the *type* where findings overlap; coverage never depends on it. Known values are
# facts. The encoder has read the context, rules a format or a label: where a sure encoder and a rule differ,
# the encoder is right ten times as often (docs/decisions/017-types-by-context.md); where it is unsure, the
# rule decides. Propagation has the authority of what it repeats, which its evidence names. A rule that
# somebody wrote for a policy, or a recognizer of somebody's own, says what is meant there: its evidence has
# a colon.
_AUTHORITY = {"known": 5.0, "own": 4.0, "encoder": 3.0, "rules": 2.0}


def resolve(
    text: str, findings: Iterable[Finding], *, joins: Sequence[tuple[int, int]] = ()
) -> tuple[Span, ...]:
    """Turn findings into spans.

    Findings that overlap form a cluster. If one of the cluster's findings (or several of one type together)
    covers all its letters and digits, the cluster is one span. Otherwise the strongest finding keeps its
    stretch and the others keep what is left of theirs. A span over a join becomes one on each side of it.

    Args:
        text: The note's text.
        findings: In any order; duplicates do no harm.
        joins: Where pieces of the record were put together; see `Note`.

    Returns:
        Sorted, disjoint spans. Their union holds every letter and digit of the union of the findings.
    """
    spans: list[Span] = []
    for cluster in _clusters(sorted(set(findings))):
        spans += _split(text, cluster)
    return tuple(sorted(_apart(text, spans, joins) if joins else spans))


def _apart(text: str, spans: Iterable[Span], joins: Sequence[tuple[int, int]]) -> Iterator[Span]:
    """Divide spans at joins; what has no letter or digit on its side of one is left there."""
    starts, ends = [start for start, _ in joins], [end for _, end in joins]
    for span in spans:
        over = joins[bisect_right(ends, span.start) : bisect_left(starts, span.end)]
        for start, end in _without(span.start, span.end, over) if over else ():
            if trimmed := _trim(text, start, end, whole=False):
                yield _span(*trimmed, span.entity_type, span.findings)
        if not over:
            yield span


def _clusters(findings: Sequence[Finding]) -> Iterator[list[Finding]]:
    """Group findings that overlap, directly or through others."""
    cluster: list[Finding] = []
    end = 0
    for finding in findings:
        if cluster and finding.start >= end:
            yield cluster
            cluster = []
        cluster.append(finding)
        end = max(end, finding.end) if len(cluster) > 1 else finding.end
    if cluster:
        yield cluster


def _strength(finding: Finding) -> tuple[float, int, int, str, str, float, str]:
    """Order findings by authority times confidence, then length; the rest only makes the order total."""
    authority = _authority(finding)
    length = finding.end - finding.start
    return (
        authority,
        length,
        -finding.start,
        finding.entity_type,
        finding.detector,
        finding.score,
        finding.evidence,
    )


def _split(text: str, cluster: list[Finding]) -> list[Span]:
    """Share a cluster's stretch out among its findings, the strongest first."""
    spans: list[Span] = []
    left = cluster
    taken: list[tuple[int, int]] = []
    while left:
        kind = _strongest_type(left)
        own = [finding for finding in left if finding.entity_type == kind]
        for start, end in _merged(own):
            for piece in _without(start, end, taken):
                trimmed = _trim(text, *piece, whole=piece == (start, end))
                if trimmed:
                    spans.append(_span(*trimmed, kind, cluster))
        taken = _merge_ranges([*taken, *((finding.start, finding.end) for finding in own)])
        left = [finding for finding in left if finding.entity_type != kind]
    return spans


def _strongest_type(findings: Sequence[Finding]) -> str:
    """Choose the type of the strongest finding that no longer one contains."""
    outer = [
        finding
        for finding in findings
        if not any(_contains(other, finding) and _may_swallow(other, finding) for other in findings)
    ]
    return max(outer, key=_strength).entity_type


def _contains(outer: Finding, inner: Finding) -> bool:
    longer = outer.end - outer.start > inner.end - inner.start
    return longer and outer.start <= inner.start and inner.end <= outer.end


def _may_swallow(outer: Finding, inner: Finding) -> bool:
    """Say whether a longer finding decides the type of a shorter one inside it."""
    return _authority(outer) * 3 >= _authority(inner)


def _authority(finding: Finding) -> float:
    detector = finding.evidence if finding.detector == "propagation" else finding.detector
    if detector == "rules" and ":" in finding.evidence:
        detector = "own"
    return _AUTHORITY.get(detector, 1.0) * finding.score


def _merged(findings: Sequence[Finding]) -> list[tuple[int, int]]:
    return _merge_ranges([(finding.start, finding.end) for finding in findings])


def _merge_ranges(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join ranges that overlap; ranges that only touch stay apart."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _without(start: int, end: int, taken: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield what is left of a range after others took theirs."""
    for other_start, other_end in taken:
        if other_end <= start or other_start >= end:
            continue
        if start < other_start:
            yield start, other_start
        start = max(start, other_end)
    if start < end:
        yield start, end


def _trim(text: str, start: int, end: int, *, whole: bool) -> tuple[int, int] | None:
    """Drop signs and white space at the ends of a remainder; a whole finding stays as it was given."""
    if whole:
        return start, end
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    return (start, end) if start < end else None


def _span(start: int, end: int, kind: str, cluster: Sequence[Finding]) -> Span:
    inside = tuple(finding for finding in cluster if finding.start < end and start < finding.end)
    score = max(finding.score for finding in inside if finding.entity_type == kind)
    return Span(start, end, kind, score, inside)
