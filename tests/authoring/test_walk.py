"""docs/policy-walk.md: every command is run, every output compared, and the files of the walk are its own.

``RECORD_WALK=1 pytest tests/authoring/test_walk.py -n 0`` writes outputs, files and pictures anew, for
instance after the weights have changed; then read what the page says about them.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from chromium import in_a_browser, opened
from playwright.sync_api import Page, expect
from preview_site import served

import deid.encoder.model
import deid.encoder.openvino_runtime
from deid.authoring.preview import Preview, read_entries
from deid.cli import main
from deid.formats.markup import read_marked
from deid.formats.source import open_source
from deid.policy import load_policy

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "policy-walk.md"
PICTURES = DOCS / "pictures"
FILES = DOCS / "walk"
RECORD = bool(os.environ.get("RECORD_WALK"))
_BLOCK = re.compile(r"^```(console|yaml (?:file|edit)=\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n", re.MULTILINE)
_DECIMAL = re.compile(r"\d\.\d+")


@pytest.fixture(autouse=True)
def _the_same_arithmetic_everywhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Scores differ a little between processors with and without 16-bit products."""
    monkeypatch.setattr(deid.encoder.openvino_runtime, "native_precision", lambda: "f32")
    deid.encoder.model._loaded.cache_clear()
    yield
    deid.encoder.model._loaded.cache_clear()


@dataclass
class _Shell:
    """Runs the blocks of the page, one after another, in a folder."""

    folder: Path
    status: int = 0

    def block(self, kind: str, body: str) -> str:
        """Return what the block should hold."""
        if kind == "console":
            commands = [match[1] for match in _COMMAND.finditer(body)]
            return "".join(f"$ {command}\n{self._run(command)}" for command in commands)
        how, name = kind.removeprefix("yaml ").split("=")
        path = self.folder / name
        path.write_text(body if how == "file" else path.read_text() + body)
        return body

    def _run(self, command: str) -> str:
        name, *arguments = shlex.split(command.replace("\\\n", " "))
        if name == "cat":
            return (self.folder / arguments[0]).read_text()
        if name == "echo":
            return f"{self.status}\n"
        assert name == "deid"
        done = CliRunner().invoke(main, arguments, catch_exceptions=False)
        self.status = done.exit_code
        lines = "\n".join(line.rstrip() for line in done.output.splitlines())
        return f"{lines.strip()}\n" if lines.strip() else ""


@pytest.mark.slow
def test_the_commands_of_the_walk_print_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    shutil.copytree(FILES / "marked", tmp_path / "marked")
    shell = _Shell(tmp_path)
    page = PAGE.read_text(encoding="utf-8")
    made = _BLOCK.sub(lambda block: f"```{block[1]}\n{shell.block(block[1], block[2])}```", page)
    names = ("county.yaml", "county.tests.yaml")
    if RECORD:
        PAGE.write_text(made, encoding="utf-8")
        for name in names:
            shutil.copy(tmp_path / name, FILES / name)
    assert _DECIMAL.sub("0.0", made) == _DECIMAL.sub("0.0", page)
    for name in names:
        assert (tmp_path / name).read_text() == (FILES / name).read_text()


@pytest.mark.slow
@in_a_browser
def test_the_preview_of_the_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shell = _Shell(tmp_path)
    blocks = [(block[1], block[2]) for block in _BLOCK.finditer(PAGE.read_text(encoding="utf-8"))]
    shell.block(*blocks[0])
    (edited,) = (body for kind, body in blocks if kind == "yaml file=county.yaml")
    preview = Preview("county.yaml", read_entries(open_source(FILES / "notes"), 20))
    preview.render()  # loads the encoder, as the command does before it gives the address
    with served(preview) as address, opened(address, width=1240, height=720) as page:
        expect(page.locator("#numbers > .warning")).to_have_count(2)
        if RECORD:
            _keep_picture(page, "policy-walk-draft")
        page.get_by_label("Policy file").fill(edited)
        expect(page.locator("tr.changed", has_text="DOCKET_NUMBER")).to_contain_text("+")
        expect(page.locator("mark.added").first).to_be_visible()
        if RECORD:
            _keep_picture(page, "policy-walk-edited")


def _keep_picture(page: Page, name: str) -> None:
    from PIL import Image

    whole = Image.open(BytesIO(page.screenshot()))
    PICTURES.mkdir(exist_ok=True)
    whole.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(PICTURES / f"{name}.png", optimize=True)


def test_the_plain_notes_are_the_marked_ones() -> None:
    types = load_policy(FILES / "county.yaml").type_names
    marked = sorted((FILES / "marked").iterdir())
    assert [path.name for path in marked] == sorted(path.name for path in (FILES / "notes").iterdir())
    for path in marked:
        _, _, body = path.read_text(encoding="utf-8").partition("\n\n")
        assert read_marked(body, types=types)[0] == (FILES / "notes" / path.name).read_text(encoding="utf-8")


def test_the_page_shows_pictures_that_are_there() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\((.*?)\)", PAGE.read_text(encoding="utf-8"))
    assert len(pictures) == 2
    for name in pictures:
        assert 10_000 < (DOCS / name).stat().st_size < 150_000
