"""A policy and notes to preview, and the page behind an address; for tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deid.authoring.preview import Preview
from deid.authoring.preview_page import Page
from deid.authoring.preview_server import HOST, listen, make_app, make_server
from deid.formats.source import Entry
from deid.note import Note

TOKEN = "a-token"
DOCKET = "The number under which a court files a case, such as a custody case."
POLICY = f"""\
# ours
policy: ours
version: '1'
types:
  DOCKET:  # from legal
    description: {DOCKET}
    examples: ["FC-20-5852-D"]  # invented
    patterns: [{{regex: 'FC-\\d+'}}]
    detect: [rules]
  BADGE:
    description: The number on a badge that somebody who works in the hospital wears.
    patterns: [{{regex: 'badge (?P<phi>\\d+)'}}]
    detect: [rules]
    # badges end here
"""
WITHOUT_BADGE = POLICY[: POLICY.index("  BADGE")]
TEXT = "Tessaly <b>came</b>, badge 20418, case FC-2014 & FC-99."


def entries(*texts: str) -> tuple[Entry, ...]:
    return tuple(Entry(at, f"n{at}", Note(f"n{at}", text), None) for at, text in enumerate(texts))


def make_preview(folder: Path, text: str = POLICY) -> Preview:
    path = folder / "ours.yaml"
    path.write_text(text)
    return Preview(str(path), entries(TEXT, "Nothing here."))


def marks(page: Page) -> list[tuple[str, str]]:
    return [(piece.change, piece.text) for note in page.notes for piece in note.pieces if piece.change]


@contextmanager
def served(preview: Preview) -> Iterator[str]:
    """Serve the page in a thread; give its address."""
    with listen(0) as listening:
        port = listening.getsockname()[1]
        server = make_server(make_app(preview, token=TOKEN, port=port))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://{HOST}:{port}/{TOKEN}/"
        finally:
            server.should_exit = True
            thread.join()
