"""A headless Chromium with a real mouse and a real keyboard; for tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("playwright")

from playwright.sync_api import Page, expect, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)

_PATIENCE = 100_000  # milliseconds; a busy machine is no fault of the page
expect.set_options(timeout=_PATIENCE)

# On CI the browser has to be there: a test that is skipped there tells nobody anything.
in_a_browser = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="needs Chromium: apt-get install chromium"
)


@contextmanager
def opened(address: str, *, width: int = 1360, height: int = 900) -> Iterator[Page]:
    """Open a page; it must raise no error and ask no other address for anything."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(_PATIENCE)
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(error.message))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("request", lambda asked: None if asked.url.startswith(address) else wrong.append(asked.url))
        page.on("dialog", lambda dialog: dialog.accept())
        try:
            page.goto(address)
            yield page
        finally:
            browser.close()
    assert wrong == [], wrong
