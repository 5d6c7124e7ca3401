"""Where training texts come from: drawn afresh at every step, from the seed alone."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deid.encoder.corpus import CorpusSpec, TrainingText, TrainingType
from deid.encoder.refill import Refiller
from deid.errors import UsageError

_COPIES = 1000  # surrogates of a patient that a run may meet
_CARRIER_SENTENCES = (2, 7)
_WRITTEN_LINES = (1, 4)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_JOINTS = ("\n", "\n", "\n\n", " ")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Texts that share one labelling.

    Args:
        name: File name, for the log.
        texts: The texts.
        labels: Type names that the corpus labels wherever they occur.
        negative: Whether all other types are absent from its texts, but for the common ones.
        weight: Share in a batch.
        spec: How texts are drawn.
        refiller: Makes surrogates; None if mentions stay as they are.
        carrier: Sentences without PHI, text by text.
        companions: By type, the indices of texts that may stand below its own.
    """

    name: str
    texts: tuple[TrainingText, ...]
    labels: frozenset[str]
    negative: bool
    weight: float
    spec: CorpusSpec | None = None
    refiller: Refiller | None = None
    carrier: tuple[tuple[str, ...], ...] = ()
    companions: Mapping[str, tuple[int, ...]] | None = None

    def draw(self, rng: np.random.Generator) -> TrainingText:
        """Draw a text.

        Args:
            rng: Source of chance.
        """
        text = self.texts[int(rng.integers(len(self.texts)))]
        if self.spec is None:
            return text
        if self.carrier:
            text = self._in_carrier(text, rng)
        elif self.spec.assemble > 1:
            text = self._assembled(text, rng)
        if self.refiller is not None and rng.random() < self.spec.refill:
            text = _refilled(text, self.refiller, rng)
        return text

    def _assembled(self, text: TrainingText, rng: np.random.Generator) -> TrainingText:
        """Put texts of near types and of any types below each other, in any order."""
        parts = [text]
        near = (self.companions or {}).get(text.own[0][2] if text.own else "", ())
        for _ in range(int(rng.integers(self.spec.assemble if self.spec else 1))):
            from_near = near and rng.random() < 0.7
            index = near[int(rng.integers(len(near)))] if from_near else int(rng.integers(len(self.texts)))
            parts.append(self.texts[index])
        return _joined([parts[index] for index in rng.permutation(len(parts))], rng)

    def _in_carrier(self, text: TrainingText, rng: np.random.Generator) -> TrainingText:
        """Write some lines of a text between sentences of a carrier."""
        lines = list(_lines(text))
        first = int(rng.integers(len(lines)))
        written = lines[first : first + int(rng.integers(*_WRITTEN_LINES, endpoint=True))]
        sentences = self.carrier[int(rng.integers(len(self.carrier)))]
        start = int(rng.integers(max(len(sentences) - _CARRIER_SENTENCES[0], 1)))
        count = int(rng.integers(*_CARRIER_SENTENCES, endpoint=True))
        parts = [TrainingText(sentence, ()) for sentence in sentences[start : start + count]]
        for line in written:
            parts.insert(int(rng.integers(len(parts) + 1)), line)
        return replace(_joined(parts, rng), patient=text.patient)


def _joined(parts: Sequence[TrainingText], rng: np.random.Generator) -> TrainingText:
    pieces: list[str] = []
    spans: list[tuple[int, int, str]] = []
    own: list[tuple[int, int, str]] = []
    length = 0
    for part in parts:
        if pieces:
            pieces.append(_JOINTS[int(rng.integers(len(_JOINTS)))])
            length += len(pieces[-1])
        spans += ((start + length, end + length, kind) for start, end, kind in part.spans)
        own += ((start + length, end + length, kind) for start, end, kind in part.own)
        pieces.append(part.text)
        length += len(part.text)
    return TrainingText("".join(pieces), tuple(spans), tuple(own))


def _lines(text: TrainingText) -> Iterator[TrainingText]:
    """Cut a text into its lines; a mention over a line break keeps its lines together."""
    begin = 0
    for match in [*re.finditer(r"\n", text.text), None]:
        end = match.start() if match else len(text.text)
        if any(start < end < stop for start, stop, _ in text.spans) or (match and end == begin):
            continue
        spans = tuple((s - begin, e - begin, kind) for s, e, kind in text.spans if begin <= s and e <= end)
        if end > begin:
            yield TrainingText(text.text[begin:end], spans)
        begin = end + 1


def _refilled(text: TrainingText, refiller: Refiller, rng: np.random.Generator) -> TrainingText:
    copy = int(rng.integers(_COPIES))
    key = _key(f"{text.patient}:{copy}") if text.patient else int(rng.integers(1 << 62))
    new, spans = refiller.refill(text.text, text.spans, key)
    moves = [(old[0], old[1], made[1] - old[1]) for old, made in zip(text.spans, spans, strict=True)]

    def moved(offset: int) -> int:
        return offset + next((by for _, end, by in reversed(moves) if end <= offset), 0)

    own = tuple((moved(start), moved(end), kind) for start, end, kind in text.own)
    return replace(text, text=new, spans=spans, own=own)


def _key(text: str) -> int:
    """Return a number that stands for a text, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def read_corpus(
    spec: CorpusSpec,
    folder: Path,
    *,
    refiller: Refiller | None = None,
    types: Mapping[str, TrainingType] | None = None,
) -> Corpus | None:
    """Read a corpus into memory; None if it is optional and not there.

    Args:
        spec: Where and how.
        folder: What relative paths start from.
        refiller: Makes surrogates, if the spec asks for them.
        types: Says which types are near each other, if texts are assembled, and which are common.

    Raises:
        UsageError: if the file is missing, a label is not mapped, or surrogates are asked for without pools.
    """
    path = folder / spec.path
    if not path.is_file():
        if spec.optional:
            return None
        raise UsageError(f"training corpus {spec.path} is not there; build it first or mark it optional")
    if spec.refill and refiller is None:
        raise UsageError(f"training corpus {spec.path}: refill needs pools")
    texts: list[TrainingText] = []
    labels: set[str] = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        texts.append(_text(spec, json.loads(line), f"{spec.path}, line {number}"))
        labels.update(kind for _, _, kind in texts[-1].spans)
    known = types or {}
    if spec.absent == "negative":  # common types are marked in the texts written for them alone
        labels = {kind for kind in labels if kind not in known or not known[kind].common}
    return Corpus(
        path.name,
        tuple(texts),
        frozenset(labels - {""}),
        spec.absent == "negative",
        spec.weight,
        spec,
        refiller if spec.refill else None,
        _carrier(spec, folder),
        _companions(texts, known) if spec.assemble > 1 else None,
    )


def _text(spec: CorpusSpec, record: Mapping[str, Any], place: str) -> TrainingText:
    spans = ((span["start"], span["end"], _mapped(spec, span["label"], place)) for span in record["spans"])
    text = record["text"]
    own = tuple((0, len(text), kind) for kind in record.get("own", ()))
    return TrainingText(text, tuple(sorted(spans)), own, record.get("patient") or "")


def _mapped(spec: CorpusSpec, label: str, place: str) -> str:
    if spec.labels is None:
        return label
    if label not in spec.labels:
        raise UsageError(f"{place}: label {label} has no entry under labels")
    return spec.labels[label] or ""


def _carrier(spec: CorpusSpec, folder: Path) -> tuple[tuple[str, ...], ...]:
    """Read the sentences of the carrier; empty if there is none, or its file is not there."""
    if spec.carrier is None or not (folder / spec.carrier).is_file():
        return ()
    lines = (folder / spec.carrier).read_text(encoding="utf-8").splitlines()
    texts = (_SENTENCE.split(json.loads(line)["text"].strip()) for line in lines)
    return tuple(tuple(filter(None, sentences)) for sentences in texts if sentences)


def _companions(
    texts: Sequence[TrainingText], types: Mapping[str, TrainingType]
) -> Mapping[str, tuple[int, ...]]:
    """Return by type the texts of its near types and its own texts without a mention."""
    by_type: dict[str, list[int]] = defaultdict(list)
    for index, text in enumerate(texts):
        for _, _, kind in text.own:
            by_type[kind].append(index)
    near = {name: (*types[name].near, name) if name in types else (name,) for name in by_type}
    return {
        name: tuple(index for other in others for index in by_type.get(other, ()))
        for name, others in near.items()
    }
