"""The rules as a Presidio recognizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from presidio_analyzer import AnalysisExplanation, EntityRecognizer, RecognizerResult
from presidio_analyzer.input_validation import PredefinedRecognizerConfig
from presidio_analyzer.input_validation.yaml_recognizer_models import CONFIG_MODEL_MAP
from presidio_analyzer.nlp_engine import NlpArtifacts
from pydantic import ConfigDict

from deid.detect.rule_engine import RuleEngine
from deid.detect.rule_file import rules_from_policy
from deid.errors import UsageError, unknown_name
from deid.note import Finding
from deid.policy import Policy, load_policy


class PolicyRecognizerConfig(PredefinedRecognizerConfig):  # type: ignore[misc]
    """What a Presidio registry file may say about a recognizer that reads a policy.

    Without it Presidio drops the keys it does not know, ``policy`` among them, in silence.
    """

    model_config = ConfigDict(extra="allow")


CONFIG_MODEL_MAP["RuleRecognizer"] = PolicyRecognizerConfig


class RuleRecognizer(EntityRecognizer):  # type: ignore[misc]
    """Finds what has a format or a label, in anybody's `AnalyzerEngine`.

    Args:
        policy: A policy, or the name or path of one; its types whose ``detect`` includes ``rules`` are found.
        supported_language: The language of the texts.
        name: The recognizer's name in results.
        supported_entities: Narrows the types down; all that have rules when None.

    Raises:
        PolicyError: if the policy or one of its patterns is wrong.
        UsageError: if a type in ``supported_entities`` has no rules under the policy.
    """

    name: str
    id: str

    def __init__(
        self,
        policy: str | Path | Policy = "safe-harbor",
        supported_language: str = "en",
        name: str = "RuleRecognizer",
        supported_entities: Sequence[str] | None = None,
    ) -> None:
        # Presidio's constructor calls load(), which needs the rules.
        rules = rules_from_policy(policy if isinstance(policy, Policy) else load_policy(policy))
        types = sorted({rule.entity_type for rule in rules})
        for wanted in supported_entities or ():
            if wanted not in types:
                raise UsageError(unknown_name("entity type with rules", wanted, types))
        chosen = types if supported_entities is None else sorted(set(supported_entities))
        self._rules = tuple(rule for rule in rules if rule.entity_type in chosen)
        self._engine: RuleEngine | None = None
        super().__init__(supported_entities=chosen, supported_language=supported_language, name=name)

    def load(self) -> None:
        """Compile the rules."""
        self._engine = RuleEngine(self._rules)

    def find(self, text: str) -> tuple[Finding, ...]:
        """Find mentions, sorted; they may overlap.

        Args:
            text: The text.
        """
        if self._engine is None:
            raise RuntimeError("the rules are not loaded; call load() first")
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
        wanted = frozenset(entities or self.supported_entities)
        return [self._result(finding) for finding in self.find(text) if finding.entity_type in wanted]

    def _result(self, finding: Finding) -> RecognizerResult:
        return RecognizerResult(
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
