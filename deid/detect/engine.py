"""Detection with Presidio's AnalyzerEngine: rules and encoder over batches of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, RecognizerResult
from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
from presidio_analyzer.nlp_engine import NlpArtifacts

from deid.detect.description_recognizer import DescriptionRecognizer, EncoderComponent, PolicyEncoder
from deid.detect.nlp import BlankNlpEngine, Component
from deid.detect.rule_recognizer import RuleRecognizer
from deid.encoder.interface import Encoder
from deid.note import Finding
from deid.policy import Policy

_LANGUAGE = "en"
_RESULTS = "deid_results"


class _KeepAll(ContextAwareEnhancer):
    """Leaves scores alone, and keeps on the doc what was found before Presidio drops duplicates.

    Rules carry their context in the pattern and the encoder has read it. Two detectors that found the same
    mention both belong into the evidence.
    """

    def __init__(self) -> None:
        super().__init__(
            context_similarity_factor=0,
            min_score_with_context_similarity=0,
            context_prefix_count=0,
            context_suffix_count=0,
        )

    def enhance_using_context(
        self,
        text: str,
        raw_results: list[RecognizerResult],
        nlp_artifacts: NlpArtifacts,
        recognizers: list[EntityRecognizer],
        context: list[str] | None = None,
    ) -> list[RecognizerResult]:
        """Return the results as they are."""
        del text, recognizers, context
        nlp_artifacts.tokens.user_data[_RESULTS] = raw_results
        return raw_results


class Detector:
    """Finds PHI in batches of texts under a policy.

    Args:
        policy: Says which types are looked for, and by what.
        encoder: The encoder; the shipped one when None. Not loaded if no type of the policy asks for it.
        recognizers: Further Presidio recognizers; their results count as ``rules``, their evidence is their
            name, a colon and the name of the pattern.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        encoder: Encoder[Any] | None = None,
        recognizers: Sequence[EntityRecognizer] = (),
    ) -> None:
        self.policy = policy
        self._types = frozenset(policy.type_names)
        rules = RuleRecognizer(policy)
        own: list[EntityRecognizer] = [rules, *recognizers]
        self._detectors = {_name(recognizer): "rules" for recognizer in own}
        self._further = frozenset(map(_name, recognizers))
        components: list[Component] = []
        self.encoder: Encoder[Any] | None = None
        if any("encoder" in kind.detect for kind in policy.types):
            ready = PolicyEncoder(policy, encoder)
            described = DescriptionRecognizer(policy, encoder=ready)
            own.append(described)
            components.append(EncoderComponent(ready))
            self._detectors[_name(described)] = "encoder"
            self.encoder = ready.encoder
        self._nlp = BlankNlpEngine(components, lemmas=bool(recognizers))
        self._analyzer = AnalyzerEngine(
            registry=RecognizerRegistry(recognizers=own, supported_languages=[_LANGUAGE]),
            nlp_engine=self._nlp,
            supported_languages=[_LANGUAGE],
            context_aware_enhancer=_KeepAll(),
        )
        self._own = tuple(own)

    def detect(
        self, texts: Sequence[str], *, ad_hoc: Sequence[Sequence[EntityRecognizer]] | None = None
    ) -> list[tuple[Finding, ...]]:
        """Find PHI in texts; the encoder reads all of them in one go.

        Args:
            texts: Notes of any length.
            ad_hoc: For each text further recognizers, such as one that knows the patient.

        Raises:
            Exception: whatever a recognizer raises; nothing is skipped in silence.
        """
        extra = ad_hoc or [()] * len(texts)
        batch = self._nlp.process_batch(texts, _LANGUAGE, batch_size=max(len(texts), 1))
        found = []
        for (text, artifacts), recognizers in zip(batch, extra, strict=True):
            self._analyzer.analyze(
                text,
                language=_LANGUAGE,
                entities=self._wanted(recognizers),
                nlp_artifacts=artifacts,
                ad_hoc_recognizers=list(recognizers) or None,
                score_threshold=0,
                return_decision_process=True,
            )
            results = artifacts.tokens.user_data.pop(_RESULTS)
            # Presidio does not hold recognizers to the entities they were asked for.
            mine = (result for result in results if result.entity_type in self._types)
            found.append(tuple(sorted(self._finding(result) for result in mine)))
        return found

    def _wanted(self, further: Sequence[EntityRecognizer]) -> list[str]:
        """Return the types of the policy that somebody finds; Presidio warns of any other."""
        found = {entity for each in (*self._own, *further) for entity in each.supported_entities}
        return sorted(found & self._types)

    def _finding(self, result: RecognizerResult) -> Finding:
        name = result.recognition_metadata[RecognizerResult.RECOGNIZER_NAME_KEY]
        explanation = result.analysis_explanation
        evidence = (explanation.pattern_name or "") if explanation else ""
        return Finding(
            result.start,
            result.end,
            result.entity_type,
            round(float(result.score), 3),
            self._detectors.get(name, "known"),
            f"{name}:{evidence}" if name in self._further else evidence,
        )


def _name(recognizer: EntityRecognizer) -> str:
    return cast(str, recognizer.name)  # type: ignore[has-type] # Presidio leaves it without a type
