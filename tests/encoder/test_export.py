"""Exported models: the same results as the reference, any policy with the same files, and what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import Kind
from tiny_bert import write_checkpoint

from deid import Deidentifier
from deid.cli import main
from deid.encoder.export import export_model
from deid.encoder.load import load_encoder
from deid.encoder.model import DescriptionEncoder
from deid.encoder.network import Network
from deid.encoder.onnx_runtime import OnnxRuntime, exact_products
from deid.encoder.weights import Calibration, ModelFolder, default_folder
from deid.encoder.windows import lay_out
from deid.errors import InputOutputError, IntegrityError, UsageError
from deid.policy import load_policy

onnxruntime = pytest.importorskip("onnxruntime", reason="needs clinical-deid[onnx]")
pytest.importorskip("onnx", reason="needs clinical-deid[onnx]")

TYPES = {
    "PERSON": Kind("the name of the patient", views=("patient name",), examples=("Lima",)),
    "DATE": Kind("a date"),
    "PLACE": Kind("the clinic at the hill " * 40),
}
TEXTS = ["Seen by Dr. Lima on 3/4/79.", "", "call the clinic\n" * 40, "patient Ortiz", "x" * 500]


@pytest.fixture(scope="module")
def exported(folder: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return export_model(folder.path, tmp_path_factory.mktemp("export") / "new" / "f32")


@pytest.fixture(scope="module")
def eight_bit(rounded: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return export_model(rounded.path, tmp_path_factory.mktemp("export"), precision="int8")


@pytest.fixture(scope="module")
def encoder(exported: ModelFolder) -> DescriptionEncoder:
    return DescriptionEncoder(exported.path)


def test_it_agrees_with_the_reference(folder: ModelFolder, encoder: DescriptionEncoder) -> None:
    reference = DescriptionEncoder(folder.path, runtime="torch")
    ours, theirs = encoder.describe(TYPES), reference.describe(TYPES)
    assert ours.vectors == pytest.approx(theirs.vectors, abs=1e-5)
    words = [encoder.split(text) for text in TEXTS]
    for left, right in zip(encoder.scores(words, ours), reference.scores(words, theirs), strict=True):
        assert left[0] == pytest.approx(right[0], abs=1e-4)
        assert left[1] == pytest.approx(right[1], abs=1e-4)
    for left, right in zip(encoder.find(TEXTS, ours), reference.find(TEXTS, theirs), strict=True):
        assert [(each.start, each.end, each.type_index) for each in left] == [
            (each.start, each.end, each.type_index) for each in right
        ]


def test_eight_bits_agree_with_the_reference(rounded: ModelFolder, eight_bit: ModelFolder) -> None:
    encoders = (
        DescriptionEncoder(eight_bit.path),
        DescriptionEncoder(rounded.path, runtime="torch", precision="int8"),
        DescriptionEncoder(rounded.path, runtime="torch"),
    )
    scores = []
    for each in encoders:
        words = [each.split(text) for text in TEXTS]
        both = each.scores(words, each.describe(TYPES))
        scores.append(np.concatenate([inside for inside, _ in both if len(inside)]))
    ours, reference, exact = scores
    assert np.abs(ours - exact).max() > 0
    assert np.abs(ours - exact).mean() < 1.5 * np.abs(reference - exact).mean()
    assert ours == pytest.approx(exact, abs=0.1)


@pytest.mark.parametrize("count", [0, 1, 3, 40])
def test_the_same_graph_takes_any_types(folder: ModelFolder, exported: ModelFolder, count: int) -> None:
    encoder = DescriptionEncoder(folder.path, runtime="torch")
    kinds = {f"T{at}": Kind(f"{'the ' * (at % 5)}patient {at}") for at in range(count)}
    types = encoder.describe(kinds).vectors
    words = [encoder.split(text) for text in (TEXTS[0], TEXTS[3])]
    windows = [window for at, text in enumerate(words) for window in encoder._windows(text, at)]
    batch = lay_out(windows, words, encoder._pieces)
    session = onnxruntime.InferenceSession(exported.path / "text.onnx", providers=["CPUExecutionProvider"])
    inputs = {"ids": batch.ids, "shapes": batch.shapes, "mask": batch.mask, "pool": batch.pool}
    (logits,) = session.run(["logits"], {**inputs, "types": types})
    network = Network(folder.config()).eval()
    network.load(folder.weights())
    with torch.inference_mode():
        ids, shapes = (torch.from_numpy(each).long() for each in (batch.ids, batch.shapes))
        hidden = network.trunk(ids, shapes, torch.from_numpy(batch.mask))
        wanted = network.score(hidden, torch.from_numpy(batch.pool), torch.from_numpy(types)).numpy()
    assert logits.shape == (2, 2, batch.pool.shape[1], count)
    assert logits == pytest.approx(wanted, abs=1e-3)


def test_texts_do_not_depend_on_their_batch(encoder: DescriptionEncoder) -> None:
    types = encoder.describe(TYPES)
    together = encoder.find(TEXTS, types)
    assert together == [encoder.find([text], types)[0] for text in TEXTS]
    assert together == encoder.find(TEXTS[::-1], types)[::-1]


def test_the_number_of_streams_does_not_show(exported: ModelFolder) -> None:
    one, several = (DescriptionEncoder(exported.path, streams=streams, batch_pieces=64) for streams in (1, 3))
    types = one.describe(TYPES)
    words = [one.split(text) for text in TEXTS * 5]
    for left, right in zip(several.scores(words, types), one.scores(words, types), strict=True):
        assert np.array_equal(left, right)


def test_the_same_model_gives_the_same_bytes(
    folder: ModelFolder, exported: ModelFolder, tmp_path: Path
) -> None:
    again = export_model(folder.path, tmp_path)
    assert again.digest == exported.digest != folder.digest
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(path.name for path in exported.path.iterdir())
    assert all((tmp_path / name).read_bytes() == (exported.path / name).read_bytes() for name in names)


def test_what_lies_beside_the_graphs(rounded: ModelFolder, tmp_path: Path) -> None:
    source = tmp_path / "model"
    shutil.copytree(rounded.path, source)
    card = "---\nlicense: mit\n---\nMade in a test.\n"
    (source / "README.md").write_text(card, encoding="utf-8")
    out = export_model(source, tmp_path / "out", precision="int8")
    facts = out.exported()
    assert facts is not None
    assert (facts.format, facts.precision, facts.source) == ("onnx", "int8", rounded.digest)
    assert out.config() == rounded.config()
    assert out.calibration() == rounded.calibration()
    assert (out.path / "source-card.md").read_text(encoding="utf-8") == card
    text = (out.path / "README.md").read_text(encoding="utf-8")
    assert text.startswith("---\nlicense: mit\n")
    assert rounded.digest in text
    assert "{" not in text


def test_stored_wordings_go_along(
    folder: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder.path, tmp_path / "model")
    source = DescriptionEncoder(tmp_path / "model")
    source.store_wordings(TYPES.values())
    monkeypatch.setattr(OnnxRuntime, "describe", lambda _, batches: list(batches)[:0])
    encoder = DescriptionEncoder(export_model(tmp_path / "model", tmp_path / "out").path)
    assert encoder.describe(TYPES).vectors == pytest.approx(source.describe(TYPES).vectors, abs=1e-6)


@pytest.mark.parametrize(
    "name", ["text.onnx", "descriptions.onnx", "tensors.bin", "export.json", "vocab.txt"]
)
def test_a_changed_or_missing_file_is_refused(exported: ModelFolder, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "model"
    shutil.copytree(exported.path, copy)
    with (copy / name).open("ab") as stream:
        stream.write(b" ")
    with pytest.raises(IntegrityError, match=name):
        load_encoder(copy)
    (copy / name).unlink()
    with pytest.raises(InputOutputError, match="model.safetensors" if name == "export.json" else name):
        load_encoder(copy)


def test_what_cannot_be_exported(folder: ModelFolder, exported: ModelFolder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="have not learned to bear 8-bit"):
        export_model(folder.path, tmp_path / "out", precision="int8")
    with pytest.raises(UsageError, match="valid: f32, int8"):
        export_model(folder.path, tmp_path / "out", precision="int4")
    with pytest.raises(UsageError, match="exported to ONNX; only"):
        export_model(exported.path, tmp_path / "out")
    write_checkpoint(tmp_path / "cross")
    with pytest.raises(UsageError, match="is a cross-encoder"):
        export_model(tmp_path / "cross", tmp_path / "out")
    with pytest.raises(InputOutputError, match="no such folder"):
        export_model(tmp_path / "none", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="not an empty folder"):
        export_model(folder.path, tmp_path)


def test_an_exported_model_is_none_to_begin_training_with(folder: ModelFolder, exported: ModelFolder) -> None:
    with pytest.raises(UsageError, match=folder.digest):
        exported.weights()


def test_it_can_be_calibrated(exported: ModelFolder, tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(exported.path, copy)
    calibration = Calibration(0.99, 0.2, {"DATE": 0.4}, {"DATE": "ab"}, "sha256:0")
    changed = ModelFolder.open(copy).calibrated(calibration)
    assert DescriptionEncoder(copy).calibration == calibration
    assert changed.digest != exported.digest


def test_another_precision_is_refused(exported: ModelFolder) -> None:
    assert DescriptionEncoder(exported.path, precision="f32").runtime == "onnxruntime-f32"
    with pytest.raises(UsageError, match="exported in f32, not int8"):
        DescriptionEncoder(exported.path, precision="int8")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_the_extra_is_named(
    folder: ModelFolder, exported: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "deid.encoder.onnx_graph", raising=False)
    with pytest.raises(UsageError, match=r"clinical-deid\[onnx\]"):
        if package == "onnx":
            export_model(folder.path, tmp_path / "out")
        else:
            DescriptionEncoder(exported.path)


def test_fast_products_only_where_they_are_exact(tmp_path: Path) -> None:
    processor = tmp_path / "cpuinfo"
    assert not exact_products(processor)
    for flags, exact in (("fpu avx2 avx512bw", False), ("fpu avx512_vnni", True), ("avx_vnni", True)):
        processor.write_text(f"model name : none\nflags : {flags}\n", encoding="utf-8")
        assert exact_products(processor) is exact


def test_the_command(folder: ModelFolder, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(main, ["model", "export", str(folder.path), "--to", "onnx", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{ModelFolder.open(out).digest}\n"
    info = json.loads(CliRunner().invoke(main, ["model", "info", str(out), "--json"]).stdout)
    assert info["kind"] == "description encoder, exported to ONNX"
    assert (info["runtime"], info["exported_from"]) == ("onnxruntime-f32", folder.digest)
    source = json.loads(CliRunner().invoke(main, ["model", "info", str(folder.path), "--json"]).stdout)
    assert (info["parameters"], info["hidden"]) == (source["parameters"], source["hidden"])
    refused = CliRunner().invoke(main, ["model", "export", str(folder.path), "--out", str(out)])
    assert refused.exit_code == UsageError.exit_code
    assert "not an empty folder" in refused.stderr


@pytest.mark.slow
def test_the_shipped_model(tmp_path: Path) -> None:
    notes = (Path(__file__).parents[2] / "sample_notes" / "notes.jsonl").read_text(encoding="utf-8")
    texts = [json.loads(line)["text"] for line in notes.splitlines()[:4]]
    done = CliRunner().invoke(main, ["model", "export", "--out", str(tmp_path / "f32")])
    assert done.exit_code == 0, done.output
    kinds = {kind.name: kind for kind in load_policy("safe-harbor").types}
    found = []
    for each in (DescriptionEncoder(default_folder(), precision="f32"), DescriptionEncoder(tmp_path / "f32")):
        mentions = each.find(texts, each.describe(kinds))
        found.append([[(m.start, m.end, m.type_index) for m in of_text] for of_text in mentions])
    assert found[0] == found[1]
    deidentifier = Deidentifier.from_policy("safe-harbor", model=tmp_path / "f32")
    assert deidentifier.deidentify("Seen by Dr. Ana Lima.").text == "Seen by Dr. [CLINICIAN_NAME]."
    assert deidentifier.runtime == "onnxruntime-f32"
