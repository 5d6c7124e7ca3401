"""Weights come back from storage as they went in, in four bits where that is exact."""

import numpy as np

from deid.encoder.packed import count, pack, unpack

RNG = np.random.default_rng(5)


def _published(rows: int, width: int) -> np.ndarray:
    """Return a table as a base in Q4_0 holds it: the largest of each 32 is -8 times their factor."""
    whole = RNG.integers(-7, 8, (rows, width // 32, 32))
    np.put_along_axis(whole, RNG.integers(0, 32, (rows, width // 32, 1)), -8, -1)
    factors = RNG.normal(0, 0.01, (rows, width // 32, 1)).astype(np.float16)
    return (whole * factors.astype(np.float32)).reshape(rows, width).astype(np.float16).astype(np.float32)


def test_a_table_in_blocks_is_stored_in_a_quarter_and_comes_back_exactly() -> None:
    table = _published(50, 64)
    stored = pack({"table": table})
    assert set(stored) == {"table.nibbles", "table.factors"}
    assert stored["table.nibbles"].shape == (50, 32)
    assert sum(value.nbytes for value in stored.values()) < table.size * 0.6
    assert np.array_equal(unpack(stored)["table"], table)
    assert count({name: value.shape for name, value in stored.items()}) == table.size


def test_a_mean_of_equal_tables_is_still_one_in_blocks() -> None:
    table = _published(50, 64)
    mean = table * np.float32(0.3) + table * np.float32(0.7)
    assert np.array_equal(unpack(pack({"table": mean}))["table"], table)


def test_other_weights_keep_half_precision() -> None:
    weights = {
        "trained": RNG.normal(size=(6, 64)).astype(np.float32),
        "narrow": RNG.normal(size=(6, 20)).astype(np.float32),
        "bias": RNG.normal(size=64).astype(np.float32),
        "zeros": np.zeros((6, 64), np.float32),
    }
    stored = pack(weights)
    assert stored.keys() == weights.keys()
    for name, value in unpack(stored).items():
        assert np.array_equal(value, weights[name].astype(np.float16).astype(np.float32))


def test_an_empty_block_stays_empty() -> None:
    table = _published(4, 64)
    table[2, :32] = 0
    assert np.array_equal(unpack(pack({"table": table}))["table"], table)
