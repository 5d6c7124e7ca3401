"""The rules as a Presidio recognizer."""

from __future__ import annotations

from pathlib import Path

from presidio_analyzer import AnalysisExplanation, EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from deid.detect.rule_engine import RuleEngine
from deid.detect.rule_file import rules_from_policy
from deid.note import Finding
from deid.policy import Policy, load_policy


class RuleRecognizer(EntityRecognizer):
    """Finds what has a format or a label, in anybody's `AnalyzerEngine`.

    Args:
        policy: A policy, or the name or path of one.
        supported_language: The language of the texts.
        name: The recognizer's name in results.
    """

    name: str

    def __init__(
        self,
        policy: str | Path | Policy = "safe-harbor",
        supported_language: str = "en",
        name: str = "RuleRecognizer",
    ) -> None:
        # Presidio's constructor calls load(), which needs these.
        loaded = policy if isinstance(policy, Policy) else load_policy(policy)
        self._engine = RuleEngine(rules_from_policy(loaded))
        types = {rule.entity_type for rule in self._engine.rules}
        super().__init__(
            supported_entities=[kind for kind in loaded.type_names if kind in types],
            supported_language=supported_language,
            name=name,
        )

    def load(self) -> None:
        """Do nothing: the rules are compiled already."""

    def find(self, text: str) -> tuple[Finding, ...]:
        """Return what the rules find in a text."""
        return self._engine.find(text)

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Find mentions in a text.

        Args:
            text: The text.
            entities: Types wanted; all when empty.
            nlp_artifacts: Not used.
        """
        del nlp_artifacts
        wanted = set(entities or self.supported_entities)
        return [
            RecognizerResult(
                entity_type=finding.entity_type,
                start=finding.start,
                end=finding.end,
                score=finding.score,
                analysis_explanation=AnalysisExplanation(
                    recognizer=self.name, original_score=finding.score, pattern_name=finding.evidence
                ),
                recognition_metadata={
                    RecognizerResult.RECOGNIZER_NAME_KEY: self.name,
                    RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
                },
            )
            for finding in self.find(text)
            if finding.entity_type in wanted
        ]
