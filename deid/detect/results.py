"""From findings to what Presidio's recognizers return; shared by the recognizers of this package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from presidio_analyzer import AnalysisExplanation, EntityRecognizer, RecognizerResult

from deid.errors import UsageError, unknown_name
from deid.note import Finding


def as_results(
    recognizer: EntityRecognizer, findings: Iterable[Finding], entities: Sequence[str]
) -> list[RecognizerResult]:
    """Turn the findings of a recognizer into its results, each with an explanation.

    Args:
        recognizer: Who found them.
        findings: In any order.
        entities: Types wanted, as `EntityRecognizer.analyze` gets them; all that it supports when empty.
    """
    name = cast(str, recognizer.name)  # type: ignore[has-type] # Presidio leaves it without a type
    wanted = set(entities or recognizer.supported_entities).intersection(recognizer.supported_entities)
    return [
        RecognizerResult(
            entity_type=finding.entity_type,
            start=finding.start,
            end=finding.end,
            score=finding.score,
            analysis_explanation=AnalysisExplanation(
                recognizer=name, original_score=finding.score, pattern_name=finding.evidence
            ),
            recognition_metadata={
                RecognizerResult.RECOGNIZER_NAME_KEY: name,
                RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: recognizer.id,
            },
        )
        for finding in findings
        if finding.entity_type in wanted
    ]


def narrowed(found: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """Return the types that a recognizer supports: all it can find, or those asked for.

    Args:
        found: What it can find under its policy.
        wanted: What its owner asks for; all when None.

    Raises:
        UsageError: if it cannot find what is asked for, with the closest match.
    """
    if wanted is None:
        return list(found)
    for name in wanted:
        if name not in found:
            raise UsageError(unknown_name("supported entity", name[:64], found))
    return [name for name in found if name in wanted]
