"""The preview page behind a secret address of this machine."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from deid.authoring.preview import Preview
from deid.authoring.preview_page import Page
from deid.errors import DeidError, UsageError

if TYPE_CHECKING:
    import jinja2
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

HOST = "127.0.0.1"
_MAX_BODY = 4_000_000  # a policy of a megabyte, each byte written as %XX, and some


@cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("deid.authoring", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("preview.html.j2")


def page_html(preview: Preview, page: Page, *, nonce: str) -> str:
    """Write the page.

    Args:
        preview: The policy that is edited.
        page: What it shows.
        nonce: Stands at the page's own style and script, which alone are allowed to work.
    """
    return _template().render(page=page, path=preview.path, editable=preview.editable, nonce=nonce)


def make_app(preview: Preview, *, token: str, port: int) -> Starlette:
    """Return the web application: one address, which shows the page and takes its form.

    Args:
        preview: The policy that is edited.
        token: The address's secret part; every other address is refused.
        port: The port at which a browser asks for it. A request that names another host is refused: it comes
            from a page elsewhere whose name was made to point here.

    Raises:
        UsageError: if Starlette is not installed.
    """
    _need_extra()
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import HTMLResponse, PlainTextResponse
    from starlette.routing import Route

    hosts = {f"{HOST}:{port}", f"localhost:{port}"}

    async def answer(request: Request, nonce: str) -> Response:
        named = request.path_params["path"].encode()
        if not secrets.compare_digest(named, f"{token}/".encode()):
            return PlainTextResponse("wrong address: use the one that the command printed", 403)
        if request.headers.get("host") not in hosts:
            return PlainTextResponse("wrong host: use the address that the command printed", 403)
        try:
            if request.method == "POST":
                page = await run_in_threadpool(preview.act, await _fields(request))
            else:
                page = await run_in_threadpool(preview.render)
            return HTMLResponse(page_html(preview, page, nonce=nonce))
        except (DeidError, ValueError) as error:
            shown = str(error) if isinstance(error, DeidError) else "not a form of this page"
            return PlainTextResponse(shown, 400)
        except Exception as error:  # its message and its traceback could hold words of a note
            return PlainTextResponse(f"internal error: {type(error).__name__}", 500)

    async def guarded(request: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        response = await answer(request, nonce)
        response.headers.update(_headers(nonce))
        return response

    return Starlette(routes=[Route("/{path:path}", guarded, methods=["GET", "POST"])])


def _headers(nonce: str) -> dict[str, str]:
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": f"default-src 'none'; script-src 'nonce-{nonce}'; "
        f"style-src 'nonce-{nonce}'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


async def _fields(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise UsageError("the text is too long for a policy file")
    given = parse_qs(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=20)
    return {name: values[-1] for name, values in given.items()}


def _need_extra() -> None:
    try:
        import starlette
        import uvicorn
    except ImportError as error:
        raise UsageError(f"{error.name} is not installed: pip install 'clinical-deid[preview]'") from None
    del starlette, uvicorn


def listen(port: int) -> socket.socket:
    """Return a socket that listens on this machine alone.

    Args:
        port: The port; a free one when 0.

    Raises:
        UsageError: if the port is taken.
    """
    listening = socket.socket()
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise UsageError(f"port {port} cannot be used: {error.strerror}; give another --port") from None
    return listening


def make_server(app: Any) -> uvicorn.Server:
    """Return a server that writes no log of requests.

    Args:
        app: From `make_app`.
    """
    import uvicorn

    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            ws="none",
        )
    )


def serve(preview: Preview, *, port: int = 0, announce: Callable[[str], object]) -> None:
    """Serve the page until the process is interrupted.

    Args:
        preview: The policy that is edited.
        port: The port; a free one when 0.
        announce: Is given the address when it can be opened.

    Raises:
        UsageError: if the port is taken or the extra ``preview`` is not installed.
        DeidError: if the saved policy's file or the model cannot be read.
    """
    _need_extra()
    preview.render()  # loads the encoder, so that the first page comes at once
    with listen(port) as listening, suppress(KeyboardInterrupt):
        bound = listening.getsockname()[1]
        token = secrets.token_urlsafe(24)
        server = make_server(make_app(preview, token=token, port=bound))
        announce(f"http://{HOST}:{bound}/{token}/")
        server.run(sockets=[listening])
