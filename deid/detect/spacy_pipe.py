"""The ``deid`` component for spaCy pipelines: PHI as a span group."""

from __future__ import annotations

from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup

from deid.detect.engine import Detector
from deid.policy import load_policy
from deid.resolve import resolve

SPANS_KEY = "deid"


class DeidComponent:
    """Writes PHI to ``doc.spans["deid"]``, grown to whole tokens; scores in the group's ``attrs``.

    Args:
        detector: Finds PHI.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def __call__(self, doc: Doc) -> Doc:
        """Annotate one doc."""
        (findings,) = self._detector.detect([doc.text])
        spans: list[Span] = []
        scores: list[float] = []
        for found in resolve(doc.text, findings):
            span = doc.char_span(found.start, found.end, label=found.entity_type, alignment_mode="expand")
            if span is not None:
                spans.append(span)
                scores.append(found.score)
        doc.spans[SPANS_KEY] = SpanGroup(doc, name=SPANS_KEY, spans=spans, attrs={"scores": scores})
        return doc


@Language.factory("deid", default_config={"policy": "safe-harbor"})
def make_deid_component(nlp: Language, name: str, policy: str) -> Any:
    """Make the component: ``nlp.add_pipe("deid", config={"policy": "safe-harbor"})``.

    Args:
        nlp: The pipeline.
        name: The component's name there.
        policy: Name or path of a policy.
    """
    del nlp, name
    return DeidComponent(Detector(load_policy(policy)))
