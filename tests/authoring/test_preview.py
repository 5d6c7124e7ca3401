"""The preview page: what it shows, what it saves, who may ask for it."""

from __future__ import annotations

import http.client
import logging
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from deid.authoring.preview import (
    HOST,
    Page,
    Piece,
    Preview,
    listen,
    make_app,
    make_server,
    page_html,
    read_entries,
    serve,
)
from deid.cli.policy import preview as command
from deid.errors import PolicyError, Reason, UsageError
from deid.formats.source import Entry, open_source
from deid.note import Note
from deid.policy import load_policy

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
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


def _entries(*texts: str) -> tuple[Entry, ...]:
    return tuple(Entry(at, f"n{at}", Note(f"n{at}", text), None) for at, text in enumerate(texts))


def _preview(folder: Path, text: str = POLICY) -> Preview:
    path = folder / "ours.yaml"
    path.write_text(text)
    return Preview(str(path), _entries(TEXT, "Nothing here."))


def _marks(page: Page) -> list[tuple[str, str]]:
    return [(piece.change, piece.text) for note in page.notes for piece in note.pieces if piece.change]


def test_the_saved_policy_is_shown_as_it_is(tmp_path: Path) -> None:
    page = _preview(tmp_path).render()
    assert page.text == POLICY
    assert not page.changed
    assert _marks(page) == [("same", "20418"), ("same", "FC-2014"), ("same", "FC-99")]
    assert [(each.entity_type, each.now, each.saved, each.difference) for each in page.counts] == [
        ("DOCKET", 2, 2, ""),
        ("BADGE", 1, 1, ""),
    ]
    assert ["".join(piece.text for piece in note.pieces) for note in page.notes] == [TEXT, "Nothing here."]
    assert page.notes[0].pieces[1].title == "BADGE, 0.80, rules"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["ours.yaml"]


def test_what_an_edit_adds_and_loses(tmp_path: Path) -> None:
    preview = _preview(tmp_path)
    page = preview.render(WITHOUT_BADGE.replace(r"FC-\d+", r"FC-\d{3,}|case"))
    assert _marks(page) == [("lost", "20418"), ("added", "case"), ("same", "FC-2014"), ("lost", "FC-99")]
    assert [(each.entity_type, each.difference) for each in page.counts] == [("DOCKET", ""), ("BADGE", "−1")]
    assert (page.found, page.added, page.lost) == (2, 1, 2)
    assert preview.render().lost == 0


def test_a_mention_that_changes_its_type_or_size_names_what_it_was(tmp_path: Path) -> None:
    page = _preview(tmp_path).render(POLICY.replace("  BADGE:", "  STAFF:").replace(r"FC-\d+", r"\d{4}\b"))
    pieces = {piece.text: piece for piece in page.notes[0].pieces}
    assert pieces["20418"] == Piece("20418", "added", "other", "STAFF, 0.80, rules; saved policy: BADGE"), (
        pieces["20418"].title
    )
    assert pieces["2014"].title.endswith("saved policy: DOCKET")
    assert pieces["FC-"].change == "lost"
    assert page.unfound == ()
    assert {each.entity_type: each.difference for each in page.counts} == {
        "DOCKET": "−1",
        "STAFF": "+1",
        "BADGE": "−1",
    }


@pytest.mark.parametrize(
    ("broken", "line", "what"),
    [
        (POLICY.replace("version: '1'", "version: ["), 5, "expected"),
        (POLICY.replace("    detect: [rules]\n", "    detekt: [rules]\n", 1), 9, "did you mean 'detect'?"),
        (POLICY.replace(r"FC-\d+", "FC-("), 8, "DP014"),
        (POLICY.replace("version", "extends: ./ours.yaml\nversion"), 1, "in a circle"),
        (POLICY.replace("version", "extends: ./absent.yaml\nversion"), 3, "there is no such file"),
    ],
)
def test_an_invalid_edit_keeps_the_page(tmp_path: Path, broken: str, line: int, what: str) -> None:
    preview = _preview(tmp_path)
    page = preview.render(broken)
    assert page.text == broken
    assert page.stale
    assert len(_marks(page)) == 3
    assert any(each.line == line and what in each.what for each in page.problems), page.problems
    assert page.marked_lines[line] == "error"
    assert str(tmp_path) not in "".join(each.what for each in page.problems)
    assert f'<span class="error">{line}</span>' in page_html(preview, page, nonce="n")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["ours.yaml"]


def test_the_notes_stay_as_the_last_good_edit_finds_them(tmp_path: Path) -> None:
    preview = _preview(tmp_path)
    assert len(_marks(preview.render(WITHOUT_BADGE))) == 3
    page = preview.render("policy: [")
    assert page.stale
    assert ("lost", "20418") in _marks(page)


def test_a_saved_policy_that_does_not_load_can_be_mended(tmp_path: Path) -> None:
    preview = _preview(tmp_path, "policy: [")
    page = preview.render()
    assert page.stale
    assert page.counts == ()
    page = preview.render(POLICY)
    assert not page.stale
    assert [(each.now, each.saved, each.difference) for each in page.counts] == [(2, None, ""), (1, None, "")]
    preview.save(POLICY)
    assert load_policy(tmp_path / "ours.yaml").type_names == ("DOCKET", "BADGE")


def test_warnings_name_their_line(tmp_path: Path) -> None:
    page = _preview(tmp_path).render(POLICY.replace("    detect: [rules]\n", "    detect: [known]\n", 1))
    found = {(each.severity, each.line) for each in page.problems if "DP010" in each.what}
    assert found == {("warning", 9)}


def test_saving(tmp_path: Path) -> None:
    preview = _preview(tmp_path)
    path = tmp_path / "ours.yaml"
    path.chmod(0o600)
    base = preview.render().base
    with pytest.raises(PolicyError, match="would not load"):
        preview.save("policy: [", base=base)
    assert path.read_text() == POLICY
    preview.save(WITHOUT_BADGE, base=base)
    assert path.read_text() == WITHOUT_BADGE
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="changed elsewhere"):
        preview.save(POLICY, base=base)
    assert path.read_text() == WITHOUT_BADGE
    assert not preview.render(WITHOUT_BADGE).changed


def test_line_ends_stay(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_bytes(POLICY.replace("\n", "\r\n").encode())
    preview = Preview(str(path), _entries(TEXT))
    page = preview.act({"do": "save", "text": POLICY.replace("\n", "\r\n").replace("# ours", "# mine")})
    assert page.message == "Saved."
    assert path.read_bytes() == POLICY.replace("\n", "\r\n").replace("# ours", "# mine").encode()


def test_a_shipped_policy_is_tried_but_not_saved() -> None:
    preview = Preview("safe-harbor", _entries(TEXT))
    before = preview.path.read_bytes()
    rules_only = "".join(f"  {name}: {{detect: [rules]}}\n" for name in load_policy("safe-harbor").type_names)
    text = f"policy: safe-harbor\nversion: '1'\nextends: base\ntypes:\n{rules_only}"
    with pytest.raises(UsageError, match="deid policy new"):
        preview.save(text)
    assert not preview.editable
    assert preview.path.read_bytes() == before


def test_names_and_paths_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="did you mean 'safe-harbor'"):
        Preview("safe-harbour", ())
    with pytest.raises(PolicyError, match="deid policy new"):
        Preview(str(tmp_path / "absent.yaml"), ())


_BLOCK = '    examples:\n      - "FC-20-5852-D"  # invented\n\n      # more to come\n'
_FLOW = '    examples: ["FC-20-5852-D"]  # invented\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (_FLOW, '    examples: ["FC-20-5852-D", "G \\"7\\": #8"]  # invented\n'),
        (_BLOCK, _BLOCK.replace("invented\n", 'invented\n      - "G \\"7\\": #8"\n')),
        ("    examples:\n    - a\n", '    examples:\n    - a\n    - "G \\"7\\": #8"\n'),
        ("    examples: [\n      a,\n      b,  # b\n    ]\n", None),
        ("    examples:\n      - |-\n        a\n", None),
        ("    examples: []\n", '    examples: ["G \\"7\\": #8"]\n'),
        ("", None),
    ],
)
def test_an_example_is_put_into_its_list(tmp_path: Path, before: str, after: str | None) -> None:
    text = POLICY.replace(_FLOW, before)
    preview = _preview(tmp_path, text)
    made = preview.add_example(text, "DOCKET", ' G "7":\n #8 ')
    if after is not None:
        assert made == POLICY.replace(_FLOW, after)
    assert re.findall("#.*", re.sub('"G.*?8"', "", made)) == re.findall("#.*", text)
    old = load_policy(tmp_path / "ours.yaml")
    preview.save(made)
    new = load_policy(tmp_path / "ours.yaml")
    examples = (*old.type("DOCKET").examples, 'G "7": #8')
    assert new.type("DOCKET").examples == examples
    kinds = [kind.model_copy(update={"examples": ()}) for kind in old.types]
    assert [kind.model_copy(update={"examples": ()}) for kind in new.types] == kinds


@pytest.mark.parametrize(
    "types",
    [
        "",
        "types: {}\n",
        "types: {MRN: {detect: [rules]}}  # ours\n",
        "types:\n  CITY: null  # gone",
        "types:\n    MRN:\n        detect: [rules]  # ours\n    # the end\n",
        "types:\n  DATE: {detect: [rules]}\n",
        "types:\n  DATE: {}\ngates: {recall: 0.9}\n",
    ],
)
def test_inherited_examples_are_kept_with_the_new_one(tmp_path: Path, types: str) -> None:
    text = f"policy: ours\nversion: '1'  # first\nextends: base\n{types}"
    preview = _preview(tmp_path, text)
    made = preview.add_example(text, "DATE", "4 floréal")
    inherited = load_policy("base").type("DATE").examples
    (tmp_path / "made.yaml").write_text(made)
    policy = load_policy(tmp_path / "made.yaml")
    assert policy.type("DATE").examples == (*inherited, "4 floréal")
    assert re.findall("#.*", made) == re.findall("#.*", text)
    assert policy.type_names == load_policy(tmp_path / "ours.yaml").type_names


def test_examples_that_are_refused(tmp_path: Path) -> None:
    preview = _preview(tmp_path)
    for surface, text, what in (
        (" \n ", POLICY, "Select words"),
        ("x" * 201, POLICY, "at most 200"),
        ("FC-20-5852-D", POLICY, "already"),
        ("Tessaly", "policy: [", "does not load"),
        ("Tessaly\x81", POLICY, "by hand"),
    ):
        page = preview.act({"do": "add", "text": text, "type": "DOCKET", "surface": surface})
        assert page.failed
        assert what in page.message
        assert "Tessaly" not in page.message
        assert (page.text, page.surface) == (text, surface)
    page = preview.act({"do": "add", "text": POLICY, "type": "DOCKET", "surface": "FC-1"})
    assert (page.failed, page.surface, page.entity_type) == (False, "", "DOCKET")
    assert '["FC-20-5852-D", "FC-1"]' in page.text
    assert page.changed


def test_notes_that_cannot_be_shown_say_why(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_bytes(b"\xff")
    source = open_source(tmp_path / "notes")
    with pytest.raises(UsageError, match="no readable note"):
        read_entries(source, 20)
    (tmp_path / "notes" / "b.txt").write_text(TEXT)
    entries = read_entries(source, 20)
    (tmp_path / "ours.yaml").write_text(POLICY)
    notes = Preview(str(tmp_path / "ours.yaml"), entries).render().notes
    assert (notes[0].note_id, notes[0].failure) == ("a", f"cannot be read: {Reason.INVALID_UTF8}")
    assert "".join(piece.text for piece in notes[1].pieces) == TEXT
    assert len(read_entries(source, 1 + 1)) == 2


def test_html_is_escaped(tmp_path: Path) -> None:
    preview = _preview(tmp_path)
    text = POLICY.replace("# ours", "# </textarea><script>")
    html = page_html(preview, preview.render(text), nonce="n0")
    assert "Tessaly &lt;b&gt;came&lt;/b&gt;, badge <mark" in html
    assert "# &lt;/textarea&gt;&lt;script&gt;" in html
    assert html.count("<script") == 1
    assert html.count('nonce="n0"') == 2
    assert " style=" not in html


@dataclass(frozen=True)
class _Site:
    preview: Preview
    port: int

    def ask(
        self, path: str = f"/{TOKEN}/", *, host: str = "", form: dict[str, str] | bytes | None = None
    ) -> tuple[http.client.HTTPResponse, str]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        body = form if isinstance(form, bytes | None) else urlencode(form).encode()
        headers = {"Host": host or f"{HOST}:{self.port}"}
        connection.request("GET" if body is None else "POST", path, body=body, headers=headers)
        response = connection.getresponse()
        answer = response.read().decode()
        connection.close()
        return response, answer


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> Iterator[_Site]:
    preview = _preview(tmp_path)
    with listen(0) as listening:
        port = listening.getsockname()[1]
        server = make_server(make_app(preview, token=TOKEN, port=port))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield _Site(preview, port)
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize(
    "path", ["/", "/wrong/", f"/{TOKEN}", f"/{TOKEN}/more", "/caf%C3%A9/", "/favicon.ico"]
)
def test_another_address_is_refused(site: _Site, path: str) -> None:
    response, answer = site.ask(path)
    assert response.status == 403
    assert "Tessaly" not in answer
    assert response.headers["Cache-Control"] == "no-store"


def test_another_host_is_refused(site: _Site) -> None:
    for host in ("example.org", HOST, f"example.org:{site.port}", f"{HOST}:{site.port + 1}"):
        assert site.ask(host=host)[0].status == 403
    assert site.ask(host=f"localhost:{site.port}")[0].status == 200


def test_headers(site: _Site) -> None:
    (response, answer), (other, _) = site.ask(), site.ask()
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    policy = response.headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "connect-src 'self'", "form-action 'self'", "frame-ancestors 'none'"):
        assert part in policy
    (nonce,) = set(re.findall("'nonce-(.*?)'", policy))
    assert f'<script nonce="{nonce}">' in answer
    assert nonce not in other.headers["Content-Security-Policy"]
    assert "Server" not in response.headers


def test_the_form_works_without_a_script(site: _Site) -> None:
    fields = {"do": "preview", "text": WITHOUT_BADGE.replace("\n", "\r\n"), "base": "", "type": "DOCKET"}
    _, answer = site.ask(form=fields)
    assert re.search(r'<mark [^>]*class="other lost"[^>]*>20418</mark>', answer)
    assert site.preview.path.read_text() == POLICY
    _, answer = site.ask(form=fields | {"do": "add", "surface": "FC-7"})
    assert "Added to the examples of DOCKET" in answer
    base = re.findall('name="base" value="(.*?)"', answer)[0]
    _, answer = site.ask(form=fields | {"do": "save", "base": base})
    assert "Saved." in answer
    assert site.preview.path.read_text() == WITHOUT_BADGE


def test_what_is_no_form_is_refused(site: _Site) -> None:
    for body in (b"text=%ff", b"\xff", b"&".join([b"a=b"] * 30)):
        assert site.ask(form=body)[0].status == 400
    assert "too long" in site.ask(form=b"text=" + b"a" * 4_000_000)[1]


def test_no_note_reaches_a_log_or_an_error(
    site: _Site,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    site.ask()
    site.ask(form={"do": "add", "text": POLICY, "type": "DOCKET", "surface": "Tessaly"})

    def fail(text: str | None = None) -> Page:
        raise RuntimeError(TEXT)

    monkeypatch.setattr(site.preview, "render", fail)
    response, answer = site.ask()
    assert (response.status, answer) == (500, "internal error: RuntimeError")
    said = "".join((caplog.text, *capfd.readouterr()))
    assert "Tessaly" not in said
    assert "20418" not in said
    assert TOKEN not in said


def test_the_command_prints_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ours.yaml").write_text(POLICY)
    (tmp_path / "note.txt").write_text(TEXT)

    def once(preview: Preview, **settings: object) -> None:
        assert settings["port"] == 0
        announce = settings["announce"]
        assert callable(announce)
        announce(f"http://{HOST}:1/{len(preview.render().notes)}/")

    monkeypatch.setattr("deid.authoring.preview.serve", once)
    arguments = [str(tmp_path / "ours.yaml"), "--notes", str(tmp_path / "note.txt")]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert done.stderr.startswith(f"http://{HOST}:1/1/\n")


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with listen(0) as taken, pytest.raises(UsageError, match="give another --port"):
        serve(_preview(tmp_path), port=taken.getsockname()[1], announce=print)


def test_the_extra_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(UsageError, match=r"uvicorn is not installed: pip install 'clinical-deid\[preview\]'"):
        serve(_preview(tmp_path), announce=print)


def _browse(site: _Site, folder: Path, *flags: str) -> str:
    address = f"http://{HOST}:{site.port}/{TOKEN}/"
    profile = f"--user-data-dir={folder / 'profile'}"
    browser = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", profile]
    done = subprocess.run(
        [*browser, *flags, address], capture_output=True, text=True, timeout=100, check=True
    )
    return done.stdout


in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

# Edits, waits until the notes have changed, adds an example, saves, breaks the text; then changes the title.
_USER = """
const change = (what) => new Promise((done) => {
  const seen = () => what() ? done() : setTimeout(seen, 50);
  seen();
});
const key = (name) => box.dispatchEvent(
  new KeyboardEvent("keydown", {key: name, ctrlKey: true, bubbles: true}));
(async () => {
  box.focus();
  box.value = box.value.slice(0, box.value.indexOf("  BADGE"));
  box.dispatchEvent(new Event("input"));
  await change(() => document.querySelector("mark.lost"));
  const [note] = document.querySelectorAll("pre");
  getSelection().setBaseAndExtent(note.firstChild, 0, note.firstChild, 7);
  await change(() => surface.value === "Tessaly");
  document.querySelector("button[value=add]").click();
  await change(() => box.value.includes("Tessaly"));
  key("s");
  await change(() => messages.textContent.includes("Saved."));
  box.value = "policy: [";
  box.dispatchEvent(new Event("input"));
  key("Enter");
  await change(() => messages.querySelector("li.error"));
  document.title = "all done";
})();
"""


@pytest.mark.slow
@in_a_browser
def test_a_browser_shows_the_page(site: _Site, tmp_path: Path) -> None:
    document = _browse(site, tmp_path, "--dump-dom")
    assert document.count("<mark") == 3
    picture = tmp_path / "page.png"
    _browse(site, tmp_path, f"--screenshot={picture}", "--window-size=1300,900")
    assert picture.stat().st_size > 30_000


@pytest.mark.slow
@in_a_browser
def test_a_browser_edits_adds_and_saves(site: _Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_user(preview: Preview, page: Page, *, nonce: str) -> str:
        user = f'<script nonce="{nonce}">{_USER}</script></body>'
        return page_html(preview, page, nonce=nonce).replace("</body>", user)

    monkeypatch.setattr("deid.authoring.preview.page_html", with_user)
    document = _browse(site, tmp_path, "--dump-dom", "--virtual-time-budget=30000")
    assert "<title>all done</title>" in document
    assert '["FC-20-5852-D", "Tessaly"]' in site.preview.path.read_text()
    assert "BADGE" not in site.preview.path.read_text()
    assert "as the last text that loaded finds them" in document
