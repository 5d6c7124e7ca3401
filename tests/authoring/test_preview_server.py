"""The preview page's HTML and HTTP: who may ask for it, and what never leaves."""

from __future__ import annotations

import http.client
import logging
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from click.testing import CliRunner

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from preview_site import POLICY, TEXT, TOKEN, WITHOUT_BADGE, make_preview, served

from deid.authoring.preview import Preview
from deid.authoring.preview_page import Page
from deid.authoring.preview_server import HOST, listen, page_html, serve
from deid.cli.policy import preview as command
from deid.errors import UsageError


def test_html_is_escaped(tmp_path: Path) -> None:
    preview = make_preview(tmp_path)
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
    preview = make_preview(tmp_path)
    with served(preview) as address:
        yield _Site(preview, urlsplit(address).port or 0)


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

    monkeypatch.setattr("deid.authoring.preview_server.serve", once)
    arguments = [str(tmp_path / "ours.yaml"), "--notes", str(tmp_path / "note.txt")]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert done.stderr.startswith(f"http://{HOST}:1/1/\n")


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with listen(0) as taken, pytest.raises(UsageError, match="give another --port"):
        serve(make_preview(tmp_path), port=taken.getsockname()[1], announce=print)


def test_the_extra_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(UsageError, match=r"uvicorn is not installed: pip install 'clinical-deid\[preview\]'"):
        serve(make_preview(tmp_path), announce=print)
