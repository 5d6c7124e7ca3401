from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from deid.cli import main
from deid.errors import InputOutputError, Reason, UsageError
from deid.formats.hl7v2.syntax import Separators, decode, encode, escaped
from deid.formats.source import Outcome, Source, open_source

SIGNS = Separators.of(r"MSH|^~\&|")
REPORT = "\r".join(
    [
        r"MSH|^~\&|LAB|MERIDIAN^1.2.3|EHR|SITE|20240304101500||ORU^R01|M-77|P|2.5.1",
        "PID|1||4471902^^^MER^MR~998877^^^ST||Okafor^Daniel^J||19810819|M|||12 Larch Rd^^Albany^NY^12203||"
        "555-555-0142^PRN|||||ACC-9912|123-45-6789",
        "NK1|1|Okafor^Ngozi|SPO||555-555-0143",
        "ZPI|Zyxquill",
        "OBR|1|ORD-1|FIL-2|88304^Path|||20240303|||||||||1234^Lima^Ana",
        r"OBX|1|TX|R^Report||Mr. Okafor seen\.br\on 03/04/2024, MRN 4471902~BP 120\T\80||||||F",
        r"OBX|2|FT|R||Ngozi called 555-555-0143 \X41\ c:\temp\a||||||F|||20240304",
        "OBX|3|NM|BP||120|mm",
        "OBX|4|ED|PDF||^AP^^Base64^WnF4",
        "NTE|1||Call Daniel.",
        "",
    ]
)
ADT = "MSH|^~\\&|A|B|||20240101||ADT^A08|2|P|2.5\rEVN|A08|20240101\rPID|||11||Rossi^Bea\r"


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def unchanged(source: Source) -> list[Outcome]:
    return [
        Outcome(each.ordinal, each.note.text, {field.path: field.text for field in each.note.fields})
        for each in source.read()
        if each.note
    ]


def test_reports_are_read_without_escapes(tmp_path: Path) -> None:
    report, comment, update = open_source(write(tmp_path / "a.hl7", REPORT + ADT)).read()
    assert report.note is not None and comment.note is not None and update.note is not None
    assert report.note.text == (
        "Mr. Okafor seen\non 03/04/2024, MRN 4471902\nBP 120&80\nNgozi called 555-555-0143 A c:\\temp\\a"
    )
    assert (report.note.patient_id, str(report.note.note_date)) == ("4471902", "2024-03-03")
    assert report.note.metadata == {"kind": "ORU_R01"}
    assert (comment.note.note_id, comment.note.text) == ("message-1#2", "Call Daniel.")
    assert (update.note.text, update.note.patient_id) == ("", "11")
    fields = {field.path: (field.entity_type, field.text) for field in report.note.fields}
    assert fields["PID[2]-3[2].1"] == ("MRN", "998877")
    assert fields["PID[2]-5[1].2"] == ("PATIENT_NAME", "Daniel")
    assert fields["OBX[7]-14[1]"] == ("DATE", "20240304")


def test_text_that_is_not_replaced_keeps_its_bytes(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "a.hl7", REPORT + ADT))
    (written,) = source.write(iter(unchanged(source)), tmp_path / "out")
    before = [line for line in (REPORT + ADT).split("\r") if line.startswith(("OBX", "NTE"))]
    after = [line for line in written.read_bytes().decode().split("\r") if line.startswith(("OBX", "NTE"))]
    assert [line for line in after if "|ED|" not in line] == [line for line in before if "|ED|" not in line]
    assert "WnF4" not in written.read_text()  # a document nobody read
    assert "Zyxquill" not in written.read_text()  # a segment of the sender's own


def test_nothing_identifying_is_left(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.hl7", REPORT + ADT), tmp_path / "run"
    called = CliRunner().invoke(main, ["run", str(source), "--policy", "safe-harbor", "--out", str(out)])
    assert called.exit_code == 0, called.stderr
    lines = (out / "notes" / "part-00000.hl7").read_bytes().decode().split("\r")
    assert (
        lines[0] == r"MSH|^~\&|[OTHER_ID]|[HOSPITAL]|[OTHER_ID]|[HOSPITAL]|2024||ORU^R01|[OTHER_ID]|P|2.5.1"
    )
    assert lines[1].startswith("PID|1||[MRN]~[MRN]||[PATIENT_NAME]^[PATIENT_NAME]^[PATIENT_NAME]||1981|M|||")
    assert "OBX|3|NM|BP||120|mm" in lines
    everything = "".join(lines) + (out / "audit.jsonl").read_text()
    for planted in (
        "Okafor",
        "Daniel",
        "Ngozi",
        "Lima",
        "4471902",
        "998877",
        "0142",
        "0143",
        "6789",
        "Larch",
    ):
        assert planted not in everything
    assert r"\.br\on 2024, MRN [MRN]~BP 120\T\80" in lines[4]


def test_spans_count_in_the_text_without_escapes(tmp_path: Path) -> None:
    source = write(tmp_path / "in.hl7", REPORT)
    called = CliRunner().invoke(main, ["detect", str(source), "--policy", "safe-harbor"])
    report, _ = map(json.loads, called.stdout.splitlines())
    note = next(iter(open_source(source).read())).note
    assert note is not None
    found = {note.text[span["start"] : span["end"]] for span in report["spans"]}
    assert {"Okafor", "03/04/2024", "4471902", "Ngozi"} <= found


def test_a_policy_says_what_a_senders_own_segment_holds(tmp_path: Path) -> None:
    source = open_source(write(tmp_path / "a.hl7", REPORT), fields={"ZPI-1": "PATIENT_NAME", "dob": "DATE"})
    first = next(iter(source.read())).note
    assert first is not None
    assert ("ZPI[4]-1[1]", "Zyxquill") in {(field.path, field.text) for field in first.fields}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (REPORT.replace("PID|", "garbage "), Reason.INVALID_RECORD),
        (REPORT.replace("2.5.1", "2.5.1||||||ISO IR87"), Reason.INVALID_RECORD),
        (REPORT.replace(r"\.br", r"\C2842\ "), Reason.INVALID_RECORD),
        (REPORT.replace(r"MSH|^~\&", r"MSH|^^\&"), Reason.INVALID_RECORD),
        (REPORT.encode().replace(b"Mr.", b"\xff"), Reason.INVALID_UTF8),
    ],
)
def test_a_message_that_cannot_be_read_is_left_out(
    tmp_path: Path, content: str | bytes, reason: Reason
) -> None:
    raw = content if isinstance(content, bytes) else content.encode()
    source = open_source(write(tmp_path / "a.hl7", raw + ADT.encode()))
    broken, sound = source.read()
    assert (broken.note_id, broken.reason) == ("message-1", reason)
    assert "Okafor" not in broken.detail
    outcomes = [
        Outcome(0, None),
        *(Outcome(each.ordinal, each.text, each.fields) for each in unchanged(source)),
    ]
    (written,) = source.write(iter(outcomes), tmp_path / "out")
    assert written.read_bytes().count(b"MSH") == 1
    assert sound.note is not None


def test_segments_that_no_table_names_are_left_out(tmp_path: Path) -> None:
    content = ADT + (
        "PV2||W^Ward||Zyxquill|||||20240105||3|Zyxquill came by car|77^Zyxquill^Quen||||||||||Zyxquill Co\r"
        "IN2|E77|900-12-3456|9001^Zyxquill Mills\rROL|1|AD|AT|12^Zyxquill\rFOO|1|Zyxquill\r"
        "RXA|0|1|20240105|20240105|08^HepB^CVX|1|mL||Zyxquill saw it|77^Zyxquill^Quen\r"
    )
    source = open_source(write(tmp_path / "a.hl7", content))
    values = {field.text for each in source.read() if each.note for field in each.note.fields}
    assert {"Zyxquill", "Quen", "20240105"} <= values
    outcomes = [
        Outcome(each.ordinal, each.note.text, {field.path: "x" for field in each.note.fields})
        for each in source.read()
        if each.note
    ]
    (written,) = source.write(iter(outcomes), tmp_path / "out")
    lines = written.read_bytes().decode().split("\r")
    assert [line[:3] for line in lines] == ["MSH", "EVN", "PID", "PV2", "RXA", ""]
    assert "Zyxquill" not in written.read_text()
    assert lines[4] == "RXA|0|1|x|x|08^HepB^CVX|1|mL|||x^x^x"


def test_batches_frames_and_line_feeds_stay(tmp_path: Path) -> None:
    content = "FHS|^~\\&|A\nBHS|^~\\&|A\n\x0b" + ADT.replace("\r", "\n") + "\x1c\nBTS|1\nFTS|1\n"
    source = open_source(write(tmp_path / "a.hl7", content))
    (written,) = source.write(iter(unchanged(source)), tmp_path / "out")
    lines = written.read_text().split("\n")
    assert [line[:4] for line in lines] == [
        "FHS|",
        "BHS|",
        "\x0bMSH",
        "EVN|",
        "PID|",
        "\x1c",
        "BTS|",
        "FTS|",
        "",
    ]


def test_what_are_no_messages(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="MSH"):
        open_source(write(tmp_path / "a.hl7", "note_id,text\n"))
    with pytest.raises(UsageError, match="columns"):
        open_source(write(tmp_path / "b.hl7", ADT), drop=("x",))
    cut = write(tmp_path / "c.hl7.gz", b"\x1f\x8b\x08\x00")
    with pytest.raises(InputOutputError):
        open_source(cut)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=30))
def test_a_field_can_be_written_back(raw: str) -> None:
    try:
        decoded = decode(raw, SIGNS)
    except ValueError:
        return
    texts = [decoded.text[start:end] for start, end in decoded.pieces]
    assert encode(decoded, texts, SIGNS) == raw


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=30))
def test_escaped_text_reads_the_same(text: str) -> None:
    written = escaped(text, SIGNS)
    assert not set("|^~&\r\n") & set(written)
    assert decode(written, SIGNS).text == text
