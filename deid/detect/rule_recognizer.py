"""The rules as a Presidio recognizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from deid.detect.presidio_registry import RuleRecognizerConfig, register
from deid.detect.results import as_results, narrowed
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
        supported_entities: Types to look for; all that the rules can find under the policy when None.

    Raises:
        PolicyError: if the policy cannot be loaded, or one of its patterns is wrong.
        UsageError: if there are no rules for a type asked for.
    """

    name: str

    def __init__(
        self,
        policy: str | Path | Policy = "safe-harbor",
        supported_language: str = "en",
        name: str = "RuleRecognizer",
        supported_entities: Sequence[str] | None = None,
    ) -> None:
        # Presidio's constructor calls load(), which needs these.
        loaded = policy if isinstance(policy, Policy) else load_policy(policy)
        self._engine = RuleEngine(rules_from_policy(loaded))
        types = {rule.entity_type for rule in self._engine.rules}
        found = [kind for kind in loaded.type_names if kind in types]
        super().__init__(
            supported_entities=narrowed(found, supported_entities),
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
        return as_results(self, self.find(text), entities)


register(RuleRecognizer.__name__, RuleRecognizerConfig)
