from __future__ import annotations

import io
import sys
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from deid.audit.log import verify_log
from deid.cli import main
from deid.errors import NoteError, Reason, UsageError
from deid.formats.documents import docx
from deid.formats.documents.read import document_text
from deid.formats.source import open_source
from deid.formats.text_folder import TextFolder
from deid.run.directory import output_texts

RTF = rb"{\rtf1\ansi\ansicpg1252{\fonttbl\f0 Arial;}Seen by {\b Dr. Ana Lima}\par caf\'e9 on 03/04/2024.}"
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
BODY = (
    f'<w:document {W} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><w:body>'
    "<w:p><w:r><w:t>Mr. Oka</w:t></w:r><w:r><w:t>for</w:t><w:tab/>"
    "<w:t>seen</w:t><w:br/><w:t>today.</w:t></w:r></w:p>"
    "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>MRN</w:t></w:r></w:p></w:tc>"
    "<w:tc><w:p><w:r><w:t>4471902</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
    "<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><mc:AlternateContent>"
    "<mc:Choice><w:txbxContent><w:p><w:r><w:t>In a box</w:t></w:r></w:p></w:txbxContent></mc:Choice>"
    "<mc:Fallback><w:p><w:r><w:t>In a box</w:t></w:r></w:p></mc:Fallback></mc:AlternateContent></w:p>"
    "</w:body></w:document>"
)


def packed(parts: Mapping[str, str | bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return stream.getvalue()


def part(kind: str, text: str) -> str:
    return f"<w:{kind} {W}><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:{kind}>"


def pdf(*pages: str, trailer: str = "", compress: bool = False) -> bytes:
    """Write a PDF with a line of Helvetica on each page; an empty line is a page without text."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(count))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {count}/Kids[{kids}]>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for at, text in enumerate(pages):
        drawn = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode() if text else b"q Q"
        drawn = zlib.compress(drawn) if compress else drawn
        packing = "/Filter/FlateDecode" if compress else ""
        objects += [
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents {5 + 2 * at} 0 R"
            "/Resources<</Font<</F1 3 0 R>>>>>>".encode(),
            f"<</Length {len(drawn)}{packing}>>stream\n".encode() + drawn + b"\nendstream",
        ]
    content, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, start=1):
        places.append(len(content))
        content += f"{number} 0 obj\n".encode() + each + b"\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    end = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer<</Size {size}/Root 1 0 R{trailer}>>\n"
    return content + f"{end}startxref\n{len(content)}\n%%EOF\n".encode()


def problem(content: bytes, suffix: str) -> tuple[Reason, str]:
    with pytest.raises(NoteError) as raised:
        document_text(content, suffix)
    return raised.value.reason, raised.value.detail


def test_rtf() -> None:
    assert document_text(RTF, ".rtf") == "Seen by Dr. Ana Lima\ncafé on 03/04/2024."
    raw = RTF.replace(rb"\'e9", b"\xe9")
    assert document_text(raw, ".rtf") == document_text(RTF, ".rtf")


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"plain", "not RTF"),
        (b"", "not RTF"),
        (RTF[:-1], "RTF that is cut off"),
        (RTF[:40], "RTF that is cut off"),
        (RTF.replace(b"1252", b"932").replace(rb"\'e9", rb"\'81"), "cannot be read as RTF"),
    ],
)
def test_rtf_that_cannot_be_read(content: bytes, detail: str) -> None:
    assert problem(content, ".rtf") == (Reason.INVALID_RECORD, detail)


def test_rtf_of_no_code_page() -> None:
    content = RTF.replace(b"1252", b"99999").replace(rb"\'e9", b"\xe9")
    assert problem(content, ".rtf") == (Reason.INVALID_UTF8, "not of its code page")


def test_docx() -> None:
    content = packed(
        {
            "word/document.xml": BODY,
            "word/header1.xml": part("hdr", "Clinic"),
            "word/footnotes.xml": part("footnotes", "A note."),
            "word/comments.xml": part("comments", "Ask Dr. Lima."),
            "word/media/image1.png": b"\x89PNG",
        }
    )
    assert document_text(content, ".docx") == (
        "Clinic\nMr. Okafor\tseen\ntoday.\nMRN\t4471902\nIn a box\nA note.\nAsk Dr. Lima."
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512),  # what Office makes of a password
        packed({"word/document.xml": BODY})[:-40],
        packed({"other.xml": BODY}),
        packed({"word/document.xml": BODY[:-4]}),
        packed({"word/document.xml": '<!DOCTYPE d [<!ENTITY x "Okafor">]><d>&x;</d>'}),
        packed({"word/document.xml": '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><d>&x;</d>'}),
        packed({"word/document.xml": "<a>" * 5000 + "</a>" * 5000}),
    ],
)
def test_docx_that_cannot_be_read(content: bytes) -> None:
    reason, detail = problem(content, ".docx")
    assert reason is Reason.INVALID_RECORD
    assert "Okafor" not in detail


def test_a_docx_whose_checksum_is_wrong() -> None:
    content = bytearray(packed({"word/document.xml": BODY}))
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        at = package.infolist()[0].header_offset + 60
    content[at] ^= 0xFF
    assert problem(bytes(content), ".docx")[0] is Reason.INVALID_RECORD


def test_a_docx_that_unpacks_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docx, "_MOST_BYTES", 100_000)
    bomb = packed({"word/document.xml": part("document", "x" * 200_000)})
    assert len(bomb) < 2_000
    assert problem(bomb, ".docx") == (Reason.TOO_LONG, "unpacked")
    spread = packed(
        {f"word/header{at}.xml": part("hdr", "x" * 60_000) for at in range(2)} | {"word/document.xml": BODY}
    )
    assert problem(spread, ".docx") == (Reason.TOO_LONG, "unpacked")


@pytest.mark.parametrize("compress", [False, True])
def test_pdf(compress: bool) -> None:
    content = pdf("Seen by Dr. Ana Lima", "on 03/04/2024.", compress=compress)
    assert document_text(content, ".pdf") == "Seen by Dr. Ana Lima\non 03/04/2024."


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (pdf("Seen.", ""), (Reason.MISSING_TEXT, "page 2 holds no text; is it scanned?")),
        (pdf(), (Reason.MISSING_TEXT, "no pages")),
        (b"plain", (Reason.INVALID_RECORD, "not PDF")),
        (b"%PDF-1.4\n%%EOF", (Reason.INVALID_RECORD, "cannot be read as PDF")),
        (
            pdf("x", trailer="/Encrypt<</Filter/Standard/V 1/R 2/O(a)/U(b)/P 0>>/ID[(a)(a)]"),
            (Reason.INVALID_RECORD, "an encrypted PDF"),
        ),
    ],
)
def test_pdf_that_cannot_be_read(content: bytes, expected: tuple[Reason, str]) -> None:
    assert problem(content, ".pdf") == expected


def test_a_damaged_pdf_is_not_quoted_in_a_log(caplog: pytest.LogCaptureFixture) -> None:
    content = pdf("Okafor").replace(b"startxref\n", b"startxref\n9").replace(b"/Count 1", b"/Count(Okafor)")
    try:
        document_text(content, ".pdf")
    except NoteError as error:
        assert "Okafor" not in str(error)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("module", "suffix", "content"), [("pypdf", ".pdf", pdf("x")), ("striprtf.striprtf", ".rtf", RTF)]
)
def test_a_library_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, module: str, suffix: str, content: bytes
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=r"clinical-deid\[formats\]"):
        document_text(content, suffix)


def fill(folder: Path) -> Path:
    folder.mkdir()
    files = {
        "a.rtf": RTF,
        "a.txt": b"Call 555-555-0142.",
        "a-2.rtf": RTF,
        "b.DOCX": packed({"word/document.xml": BODY}),
        "c.pdf": pdf("Seen by Dr. Ana Lima."),
        "d.pdf": pdf(""),
        "e.odt": b"x",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_documents_in_a_folder_come_out_as_text(tmp_path: Path) -> None:
    source, out = fill(tmp_path / "in"), tmp_path / "run"
    assert type(open_source(source)) is TextFolder
    called = CliRunner().invoke(main, ["run", str(source), "--policy", "safe-harbor", "--out", str(out)])
    assert called.exit_code == 3, called.stderr
    assert "5 documents (.rtf, .docx, .pdf): their text is read" in called.stderr
    assert "1 files of the folder are no notes" in called.stderr
    assert "'d.pdf': missing-text" in called.stderr
    texts = {each.name: each.read_text() for each in sorted((out / "notes").iterdir())}
    assert list(texts) == ["a-2.rtf.txt", "a.rtf.txt", "a.txt", "b.DOCX.txt", "c.pdf.txt"]
    assert texts["a.rtf.txt"] == "Seen by Dr. [CLINICIAN_NAME]\ncafé on 2024."
    assert texts["b.DOCX.txt"].startswith("Mr. [PATIENT_NAME]\tseen\ntoday.\n")
    assert "4471902" not in texts["b.DOCX.txt"]
    assert verify_log(out, texts=output_texts(out)).ok


def test_a_folder_read_as_text_only_leaves_documents_alone(tmp_path: Path) -> None:
    source = open_source(fill(tmp_path / "in"), format="txt")
    assert [entry.note_id for entry in source.read()] == ["a"]
    assert isinstance(source, TextFolder)
    assert (source.skipped, source.as_text) == (6, 0)


def test_two_files_never_come_out_as_one(tmp_path: Path) -> None:
    (tmp_path / "a.rtf").write_bytes(RTF)
    (tmp_path / "a.rtf.txt").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"two files would be written as a\.rtf\.txt"):
        list(open_source(tmp_path).read())


def test_a_document_that_is_too_long(tmp_path: Path) -> None:
    (tmp_path / "a.rtf").write_bytes(RTF)
    (entry,) = open_source(tmp_path / "a.rtf", max_characters=10).read()
    assert (entry.note_id, entry.reason) == ("a.rtf", Reason.TOO_LONG)
