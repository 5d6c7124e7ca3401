"""Why a policy finds what it finds in a text, and what it nearly found."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from deid.audit.safe_harbor import operator_words
from deid.detect.description_recognizer import PolicyEncoder
from deid.encoder.load import load_encoder
from deid.errors import NoteError, UsageError
from deid.note import Note, Span
from deid.policy import EntityType, Policy
from deid.run.pipeline import Deidentifier
from deid.run.work import Group

_NEAR = 0.02  # probability from which a word is worth mentioning


@dataclass(frozen=True, slots=True)
class Reason:
    """What one detector says of a found mention.

    Args:
        detector: ``rules``, ``encoder``, ``known`` or ``propagation``.
        entity_type: The type it takes it for.
        score: Its confidence.
        evidence: A rule's name and the like; empty for the encoder.
    """

    detector: str
    entity_type: str
    score: float
    evidence: str


@dataclass(frozen=True, slots=True)
class Explained:
    """A found mention.

    Args:
        start: First code point.
        end: One past the last.
        surface: The mention; it is the text's own.
        entity_type: The type that won.
        description: What the encoder was told of that type.
        threshold: From which score the encoder's findings of it count.
        operator: What replaces it.
        reasons: Who found it.
    """

    start: int
    end: int
    surface: str = field(repr=False)
    entity_type: str
    description: str
    threshold: float | None
    operator: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class NearMiss:
    """What the encoder nearly took for a type.

    Args:
        start: First code point.
        end: One past the last.
        surface: The words; they are the text's own.
        entity_type: The nearest type.
        score: How sure it is.
        threshold: How sure it would have to be.
    """

    start: int
    end: int
    surface: str = field(repr=False)
    entity_type: str
    score: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a policy finds in a text, and why.

    Args:
        found: In the order of the text.
        near: What was nearly found, the likeliest first.
    """

    found: tuple[Explained, ...]
    near: tuple[NearMiss, ...]


def explain(text: str, policy: Policy, *, model: Path | None = None) -> Explanation:
    """Say what a policy finds in a text, and why.

    Args:
        text: A note, or a part of one.
        policy: The policy.
        model: A model folder; the shipped one when None.

    Raises:
        UsageError: if the text cannot be worked on.
    """
    deidentifier = Deidentifier.for_detection(policy, model=model)
    ((spans,),) = deidentifier.find([Group((Note("text", text),))])
    if isinstance(spans, NoteError):
        raise UsageError(f"the text cannot be worked on: {spans.reason}")
    described = {kind.name: kind for kind in policy.types if "encoder" in kind.detect}
    encoder = PolicyEncoder(policy, load_encoder(model)) if described else None
    limits: dict[str, float] = {}
    if encoder is not None:
        limits = dict(zip(encoder.types.names, map(float, encoder.types.thresholds), strict=True))
    return Explanation(
        tuple(_explained(text, span, policy.type(span.entity_type), limits) for span in spans),
        _near_misses(text, spans, described, encoder, limits),
    )


def _explained(text: str, span: Span, kind: EntityType, limits: dict[str, float]) -> Explained:
    reasons = sorted(
        {Reason(each.detector, each.entity_type, each.score, each.evidence) for each in span.findings},
        key=lambda each: (-each.score, each.detector, each.evidence),
    )
    return Explained(
        span.start,
        span.end,
        text[span.start : span.end],
        kind.name,
        kind.description,
        limits.get(kind.name),
        operator_words(kind.operator),
        tuple(reasons),
    )


def _near_misses(
    text: str,
    spans: tuple[Span, ...],
    described: dict[str, EntityType],
    encoder: PolicyEncoder | None,
    limits: dict[str, float],
) -> tuple[NearMiss, ...]:
    if encoder is None:
        return ()
    low = encoder.encoder.describe(described, thresholds=dict.fromkeys(described, _NEAR))
    (mentions,) = encoder.encoder.find([text], low)
    near = [
        NearMiss(
            each.start,
            each.end,
            text[each.start : each.end],
            (name := low.names[each.type_index]),
            each.score,
            round(limits[name], 3),
        )
        for each in mentions
        if not any(span.start < each.end and each.start < span.end for span in spans)
    ]
    return tuple(sorted(near, key=lambda each: (-each.score, each.start)))
