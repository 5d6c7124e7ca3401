"""What an encoder keeps: wordings always, texts if asked to; results are the same with and without."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from conftest import Kind

import deid.encoder.model
from deid.encoder.config import EncoderConfig
from deid.encoder.kept import Kept
from deid.encoder.model import DescriptionEncoder
from deid.encoder.openvino_runtime import OpenVinoRuntime
from deid.encoder.weights import ModelFolder
from deid.encoder.windows import Batch, FloatArray

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
