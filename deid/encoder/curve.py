"""The learning curve of a training run, as numbers and as a picture."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path

_SMOOTHED = 5  # rows of the log that a point of the smooth line is the mean of


def add_to_curve(path: Path, *, step: int, loss: float, seconds: float) -> None:
    """Add a row to a curve, and draw it anew beside itself where matplotlib is installed.

    Args:
        path: CSV file with the columns step, loss and seconds; the picture has its name with ``.svg``.
        step: Steps done.
        loss: Mean loss since the row before.
        seconds: Time since the row before.
    """
    fresh = not path.is_file()
    with path.open("a", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        if fresh:
            rows.writerow(("step", "loss", "seconds"))
        rows.writerow((step, f"{loss:.5f}", f"{seconds:.1f}"))
    if find_spec("matplotlib") is not None:
        _draw(path)


def _draw(path: Path) -> None:
    from matplotlib.figure import Figure

    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    steps, losses = ([float(row[name]) for row in rows] for name in ("step", "loss"))
    smooth = [
        sum(losses[max(at - _SMOOTHED + 1, 0) : at + 1]) / min(at + 1, _SMOOTHED) for at in range(len(losses))
    ]
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(steps, losses, color="#8fb2c4", linewidth=1)
    axes.plot(steps, smooth, color="#2f6f8f", linewidth=2)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.set_ylim(bottom=0)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
