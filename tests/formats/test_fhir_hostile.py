"""Resources that are damaged, wrong or meant to do harm: quarantined without a word, or made harmless."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest
from fhir_files import (
    Json,
    document,
    encoded,
    export,
    only,
    opened,
    passed,
    redacted,
    strings,
    texts_of,
    unchanged,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.errors import InputOutputError, IntegrityError, Reason
from deid.formats.fhir.syntax import DEEPEST
from deid.formats.source import Outcome

UUID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
SECRET = "Zyxquill"
EXTERNAL = '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><div>&x;</div>'
PHRASE = "Zyxquill of Upper Marzipan"


def narrative(div: str) -> Json:
    return {"resourceType": "Basic", "id": SECRET, "text": {"status": "generated", "div": div}}


def nested(depth: int) -> Json:
    item: Json = {"linkId": "x"}
    for _ in range(depth):
        item = {"linkId": "x", "item": [item]}
    return {"resourceType": "Questionnaire", "item": [item]}


@pytest.mark.parametrize(
    ("resource", "reason", "detail"),
    [
        (f'{{"resourceType": "Basic", "id": "{SECRET}"', Reason.INVALID_RECORD, "not a JSON object"),
        (f'["{SECRET}"]', Reason.INVALID_RECORD, "not a JSON object"),
        (f'{{"resourceType": "Basic", "id": "1", "id": "{SECRET}"}}', Reason.INVALID_RECORD, "distinct keys"),
        ('{"resourceType": "Basic", "x": NaN}', Reason.INVALID_RECORD, "not a JSON object"),
        ("[" * 100_000, Reason.INVALID_RECORD, "not a JSON object"),
        ({"resourceType": SECRET}, Reason.INVALID_RECORD, "resourceType: none of R4"),
        ({"id": SECRET}, Reason.INVALID_RECORD, "resourceType: none of R4"),
        ({"resourceType": ["Patient"]}, Reason.INVALID_RECORD, "resourceType: none of R4"),
        (nested(DEEPEST), Reason.INVALID_RECORD, "nested too deep"),
        ('{"resourceType": "Basic", "language": "\\ud800"}', Reason.LONE_SURROGATE, "Basic.language"),
        (
            {"resourceType": "Basic", "modifierExtension": [{"url": SECRET}]},
            Reason.INVALID_RECORD,
            "modifierExtension",
        ),
        (document("text/plain", SECRET + "%"), Reason.INVALID_RECORD, "content[0].attachment: not base64"),
        (
            document("text/plain", encoded(f"{SECRET}ä".encode("latin-1"))),
            Reason.INVALID_UTF8,
            "not in its charset",
        ),
        (
            document("text/plain; charset=us-ascii", encoded(f"{SECRET}ä")),
            Reason.INVALID_UTF8,
            "not in its charset",
        ),
        (document("text/plain; charset=rot13", encoded(SECRET)), Reason.INVALID_UTF8, "an unknown charset"),
        (document("text/plain; charset=utf-16", encoded(b"\x00")), Reason.INVALID_UTF8, "not in its charset"),
        (document("text/plain", encoded(f"{SECRET}\0")), Reason.NUL_CHARACTER, "content[0].attachment"),
        (document("text/rtf", encoded(SECRET)), Reason.INVALID_RECORD, "not RTF"),
        (
            document("application/xhtml+xml", encoded(f"<p>{SECRET}")),
            Reason.INVALID_RECORD,
            "not well-formed",
        ),
        (
            document("text/html", encoded("<div>" * 5000 + SECRET)),
            Reason.INVALID_RECORD,
            "html: cannot be parsed",
        ),
        (narrative(f"<div>{SECRET}"), Reason.INVALID_RECORD, "Basic.text: xhtml: not well-formed"),
        (narrative(f"<div>&{SECRET};</div>"), Reason.INVALID_RECORD, "not well-formed"),
        (narrative("<div>" * 3000 + "</div>" * 3000), Reason.INVALID_RECORD, "not well-formed"),
        (
            narrative(f'<!DOCTYPE d [<!ENTITY x "{SECRET}">]><div>&x;</div>'),
            Reason.INVALID_RECORD,
            "a document type",
        ),
        (narrative(EXTERNAL), Reason.INVALID_RECORD, "a document type"),
    ],
)
def test_what_cannot_be_read_is_quarantined_and_the_rest_goes_on(
    tmp_path: Path, resource: Json | str, reason: Reason, detail: str
) -> None:
    good = {"resourceType": "Basic", "status": "ok"}
    source = export(tmp_path / "a.ndjson", good, resource, good)

    first, bad, last = (entry for entry in source.read() if "#" not in entry.note_id)

    assert first.note and last.note
    assert (bad.reason, bad.note_id) == (reason, "a.ndjson line 2")
    assert detail in bad.detail
    assert SECRET not in repr(bad)
    assert len(passed(source, tmp_path / "out")["a.ndjson"]) == 2
    assert SECRET not in (tmp_path / "out" / "a.ndjson").read_text()


def test_bytes_that_are_no_utf8_are_quarantined(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    export(path)
    path.write_bytes(b'{"resourceType":"Basic","id":"\xff"}\n')

    (entry,) = opened(path).read()

    assert (entry.reason, entry.detail) == (Reason.INVALID_UTF8, "byte 30")


def test_a_file_that_was_cut_off_stops_the_run(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    lines = b"".join(b'{"resourceType":"Basic","id":"%d"}\n' % number for number in range(2_000))
    path.write_bytes(gzip.compress(lines)[:-40])

    with pytest.raises(InputOutputError):
        list(opened(path).read())


@pytest.mark.parametrize(
    "div",
    [
        f'<div onclick="{SECRET}">x</div>',
        f"<div><!-- {SECRET} -->x<?php {SECRET} ?></div>",
        f'<div><img src="data:{SECRET}" alt="{SECRET}"/>x</div>',
        f'<div><a href="mailto:{SECRET}@example.org" name="{SECRET}">x</a></div>',
        f'<div id="{SECRET}" class="{SECRET}" style="a:url({SECRET})">x</div>',
        f"<div><style>{SECRET}</style><script>{SECRET}</script>x</div>",
        f'<div xmlns:{SECRET}="urn:{SECRET}" {SECRET}:a="b">x</div>',
        f"<div><{SECRET}>x</{SECRET}></div>",
        f'<div xml:lang="{SECRET}">x</div>',
    ],
)
def test_nothing_hides_in_markup(tmp_path: Path, div: str) -> None:
    xhtml = div.replace("<div", '<div xmlns="http://www.w3.org/1999/xhtml"', 1)
    for number, resource in enumerate((narrative(xhtml), document("text/html", encoded(div)))):
        source = export(tmp_path / f"{number}.ndjson", resource)

        assert list(texts_of(source.read()).values()) == ["x"]
        written = only(source, tmp_path / "out")
        data = written["content"][0]["attachment"]["data"] if number else ""
        assert SECRET.lower() not in (json.dumps(written) + base64.b64decode(data).decode()).lower()


def test_an_external_file_is_never_read(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text(SECRET)
    page = (
        f'<?xml version="1.0"?><!DOCTYPE html SYSTEM "file://{tmp_path}/secret.txt">'
        '<html xmlns="http://www.w3.org/1999/xhtml"><body>x</body></html>'
    )
    source = export(tmp_path / "a.ndjson", document("application/xhtml+xml", encoded(page)))

    assert list(texts_of(source.read()).values()) == ["x"]
    assert SECRET not in json.dumps(only(source, tmp_path / "out"))


def test_an_input_that_changes_is_refused(tmp_path: Path) -> None:
    source = export(tmp_path / "a.ndjson", {"resourceType": "Basic"})
    outcomes = [unchanged(entry) for entry in source.read()]
    (tmp_path / "a.ndjson").write_text('{"resourceType": "Basic", "id": "longer"}\n')

    with pytest.raises(IntegrityError, match="changed since it was opened"):
        source.write(iter(outcomes), tmp_path / "out")
    with pytest.raises(IntegrityError, match="no entry for outcome"):
        opened(tmp_path / "a.ndjson").write(iter([*outcomes, Outcome(1, "")]), tmp_path / "out")


# Elements of all kinds, and values of all kinds in places where they do and do not belong.
_ELEMENTS = """
id resourceType text div status name given family prefix address line telecom value system identifier type
coding code display reference subject unit period start extension url valueString contentType data size note
contained entry resource birthDate onsetAge photo _given _birthDate item linkId unknown
"""
_NAMES = st.sampled_from(_ELEMENTS.split())
_LEAVES = st.one_of(
    st.sampled_from(
        [PHRASE, "Patient", "2079-03-04", "Patient/1", "#a", "text/plain", "phone", "", "\ud800"]
    ),
    st.sampled_from(["http://x.example.org", f"urn:uuid:{UUID}", "<div>a</div>"]),
    st.sampled_from([1, 2.5, True, None]),
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=100)
@given(
    body=st.dictionaries(_NAMES, _VALUES, max_size=6), kind=st.sampled_from(["Patient", "Bundle", "Binary"])
)
def test_any_object_is_quarantined_or_written_without_what_was_not_read(
    tmp_path_factory: pytest.TempPathFactory, body: Json, kind: str
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    source = export(folder / "a.ndjson", {**body, "resourceType": kind})

    entries = list(source.read())
    source.known_values()
    written = passed(source, folder / "out", redacted)["a.ndjson"]

    assert [entry.ordinal for entry in entries] == list(range(len(entries)))
    assert len(written) == (0 if entries[0].note is None else 1)
    read = set(texts_of(entries).values())
    assert [each for each in strings(written) if PHRASE in each and each not in read] == []
