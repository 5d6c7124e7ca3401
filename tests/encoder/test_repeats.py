"""Windows that read the same are read once, with the same results to the bit; what is kept is bounded."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import Kind

import deid.encoder.model
from deid.encoder.model import DescriptionEncoder
from deid.encoder.openvino_runtime import OpenVinoRuntime, native_precision
from deid.encoder.weights import ModelFolder
from deid.encoder.windows import Batch, FloatArray, padded

TYPES = {"PERSON": Kind("the name of the patient"), "DATE": Kind("a date")}
LINES = (
    "seen by dr lima md",
    "call the clinic at the hill on 3/4",
    "patient ortiz 442-0071",
    "the hill clinic",
)
NOTE = "\n".join(f"{LINES[at % 4]} {at}" for at in range(60))
NEXT = "\n".join([*NOTE.split("\n"), "seen on 5/6", "by dr ortiz"])
TEXTS = [NOTE, "patient Ortiz", NEXT, "patient Ortiz", "", NOTE, "seen by dr lima " * 40]


@pytest.fixture(name="shapes")
def _shapes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Note windows and length of each batch that the network reads."""
    shapes: list[tuple[int, int]] = []

    def noted(batches: Iterable[Batch]) -> Iterator[Batch]:
        for batch in batches:
            shapes.append((batch.ids.shape[0], batch.ids.shape[1]))
            yield batch

    class Noting(OpenVinoRuntime):
        def read(self, batches: Iterable[Batch]) -> Iterator[FloatArray]:
            return super().read(noted(batches))

    monkeypatch.setattr(deid.encoder.model.RUNTIMES, "get", lambda _: Noting)
    return shapes


def count(shapes: list[tuple[int, int]]) -> int:
    """Return the number of windows read, and forget them."""
    windows = sum(rows for rows, _ in shapes)
    shapes.clear()
    return windows


def same(left: list[tuple[FloatArray, FloatArray]], right: list[tuple[FloatArray, FloatArray]]) -> bool:
    pairs = zip(itertools.chain(*left), itertools.chain(*right), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


def test_with_and_without_give_the_same_bits(folder: ModelFolder, shapes: list[tuple[int, int]]) -> None:
    encoder = DescriptionEncoder(folder.path, precision="f32")
    types, words = encoder.describe(TYPES), [encoder.split(text) for text in TEXTS]
    windows = [window for at, each in enumerate(words) for window in encoder._windows(each, at)]
    encoder.keep_scores(0)
    plain = encoder.scores(words, types)
    assert count(shapes) == len(windows)
    encoder.keep_scores(1_000_000)
    assert same(encoder.scores(words, types), plain)
    different = count(shapes)
    assert different < len(windows) * 0.7
    assert same(encoder.scores(words, types), plain)
    assert same(encoder.scores(words[::-1], types), plain[::-1])
    assert count(shapes) == 0


def test_other_types_are_other_scores(folder: ModelFolder, shapes: list[tuple[int, int]]) -> None:
    encoder = DescriptionEncoder(folder.path, precision="f32")
    both, one = encoder.describe(TYPES), encoder.describe({"DATE": TYPES["DATE"]})
    words = [encoder.split(NOTE)]
    ((inside, _),) = encoder.scores(words, both)
    windows = count(shapes)
    ((alone, _),) = encoder.scores(words, one)
    assert count(shapes) == windows
    assert alone[:, 0] == pytest.approx(inside[:, 1], abs=1e-5)
    assert encoder.find([NOTE], encoder.describe({})) == [()]
    assert len(encoder._scored) == 2 * windows


def test_no_more_is_kept_than_there_is_room_for(folder: ModelFolder, shapes: list[tuple[int, int]]) -> None:
    encoder = DescriptionEncoder(folder.path, precision="f32")
    types, words = encoder.describe(TYPES), [encoder.split(f"{NOTE} {at}") for at in range(9)]
    plain = encoder.scores(words, types)
    windows = count(shapes)
    most = 3 * 70 * len(TYPES) * 8  # three windows of the most words
    encoder.keep_scores(most)
    for each, expected in zip(words, plain, strict=True):
        assert same(encoder.scores([each], types), [expected])
        assert len(encoder._scored) > 0
        assert sum(array.nbytes for array in encoder._scored._arrays.values()) <= most
    assert count(shapes) > windows  # nothing is answered from what has gone


def test_each_encoder_hashes_under_a_key_of_its_own(folder: ModelFolder) -> None:
    first, second = (DescriptionEncoder(folder.path, precision="f32") for _ in range(2))
    for encoder in (first, second):
        encoder.find([NOTE], encoder.describe(TYPES))
    assert len(first._scored) == len(second._scored) > 0
    assert not first._scored._arrays.keys() & second._scored._arrays.keys()


@pytest.mark.parametrize("precision", ["f32", "bf16", "int8"])
def test_a_window_reads_the_same_in_any_batch(
    folder: ModelFolder, rounded: ModelFolder, shapes: list[tuple[int, int]], precision: str
) -> None:
    if precision != "f32" and native_precision() != "bf16":
        pytest.skip("this processor has no such products")
    path: Path = (rounded if precision == "int8" else folder).path
    encoder = DescriptionEncoder(path, precision=precision)
    encoder.keep_scores(0)
    types, words = encoder.describe(TYPES), [encoder.split(text) for text in TEXTS]
    together = encoder.scores(words, types)
    lengths = {length for _, length in shapes}
    for at, each in enumerate(words):
        assert same(encoder.scores([each], types), [together[at]])
        more = [words[at - 1], each, each, *words[at:]]
        assert same(encoder.scores(more, types)[1:3], [together[at]] * 2)
    assert {length for _, length in shapes} == lengths <= {padded(pieces) for pieces in range(71)}
