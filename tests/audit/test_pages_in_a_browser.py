"""The pages as a browser shows them; skipped where there is no Chromium."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from deid.cli import main

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.slow,
]
ROOT = Path(__file__).parents[2]


def _shown(page: Path, *flags: str) -> str:
    """Return the document after the browser has laid it out."""
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", *flags, page.as_uri()]
    profile = f"--user-data-dir={page.parent / 'profile'}"
    done = subprocess.run([*command, profile], capture_output=True, text=True, timeout=100, check=True)
    return done.stdout


@pytest.fixture(scope="module", name="page")
def _page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    policy = folder / "rules.yaml"
    policy.write_text(
        "policy: rules\nversion: '1'\nextends: safe-harbor\nmethod: custom\ngates: {recall: 0.99}\ntypes:\n"
        "  DATE: {detect: [rules]}\n"
    )
    gold = folder / "gold.jsonl"
    lines = (ROOT / "sample_notes" / "gold.jsonl").read_text().splitlines(keepends=True)
    gold.write_text("".join(lines[:6]))
    page = folder / "evaluation.html"
    done = CliRunner().invoke(
        main, ["evaluate", str(gold), "--policy", str(policy), "--html", str(page), "--gate", "precision>=0"]
    )
    assert done.exit_code in (0, 1), done.output
    return page


def test_the_evaluation_is_laid_out(page: Path) -> None:
    document = _shown(page, "--dump-dom")
    headings = re.findall(r"<h2>(.*?)</h2>", document)
    assert headings[:3] == ["Release gates", "Recall by type", "Recall by Safe Harbor item"]
    assert document.count("<circle") > 10
    assert "NaN" not in document


def test_the_evaluation_is_a_picture_with_content(page: Path) -> None:
    picture = page.with_suffix(".png")
    _shown(page, f"--screenshot={picture}", "--window-size=1150,1600")
    assert picture.stat().st_size > 30_000  # an empty page of this size has about 8,000
