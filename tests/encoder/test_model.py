"""The encoder as a whole: runtimes agree, batches and company do not matter, folders are checked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Kind

from deid.encoder.model import DescriptionEncoder, calibrated_threshold, description_digest
from deid.encoder.openvino_runtime import native_precision
from deid.encoder.weights import Calibration, ModelFolder, has_ranges
from deid.errors import InputOutputError, IntegrityError, UsageError

TYPES = {
    "PERSON": Kind(
        "the name of the patient", views=("patient name",), examples=("Lima",), contrast="a clinic"
    ),
    "DATE": Kind("a date"),
    "PLACE": Kind("the clinic at the hill " * 40),
}
TEXTS = ["Seen by Dr. Lima on 3/4/79.", "", "call the clinic\n" * 40, "patient Ortiz", "x" * 500]


@pytest.fixture(scope="module")
def encoder(folder: ModelFolder) -> DescriptionEncoder:
    return DescriptionEncoder(folder.path, precision="f32")


def test_runtimes_agree(folder: ModelFolder, encoder: DescriptionEncoder) -> None:
    reference = DescriptionEncoder(folder.path, runtime="torch")
    ours, theirs = encoder.describe(TYPES), reference.describe(TYPES)
    assert ours.vectors == pytest.approx(theirs.vectors, abs=1e-4)
    words = [encoder.split(text) for text in TEXTS]
    for left, right in zip(encoder.scores(words, ours), reference.scores(words, theirs), strict=True):
        assert left[0] == pytest.approx(right[0], abs=1e-3)
        assert left[1] == pytest.approx(right[1], abs=1e-3)


def test_half_precision_in_torch(folder: ModelFolder) -> None:
    half, reference = (
        DescriptionEncoder(folder.path, runtime="torch", precision=each) for each in ("bf16", "f32")
    )
    types = half.describe(TYPES)
    assert np.array_equal(types.vectors, reference.describe(TYPES).vectors)
    words = [half.split(text) for text in TEXTS]
    for left, right in zip(half.scores(words, types), reference.scores(words, types), strict=True):
        assert left[0] == pytest.approx(right[0], abs=0.1)
        assert left[1] == pytest.approx(right[1], abs=0.1)


def test_texts_do_not_depend_on_their_batch(encoder: DescriptionEncoder) -> None:
    types = encoder.describe(TYPES)
    together = encoder.find(TEXTS, types)
    assert together == [encoder.find([text], types)[0] for text in TEXTS]
    assert together == encoder.find(TEXTS[::-1], types)[::-1]


def test_company_and_order_of_types_do_not_matter(encoder: DescriptionEncoder) -> None:
    words = [encoder.split(TEXTS[0])]
    among, alone = encoder.describe(TYPES), encoder.describe({"DATE": TYPES["DATE"]})
    reverse = encoder.describe(dict(reversed(TYPES.items())))
    column = encoder.scores(words, among)[0][0][:, 1]
    assert column == pytest.approx(encoder.scores(words, alone)[0][0][:, 0], abs=1e-5)
    assert column == pytest.approx(encoder.scores(words, reverse)[0][0][:, 1], abs=1e-5)


def test_the_name_of_a_type_is_not_read_but_its_description_is(encoder: DescriptionEncoder) -> None:
    renamed = encoder.describe({"OTHER": TYPES["DATE"]})
    changed = encoder.describe({"DATE": Kind("the name of the clinic")})
    original = encoder.describe({"DATE": TYPES["DATE"]})
    assert renamed.vectors == pytest.approx(original.vectors)
    assert np.abs(changed.vectors - original.vectors).max() > 1e-2


def test_no_types(encoder: DescriptionEncoder) -> None:
    assert encoder.find(["patient Ortiz"], encoder.describe({})) == [()]


def test_thresholds(folder: ModelFolder) -> None:
    digest = description_digest(TYPES["DATE"])
    calibration = Calibration(0.98, 0.3, {"DATE": 0.7}, {"DATE": digest}, "")
    assert calibrated_threshold(calibration, "DATE", TYPES["DATE"]) == 0.7
    assert calibrated_threshold(calibration, "DATE", Kind("another wording")) == 0.3
    assert calibrated_threshold(calibration, "PERSON", TYPES["PERSON"]) == 0.3
    encoder = DescriptionEncoder(folder.path)
    assert encoder.describe(TYPES, thresholds={"DATE": 0.9}).thresholds.tolist() == pytest.approx(
        [0.5, 0.9, 0.5]
    )


def test_a_model_is_loaded_once(folder: ModelFolder, tmp_path: Path) -> None:
    shutil.copytree(folder.path, tmp_path / "model")
    shared = DescriptionEncoder.shared(tmp_path / "model")
    assert DescriptionEncoder.shared(tmp_path / "model") is shared
    assert DescriptionEncoder.shared(tmp_path / "model", streams=2) is not shared
    ModelFolder.open(tmp_path / "model").calibrated(Calibration(0.9, 0.2, {}, {}, ""))
    assert DescriptionEncoder.shared(tmp_path / "model") is not shared


def test_the_number_of_streams_does_not_show(folder: ModelFolder, encoder: DescriptionEncoder) -> None:
    several = DescriptionEncoder(folder.path, precision="f32", streams=3, batch_pieces=64)
    one = DescriptionEncoder(folder.path, precision="f32", batch_pieces=64)
    types = encoder.describe(TYPES)
    words = [encoder.split(text) for text in TEXTS * 5]
    for left, right in zip(several.scores(words, types), one.scores(words, types), strict=True):
        assert np.array_equal(left, right)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.txt", "calibration.json"])
def test_a_changed_file_is_refused(folder: ModelFolder, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "model"
    shutil.copytree(folder.path, copy)
    with (copy / name).open("ab") as stream:
        stream.write(b" ")
    with pytest.raises(IntegrityError, match=name):
        ModelFolder.open(copy)


def test_a_missing_file_is_named(folder: ModelFolder, tmp_path: Path) -> None:
    with pytest.raises(InputOutputError, match=r"calibration\.json"):
        ModelFolder.open(tmp_path)


def test_unknown_runtime(folder: ModelFolder) -> None:
    with pytest.raises(UsageError, match="did you mean 'openvino'"):
        DescriptionEncoder(folder.path, runtime="openvin")


def test_the_digest_tells_models_apart(make_folder: Callable[[int], ModelFolder]) -> None:
    assert make_folder(3).digest == make_folder(3).digest != make_folder(4).digest


def test_calibration_survives(folder: ModelFolder, tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(folder.path, copy)
    calibration = Calibration(
        0.99, 0.2, {"DATE": 0.4}, {"DATE": "ab"}, "sha256:0", evidence={"DATE shape 9/9": -0.5}
    )
    changed = ModelFolder.open(copy).calibrated(calibration)
    assert changed.calibration() == calibration
    assert changed.digest != folder.digest
    assert json.loads((copy / "digests.json").read_text(encoding="utf-8")).keys() >= {"model.safetensors"}


@pytest.mark.skipif(
    native_precision() != "bf16", reason="this processor rounds 8-bit products; they are never chosen on it"
)
def test_eight_bits_agree_with_the_reference(rounded: ModelFolder, folder: ModelFolder) -> None:
    precisions = ("openvino", "int8"), ("torch", "int8"), ("torch", "f32")
    scores = []
    for runtime, precision in precisions:
        encoder = DescriptionEncoder(rounded.path, runtime=runtime, precision=precision)
        words = [encoder.split(text) for text in TEXTS]
        scores.append(
            np.concatenate(
                [inside for inside, _ in encoder.scores(words, encoder.describe(TYPES)) if len(inside)]
            )
        )
    ours, reference, exact = scores
    assert np.abs(ours - reference).mean() < np.abs(exact - reference).mean()
    assert ours == pytest.approx(exact, abs=0.1)
    assert has_ranges(rounded.weights())
    assert not has_ranges(folder.weights())
