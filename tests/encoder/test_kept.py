"""What an encoder keeps: wordings always, texts if asked to; results are the same with and without."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Kind

import deid.encoder.model
from deid.encoder.config import EncoderConfig
from deid.encoder.describe import wordings
from deid.encoder.kept import Kept
from deid.encoder.model import DescriptionEncoder
from deid.encoder.openvino_runtime import OpenVinoRuntime
from deid.encoder.weights import WORDINGS, Calibration, ModelFolder, default_folder
from deid.encoder.windows import Batch, FloatArray
from deid.encoder.wordings import read_wordings, wording_key
from deid.errors import IntegrityError
from deid.policy import available_policies, load_policy

TYPES = {
    "PERSON": Kind("the name of the patient", views=("patient name",), examples=("Lima",)),
    "DATE": Kind("a date"),
    "PLACE": Kind("the clinic at the hill " * 40),
}
TEXTS = ["Seen by Dr. Lima on 3/4/79.", "", "call the clinic\n" * 40, "patient Ortiz", "x" * 500]


@pytest.fixture(name="read")
def _read(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count the wordings and the windows that the network reads from now on."""
    read = {"wordings": 0, "windows": 0}

    def counted(batches: Iterable[Batch], what: str) -> Iterator[Batch]:
        for batch in batches:
            read[what] += len(batch.ids)
            yield batch

    class Counting(OpenVinoRuntime):
        def describe(self, batches: Iterable[Batch]) -> list[FloatArray]:
            return super().describe(counted(batches, "wordings"))

        def read(self, batches: Iterable[Batch]) -> Iterator[FloatArray]:
            return super().read(counted(batches, "windows"))

    def counting(name: str) -> type[Counting]:
        assert name == "openvino"
        return Counting

    monkeypatch.setattr(deid.encoder.model.RUNTIMES, "get", counting)
    return read


def test_only_new_wordings_are_read(folder: ModelFolder, read: dict[str, int]) -> None:
    encoder = DescriptionEncoder(folder.path, precision="f32")
    first = encoder.describe(TYPES)
    windows = read["wordings"]
    assert windows > len(TYPES)
    again = encoder.describe(dict(reversed(TYPES.items())))
    assert read["wordings"] == windows
    assert np.array_equal(first.vectors, again.vectors[::-1])
    changed = TYPES | {"DATE": Kind("a date", contrast="a dose")}
    encoder.describe(changed)
    assert read["wordings"] == windows + 1
    fresh = DescriptionEncoder(folder.path, precision="f32").describe(changed)
    assert np.array_equal(encoder.describe(changed).vectors, fresh.vectors)


def test_types_with_the_same_wording(folder: ModelFolder, read: dict[str, int]) -> None:
    encoder = DescriptionEncoder(folder.path, precision="f32")
    vectors = encoder.describe({"ONE": Kind("a date"), "OTHER": Kind("a date")}).vectors
    assert read["wordings"] == 1
    assert np.array_equal(vectors[0], vectors[1])


def test_texts_are_read_again_unless_they_are_kept(folder: ModelFolder, read: dict[str, int]) -> None:
    encoder = DescriptionEncoder(folder.path, precision="f32")
    encoder.keep_scores(0)
    types = encoder.describe(TYPES)
    plain = encoder.find(TEXTS, types)
    windows = read["windows"]
    assert encoder.find(TEXTS, types) == plain
    assert read["windows"] == 2 * windows
    encoder.keep_texts(1_000_000)
    encoder.find(TEXTS, types)
    read["windows"] = 0
    assert encoder.find(TEXTS[::-1], types) == plain[::-1]
    other = encoder.describe({"PERSON": TYPES["PERSON"]})
    found = encoder.find(TEXTS, other)
    assert read["windows"] == 0
    encoder.find([*TEXTS, "patient Lima"], types)
    assert read["windows"] == 1
    assert found == DescriptionEncoder(folder.path, precision="f32").find(TEXTS, other)


@pytest.mark.parametrize("text", ["patient ortiz", "patient\nOrtiz", "patientOrtiz", "patient Lima"])
def test_texts_that_read_differently_are_told_apart(
    folder: ModelFolder, read: dict[str, int], text: str
) -> None:
    encoder = DescriptionEncoder(folder.path, precision="f32")
    encoder.keep_texts(1_000_000)
    types = encoder.describe(TYPES)
    encoder.find(["patient Ortiz"], types)
    encoder.find([text], types)
    assert read["windows"] == 2


def test_more_texts_than_there_is_room_for(folder: ModelFolder, tiny_config: EncoderConfig) -> None:
    encoder = DescriptionEncoder(folder.path, precision="f32")
    types = encoder.describe(TYPES)
    plain = encoder.find(TEXTS, types)
    encoder.keep_texts(2 * 4 * tiny_config.projection * 5)  # five words
    assert encoder.find(TEXTS, types) == plain
    assert encoder.find(TEXTS, types) == plain


def test_threads_share_what_is_kept(folder: ModelFolder) -> None:
    encoder = DescriptionEncoder(folder.path, precision="f32", streams=2)
    encoder.keep_texts(20_000)
    expected = DescriptionEncoder(folder.path, precision="f32").describe(TYPES)
    wanted = encoder.find(TEXTS, expected)

    def work(turn: int) -> bool:
        names = list(TYPES)[turn % 3 :]
        types = encoder.describe({name: TYPES[name] for name in names})
        fits = np.array_equal(types.vectors, expected.vectors[turn % 3 :])
        return fits and encoder.find(TEXTS, replace(expected)) == wanted

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(12)))


def test_what_was_asked_for_last_stays() -> None:
    kept: Kept[str] = Kept(8 * 4)
    one = np.ones(3, dtype=np.float32)
    kept.put("a", one)
    kept.put("b", one)
    assert kept.get("a") is not None
    kept.put("c", one)
    assert [name for name in "abc" if kept.get(name) is not None] == ["a", "c"]
    kept.put("c", np.zeros(1, dtype=np.float32))
    kept.put("d", one)
    assert len(kept) == 3
    kept.put("e", np.ones(9, dtype=np.float32))
    assert len(kept) == 0


def test_what_is_kept_is_a_copy_that_nobody_can_change() -> None:
    kept: Kept[str] = Kept(100)
    own = np.ones(2, dtype=np.float32)
    kept.put("a", own)
    own[0] = 5
    found = kept.get("a")
    assert found is not None
    assert found.tolist() == [1, 1]
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 2


def test_nothing_is_kept_where_there_is_no_room() -> None:
    kept: Kept[str] = Kept(0)
    kept.put("a", np.ones(1, dtype=np.float32))
    assert kept.get("a") is None


def test_wordings_that_lie_beside_the_weights_are_not_read(
    folder: ModelFolder, read: dict[str, int], tmp_path: Path
) -> None:
    shutil.copytree(folder.path, tmp_path / "model")
    plain = DescriptionEncoder(tmp_path / "model", precision="f32").describe(TYPES)
    stored = DescriptionEncoder(tmp_path / "model", precision="f32").store_wordings(TYPES.values())
    assert stored.digest == folder.digest
    read["wordings"] = 0
    encoder = DescriptionEncoder(tmp_path / "model", precision="f32")
    assert encoder.describe(TYPES).vectors == pytest.approx(plain.vectors, abs=1e-6)
    assert read["wordings"] == 0
    assert "_describing" not in vars(encoder._runtime)
    encoder.describe({"DATE": Kind("a date of birth")})
    assert read["wordings"] == 1
    stored.calibrated(Calibration(0.9, 0.2, {}, {}, ""))
    assert DescriptionEncoder(tmp_path / "model").calibration.pooled == 0.2


def test_wordings_of_other_weights_are_refused(
    folder: ModelFolder, make_folder: Callable[[int], ModelFolder], tmp_path: Path
) -> None:
    shutil.copytree(folder.path, tmp_path / "model")
    DescriptionEncoder(tmp_path / "model", precision="f32").store_wordings(TYPES.values())
    shutil.copy(make_folder(5).path / "model.safetensors", tmp_path / "model")
    with pytest.raises(IntegrityError, match="is of other weights"):
        DescriptionEncoder(ModelFolder.sealed(tmp_path / "model"))
    with (tmp_path / "model" / WORDINGS).open("ab") as stream:
        stream.write(b" ")
    with pytest.raises(IntegrityError, match=r"wordings\.safetensors does not match"):
        ModelFolder.open(tmp_path / "model")


def test_new_weights_take_old_wordings_away(folder: ModelFolder, tmp_path: Path) -> None:
    shutil.copytree(folder.path, tmp_path / "model")
    stored = DescriptionEncoder(tmp_path / "model", precision="f32").store_wordings(TYPES.values())
    again = ModelFolder.write(
        stored.path,
        config=stored.config(),
        weights=stored.weights(),
        vocabulary=stored.vocabulary(),
        calibration=stored.calibration(),
    )
    assert not (again.path / WORDINGS).exists()
    assert again.digest == folder.digest


def test_the_shipped_policies_lie_beside_the_shipped_weights() -> None:
    stored = read_wordings(ModelFolder.open(default_folder()))
    kinds = [kind for name in available_policies() for kind in load_policy(name).types]
    texts = {text for kind in kinds if "encoder" in kind.detect for text in wordings(kind)}
    missing = [text for text in texts if wording_key(text) not in stored]
    assert missing == [], "run benchmarks/training/describe.py"
