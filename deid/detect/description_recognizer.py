"""The description-conditioned encoder as a Presidio recognizer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from presidio_analyzer import AnalysisExplanation, EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts
from spacy.tokens import Doc

from deid.encoder.model import DescriptionEncoder, TypeVectors
from deid.note import Finding
from deid.policy import Policy, load_policy

COMPONENT = "deid_encoder"


class PolicyEncoder:
    """An encoder together with the descriptions of one policy.

    Args:
        policy: Its types that are detected by the encoder are asked for.
        encoder: The encoder; the one that ships with the package when None.
    """

    def __init__(self, policy: Policy, encoder: DescriptionEncoder | None = None) -> None:
        self.encoder = encoder or DescriptionEncoder()
        types = {kind.name: kind for kind in policy.types if "encoder" in kind.detect}
        thresholds = {
            name: float(kind.threshold) for name, kind in types.items() if kind.threshold != "calibrated"
        }
        self.types: TypeVectors = self.encoder.describe(types, thresholds=thresholds)

    def find(self, texts: Sequence[str]) -> list[tuple[Finding, ...]]:
        """Find mentions in many texts at once.

        Args:
            texts: Notes of any length.
        """
        return [
            tuple(
                Finding(found.start, found.end, self.types.names[found.type_index], found.score, "encoder")
                for found in mentions
            )
            for mentions in self.encoder.find(texts, self.types)
        ]


class EncoderComponent:
    """A spaCy component that runs the encoder over a batch of docs and leaves its findings on each.

    Args:
        encoder: The encoder with its policy.
    """

    def __init__(self, encoder: PolicyEncoder) -> None:
        self._encoder = encoder

    def __call__(self, doc: Doc) -> Doc:
        """Find mentions in one doc."""
        return next(iter(self.pipe([doc])))

    def pipe(self, stream: Iterable[Doc], batch_size: int = 64) -> Iterator[Doc]:
        """Find mentions in docs, a batch at a time.

        Args:
            stream: The docs.
            batch_size: Docs read by the encoder at once.
        """
        batch: list[Doc] = []
        for doc in stream:
            batch.append(doc)
            if len(batch) >= batch_size:
                yield from self._annotate(batch)
                batch = []
        yield from self._annotate(batch)

    def _annotate(self, docs: list[Doc]) -> Iterator[Doc]:
        found = self._encoder.find([doc.text for doc in docs])
        for doc, findings in zip(docs, found, strict=True):
            doc.user_data[COMPONENT] = findings
            yield doc


class DescriptionRecognizer(EntityRecognizer):
    """Finds entity types by their descriptions, in anybody's `AnalyzerEngine`.

    Inside this project's pipeline the encoder has run over a batch of notes before `analyze` is called, and
    its findings are read from the doc; elsewhere the recognizer runs the encoder on the text at hand.

    Args:
        policy: A policy, or the name or path of one.
        supported_language: The language of the texts.
        name: The recognizer's name in results.
        model: A model folder; the shipped one when None.
        encoder: A ready encoder with its descriptions, shared with an `EncoderComponent`.
    """

    name: str

    def __init__(
        self,
        policy: str | Path | Policy = "safe-harbor",
        supported_language: str = "en",
        name: str = "DescriptionRecognizer",
        model: str | None = None,
        encoder: PolicyEncoder | None = None,
    ) -> None:
        # Presidio's constructor calls load(), which needs these.
        self._policy = policy if isinstance(policy, Policy) else load_policy(policy)
        self._model = Path(model) if model else None
        self._encoder = encoder
        super().__init__(
            supported_entities=[kind.name for kind in self._policy.types if "encoder" in kind.detect],
            supported_language=supported_language,
            name=name,
        )

    def load(self) -> None:
        """Load the weights and encode the policy's descriptions."""
        if self._encoder is None:
            self._encoder = PolicyEncoder(self._policy, DescriptionEncoder(self._model))

    @property
    def encoder(self) -> PolicyEncoder:
        """The encoder with its descriptions."""
        if self._encoder is None:
            self.load()
        if self._encoder is None:
            raise RuntimeError("the encoder did not load")
        return self._encoder

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Find mentions in a text.

        Args:
            text: The text.
            entities: Types wanted; all when empty.
            nlp_artifacts: May carry findings that an `EncoderComponent` of the same encoder left.
        """
        findings = self._left_on(nlp_artifacts)
        if findings is None:
            (findings,) = self.encoder.find([text])
        wanted = set(entities or self.supported_entities)
        return [self._result(finding) for finding in findings if finding.entity_type in wanted]

    def _left_on(self, artifacts: NlpArtifacts | None) -> tuple[Finding, ...] | None:
        doc = getattr(artifacts, "tokens", None)
        left = doc.user_data.get(COMPONENT) if isinstance(doc, Doc) else None
        return left if isinstance(left, tuple) else None

    def _result(self, finding: Finding) -> RecognizerResult:
        explanation = AnalysisExplanation(recognizer=self.name, original_score=finding.score)
        return RecognizerResult(
            entity_type=finding.entity_type,
            start=finding.start,
            end=finding.end,
            score=finding.score,
            analysis_explanation=explanation,
            recognition_metadata={
                RecognizerResult.RECOGNIZER_NAME_KEY: self.name,
                RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
            },
        )
