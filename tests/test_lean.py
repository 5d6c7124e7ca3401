"""The command and its workers run without torch and transformers; only training needs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_notes" / "notes.jsonl"
_REPORT = """
import atexit, os, sys
def tell():
    loaded = sorted(name for name in ("torch", "transformers") if sys.modules.get(name) is not None)
    with open(os.environ["LOADED"], "a") as stream:
        stream.write(" ".join(["spacy" in sys.modules and "worked" or "idle", *loaded]) + "\\n")
atexit.register(tell)
# Workers end without atexit; they say it when they begin to end.
import multiprocessing.util
multiprocessing.util.Finalize(None, tell, exitpriority=100)
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_loads_no_torch(tmp_path: Path, workers: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(_REPORT)
    notes = SAMPLES.read_text(encoding="utf-8").splitlines()[:4]
    (tmp_path / "notes.jsonl").write_text("\n".join(notes) + "\n", encoding="utf-8")
    arguments = ["run", "notes.jsonl", "--policy", "safe-harbor", "--out", "out", "--workers", workers]
    environment = {
        **os.environ,
        "LOADED": str(tmp_path / "loaded"),
        "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT))),
    }
    done = subprocess.run(
        [sys.executable, "-m", "deid", *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "PyTorch" not in done.stderr
    lines = (tmp_path / "loaded").read_text().splitlines()
    assert set(lines) <= {"worked", "idle"}
    assert "worked" in lines
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["model"]["runtime"].startswith("openvino")


def test_training_has_torch() -> None:
    code = "import sys; sys.argv = ['deid', 'train', '--help']; from deid.__main__ import run; run()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "torch" not in done.stderr
