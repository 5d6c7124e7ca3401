"""The blank NLP engine: nothing to download, context words work, texts and batches stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from presidio_analyzer import AnalyzerEngine, Pattern, PatternRecognizer, RecognizerRegistry
from spacy.tokens import Doc

from deid.detect.nlp import BlankNlpEngine, text_of

ENGINE = BlankNlpEngine()


class Recorder:
    """A component that keeps the batch sizes it is told and marks the docs."""

    def __init__(self, mark: str) -> None:
        self.sizes: list[int] = []
        self._mark = mark

    def pipe(self, stream: Iterable[Doc], batch_size: int = 64) -> Iterator[Doc]:
        self.sizes.append(batch_size)
        for doc in stream:
            doc.user_data["marks"] = doc.user_data.get("marks", "") + self._mark
            yield doc


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_comes_back_as_it_is(text: str) -> None:
    ((same, artifacts),) = ENGINE.process_batch([text], "en")
    assert same == text == artifacts.tokens.text
    assert [text[at : at + 1] for at in artifacts.tokens_indices] == [
        token.text[:1] for token in artifacts.tokens
    ]


def test_components_run_in_order_on_batches() -> None:
    first, second = Recorder("a"), Recorder("b")
    engine = BlankNlpEngine([first, second])
    found = list(engine.process_batch(["one", "two", "three"], "en", batch_size=2))
    assert [text for text, _ in found] == ["one", "two", "three"]
    assert {artifacts.tokens.user_data["marks"] for _, artifacts in found} == {"ab"}
    assert (first.sizes, second.sizes) == ([2], [2])


def test_without_lemmas_nothing_of_a_text_stays_in_the_vocabulary() -> None:
    engine = BlankNlpEngine(lemmas=False)
    before = len(engine.pipeline.vocab.strings)
    ((text, artifacts),) = engine.process_batch(["Zyxquill came on the eleventy-first"], "en")
    assert text == text_of(artifacts.tokens) == "Zyxquill came on the eleventy-first"
    assert len(artifacts.tokens) == 0
    assert len(engine.pipeline.vocab.strings) == before


@pytest.mark.parametrize(("lemmas", "expected"), [(True, ["the", "mrn", "is", "new"]), (False, [])])
def test_lemmas_are_the_lower_cased_tokens(lemmas: bool, expected: list[str]) -> None:
    artifacts = BlankNlpEngine(lemmas=lemmas).process_text("The MRN is new", "en")
    assert artifacts.lemmas == expected
    assert (artifacts.entities, artifacts.nlp_engine.is_loaded()) == ([], True)


@pytest.mark.parametrize(
    ("text", "score"), [("his Locker number is 4711", 0.55), ("a number such as 4711", 0.2)]
)
def test_context_words_of_other_recognizers_work(text: str, score: float) -> None:
    numbers = PatternRecognizer("LOCKER", patterns=[Pattern("four", r"\d{4}", 0.2)], context=["locker"])
    registry = RecognizerRegistry(recognizers=[numbers], supported_languages=["en"])
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=ENGINE, supported_languages=["en"])
    (result,) = analyzer.analyze(text, "en")
    assert result.score == pytest.approx(score)


@pytest.mark.parametrize(
    ("word", "stop", "sign"),
    [("the", True, False), ("biopsy", False, False), ("--", False, True), ("B6", False, False)],
)
def test_words(word: str, stop: bool, sign: bool) -> None:
    assert (ENGINE.is_stopword(word, "en"), ENGINE.is_punct(word, "en")) == (stop, sign)


def test_long_texts_are_taken() -> None:
    assert len(ENGINE.process_text("word " * 250_000, "en").tokens) == 250_000


def test_what_it_offers() -> None:
    ENGINE.load()
    assert (ENGINE.get_supported_entities(), ENGINE.get_supported_languages()) == ([], ["en"])
