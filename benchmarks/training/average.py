"""Average model folders: ``python benchmarks/training/average.py OUT MODEL=SHARE MODEL=SHARE ...``.

Weights of one training, or of stages that follow each other, lie close enough that their mean is a network as
well, and often a better one (Wortsman et al. 2022, model soups). Calibrate what comes out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from deid.encoder.weights import ModelFolder


def main() -> None:
    """Read, average and write."""
    out, *parts = sys.argv[1:]
    shares = [
        (ModelFolder.open(Path(path)), float(share)) for path, _, share in (p.rpartition("=") for p in parts)
    ]
    total = sum(share for _, share in shares)
    mean: dict[str, np.ndarray] = {}
    for folder, share in shares:
        for name, value in folder.weights().items():
            mean[name] = mean.get(name, 0) + np.asarray(value, np.float32) * (share / total)
    last = shares[-1][0]
    written = ModelFolder.write(
        Path(out),
        config=last.config(),
        weights=mean,
        vocabulary=last.vocabulary(),
        calibration=last.calibration(),
    )
    print(f"wrote {out} {written.digest}")


if __name__ == "__main__":
    main()
