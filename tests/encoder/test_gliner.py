"""GLiNER models through their package, against the package called by hand."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Kind
from tiny_bert import POSITIONS
from tiny_gliner import write_gliner

from deid import lean
from deid.encoder.interface import UNCALIBRATED_THRESHOLD, DescribedTypes, WordScorer
from deid.encoder.load import Kind as ModelKind
from deid.encoder.load import kind_of, load_encoder, model_info
from deid.encoder.pretrained.gliner_encoder import GlinerEncoder
from deid.errors import InputOutputError, IntegrityError, UsageError

TEXT = "Seen by Dr Ortiz, at Hillside."
TYPES = {
    "PERSON": Kind("the name of  a patient", views=("not read",), examples=("not read",)),
    "PLACE": Kind("the place"),
}
LABELS = ["the name of a patient", "the place"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gliner(tmp_path_factory.mktemp("gliner"))


@pytest.fixture(scope="module")
def encoder(model: Path) -> GlinerEncoder:
    return GlinerEncoder(model)


def by_hand(model: Path, text: str, labels: list[str], threshold: float) -> set[tuple[int, int, int, float]]:
    import gliner

    loaded = gliner.GLiNER.from_pretrained(str(model), local_files_only=True)
    found = loaded.predict_entities(text, labels, threshold=threshold)
    return {
        (each["start"], each["end"], labels.index(each["label"]), round(each["score"], 3)) for each in found
    }


def as_set(mentions: tuple[Any, ...]) -> set[tuple[int, int, int, float]]:
    return {(each.start, each.end, each.type_index, each.score) for each in mentions}


def test_mentions_are_those_of_the_package(model: Path, encoder: GlinerEncoder) -> None:
    types = encoder.describe(TYPES)
    assert types.thresholds.tolist() == pytest.approx([UNCALIBRATED_THRESHOLD] * 2)
    found = encoder.find(["", TEXT, " \n", f"{TEXT}\n\n{TEXT}"], types)
    assert found[0] == found[2] == ()
    assert as_set(found[1]) == by_hand(model, TEXT, LABELS, UNCALIBRATED_THRESHOLD) != set()
    assert max(each.end for each in found[3]) > len(TEXT)


def test_each_type_keeps_its_threshold(model: Path, encoder: GlinerEncoder) -> None:
    (found,) = encoder.find([TEXT], encoder.describe(TYPES, thresholds={"PERSON": 1.0, "PLACE": 0.2}))
    assert as_set(found) == {
        (start, end, 1, score) for start, end, _, score in by_hand(model, TEXT, LABELS[1:], 0.2)
    }
    assert found


def test_types_described_alike_are_one(encoder: GlinerEncoder) -> None:
    types = encoder.describe({"A": Kind("the place"), "B": Kind("the  place"), "C": Kind("a patient")})
    (labels,) = types.passes
    assert dict(labels.texts) == {"the place": 0, "a patient": 2}


def test_no_types(encoder: GlinerEncoder) -> None:
    assert encoder.find([TEXT, ""], encoder.describe({})) == [(), ()]


def test_many_types_and_long_notes_are_read_in_full(encoder: GlinerEncoder) -> None:
    """The model breaks on more than its 96 positions; nothing is cut."""
    kinds = {f"T{at}": Kind(f"the name of a patient at Hill {'by ' * at}") for at in range(12)}
    types = encoder.describe(kinds, thresholds=dict.fromkeys(kinds, 0.0))
    asked = sorted(at for labels in types.passes for at in labels.texts.values())
    assert (asked, len(types.passes) > 2) == (list(range(12)), True)
    text = "Seen by Dr Ortiz at Hillside, B12-12 the Clinic; " * 20 + "Lima"
    (found,) = encoder.find([text], types)
    covered = {at for each in found for at in range(each.start, each.end)}
    assert covered >= {at for at, sign in enumerate(text) if not sign.isspace()}


def test_a_description_that_leaves_no_room_is_refused(encoder: GlinerEncoder) -> None:
    with pytest.raises(UsageError, match=r"type LONG: .* 50 pieces, .* at most 45") as error:
        encoder.describe({"LONG": Kind("Ortiz " * 49)})
    assert "Ortiz" not in str(error.value)
    assert POSITIONS == 96


def test_information(model: Path, encoder: GlinerEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **settings: object) -> None:
        raise AssertionError("network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert kind_of(model) is ModelKind.GLINER
    info = model_info(model)
    assert (info["kind"], info["digest"], info["base"]) == ("GLiNER", encoder.digest, "tiny")
    assert (info["positions"], info["licence"], info["card"]) == (POSITIONS, None, None)
    assert info["runtime"].startswith("gliner-")
    assert load_encoder(model) is load_encoder(model)
    assert not isinstance(encoder, WordScorer)
    assert isinstance(encoder.describe(TYPES), DescribedTypes)


# --- without the package -----------------------------------------------------------------------------------


def folder_with(path: Path, **config: object) -> Path:
    (path / "gliner_config.json").write_text(json.dumps({"encoder_config": {}} | config), encoding="utf-8")
    (path / "tokenizer_config.json").write_text("{}", encoding="utf-8")
    (path / "model.safetensors").write_bytes(b"")
    return path


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gliner", None)
    with pytest.raises(UsageError, match=r"install 'clinical-deid\[gliner\]'"):
        load_encoder(folder_with(tmp_path))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"encoder_config": None}, "names its base model only"),
        ({"relations_layer": "biaffine"}, "has relations_layer"),
        ({"labels_decoder": "gpt"}, "has labels_decoder"),
        ({"encoder_config": {"auto_map": {"AutoModel": "evil.Model"}}}, "code of its own"),
    ],
)
def test_a_model_that_is_not_read(tmp_path: Path, config: dict[str, object], message: str) -> None:
    with pytest.raises((InputOutputError, IntegrityError), match=message):
        load_encoder(folder_with(tmp_path, **config))


def test_a_pickle_is_not_read(tmp_path: Path) -> None:
    folder_with(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(
        InputOutputError, match=r"is a pickle, .*\.save_pretrained\(.*safe_serialization=True\)"
    ):
        load_encoder(tmp_path)


def test_a_model_that_the_package_cannot_load(tmp_path: Path) -> None:
    pytest.importorskip("gliner", reason="needs the extra: pip install 'clinical-deid[gliner]'")
    with pytest.raises(InputOutputError, match=r"the package gliner [\d.]+ cannot load it"):
        load_encoder(folder_with(tmp_path))


def test_libraries_left_out_can_be_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.delitem(sys.modules, "transformers")
    lean.leave_out_training_libraries()
    with pytest.raises(ImportError, match="left out"):
        import transformers
    lean.admit_training_libraries()
    import transformers

    assert transformers.__version__
