"""Training: batches are reproducible, labels are right, a stopped run resumes exactly, and it learns."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import WORDS
from safetensors.torch import load_file, save_file

from deid.encoder.batches import BatchMaker, Passage
from deid.encoder.config import EncoderConfig
from deid.encoder.corpus import TrainingText, TrainingType
from deid.encoder.corrupt import corrupt
from deid.encoder.network import Network
from deid.encoder.sources import Corpus
from deid.encoder.teacher import Teacher
from deid.encoder.train import Progress, Trainer, read_spec
from deid.encoder.weights import ModelFolder
from deid.encoder.words import WordPieces
from deid.errors import IntegrityError, UsageError

KINDS = {
    "NAME": TrainingType(name="NAME", description="the name of the patient", views=("patient name",)),
    "DATE": TrainingType(name="DATE", description="a date", examples=("3/4", "5/6")),
    "CLINIC": TrainingType(name="CLINIC", description="a clinic", overlaps=("NAME",)),
}


def corpus(*, negative: bool) -> Corpus:
    texts = (TrainingText("patient Lima seen on 3/4", ((8, 12, "NAME"), (21, 24, "DATE"))),)
    return Corpus("notes", texts, frozenset({"NAME", "DATE"}), negative, 1.0)


def labels(pieces: WordPieces, *, negative: bool) -> dict[str, tuple[list[float], list[float], list[float]]]:
    maker = BatchMaker([corpus(negative=negative)], KINDS, pieces, sizes=(1, 3, 60), seed=2)
    batch = maker.make(0)
    (part,) = batch.parts
    arrays = (part.inside, part.begin, part.weight)
    return {
        name: tuple(array[0, :7, column].tolist() for array in arrays)  # type: ignore[misc]
        for column, name in enumerate(batch.names)
    }


def test_labels(pieces: WordPieces) -> None:
    made = labels(pieces, negative=True)  # words: patient Lima seen on 3 / 4
    assert made["NAME"] == ([0, 1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0], [1] * 7)
    assert made["DATE"] == ([0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, 0, 0], [1] * 7)
    # A clinic may be a name, so the name is no counterexample to it; everything else is.
    assert made["CLINIC"] == ([0] * 7, [0] * 7, [1, 0, 1, 1, 1, 1, 1])


def test_a_type_outside_the_labels_is_unknown_ground(pieces: WordPieces) -> None:
    assert labels(pieces, negative=False)["CLINIC"][2] == [0] * 7


def test_batches_are_a_function_of_seed_and_step(pieces: WordPieces) -> None:
    makers = [
        BatchMaker([corpus(negative=True)], KINDS, pieces, sizes=(4, 2, 60), seed=seed) for seed in (1, 1, 2)
    ]
    first, again, other = (
        [[part.ids.tobytes() for part in maker.make(step).descriptions] for step in range(6)]
        for maker in makers
    )
    assert first == again != other


def test_corruption_keeps_offsets() -> None:
    rng = np.random.default_rng(1)
    text = "Straße seen by Dr. Ana Lima,\nHill Clinic; call the İzmir office. " * 3
    seen = {corrupt(text, rng) for _ in range(200)}
    assert all(len(changed) == len(text) for changed in seen)
    assert len(seen) > 5


@pytest.fixture
def config(tmp_path: Path, vocabulary: Path, tiny_config: EncoderConfig) -> Path:
    """A run on two sentences, from a made-up BERT checkpoint."""
    network = Network(tiny_config)
    foreign = {
        "embeddings.word_embeddings.weight": network.word_embedding.weight,
        "embeddings.position_embeddings.weight": network.position_embedding.weight,
        "embeddings.LayerNorm.weight": network.embedding_norm.weight,
        "embeddings.LayerNorm.bias": network.embedding_norm.bias,
    }
    for index in range(tiny_config.layers):
        prefix, size = f"encoder.layer.{index}", tiny_config.hidden
        for name in (
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            "attention.output.dense",
        ):
            foreign[f"{prefix}.{name}.weight"] = torch.randn(size, size) * 0.1
            foreign[f"{prefix}.{name}.bias"] = torch.zeros(size)
        foreign[f"{prefix}.intermediate.dense.weight"] = torch.randn(tiny_config.intermediate, size) * 0.1
        foreign[f"{prefix}.intermediate.dense.bias"] = torch.zeros(tiny_config.intermediate)
        foreign[f"{prefix}.output.dense.weight"] = torch.randn(size, tiny_config.intermediate) * 0.1
        foreign[f"{prefix}.output.dense.bias"] = torch.zeros(size)
        for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
            foreign[f"{prefix}.{norm}.weight"] = torch.ones(size)
            foreign[f"{prefix}.{norm}.bias"] = torch.zeros(size)
    save_file(
        {name: value.detach().clone() for name, value in foreign.items()}, tmp_path / "base.safetensors"
    )
    records = [
        {"text": "patient Lima seen", "spans": [{"start": 8, "end": 12, "label": "NAME"}]},
        {"text": "call on 3/4 at the clinic", "spans": [{"start": 8, "end": 11, "label": "DATE"}]},
    ]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    types = {name: kind.model_dump(exclude={"name"}, mode="json") for name, kind in KINDS.items()}
    (tmp_path / "types.yaml").write_text(yaml.safe_dump({"types": types}), encoding="utf-8")
    sizes = (
        "vocabulary",
        "hidden",
        "layers",
        "heads",
        "intermediate",
        "positions",
        "projection",
        "window",
        "overlap",
    )
    spec = {
        "output": "model",
        "work": "work",
        "base": {"weights": "base.safetensors", "vocabulary": str(vocabulary)},
        "network": {name: getattr(tiny_config, name) for name in sizes},
        "types": ["types.yaml"],
        "corpora": [{"path": "texts.jsonl", "absent": "negative"}, {"path": "gone.jsonl", "optional": True}],
        "seed": 5,
        "steps": 12,
        "texts": 4,
        "types_per_batch": 3,
        "pieces": 60,
        "learning_rate": 5e-3,
        "warmup": 2,
        "checkpoint_minutes": 0,
    }
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return path


def weights_of(config: Path) -> dict[str, torch.Tensor]:
    return load_file(config.parent / "model" / "model.safetensors")


class Stopped(Exception):
    """Stands for a kill."""


def test_a_stopped_run_resumes_exactly_and_learns(config: Path) -> None:
    losses: list[float] = []
    Trainer(read_spec(config), config.parent, device="cpu").train(lambda p: losses.append(p.loss), every=1)
    straight = weights_of(config)
    assert losses[-1] < losses[0] / 2

    for left in (config.parent / "work").iterdir():
        left.unlink()

    def stop(progress: Progress) -> None:
        if progress.step == 7:
            raise Stopped

    with pytest.raises(Stopped):
        Trainer(read_spec(config), config.parent, device="cpu").train(stop, every=1)
    Trainer(read_spec(config), config.parent, device="cpu").train(lambda _: None, every=1)
    resumed = weights_of(config)
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)


def test_a_second_stage_starts_from_the_model_of_the_first(config: Path) -> None:
    Trainer(read_spec(config), config.parent, device="cpu").train(lambda _: None)
    spec = yaml.safe_load(config.read_text(encoding="utf-8"))
    spec |= {"base": {"model": "model"}, "output": "second", "work": "second-work", "steps": 0}
    config.write_text(yaml.safe_dump(spec), encoding="utf-8")
    Trainer(read_spec(config), config.parent, device="cpu").train(lambda _: None)
    first, second = (load_file(config.parent / name / "model.safetensors") for name in ("model", "second"))
    assert all(torch.equal(first[name], second[name]) for name in first)

    config.write_text(yaml.safe_dump(spec | {"base": {}}), encoding="utf-8")
    with pytest.raises(UsageError, match="either weights and vocabulary, or model"):
        read_spec(config)


def test_what_another_network_reads_is_learned_from_it(config: Path) -> None:
    Trainer(read_spec(config), config.parent, device="cpu").train(lambda _: None)
    spec = yaml.safe_load(config.read_text(encoding="utf-8"))
    spec |= {"described_by": "model", "output": "second", "work": "second-work", "steps": 1}
    config.write_text(yaml.safe_dump(spec), encoding="utf-8")
    batch = Trainer(read_spec(config), config.parent, device="cpu")._batches.make(0)

    def agreement(steps: int) -> float:
        config.write_text(yaml.safe_dump(spec | {"steps": steps}), encoding="utf-8")
        trainer = Trainer(read_spec(config), config.parent, device="cpu")
        trainer.train(lambda _: None)
        with torch.no_grad():
            return -float(trainer._misread(batch, trainer._described(batch)))

    assert batch.own is not None
    assert batch.own[1].stop <= len(batch.names)
    early = agreement(1)
    assert agreement(20) > early + 0.1

    spec["network"]["projection"] = 8
    config.write_text(yaml.safe_dump(spec), encoding="utf-8")
    with pytest.raises(UsageError, match="described_by"):
        Trainer(read_spec(config), config.parent, device="cpu")


def test_a_network_learns_towards_what_its_teachers_say(config: Path) -> None:
    Trainer(read_spec(config), config.parent, device="cpu").train(lambda _: None)
    spec = yaml.safe_load(config.read_text(encoding="utf-8"))
    spec |= {"teachers": ["model", "model"], "taught": 1.0, "output": "second", "work": "second-work"}

    def distance(steps: int) -> float:
        config.write_text(yaml.safe_dump(spec | {"seed": 5, "steps": steps}), encoding="utf-8")
        trainer = Trainer(read_spec(config), config.parent, device="cpu")
        trainer.train(lambda _: None)
        batch = trainer._batches.make(1000)
        with torch.no_grad():
            types = trainer._described(batch)
            scored = [trainer._score(trainer._network, part, types) for part in batch.parts]
            return float(trainer._untaught(batch, scored))

    early = distance(1)
    assert 0 <= distance(60) < early / 2


def test_what_a_teacher_reads_does_not_depend_on_company(folder: ModelFolder) -> None:
    kinds = KINDS | {"DAY": TrainingType(name="DAY", description="seen by the clinic on the day " * 9)}
    alone, beside = (Teacher(folder.path, kinds, torch.device("cpu")) for _ in range(2))
    # A resumed run meets the types in another order, and must come to the same weights.
    (single,) = alone._described(("NAME",))
    assert torch.equal(beside._described(("DAY", "NAME"))[1], single)


def test_a_teacher_counts_words_as_the_learner_does_whatever_their_pieces(
    folder: ModelFolder, tiny_config: EncoderConfig, pieces: WordPieces, tmp_path: Path
) -> None:
    signs = tmp_path / "vocab.txt"  # every word in single letters
    kept = (line for line in folder.vocabulary().read_text(encoding="utf-8").split() if line not in WORDS)
    signs.write_text("\n".join([*kept, *("[unused]" + word for word in WORDS)]) + "\n", encoding="utf-8")
    spelled = ModelFolder.write(
        tmp_path / "spelled",
        config=tiny_config,
        weights=folder.weights(),
        vocabulary=signs,
        calibration=folder.calibration(),
    )
    teacher = Teacher(spelled.path, KINDS, torch.device("cpu"))
    text = "seen by Dr. Lima-Ortiz on 3/4 at the clinic"
    count = len(pieces.split(text))
    assert len(WordPieces(signs).split(text).pieces) > 2 * len(pieces.split(text).pieces)
    whole, read = teacher.scores([Passage(text, 0, count)], ("DATE", "NAME"))
    assert whole.shape == (2, 1, 16, 2)
    assert read.tolist() == [[1.0] * count + [0.0] * (16 - count)]
    again, _ = teacher.scores([Passage(text, 0, count)], ("NAME",))
    assert torch.allclose(again[..., 0], whole[..., 1], atol=1e-3)
    # What lies beyond the last position of the teacher is not counted.
    long = "a " * (tiny_config.positions + 10)
    _, read = teacher.scores([Passage(long, 0, tiny_config.positions + 10)], ("NAME",))
    assert read.sum() == tiny_config.positions - 2


def test_config_errors_name_the_place(config: Path) -> None:
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("steps: 12", "steps: many"), encoding="utf-8")
    with pytest.raises(UsageError, match="steps"):
        read_spec(config)
    with pytest.raises(UsageError, match="not there"):
        read_spec(config.parent / "absent.yaml")


def test_a_missing_corpus_is_an_error_unless_optional(config: Path) -> None:
    (config.parent / "texts.jsonl").unlink()
    with pytest.raises(UsageError, match=r"texts\.jsonl"):
        Trainer(read_spec(config), config.parent, device="cpu")


def test_a_base_of_another_shape_is_refused(config: Path) -> None:
    tensors = load_file(config.parent / "base.safetensors")
    tensors["embeddings.LayerNorm.bias"] = torch.zeros(3)
    save_file(tensors, config.parent / "base.safetensors")
    with pytest.raises(IntegrityError, match=r"embedding_norm\.bias needs shape \(32,\), got \(3,\)"):
        Trainer(read_spec(config), config.parent, device="cpu")
