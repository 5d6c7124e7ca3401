"""The description-conditioned encoder as a Presidio recognizer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts
from spacy.tokens import Doc

from deid.detect.complete import completed
from deid.detect.doubt import doubtful, is_filler, leads_in
from deid.detect.nlp import text_of
from deid.detect.presidio_registry import DescriptionRecognizerConfig, register
from deid.detect.results import as_results, narrowed
from deid.detect.trim import trimmed
from deid.detect.weigh import Weigher
from deid.encoder.decode import FURTHER, Mention, decode, reach
from deid.encoder.interface import DescribedTypes, Encoder, WordScorer
from deid.encoder.load import load_encoder
from deid.encoder.model import DescriptionEncoder, is_calibrated
from deid.encoder.windows import FloatArray
from deid.encoder.words import Words
from deid.errors import UsageError
from deid.note import Finding
from deid.policy import EntityType, Policy, load_policy

COMPONENT = "deid_encoder"
# Thresholds at which candidates are sought, each about three quarters of the one before.
CANDIDATE_LEVELS = (0.6, 0.45, 0.33, 0.25, 0.18, 0.14, 0.1, 0.075, 0.055, 0.04, 0.03, 0.02)
_LEAST_OF_STRONGEST = 0.25  # words with a smaller share of the strongest score are no part of a candidate


class PolicyEncoder:
    """An encoder together with the descriptions of one policy.

    Args:
        policy: Its types that are detected by the encoder are asked for.
        encoder: The encoder; the one that ships with the package when None.
    """

    def __init__(self, policy: Policy, encoder: Encoder[Any] | None = None) -> None:
        self.encoder = encoder or load_encoder()
        types = {kind.name: kind for kind in policy.types if "encoder" in kind.detect}
        self.kinds = tuple(types.values())
        thresholds = {
            name: float(kind.threshold) for name, kind in types.items() if kind.threshold != "calibrated"
        }
        self.types: DescribedTypes = self.encoder.describe(types, thresholds=thresholds)
        self._weigher = _weigher(self.encoder, types)

    def find(self, texts: Sequence[str]) -> list[tuple[Finding, ...]]:
        """Find mentions in many texts at once.

        Args:
            texts: Notes of any length.
        """
        return [
            tuple(finding for _, finding in kept(text, mentions, self.kinds, self._weigher))
            for text, mentions in zip(texts, self._mentions(texts), strict=True)
        ]

    def _mentions(self, texts: Sequence[str]) -> Iterator[tuple[Mention, ...]]:
        """Yield what the encoder finds in each text; weak mentions too where they are weighed."""
        if self._weigher is None or not isinstance(self.encoder, WordScorer):
            yield from self.encoder.find(texts, self.types)
            return
        words = [self.encoder.split(text) for text in texts]
        for text, own, scores in zip(texts, words, self.encoder.scores(words, self.types), strict=True):
            yield decode(text, own, scores, self.types.thresholds, first=self.types.first, weak=True)

    def candidates(self, texts: Sequence[str], entity_type: str) -> list[tuple[Finding, ...]]:
        """Find what would be a mention of a type if its threshold were lower, and what is one now.

        The threshold is lowered step by step, all other types competing as they do. A candidate grows from
        step to step, but takes in no words that are much weaker than its own. Finds are not weighed
        here: what is asked for is a threshold.

        Args:
            texts: Notes of any length.
            entity_type: A type of the policy that the encoder looks for.

        Returns:
            For each text sorted, disjoint findings. A score is the highest threshold at which all of it is
            found, rounded down to 3 decimals.

        Raises:
            UsageError: if the encoder does not score words.
        """
        if not isinstance(self.encoder, WordScorer):
            raise UsageError(
                "candidates come from an encoder that scores words; this model finds whole mentions"
            )
        at = self.types.names.index(entity_type)
        words = [self.encoder.split(text) for text in texts]
        scores = self.encoder.scores(words, self.types)
        return [
            tuple(_joined(text, self._candidates(text, split, both, at)))
            for text, split, both in zip(texts, words, scores, strict=True)
        ]

    def _candidates(
        self, text: str, words: Words, both: tuple[FloatArray, FloatArray], at: int
    ) -> list[Finding]:
        inside, _ = both
        own = inside[:, at] if inside.size else np.zeros(0, np.float32)
        thresholds = self.types.thresholds.copy()
        found: list[Finding] = []
        above = np.inf
        for level in CANDIDATE_LEVELS:
            if not any(((own >= share * level) & (own < share * above)).any() for share in (1, FURTHER)):
                continue  # no other word reaches this step, or goes with one that does
            thresholds[at] = level
            mentions = decode(text, words, both, thresholds, first=self.types.first)
            for mention, finding in kept(text, mentions, self.kinds):
                if mention.type_index != at or any(_place(finding) == _place(each) for each in found):
                    continue
                highest = _highest(text, words, own, mention)
                # Found at this step and not at the one before: another type was the stronger one there.
                score = highest if highest < above else level
                candidate = replace(finding, score=max(int(score * 1000) / 1000, CANDIDATE_LEVELS[-1]))
                parts = [each for each in found if each.start < finding.end and finding.start < each.end]
                if all(_alike(candidate, each) for each in parts):
                    found = [*(each for each in found if each not in parts), candidate]
            above = level
        return found


def kept(
    text: str, mentions: Sequence[Mention], kinds: Sequence[EntityType], weigher: Weigher | None = None
) -> Iterator[tuple[Mention, Finding]]:
    """Yield the mentions that count, each with the finding it becomes: completed, trimmed, not doubtful.

    Args:
        text: The note.
        mentions: What the encoder found in it.
        kinds: What their ``type_index`` points into.
        weigher: Weighs them; without one all count that are sure.
    """
    for each, finding, touching in finished(text, mentions, kinds):
        if each.sure if weigher is None else weigher.counts(text, finding, sure=each.sure, touching=touching):
            yield each, finding


def finished(
    text: str, mentions: Sequence[Mention], kinds: Sequence[EntityType]
) -> Iterator[tuple[Mention, Finding, bool]]:
    """Yield mentions with the findings they become, not yet weighed, and whether a sure one stands beside it.

    Args:
        text: The note.
        mentions: What the encoder found in it.
        kinds: What their ``type_index`` points into.
    """
    ends = {
        each.end: each.type_index
        for each in mentions
        if each.sure and not leads_in(text, each.start, each.end)
    }
    starts = {each.start: each.type_index for each in mentions if each.sure}
    for each in mentions:
        kind = kinds[each.type_index]
        found = Finding(each.start, each.end, kind.name, each.score, "encoder")
        finding = completed(text, found, kind)
        # A piece of something longer is no word by itself; a filler is one between two others.
        before = ends.keys() & {each.start - 1, each.start}
        after = starts.keys() & {each.end, each.end + 1}
        if each.type_index not in {*(ends[at] for at in before), *(starts[at] for at in after)}:
            finding = trimmed(text, finding, kind)
        piece = (before and after) if kind.i2b2 and is_filler(text, finding) else (before or after)
        if piece or not doubtful(text, finding, kind):
            yield each, finding, bool(before or after)


def _weigher(encoder: Encoder[Any], types: Mapping[str, EntityType]) -> Weigher | None:
    """Return what weighs finds of the types that a model was calibrated on, at its own thresholds."""
    if not isinstance(encoder, DescriptionEncoder) or not encoder.calibration.evidence:
        return None
    own = (
        name
        for name, kind in types.items()
        if kind.threshold == "calibrated" and is_calibrated(encoder.calibration, name, kind)
    )
    return Weigher(encoder.calibration.evidence, frozenset(own))


def _place(finding: Finding) -> tuple[int, int]:
    return finding.start, finding.end


def _alike(one: Finding, other: Finding) -> bool:
    low, high = sorted((one.score, other.score))
    return low >= high * _LEAST_OF_STRONGEST


def _joined(text: str, found: Sequence[Finding]) -> list[Finding]:
    """Join candidates with no more than a space between them: parts of one number that the encoder cut."""
    joined: list[Finding] = []
    for each in sorted(found):
        before = joined[-1] if joined else None
        if before and text[before.end : each.start] in ("", " ") and _alike(before, each):
            joined[-1] = replace(before, end=each.end, score=min(before.score, each.score))
        else:
            joined.append(each)
    return joined


def _highest(text: str, words: Words, own: FloatArray, mention: Mention) -> float:
    """Return the highest threshold at which a mention is found; signs between its words do not count."""
    first = int(np.searchsorted(words.ends, mention.start, "right"))
    last = int(np.searchsorted(words.starts, mention.end, "left"))
    letters = [each for each in range(first, last) if text[words.starts[each]].isalnum()]
    return reach(own[letters])


@dataclass(frozen=True, slots=True)
class _Left:
    """What an encoder found in a doc; another one, with other descriptions, must not take it for its own."""

    encoder: PolicyEncoder
    findings: tuple[Finding, ...]


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
        docs = iter(stream)
        while batch := list(islice(docs, batch_size)):
            yield from self._annotate(batch)

    def _annotate(self, docs: list[Doc]) -> Iterator[Doc]:
        found = self._encoder.find([text_of(doc) for doc in docs])
        for doc, findings in zip(docs, found, strict=True):
            doc.user_data[COMPONENT] = _Left(self._encoder, findings)
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
        supported_entities: Types to look for; all that the policy gives to the encoder when None.

    Raises:
        PolicyError: if the policy cannot be loaded.
        UsageError: if the policy does not give a type asked for to the encoder.
    """

    name: str

    def __init__(  # noqa: PLR0913 - Presidio passes the keys of a registry file as arguments
        self,
        policy: str | Path | Policy = "safe-harbor",
        supported_language: str = "en",
        name: str = "DescriptionRecognizer",
        model: str | None = None,
        *,
        encoder: PolicyEncoder | None = None,
        supported_entities: Sequence[str] | None = None,
    ) -> None:
        # Presidio's constructor calls load(), which needs these.
        self._policy = policy if isinstance(policy, Policy) else load_policy(policy)
        self._model = Path(model) if model else None
        self._encoder = encoder
        found = [kind.name for kind in self._policy.types if "encoder" in kind.detect]
        super().__init__(
            supported_entities=narrowed(found, supported_entities),
            supported_language=supported_language,
            name=name,
        )

    def load(self) -> None:
        """Load the weights and encode the policy's descriptions."""
        if self._encoder is None:
            self._encoder = PolicyEncoder(self._policy, load_encoder(self._model))

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
        return as_results(self, findings, entities)

    def _left_on(self, artifacts: NlpArtifacts | None) -> tuple[Finding, ...] | None:
        doc = getattr(artifacts, "tokens", None)
        left = doc.user_data.get(COMPONENT) if isinstance(doc, Doc) else None
        return left.findings if isinstance(left, _Left) and left.encoder is self._encoder else None


register(DescriptionRecognizer.__name__, DescriptionRecognizerConfig)
