"""Training texts drawn afresh: refilled, assembled, written into a carrier; what they know of a type."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deid.encoder.batches import BatchMaker
from deid.encoder.corpus import CorpusSpec, TrainingType
from deid.encoder.refill import Refiller
from deid.encoder.sources import Corpus, read_corpus
from deid.encoder.words import WordPieces
from deid.errors import UsageError

POOLS = {
    name: ("Keene", "Lima", "Okafor")
    for name in ("given", "family", "city", "country", "state", "state_code", "street", "place")
}
NOTE = {
    "text": "Pt Ana Lima\nseen by Dr. Ortiz\nin Keene.",
    "patient": "p1",
    "spans": [
        {"start": 3, "end": 11, "label": "PATIENT_NAME"},
        {"start": 24, "end": 29, "label": "CLINICIAN_NAME"},
        {"start": 33, "end": 38, "label": "CITY"},
    ],
}
TYPES = {
    name: TrainingType(name=name, description=f"a {name.lower()}", near=near, common=name == "DRUG")
    for name, near in {"DOCKET": ("BADGE",), "BADGE": (), "DRUG": (), "CLINICIAN_NAME": ()}.items()
}


def corpus(
    folder: Path, *records: object, types: dict[str, TrainingType] | None = None, **spec: object
) -> Corpus:
    (folder / "texts.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
    made = read_corpus(
        CorpusSpec(path="texts.jsonl", **spec),  # type: ignore[arg-type]
        folder,
        refiller=Refiller(POOLS),
        types=types,
    )
    assert made is not None
    return made


def test_texts_are_refilled_as_often_as_asked(tmp_path: Path) -> None:
    drawn = corpus(tmp_path, NOTE, refill=0.5)
    rng = np.random.default_rng(1)
    texts = [drawn.draw(rng) for _ in range(200)]
    assert 60 < sum(text.text == NOTE["text"] for text in texts) < 140
    for text in texts:
        assert [kind for *_, kind in text.spans] == ["PATIENT_NAME", "CLINICIAN_NAME", "CITY"]
        assert all(text.text[start:end].strip() for start, end, _ in text.spans)


def test_draws_are_a_function_of_the_seed(tmp_path: Path) -> None:
    drawn = corpus(tmp_path, NOTE, refill=1.0)
    first, again = ([drawn.draw(np.random.default_rng(7)) for _ in range(3)] for _ in range(2))
    assert first == again


def test_lines_are_written_into_a_carrier(tmp_path: Path) -> None:
    (tmp_path / "quiet.jsonl").write_text(
        json.dumps({"text": "Lungs clear. Heart regular.\nNo edema. Gait steady."})
    )
    drawn = corpus(tmp_path, NOTE, carrier="quiet.jsonl")
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(100):
        text = drawn.draw(rng)
        surfaces = {kind: text.text[start:end] for start, end, kind in text.spans}
        seen.update(surfaces.items())
        assert any(sentence in text.text for sentence in ("Lungs", "Heart", "edema", "Gait"))
    assert seen == {("PATIENT_NAME", "Ana Lima"), ("CLINICIAN_NAME", "Ortiz"), ("CITY", "Keene")}


CONTEXTS = (
    {"text": "docket 22-1", "own": ["DOCKET"], "spans": [{"start": 7, "end": 11, "label": "DOCKET"}]},
    {"text": "badge 40417", "own": ["BADGE"], "spans": [{"start": 6, "end": 11, "label": "BADGE"}]},
    {"text": "no court date", "own": ["DOCKET"], "spans": []},
)


def test_texts_of_near_types_stand_together(tmp_path: Path) -> None:
    drawn = corpus(tmp_path, *CONTEXTS, assemble=3, types=TYPES, absent="negative")
    rng = np.random.default_rng(1)
    texts = [drawn.draw(rng) for _ in range(100)]
    assert any({"DOCKET", "BADGE"} <= {kind for *_, kind in text.spans} for text in texts)
    for text in texts:
        for start, end, kind in text.spans:
            assert text.text[start:end] == {"DOCKET": "22-1", "BADGE": "40417"}[kind]
        for start, end, _ in text.own:
            assert text.text[start:end] in {each["text"] for each in CONTEXTS}


def weights(corpora: list[Corpus], pieces: WordPieces) -> dict[str, list[float]]:
    maker = BatchMaker(corpora, TYPES, pieces, sizes=(1, len(TYPES), 60), seed=1)
    batch = maker.make(0)
    (part,) = batch.parts
    return {name: part.weight[0, :4, column].tolist() for column, name in enumerate(batch.names)}


def test_a_common_type_is_unknown_where_it_is_not_marked(tmp_path: Path, pieces: WordPieces) -> None:
    known = weights([corpus(tmp_path, CONTEXTS[1], absent="negative")], pieces)
    assert known["DRUG"] == [0, 0, 0, 0]
    assert known["DOCKET"] == known["BADGE"] == [1, 1, 0, 0]  # two words, the rest is padding


def test_a_common_type_of_the_corpus_is_known_in_its_own_texts_alone(
    tmp_path: Path, pieces: WordPieces
) -> None:
    own = {"text": "aspirin daily", "own": ["DRUG"], "spans": [{"start": 0, "end": 7, "label": "DRUG"}]}
    other = {"text": "badge 12", "own": ["BADGE"], "spans": [{"start": 6, "end": 8, "label": "BADGE"}]}
    made = corpus(tmp_path, own, other, absent="negative", types=TYPES)
    assert made.labels == {"BADGE"}
    assert weights([replace(made, texts=made.texts[:1])], pieces)["DRUG"][:2] == [1, 1]
    assert weights([replace(made, texts=made.texts[1:])], pieces)["DRUG"] == [0, 0, 0, 0]


def test_a_text_of_its_own_says_everything_of_a_type(tmp_path: Path, pieces: WordPieces) -> None:
    """Elsewhere a clinician's name says nothing of a type that it may also be."""
    overlapping = TYPES["BADGE"].model_copy(update={"overlaps": ("CLINICIAN_NAME",)})
    record = {"text": "badge of Ortiz", "spans": [{"start": 9, "end": 14, "label": "CLINICIAN_NAME"}]}
    for own, expected in (([], [1, 1, 0, 0]), (["BADGE"], [1, 1, 1, 0])):
        made = corpus(tmp_path, record | {"own": own}, absent="negative")
        maker = BatchMaker([made], TYPES | {"BADGE": overlapping}, pieces, sizes=(1, 4, 60), seed=1)
        batch = maker.make(0)
        assert batch.parts[0].weight[0, :4, batch.names.index("BADGE")].tolist() == expected


def test_surrogates_need_pools(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text(json.dumps(NOTE))
    with pytest.raises(UsageError, match="refill needs pools"):
        read_corpus(CorpusSpec(path="texts.jsonl", refill=1.0), tmp_path)


def test_a_long_text_is_cut_between_words_and_outside_mentions(tmp_path: Path, pieces: WordPieces) -> None:
    long = "seen by dr lima " * 60
    spans = [{"start": at * 16 + 8, "end": at * 16 + 15, "label": "CLINICIAN_NAME"} for at in range(60)]
    made = corpus(tmp_path, {"text": long, "spans": spans}, absent="negative")
    maker = BatchMaker([made], TYPES, pieces, sizes=(8, 4, 20), seed=3)
    for step in range(10):
        batch = maker.make(step)
        column = batch.names.index("CLINICIAN_NAME")
        for part in batch.parts:
            inside, begin = part.inside[:, :, column], part.begin[:, :, column]
            assert inside.sum() > 0
            assert begin.sum() <= inside.sum() <= 2 * begin.sum() + len(inside)
