"""OpenBioNER and SMXM checkpoints, against logits worked out from the format's description."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Kind
from safetensors.torch import load_file, save_file
from tiny_bert import PIECES, POSITIONS, ids, reference, write_checkpoint
from tokenizers import BertWordPieceTokenizer

from deid.encoder.interface import UNCALIBRATED_THRESHOLD, WordScorer
from deid.encoder.load import Kind as ModelKind
from deid.encoder.load import kind_of, load_encoder, model_info
from deid.encoder.pretrained.cross_encoder import CONVERSION, CrossEncoder
from deid.encoder.pretrained.folder import CheckpointFolder
from deid.errors import DeidError, InputOutputError, IntegrityError, UsageError

TEXT = "Seen by Dr Ortiz, at Hillside."
TEXT_PIECES = ids("Seen", "by", "Dr", "Ortiz", ",", "at", "Hill", "##side", ".")
WORDS = ([0], [1], [2], [3], [4], [5], [6, 7], [8])  # the pieces of each
TYPES = {
    "PERSON": Kind("the name of a patient", views=("not read",), contrast="not read"),
    "PLACE": Kind("the place.", examples=("Hills", "Clinic")),
}
DESCRIPTIONS = (
    ids("the", "name", "of", "a", "patient", "."),
    ids("the", "place", ".", "For", "example", ":", "Hill", "##s", ";", "Clinic", "."),
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert") / "checkpoint"
    write_checkpoint(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(checkpoint: Path) -> CrossEncoder:
    return CrossEncoder(checkpoint, precision="f32")


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def inside(encoder: CrossEncoder, text: str, types: dict[str, Kind]) -> np.ndarray:
    ((found, begin),) = encoder.scores([encoder.split(text)], encoder.describe(types))
    assert not begin.any()
    return found


def expected(folder: Path, *descriptions: list[int]) -> np.ndarray:
    """Return the probabilities at the words of `TEXT`."""
    state = load_file(folder / "model.safetensors")
    shares = np.exp(reference(state, TEXT_PIECES, WORDS, descriptions))
    return np.asarray((shares / shares.sum(1, keepdims=True))[:, 1:])


def test_probabilities_are_those_of_the_format(checkpoint: Path, encoder: CrossEncoder) -> None:
    found = inside(encoder, TEXT, TYPES)
    assert found.shape == (8, 2)
    assert found == pytest.approx(expected(checkpoint, *DESCRIPTIONS), abs=1e-5)
    assert found.std() > 0.05


def test_company_of_types_counts_as_in_one_softmax(checkpoint: Path, encoder: CrossEncoder) -> None:
    alone = inside(encoder, TEXT, {"PLACE": TYPES["PLACE"]})
    assert alone == pytest.approx(expected(checkpoint, DESCRIPTIONS[1]), abs=1e-5)
    assert (alone[:, 0] >= inside(encoder, TEXT, TYPES)[:, 1]).all()


def test_batches_streams_and_order_do_not_matter(checkpoint: Path, encoder: CrossEncoder) -> None:
    texts = [TEXT, "", "Dr Lima " * 60, "  \n", "Ortiz"]
    several = CrossEncoder(checkpoint, precision="f32", streams=2, batch_pieces=50)
    types = encoder.describe(TYPES)
    together = several.scores([several.split(text) for text in texts], types)
    for text, (found, _) in zip(texts, together, strict=True):
        ((alone, _),) = encoder.scores([encoder.split(text)], types)
        assert found == pytest.approx(alone, abs=1e-5)
    backwards = inside(encoder, TEXT, dict(reversed(TYPES.items())))
    assert backwards[:, ::-1] == pytest.approx(inside(encoder, TEXT, TYPES), abs=1e-5)
    assert several.find(texts, types)[1] == several.find(texts, types)[3] == ()


def test_no_types(encoder: CrossEncoder) -> None:
    assert encoder.find([TEXT, ""], encoder.describe({})) == [(), ()]


def test_long_notes_are_read_to_the_end(encoder: CrossEncoder) -> None:
    begin = "Seen by Dr Ortiz at Hill Clinic on the 12. " * 30
    one, other = (inside(encoder, begin + last, TYPES) for last in ("Lima", "B12"))
    assert len(one) == len(encoder.split(begin)) + 1 > 300
    assert np.abs(one[-1] - other[-1]).max() > 1e-3
    assert one[:200] == pytest.approx(other[:200], abs=1e-5)
    assert (one > 0).all()


def test_a_description_that_leaves_no_room_is_refused(encoder: CrossEncoder) -> None:
    longest = POSITIONS - 3 - POSITIONS // 4
    fitting = "name " * (longest - 1)
    assert len(inside(encoder, TEXT * 9, {"LONG": Kind(fitting)})) == 72
    with pytest.raises(
        UsageError, match=rf"type LONG: .* {longest + 1} pieces, .* at most {longest}"
    ) as error:
        encoder.describe({"LONG": Kind(fitting + "Ortiz")})
    assert "Ortiz" not in str(error.value)


def test_thresholds(encoder: CrossEncoder) -> None:
    types = encoder.describe(TYPES, thresholds={"PLACE": 0.7})
    assert types.thresholds.tolist() == pytest.approx([UNCALIBRATED_THRESHOLD, 0.7])
    everything = encoder.describe(TYPES, thresholds={"PERSON": 0.0, "PLACE": 0.0})
    (found,) = encoder.find([TEXT], everything)
    covered = {at for each in found for at in range(each.start, each.end)}
    assert covered >= {at for at, sign in enumerate(TEXT) if sign.isalnum()}
    assert isinstance(encoder, WordScorer)


# --- words -------------------------------------------------------------------------------------------------


def words(encoder: CrossEncoder, text: str) -> list[tuple[str, list[str]]]:
    split = encoder.split(text)
    bounds = split.first_piece.tolist()
    return [
        (text[start:end], [PIECES[number] for number in split.pieces[first:last]])
        for start, end, first, last in zip(split.starts, split.ends, bounds, bounds[1:], strict=False)
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Lima,by", [("Lima", ["Lima"]), (",", [","]), ("by", ["by"])]),
        ("Lima\nB12", [("Lima", ["Lima"]), ("B12", ["B12"])]),  # one piece for letter and number
        ("12Jan", [("12Jan", ["[UNK]"])]),
        ("J12", [("J", ["J"]), ("12", ["##12"])]),
        ("Hills", [("Hills", ["Hill", "##s"])]),
        ("Seen seen SEEN", [("Seen", ["Seen"]), ("seen", ["seen"]), ("SEEN", ["[UNK]"])]),
        ("a\u200b by", [("a\u200b", ["a"]), ("by", ["by"])]),
        ("\u200b", []),
        ("[SEP]", [("[", ["["]), ("SEP", ["[UNK]"]), ("]", ["]"])]),
    ],
)
@pytest.mark.parametrize("form", ["vocab.txt", "tokenizer.json"])
def test_our_words_over_the_checkpoints_pieces(
    copy: Path, form: str, text: str, wanted: list[tuple[str, list[str]]]
) -> None:
    if form == "tokenizer.json":
        whole = BertWordPieceTokenizer(str(copy / "vocab.txt"), lowercase=False, strip_accents=False)
        whole.enable_truncation(4)
        whole.enable_padding(length=50)
        whole.save(str(copy / "tokenizer.json"))
        (copy / "vocab.txt").unlink()
    assert words(CrossEncoder(copy, precision="f32"), text) == wanted


def test_case_is_folded_where_the_checkpoint_says_so(copy: Path) -> None:
    (copy / "tokenizer_config.json").write_text('{"do_lower_case": true}', encoding="utf-8")
    assert words(CrossEncoder(copy), "SEEN") == [("SEEN", ["seen"])]


# --- folders -----------------------------------------------------------------------------------------------


def test_the_kind_shows_in_the_files(checkpoint: Path, tmp_path: Path) -> None:
    assert kind_of(checkpoint) is ModelKind.CROSS
    assert kind_of(tmp_path) is ModelKind.DESCRIPTION
    with pytest.raises(InputOutputError, match=r"missing config\.json, model\.safetensors"):
        load_encoder(tmp_path)
    with pytest.raises(InputOutputError, match="no such folder"):
        load_encoder(tmp_path / "none")


def test_one_encoder_a_folder_until_the_folder_changes(copy: Path) -> None:
    first = load_encoder(copy)
    assert load_encoder(copy) is first
    write_checkpoint(copy, seed=2)
    second = load_encoder(copy)
    assert second is not first
    assert second.digest != first.digest


def test_information(checkpoint: Path, encoder: CrossEncoder) -> None:
    info = model_info(checkpoint)
    count = sum(value.numel() for value in load_file(checkpoint / "model.safetensors").values())
    assert info["kind"] == "cross-encoder (OpenBioNER, SMXM)"
    assert info["digest"] == encoder.digest != ""
    assert (info["licence"], info["parameters"], info["layers"]) == ("mit", count, 2)
    assert info["runtime"] in {"openvino-f32", "openvino-bf16"}
    assert info["card"] == str(checkpoint / "README.md")


class _Trap:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (self.path,)


def test_a_pickle_is_not_read_but_can_be_converted(
    copy: Path, encoder: CrossEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy / "model.safetensors").unlink()
    trap = copy.parent / "sprung"
    (copy / "pytorch_model.bin").write_bytes(pickle.dumps(_Trap(str(trap)), protocol=2))
    monkeypatch.chdir(copy)
    with pytest.raises(InputOutputError, match=r"pytorch_model\.bin is a pickle") as error:
        load_encoder(copy)
    assert CONVERSION in str(error.value)
    with pytest.raises(pickle.UnpicklingError):
        exec(CONVERSION)
    assert not trap.exists()

    state = write_checkpoint(copy)
    (copy / "model.safetensors").unlink()
    state["bert.shared"] = state["linear.weight"]
    torch.save(state, copy / "pytorch_model.bin")
    exec(CONVERSION)
    converted = CrossEncoder(copy, precision="f32")
    assert inside(converted, TEXT, TYPES).tolist() == inside(encoder, TEXT, TYPES).tolist()


def changed_config(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")


def without(folder: Path, name: str) -> None:
    tensors = load_file(folder / "model.safetensors")
    save_file({key: value for key, value in tensors.items() if key != name}, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "vocab.txt").unlink(), r"missing tokenizer\.json or vocab\.txt"),
        (lambda folder: (folder / "vocab.txt").write_text("[UNK]\n[PAD]\n"), r"lacks \[CLS\]"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"missing model\.safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 99), "cannot be read"),
        (lambda folder: without(folder, "linear_zero3.bias"), r"not that of an OpenBioNER .* heads\.bias$"),
        (
            lambda folder: without(folder, "bert.encoder.layer.1.output.dense.bias"),
            r"layers\.1\.narrow\.bias",
        ),
        (lambda folder: changed_config(folder, hidden_act="relu"), "hidden_act 'relu', read are .* 'gelu'"),
        (lambda folder: changed_config(folder, model_type="roberta"), "model_type 'roberta'"),
        (lambda folder: changed_config(folder, num_attention_heads="4"), "not that of a BERT model"),
        (
            lambda folder: changed_config(folder, max_position_embeddings=90),
            r"shape \(90, 32\), got \(96, 32\)",
        ),
        (lambda folder: changed_config(folder, auto_map={"AutoModel": "x.Y"}), "code of its own"),
        (
            lambda folder: (folder / "tokenizer_config.json").write_text('[{"a": [{"auto_map": {}}]}]'),
            "code of its own",
        ),
        (
            lambda folder: (folder / "tokenizer_config.json").write_text("{"),
            r"tokenizer_config\.json is no JSON",
        ),
        (lambda folder: (folder / "tokenizer_config.json").write_text("[]"), "is no JSON object"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused(
    copy: Path, harm: Callable[[Path], object], message: str
) -> None:
    harm(copy)
    with pytest.raises((InputOutputError, IntegrityError), match=message) as error:
        load_encoder(copy)
    assert isinstance(error.value, DeidError)


def test_half_precision_is_refused_where_it_cannot_be_read(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    save_file({key: value.bfloat16() for key, value in tensors.items()}, copy / "model.safetensors")
    if "ml_dtypes" in sys.modules:  # the package onnx brings it, and numpy then has the type
        weights = CheckpointFolder.open(copy, conversion=CONVERSION).weights()
        assert all(np.array_equal(weights[key], tensors[key].bfloat16().float()) for key in tensors)
        return
    with pytest.raises(IntegrityError, match="save its parameters as float32"):
        load_encoder(copy)
