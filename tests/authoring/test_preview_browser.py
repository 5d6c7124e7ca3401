"""The preview page in headless Chromium, used with the mouse and with the keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from chromium import in_a_browser, opened
from playwright.sync_api import Page, expect
from preview_site import POLICY, TEXT, make_preview, served

pytestmark = [pytest.mark.slow, in_a_browser]


@pytest.fixture(name="page")
def _page(tmp_path: Path) -> Iterator[Page]:
    with served(make_preview(tmp_path)) as address, opened(address) as page:
        yield page


def _file(tmp_path: Path) -> str:
    return (tmp_path / "ours.yaml").read_text()


def _put_caret_behind(page: Page, words: str) -> None:
    """Click into the editor, and go to a place as somebody does with the arrow keys."""
    editor = page.get_by_label("Policy file")
    text = editor.input_value()
    place = text.index(words) + len(words)
    editor.click()
    page.keyboard.press("Control+Home")
    for _ in range(text.count("\n", 0, place)):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Home")
    for _ in range(place - (text.rfind("\n", 0, place) + 1)):
        page.keyboard.press("ArrowRight")


def test_marks_say_what_found_them_under_the_mouse(page: Page) -> None:
    assert page.locator("mark").all_inner_texts() == ["20418", "FC-2014", "FC-99"]
    assert page.locator("pre").first.inner_text().strip() == TEXT
    mark = page.locator("mark", has_text="20418")
    mark.hover()
    expect(mark).to_have_attribute("title", "BADGE, 0.80, rules")


def test_an_edit_shows_what_is_lost_and_what_is_new_without_a_click(page: Page, tmp_path: Path) -> None:
    _put_caret_behind(page, "regex: 'FC-")
    page.keyboard.type("20")
    expect(page.locator("mark.lost")).to_have_text("FC-99")
    expect(page.locator("#summary")).to_contain_text("2 mentions in 2 notes")
    expect(page.locator("#summary")).to_contain_text("0 new, 1 lost")
    row = page.locator("tr.changed")
    expect(row).to_contain_text("DOCKET")
    expect(row).to_contain_text("−1")
    page.get_by_role("link", name="n0").click()
    expect(page.locator("#note-0")).to_be_focused()
    assert _file(tmp_path) == POLICY


def test_a_missed_mention_becomes_an_example_with_one_click(page: Page, tmp_path: Path) -> None:
    page.locator("pre").first.dblclick(position={"x": 30, "y": 22})
    expect(page.get_by_label("Missed")).to_have_value("Tessaly")
    page.get_by_role("button", name="Add as example of").click()
    expect(page.get_by_label("Policy file")).to_have_value(re.compile(r'\["FC-20-5852-D", "Tessaly"\]'))
    expect(page.locator("#messages")).to_contain_text("Added to the examples of DOCKET; not saved yet.")
    assert "Tessaly" not in _file(tmp_path)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#messages")).to_contain_text("Saved.")
    expect(page.locator("#state")).to_contain_text("as saved")
    assert _file(tmp_path) == POLICY.replace('"FC-20-5852-D"', '"FC-20-5852-D", "Tessaly"')


def test_another_type_is_chosen_for_the_example(page: Page) -> None:
    page.get_by_label("Missed").fill("badge of honor")
    page.get_by_label("Type", exact=True).select_option("BADGE")
    page.get_by_role("button", name="Add as example of").click()
    added = re.compile('examples:\n      - "badge of honor"')
    expect(page.get_by_label("Policy file")).to_have_value(added)
    expect(page.get_by_label("Type", exact=True)).to_have_value("BADGE")


def test_an_error_stands_beside_its_line_and_the_page_goes_on(page: Page, tmp_path: Path) -> None:
    line = POLICY.split("\n").index("    detect: [rules]") + 1
    _put_caret_behind(page, "    detec")
    page.keyboard.type("x")
    number = page.locator("#numbers > .error")
    expect(number).to_contain_text(re.compile(rf"^{line}\D"))
    beside = number.locator("b")
    expect(beside).to_contain_text("unknown key 'detecxt'; did you mean 'detect'?")
    box, place = beside.bounding_box(), number.bounding_box()
    assert box is not None
    assert place is not None
    assert abs(box["y"] - place["y"]) < 5
    assert box["x"] > place["x"] + place["width"]
    expect(page.locator(".warn")).to_contain_text("The edit does not load")
    assert page.locator("mark").count() == 3
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".failed").first).to_contain_text("Not saved")
    assert _file(tmp_path) == POLICY
    page.locator("#messages li.error").click()
    expect(page.get_by_label("Policy file")).to_be_focused()
    assert page.evaluate("getSelection().toString()") == "    detecxt: [rules]"
    page.keyboard.type("    detect: [rules]")
    expect(page.locator("#numbers .error")).to_have_count(0)
    expect(page.locator(".warn")).to_have_count(0)


def test_the_keyboard_alone_will_do(page: Page, tmp_path: Path) -> None:
    def tab_to(label: str) -> None:
        for _ in range(30):
            page.keyboard.press("Tab")
            named = page.evaluate("(document.activeElement.ariaLabel || document.activeElement.id)")
            if named == label:
                return
        raise AssertionError(f"Tab does not reach {label}")

    tab_to("Policy file")
    page.keyboard.press("Control+End")
    page.keyboard.type("# more")
    expect(page.locator("#state")).to_contain_text("not saved yet")
    page.keyboard.press("Control+s")
    expect(page.locator("#messages")).to_contain_text("Saved.")
    assert _file(tmp_path) == POLICY + "# more"
    tab_to("surface")
    page.keyboard.type("FC 7")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Policy file")).to_have_value(re.compile('"FC-20-5852-D", "FC 7"'))
    tab_to("mark-0-2")
    told = page.evaluate("getComputedStyle(document.activeElement, '::after').content")
    assert told == '"BADGE, 0.80, rules"'
    page.keyboard.press("Control+Enter")
    expect(page.locator("#mark-0-2")).to_be_focused()
    expect(page.locator("#busy")).not_to_be_visible()
    expect(page.locator("#mark-0-2")).to_be_focused()
