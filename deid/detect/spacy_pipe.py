"""The ``deid`` component for spaCy pipelines: PHI as a span group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup

from deid.policy import load_policy
from deid.resolve import resolve

if TYPE_CHECKING:
    from deid.detect.engine import Detector
    from deid.note import Finding

SPANS_KEY = "deid"


class DeidComponent:
    """Writes PHI to ``doc.spans["deid"]``, grown to whole tokens; scores in the group's ``attrs``.

    It holds nothing of its own to save: a pipeline written to disk keeps the component's settings, and loads
    policy and model again when it is read.

    Args:
        detector: Finds PHI.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def __call__(self, doc: Doc) -> Doc:
        """Annotate one doc."""
        return next(self.pipe([doc]))

    def pipe(self, stream: Iterable[Doc], batch_size: int = 64) -> Iterator[Doc]:
        """Annotate docs, a batch at a time.

        Args:
            stream: The docs.
            batch_size: Docs that the encoder reads at once.

        Raises:
            Exception: whatever a detector raises; no doc passes without having been read.
        """
        docs = iter(stream)
        while batch := list(islice(docs, batch_size)):
            found = self._detector.detect([doc.text for doc in batch])
            for doc, findings in zip(batch, found, strict=True):
                _annotate(doc, findings)
                yield doc


def _annotate(doc: Doc, findings: Iterable[Finding]) -> None:
    spans: list[Span] = []
    scores: list[float] = []
    for found in resolve(doc.text, findings):
        span = doc.char_span(found.start, found.end, label=found.entity_type, alignment_mode="expand")
        if span is not None:
            spans.append(span)
            scores.append(found.score)
    doc.spans[SPANS_KEY] = SpanGroup(doc, name=SPANS_KEY, spans=spans, attrs={"scores": scores})


@Language.factory("deid", assigns=["doc.spans"], default_config={"policy": "safe-harbor", "model": None})
def make_deid_component(nlp: Language, name: str, policy: str, model: str | None) -> DeidComponent:
    """Make the component: ``nlp.add_pipe("deid", config={"policy": "safe-harbor"})``.

    Args:
        nlp: The pipeline.
        name: The component's name there.
        policy: Name or path of a policy.
        model: A model folder; the shipped one when None.

    Raises:
        PolicyError: if the policy cannot be loaded.
    """
    # spaCy imports this module for every pipeline of a program that has the package installed.
    from deid.detect.engine import Detector
    from deid.encoder.load import load_encoder

    del nlp, name
    return DeidComponent(Detector(load_policy(policy), encoder=load_encoder(Path(model)) if model else None))
