"""A page on this machine on which somebody edits a policy and sees what it finds in example notes.

`Preview` does the work and knows nothing of HTTP; `make_app` and `serve` put it behind a secret address.
"""

from __future__ import annotations

import json
import re
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs

from deid.authoring.edit import load_policy_text, read_policy_text, save_policy_text, with_example
from deid.authoring.lint import LintFinding, lint_policy
from deid.errors import DeidError, NoteError, PolicyError, UsageError
from deid.formats.source import Entry, Source
from deid.note import Span
from deid.policy import EntityType, Policy, ResolvedPolicy, resolve_policy
from deid.run.pipeline import Deidentifier
from deid.run.work import Group

if TYPE_CHECKING:
    import jinja2
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

Change = Literal["", "same", "added", "lost"]
Found = tuple[tuple[Span, ...] | NoteError, ...]

HOST = "127.0.0.1"
_KEPT_RESULTS = 8
_MAX_BODY = 4_000_000  # a policy of a megabyte, each byte written as %XX, and some
_LONGEST_EXAMPLE = 200
_FAMILIES = {"A": "name", "B": "place", "C": "date", **dict.fromkeys("DEFNO", "contact")}
_PLACES = ("STATE", "COUNTRY")  # places that no item of the list names


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a note: plain, or a mention.

    Args:
        text: The note's own text.
        change: Against the saved policy; empty for plain text.
        family: Family of its type, for the color.
        title: Type, score and detectors.
    """

    text: str = field(repr=False)
    change: Change = ""
    family: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class NoteView:
    """A note as the page shows it.

    Args:
        note_id: Its id.
        pieces: Together the note's text; empty if there is a failure.
        added: Mentions that the saved policy does not find so.
        lost: Mentions that only the saved policy finds so.
        failure: Why the note cannot be shown; empty if it can.
    """

    note_id: str
    pieces: tuple[Piece, ...] = ()
    added: int = 0
    lost: int = 0
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """Mentions of a type.

    Args:
        entity_type: The type.
        family: Its family, for the color.
        now: Under the edited text.
        saved: Under the saved file; None if that does not load.
    """

    entity_type: str
    family: str
    now: int
    saved: int | None

    @property
    def difference(self) -> str:
        """What the edit adds or takes away, with its sign."""
        change = 0 if self.saved is None else self.now - self.saved
        return f"{change:+d}".replace("-", "−") if change else ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong or unsafe in the edited text.

    Args:
        severity: ``error`` or ``warning``.
        what: What is wrong and how to mend it.
        line: Line of the text, from 1; None if it stands in a parent or nowhere.
        source: That line.
    """

    severity: str
    what: str
    line: int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the page shows.

    Args:
        text: The edited text.
        base: Digest of the saved file that the edit began from.
        changed: Whether the text differs from the saved one.
        problems: What is wrong with the text.
        stale: Whether the notes are shown as an earlier text found them, since this one does not load.
        types: Names of the types that an example can be added to.
        counts: By type, in the policy's order; types that nothing was found of are left out.
        unfound: The types left out.
        notes: In input order.
        message: What came of the last action.
        failed: Whether the message says that it failed.
        entity_type: The type chosen for examples.
        surface: The example in the making.
    """

    text: str
    base: str
    changed: bool
    problems: tuple[Problem, ...]
    stale: bool
    types: tuple[str, ...]
    counts: tuple[Count, ...]
    unfound: tuple[str, ...]
    notes: tuple[NoteView, ...]
    message: str = ""
    failed: bool = False
    entity_type: str = ""
    surface: str = field(default="", repr=False)

    @property
    def found(self) -> int:
        """Number of mentions."""
        return sum(each.now for each in self.counts)

    @property
    def added(self) -> int:
        """Number of mentions that are new."""
        return sum(note.added for note in self.notes)

    @property
    def lost(self) -> int:
        """Number of mentions that are gone."""
        return sum(note.lost for note in self.notes)

    @property
    def marked_lines(self) -> dict[int, str]:
        """Lines with a problem, and how severe it is."""
        worst: dict[int, str] = {}
        for each in self.problems:
            if each.line is not None and worst.get(each.line) != "error":
                worst[each.line] = each.severity
        return worst


@dataclass(frozen=True, slots=True)
class _Result:
    policy: Policy
    found: Found


def read_entries(source: Source, limit: int) -> tuple[Entry, ...]:
    """Read the first notes of a source.

    Args:
        source: From `deid.formats.source.open_source`.
        limit: How many records.

    Raises:
        UsageError: if none of them is a note.
    """
    entries = tuple(islice(source.read(), limit))
    if not any(entry.note for entry in entries):
        raise UsageError(f"input {source.name}: there is no readable note among the first {limit} records")
    return entries


class Preview:
    """A policy file that is edited, and the notes it is tried on.

    Args:
        policy: Path of a policy file, or the name of a shipped policy, which cannot be saved.
        entries: The notes.
        model: A model folder; the shipped one when None.

    Raises:
        PolicyError: if there is no such policy. A file that does not load can be edited nevertheless.
    """

    def __init__(self, policy: str, entries: Sequence[Entry], *, model: Path | None = None) -> None:
        self.editable = policy.endswith((".yaml", ".yml")) or "/" in policy or "\\" in policy
        self.path = Path(policy) if self.editable else resolve_policy(policy).files[0].path
        if not self.path.is_file():
            raise PolicyError(f"{policy}: there is no such file; deid policy new writes one")
        self._entries = tuple(entries)
        self._model = model
        self._lock = Lock()
        self._results: dict[str, Found] = {}
        self._last: _Result | None = None

    def act(self, fields: Mapping[str, str]) -> Page:
        """Do what the page's form asks for, and show the page again.

        Args:
            fields: ``do`` (preview, save or add), ``text``, ``base``, ``type``, ``surface``.
        """
        text = fields.get("text", "").replace("\r\n", "\n")
        entity_type, surface = fields.get("type", ""), fields.get("surface", "")
        message, failed = "", False
        try:
            if fields.get("do") == "add":
                text = self.add_example(text, entity_type, surface)
                message, surface = f"Added to the examples of {entity_type}; not saved yet.", ""
            elif fields.get("do") == "save":
                self.save(text, base=fields.get("base", ""))
                message = "Saved."
        except DeidError as error:
            message, failed = str(error), True
        page = self.render(text)
        return replace(page, message=message, failed=failed, entity_type=entity_type, surface=surface)

    def render(self, text: str | None = None) -> Page:
        """Return the page for a text.

        Args:
            text: The edited text; the saved one when None.
        """
        with self._lock:
            saved_text, base = read_policy_text(self.path)
            text = saved_text if text is None else text
            saved, _ = self._judge(saved_text)
            now, problems = self._judge(text)
            self._last = now or self._last or saved
            kinds = self._kinds(self._last, saved)
            counts = tuple(_counts(self._last, saved, kinds))
            return Page(
                text=text,
                base=base,
                changed=text != saved_text,
                problems=problems,
                stale=now is None,
                types=self._last.policy.type_names if self._last else (),
                counts=tuple(each for each in counts if each.now or each.saved),
                unfound=tuple(each.entity_type for each in counts if not (each.now or each.saved)),
                notes=tuple(self._views(self._last, saved, kinds)),
            )

    def save(self, text: str, *, base: str = "") -> None:
        """Write the edited text to the policy's file.

        Args:
            text: The text.
            base: Digest of the file that the edit began from; not compared when empty.

        Raises:
            UsageError: if the policy is a shipped one, or the file has changed since.
            PolicyError: if the text does not load.
            InputOutputError: if the file cannot be written.
        """
        if not self.editable:
            raise UsageError(
                f"Not saved: {self.path.stem} is a shipped policy. "
                f"deid policy new ours.yaml --extends {self.path.stem} makes one of your own."
            )
        with self._lock:
            save_policy_text(self.path, text, base=base)

    def add_example(self, text: str, entity_type: str, surface: str) -> str:
        """Return the text with one more example of a type; comments and layout stay.

        A type that inherits its examples gets them written out, since a child's list replaces its parent's.

        Args:
            text: A text that loads.
            entity_type: One of its types.
            surface: The example; runs of white space become single spaces.

        Raises:
            UsageError: if the example is empty, too long or there already, or cannot be put in by itself.
            PolicyError: if the text does not load or has no such type.
        """
        example = " ".join(surface.split())
        if not example:
            raise UsageError("Select words in a note, or write an example.")
        if len(example) > _LONGEST_EXAMPLE:
            raise UsageError(f"An example has at most {_LONGEST_EXAMPLE} characters.")
        try:
            kind = self._load(text).policy.type(entity_type)
        except PolicyError:
            raise PolicyError("Not added: the text does not load, or has no such type.") from None
        if example in kind.examples:
            raise UsageError(f"{kind.name} has this example already.")
        return with_example(text, kind, example)

    def _load(self, text: str) -> ResolvedPolicy:
        """Load a text; a shipped policy names its parent, and its folder may not be writable."""
        return load_policy_text(text, self.path, beside=self.editable)

    def _judge(self, text: str) -> tuple[_Result | None, tuple[Problem, ...]]:
        """Return what a text finds, None if it does not load; and what is wrong with it."""
        problems: tuple[Problem, ...] = ()
        try:
            resolved = self._load(text)
            problems = tuple(self._lint_problem(each, text) for each in lint_policy(resolved))
            return _Result(resolved.policy, self._find(resolved.policy)), problems
        except DeidError as error:
            return None, (*self._load_problems(error, text), *problems)

    def _load_problems(self, error: DeidError, text: str) -> Iterator[Problem]:
        for line in str(error).splitlines():
            place = re.match(re.escape(str(self.path)) + r":(\d+):\d+: ", line)
            if place:
                yield _problem("error", line[place.end() :], int(place[1]), text)
            else:
                yield Problem("error", line)

    def _lint_problem(self, finding: LintFinding, text: str) -> Problem:
        place, what = finding.place, f"{finding.code}: {finding.reason}; {finding.fix}"
        if place.file == str(self.path):
            return _problem(finding.severity, f"{place.key}: {what}", place.line, text)
        return Problem(finding.severity, f"{Path(place.file).name}: {place.key}: {what}")

    def _find(self, policy: Policy) -> Found:
        """Return the spans of every readable note; operators do not matter, and the last results are kept."""
        key = json.dumps([kind.model_dump(mode="json", exclude={"operator"}) for kind in policy.types])
        found = self._results.pop(key, None) or self._detect(policy)
        self._results[key] = found
        if len(self._results) > _KEPT_RESULTS:
            del self._results[next(iter(self._results))]
        return found

    def _detect(self, policy: Policy) -> Found:
        notes = [entry.note for entry in self._entries if entry.note]
        patients: dict[tuple[str | None, int], list[int]] = {}
        for at, note in enumerate(notes):
            patients.setdefault((note.patient_id, -1 if note.patient_id else at), []).append(at)
        groups = [Group(tuple(notes[at] for at in own)) for own in patients.values()]
        results = Deidentifier.for_detection(policy, model=self._model).find(groups)
        found = dict(
            pair
            for own, spans in zip(patients.values(), results, strict=True)
            for pair in zip(own, spans, strict=True)
        )
        return tuple(found[at] for at in range(len(notes)))

    def _kinds(self, *results: _Result | None) -> dict[str, str]:
        """Return the family of every type, the edited policy's types first."""
        families: dict[str, str] = {}
        for result in filter(None, results):
            for kind in result.policy.types:
                families.setdefault(kind.name, _family(kind))
        return families

    def _views(
        self, now: _Result | None, saved: _Result | None, families: Mapping[str, str]
    ) -> Iterator[NoteView]:
        at = 0
        for entry in self._entries:
            if entry.note is None:
                yield NoteView(entry.note_id, failure=f"cannot be read: {entry.reason}")
                continue
            new = now.found[at] if now else ()
            old = saved.found[at] if saved else new
            at += 1
            if isinstance(new, NoteError):
                yield NoteView(entry.note_id, failure=f"cannot be worked on: {new.reason}")
            else:
                old = new if isinstance(old, NoteError) else old
                yield _view(entry.note_id, entry.note.text, new, old, families)


def _problem(severity: str, what: str, line: int | None, text: str) -> Problem:
    lines = text.split("\n")
    known = line is not None and 0 < line <= len(lines)
    return Problem(severity, what, line, lines[line - 1].strip() if line and known else "")


def _family(kind: EntityType) -> str:
    """Return the family of a type, by its letter of 45 CFR 164.514(b)(2)(i) where it has one."""
    if kind.hipaa:
        return _FAMILIES.get(kind.hipaa[0], "number")
    return "place" if (kind.i2b2 or kind.name) in _PLACES else "other"


def _tally(result: _Result) -> Counter[str]:
    return Counter(
        span.entity_type for spans in result.found if not isinstance(spans, NoteError) for span in spans
    )


def _counts(now: _Result | None, saved: _Result | None, families: Mapping[str, str]) -> Iterator[Count]:
    new = _tally(now) if now else Counter[str]()
    old = _tally(saved) if saved else None
    for name, family in families.items():
        yield Count(name, family, new[name], None if old is None else old[name])


def _view(
    note_id: str, text: str, now: Sequence[Span], saved: Sequence[Span], families: Mapping[str, str]
) -> NoteView:
    """Lay what is found now over what the saved policy finds.

    Of a lost mention only what lies outside all present ones is marked; the others' titles name it.
    """
    now_keys, saved_keys = ({_key(span) for span in spans} for spans in (now, saved))
    gone = [span for span in saved if _key(span) not in now_keys]
    marks: list[tuple[int, int, Piece]] = []
    for span in now:
        same = _key(span) in saved_keys
        was = [each.entity_type for each in gone if each.start < span.end and span.start < each.end]
        title = f"{span.entity_type}, {span.score:.2f}, {', '.join(span.detectors)}"
        title += "" if same else f"; saved policy: {', '.join(was) or 'nothing here'}"
        piece = Piece(
            text[span.start : span.end], "same" if same else "added", families[span.entity_type], title
        )
        marks.append((span.start, span.end, piece))
    for span in gone:
        title = f"{span.entity_type}, lost; the saved policy finds it with {span.score:.2f}"
        marks += (
            (start, end, Piece(text[start:end], "lost", families[span.entity_type], title))
            for start, end in _outside(span, now)
        )
    added = sum(piece.change == "added" for _, _, piece in marks)
    return NoteView(note_id, tuple(_filled(text, sorted(marks, key=_start))), added, len(gone))


def _key(span: Span) -> tuple[int, int, str]:
    return span.start, span.end, span.entity_type


def _start(mark: tuple[int, int, Piece]) -> int:
    return mark[0]


def _outside(span: Span, others: Sequence[Span]) -> Iterator[tuple[int, int]]:
    """Yield the parts of a span that none of some sorted, disjoint spans covers."""
    start = span.start
    for other in others:
        if other.start < span.end and start < other.end:
            if start < other.start:
                yield start, other.start
            start = other.end
    if start < span.end:
        yield start, span.end


def _filled(text: str, marks: Sequence[tuple[int, int, Piece]]) -> Iterator[Piece]:
    """Yield marks with the plain text between them."""
    position = 0
    for start, end, piece in marks:
        if position < start:
            yield Piece(text[position:start])
        yield piece
        position = end
    if position < len(text):
        yield Piece(text[position:])


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
