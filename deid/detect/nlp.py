"""A Presidio NLP engine on a blank spaCy pipeline: nothing to download, and a place to batch the encoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import spacy
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine
from spacy.tokens import Doc


class Component(Protocol):
    """What reads docs in batches and leaves something on them."""

    def pipe(self, stream: Iterable[Doc], batch_size: int = 64) -> Iterator[Doc]:
        """Pass docs through, a batch at a time."""


_TEXT = "deid_text"


def text_of(doc: Doc) -> str:
    """Return a doc's text, which a doc without tokens holds beside them."""
    text = doc.user_data.get(_TEXT)
    return text if isinstance(text, str) else doc.text


class BlankNlpEngine(NlpEngine):
    """Tokenizes with a blank English pipeline, then passes the docs through components in batches.

    Lemmas are the lower-cased tokens, so that context words of other recognizers in the same analyzer work.

    Args:
        components: Run over every doc, in order.
        lemmas: Whether to cut texts into tokens and fill in lemmas, which context words of other recognizers
            need. Without, a doc has no tokens: that takes no time, and spaCy's vocabulary, which keeps every
            string it has met, does not grow with the notes.
    """

    engine_name = "deid-blank"
    is_available = True

    def __init__(self, components: Sequence[Component] = (), *, lemmas: bool = True) -> None:
        self.pipeline = spacy.blank("en")
        self._components = tuple(components)
        self._lemmas = lemmas
        # Memory is bounded by the size of a batch, so spaCy's own guard against long texts is not needed.
        self.pipeline.max_length = 1 << 31

    def load(self) -> None:
        """Do nothing: the pipeline is blank."""

    def is_loaded(self) -> bool:
        """Return True."""
        return True

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        """Tokenize one text.

        Args:
            text: The text.
            language: Ignored but for the result's label.
        """
        ((_, artifacts),) = self.process_batch([text], language)
        return artifacts

    def process_batch(
        self,
        texts: Iterable[str],
        language: str,
        batch_size: int = 64,
        n_process: int = 1,
        **kwargs: Any,
    ) -> Iterator[tuple[str, NlpArtifacts]]:
        """Tokenize many texts and run the pipeline's components over them in batches.

        Args:
            texts: The texts.
            language: The result's label.
            batch_size: Texts that components see at once.
            n_process: Must be 1; runs parallelize over whole units instead.
            kwargs: Ignored.
        """
        del n_process, kwargs
        docs: Iterable[Doc] = (self._read(text) for text in texts)
        for component in self._components:
            docs = component.pipe(docs, batch_size)
        for doc in docs:
            yield text_of(doc), self._artifacts(doc, language)

    def _read(self, text: str) -> Doc:
        text.encode()  # a lone surrogate raises here, whether or not tokens are made
        doc = self.pipeline(text) if self._lemmas else Doc(self.pipeline.vocab)
        doc.user_data[_TEXT] = text
        return doc

    def _artifacts(self, doc: Doc, language: str) -> NlpArtifacts:
        strings = self.pipeline.vocab.strings
        lemmas = [strings[key] for key in doc.to_array("LOWER").tolist()] if self._lemmas else []
        return NlpArtifacts(
            entities=[],
            tokens=doc,
            tokens_indices=doc.to_array("IDX").tolist(),
            lemmas=lemmas,
            nlp_engine=self,
            language=language,
        )

    def is_stopword(self, word: str, language: str) -> bool:
        """Say whether a word is a stop word."""
        del language
        return word in self.pipeline.Defaults.stop_words

    def is_punct(self, word: str, language: str) -> bool:
        """Say whether a word consists of signs only."""
        del language
        return not any(sign.isalnum() for sign in word)

    def get_supported_entities(self) -> list[str]:
        """Return nothing: the engine only tokenizes."""
        return []

    def get_supported_languages(self) -> list[str]:
        """Return the pipeline's language."""
        return ["en"]
