"""Nothing is fetched or sent: the commands with the shipped encoder, where a socket cannot be made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[1] / "sample_notes"

# Loaded by every process that starts, the workers of a run too. A library may swallow the error: each attempt
# is written down as well, except that urllib3 on import asks the machine whether it has IPv6. The hook sees
# what does not go through the module `socket`.
_GUARD = """
import os, socket, sys

def _refuse(what):
    with open(os.environ["ATTEMPTS"], "a") as stream:
        stream.write(f"{what}\\n")
    raise RuntimeError(f"network: {what}")

class _Blocked(socket.socket):
    def __init__(self, *arguments, **settings):
        if sys._getframe(1).f_code.co_name == "_has_ipv6":
            raise OSError("no network")
        _refuse("socket")

def _hook(event, arguments):
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
        _refuse(event)

socket.socket = _Blocked
sys.addaudithook(_hook)
"""


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("offline")
    (folder / "guard").mkdir()
    (folder / "guard" / "sitecustomize.py").write_text(_GUARD)
    return folder


def _python(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Python behind the guard, in an empty home: nothing fetched earlier is at hand."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    paths = [str(folder / "guard"), str(SAMPLES.parent)]
    environment = {
        **{
            name: value for name, value in os.environ.items() if not name.startswith(("HF_", "DEID_", "XDG_"))
        },
        "ATTEMPTS": str(folder / "attempts"),
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join(paths),
    }
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def _deid(folder: Path, *arguments: str | Path) -> str:
    done = _python(folder, "-m", "deid", *arguments)
    assert done.returncode == 0, done.stderr
    assert not (folder / "attempts").exists(), (folder / "attempts").read_text()
    return done.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9/')",
        "import _socket; _socket.socket().connect(('127.0.0.1', 9))",
        "import socket; socket.getaddrinfo('localhost', 80)",
    ],
)
def test_the_guard_holds(folder: Path, code: str) -> None:
    done = _python(folder, "-c", code)
    attempts = folder / "attempts"
    assert done.returncode == 1
    assert attempts.read_text() != ""
    attempts.unlink()


@pytest.mark.slow
def test_run_detect_and_report_need_no_network(folder: Path) -> None:
    source = SAMPLES / "notes.jsonl"
    _deid(folder, "run", source, "--policy", "safe-harbor", "--out", "out", "--workers", "2")
    report = json.loads(_deid(folder, "report", "out", "--json", "--html", "report.html"))
    assert report["manifest"]["model"]["digest"].startswith("sha256:")
    assert report["manifest"]["counts"]["deidentified"] == 38
    assert report["manifest"]["counts"]["spans"]["by_detector"]["encoder"] > 0
    lines = _deid(folder, "detect", source, "--policy", "safe-harbor").splitlines()
    assert len(lines) == 38
    assert "entries and all output texts" in _deid(folder, "audit", "verify", "out", "--notes")
    left = [path for path in (folder / "home").rglob("*") if path.is_file()]
    assert left == []
