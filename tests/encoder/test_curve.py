from __future__ import annotations

from pathlib import Path

import pytest

from deid.encoder import curve
from deid.encoder.curve import add_to_curve


def test_a_curve_grows_as_numbers_and_as_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "curve.csv"
    for step in (20, 40, 60):
        add_to_curve(path, step=step, loss=1 / step, seconds=4)
    assert path.read_text().splitlines() == [
        "step,loss,seconds",
        "20,0.05000,4.0",
        "40,0.02500,4.0",
        "60,0.01667,4.0",
    ]
    assert path.with_suffix(".svg").read_text().startswith("<?xml")


def test_without_matplotlib_there_are_the_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curve, "find_spec", lambda _: None)
    add_to_curve(tmp_path / "curve.csv", step=1, loss=0.5, seconds=1)
    assert [path.name for path in tmp_path.iterdir()] == ["curve.csv"]
