from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from deid.audit.log import verify_log
from deid.cli import main
from deid.errors import Reason, UsageError
from deid.formats.ccda.source import ClinicalDocument
from deid.formats.mixed import Mixed
from deid.formats.pieces import Move
from deid.formats.source import Columns, KnowsPatients, Outcome, Source, open_source
from deid.policy import load_policy
from deid.run.directory import output_texts

SAMPLE = Path(__file__).parents[2] / "sample_notes" / "ccda" / "discharge.xml"
V3 = {"v": "urn:hl7-org:v3"}
TYPES = {each.name: each.operator.name for each in load_policy("safe-harbor").types}
PLANTED = (
    *(
        "Okafor",
        "Daniel",
        "Ngozi",
        "Chidi",
        "Lima",
        "Larch",
        "Albany",
        "Meridian",
        "4471902",
        "900-12",
        "12203",
    ),
    *(
        "0142",
        "0143",
        "DOC-77",
        "SET-11",
        "ENC-5521",
        "1.2.840.99999",
        "6f1f2c7e",
        "LOT-88213",
        "03/01",
        "0301",
    ),
    *("March 6", "0211", "19810819", "CDA.xsl", "invented", "1999999976"),
)


def document(
    *, header: str = "", text: str = "<paragraph>Seen.</paragraph>", entry: str = "", body: str = ""
) -> bytes:
    section = (
        f"<section><code code='1-8' codeSystem='2.16.840.1.113883.6.1'/><text>{text}</text>{entry}</section>"
    )
    inner = body or f"<structuredBody><component>{section}</component></structuredBody>"
    return (
        "<ClinicalDocument xmlns='urn:hl7-org:v3' xmlns:sdtc='urn:hl7-org:sdtc' xmlns:own='urn:own'"
        f" xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>{header}<component>{inner}</component></ClinicalDocument>"
    ).encode()


def opened(folder: Path, content: bytes, *, policy: bool = True, **settings: object) -> Source:
    path = folder / "a.xml"
    path.write_bytes(content)
    return open_source(path, format="ccda", **({"operators": TYPES} if policy else {}), **settings)  # type: ignore[arg-type]


def same(source: Source) -> Iterator[Outcome]:
    return (
        Outcome(each.ordinal, each.note.text, {field.path: field.text for field in each.note.fields})
        if each.note
        else Outcome(each.ordinal, None)
        for each in source.read()
    )


def redacted(source: Source) -> Iterator[Outcome]:
    return (
        Outcome(each.ordinal, each.note.text, {field.path: "[X]" for field in each.note.fields})
        for each in source.read()
        if each.note
    )


def written(source: Source, outcomes: Iterator[Outcome], folder: Path) -> str:
    (path,) = source.write(outcomes, folder)
    etree.fromstring(path.read_bytes())
    return path.read_text()


def test_sections_are_notes() -> None:
    source = open_source(SAMPLE)
    assert type(source) is ClinicalDocument
    header, course, drugs = (entry.note for entry in source.read())
    assert header is not None and course is not None and drugs is not None
    assert [note.note_id for note in (header, course, drugs)] == ["header", "8648-8", "10160-0"]
    assert header.text == "Discharge summary of Daniel Okafor"
    assert course.text == (
        "Hospital course\nMr. Okafor was admitted on 03/01/2024 and seen by Dr. Ana Lima.\n"
        "His wife Ngozi called from 555-555-0143.\nParkinson disease, stable\nDischarged home on March 6"
    )
    assert drugs.text == (
        "Medications\nDrug\tSince\nLevodopa 100 mg\t02/11/2023\nLevodopa, as Dr. Lima wrote"
    )
    assert (drugs.patient_id, str(drugs.note_date)) == ("4471902", "2024-03-01")
    fields = {
        field.path: (field.entity_type, field.text) for note in (header, drugs) for field in note.fields
    }
    role = "ClinicalDocument.recordTarget[1].patientRole[1]"
    assert fields[f"{role}.id[1].extension"] == ("MRN", "4471902")
    assert fields[f"{role}.id[2].extension"] == ("SSN", "900-12-3456")
    assert fields[f"{role}.patient[1].name[1].family[1]"] == ("PATIENT_NAME", "Okafor")
    assert fields[f"{role}.telecom[2].value"] == ("EMAIL", "d.okafor@example.org")
    assert fields["section.entry[2].observation[1].value[1].value"] == ("AGE", "93")


def test_unchanged_texts_leave_the_document_as_it_was(tmp_path: Path) -> None:
    source = open_source(SAMPLE)
    (path,) = source.write(same(source), tmp_path)
    parser = etree.XMLParser(remove_comments=True, remove_pis=True)
    before, after = etree.parse(SAMPLE, parser), etree.parse(path, parser)
    assert etree.tostring(before.getroot(), method="c14n") == etree.tostring(after.getroot(), method="c14n")


def test_nothing_identifying_is_left(tmp_path: Path) -> None:
    out = tmp_path / "run"
    called = CliRunner().invoke(main, ["run", str(SAMPLE), "--policy", "safe-harbor", "--out", str(out)])
    assert called.exit_code == 0, called.stderr
    text = (out / "notes" / "discharge.xml").read_text()
    everything = text + (out / "audit.jsonl").read_text()
    assert [planted for planted in PLANTED if planted in everything] == []
    root = etree.fromstring(text.encode())
    assert root.tag == "{urn:hl7-org:v3}ClinicalDocument"
    assert root.xpath("string(//v:item[1])", namespaces=V3) == "Parkinson disease, stable"
    assert (
        root.xpath("string(//v:manufacturedMaterial/v:code/@displayName)", namespaces=V3) == "Levodopa 100 MG"
    )
    assert root.xpath("string(//v:birthTime/@value)", namespaces=V3) == "1981"
    assert root.xpath("//v:period/@value", namespaces=V3) == ["8"]
    # What refers to each other still does.
    row, reference = root.find(".//v:tbody/v:tr", V3), root.find(".//v:reference", V3)
    assert row is not None and reference is not None
    assert reference.get("value") == "#n1" and row.get("ID") == "n1"
    ours = root.xpath("/v:ClinicalDocument/v:setId/@extension", namespaces=V3)
    assert root.xpath("//v:parentDocument/v:setId/@extension", namespaces=V3) == ours
    assert verify_log(out, texts=output_texts(out)).ok


def test_a_folder_of_documents(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.xml").write_bytes(SAMPLE.read_bytes())
    (folder / "b.XML").write_bytes(SAMPLE.read_bytes()[:-300])
    (folder / "other.xml").write_text("<x/>")
    source = open_source(folder)
    assert isinstance(source, Mixed) and source.skipped == 1
    assert [entry.note_id for entry in source.read()] == [
        *("a.xml#header", "a.xml#8648-8", "a.xml#10160-0", "b.XML#header")
    ]
    out = tmp_path / "run"
    called = CliRunner().invoke(main, ["run", str(folder), "--policy", "safe-harbor", "--out", str(out)])
    assert called.exit_code == 3, called.stderr
    assert [each.name for each in (out / "notes").iterdir()] == ["a.xml"]
    assert verify_log(out, texts=output_texts(out)).ok


def test_what_the_header_knows() -> None:
    source = open_source(SAMPLE)
    assert isinstance(source, KnowsPatients)
    known = {(value.kind, value.text) for value in source.known_values()["4471902"]}
    assert {
        ("mrn", "4471902"), ("ssn", "900-12-3456"), ("given_name", "Daniel"), ("family_name", "Okafor"),
        ("birth_date", "19810819"), ("city", "Albany"), ("zip_code", "12203"), ("relative_name", "Chidi"),
        ("relative_name", "Ngozi"), ("phone", "555-555-0143"), ("email", "d.okafor@example.org"),
    } <= known  # fmt: skip


def test_a_name_over_several_nodes_is_replaced_once(tmp_path: Path) -> None:
    source = opened(tmp_path, document(text="Mr. <content>Oka</content>for<br/>seen"))
    _, note = (entry.note for entry in source.read())
    assert note is not None and note.text == "Mr. Okafor\nseen"
    outcomes = [Outcome(0, ""), Outcome(1, "Mr. [P]\nseen", moves=(Move(4, 10, 4, 7),))]
    assert "Mr. <content>[P]</content><br/>seen" in written(source, iter(outcomes), tmp_path / "out")


def test_a_mention_over_two_paragraphs_is_replaced_in_both_and_the_log_fits(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "policy: ships\nversion: '1'\ntypes:\n  SHIP: {description: Name of a ship., detect: [rules],"
        " operator: redact, patterns: [{regex: 'Grey\\s+Heron'}]}\n"
    )
    source, out = tmp_path / "a.xml", tmp_path / "out"
    source.write_bytes(
        document(text="<paragraph>On the Grey</paragraph><paragraph>Heron docked.</paragraph>")
    )
    called = CliRunner().invoke(main, ["run", str(source), "--policy", str(policy), "--out", str(out)])
    assert called.exit_code == 0, called.stderr
    (written,) = (out / "notes").iterdir()
    text = written.read_text()
    assert "<paragraph>On the [SHIP]</paragraph><paragraph>[SHIP] docked.</paragraph>" in text
    assert verify_log(out, texts=output_texts(out)).ok


def test_white_space_between_elements_is_no_text(tmp_path: Path) -> None:
    row = "<tr>\n <td>\n <content>a</content>\n </td>\n <td>b\n<content>c</content></td>\n </tr>\n"
    source = opened(
        tmp_path, document(text=f"<table>\n <tbody>{row}{row}</tbody></table>\n <content>d</content> e")
    )
    _, note = (entry.note for entry in source.read())
    assert note is not None
    assert note.text == "a\tb\nc\na\tb\nc\nd e"


@pytest.mark.parametrize(
    "hidden",
    [
        "<!--Zyxquill-->",
        "<?Zyxquill?>",
        "<own:x>Zyxquill</own:x>",
        "<own:x y='Zyxquill'/>",
        "<act classCode='Zyxquill'/>",
        "<act Zyxquill='1'/>",
        "<act own:y='Zyxquill'/>",
        "<act xsi:schemaLocation='Zyxquill'/>",
        "<act xsi:type='x Zyxquill'/>",
        "<act ID='Zyxquill'/>",
        "<id root='1.2.3' extension='Zyxquill'/>",
        "<id root='Zyxquill'/>",
        "<id root='1.2.3' assigningAuthorityName='Zyxquill'/>",
        "<templateId root='Zyxquill'/>",
        "<templateId root='1.2.3' extension='Zyxquill'/>",
        "<code code='1' codeSystem='Zyxquill'/>",
        "<code codeSystem='1.2.3' codeSystemName='Zyxquill'/>",
        "<effectiveTime value='Zyxquill'/>",
        "<telecom value='tel:Zyxquill'/>",
        "<telecom value='Zyxquill'/>",
        "<text><reference value='http://Zyxquill'/></text>",
        "<text><reference value='#Zyxquill'/></text>",
        "<value representation='B64' mediaType='image/png'>Zyxquill</value>",
        "<value compression='DF'>Zyxquill</value>",
        "<doseQuantity value='1' unit='Zyx quill'/>",
        "<performer><assignedEntity><assignedPerson><name>Zyxquill</name></assignedPerson></assignedEntity></performer>",
        "<subject><name><given>Zyxquill</given></name></subject>",
        "<x><name><family>Zyxquill</family></name></x>",
        "<addr>Zyxquill</addr>",
        "<addr><city>A</city>Zyxquill</addr>",
        "<addr><delimiter>Zyxquill</delimiter></addr>",
        "<participantRole classCode='SDLOC'><playingEntity><name>Zyxquill</name></playingEntity>"
        "</participantRole>",
    ],
)
def test_nothing_hides_in_an_entry(tmp_path: Path, hidden: str) -> None:
    source = opened(tmp_path, document(entry=f"<entry>{hidden}</entry>"))
    text = written(source, redacted(source), tmp_path / "out")
    assert "Zyxquill" not in text
    assert "<paragraph>Seen.</paragraph>" in text


@pytest.mark.parametrize(
    "read",
    [
        "<code><originalText>Zyxquill</originalText></code>",
        "<value xsi:type='ST'>Zyxquill</value>",
        "<value xsi:type='ST' value='Zyxquill'/>",
        "<code code='Zyxquill' codeSystem='1.2.3'/>",
        "<code displayName='Zyxquill'/>",
        "<playingEntity><name>Zyxquill</name></playingEntity>",
        "<nobody>Zyxquill</nobody>",
        "<nobody/>Zyxquill",
        "<text>Zyxquill</text>",
        "<title>Zyxquill</title>",
    ],
)
def test_free_text_of_an_entry_is_read(tmp_path: Path, read: str) -> None:
    source = opened(tmp_path, document(entry=f"<entry>{read}</entry>"))
    _, note = (entry.note for entry in source.read())
    assert note is not None
    assert "Zyxquill" in note.text.split("\n")
    at = note.text.index("Zyxquill")
    new = f"{note.text[:at]}[X]{note.text[at + 8 :]}"
    outcomes = [
        Outcome(0, ""),
        Outcome(1, new, {each.path: "[Y]" for each in note.fields}, (Move(at, at + 8, at, at + 3),)),
    ]
    text = written(source, iter(outcomes), tmp_path / "out")
    assert "Zyxquill" not in text and "[X]" in text


@pytest.mark.parametrize(
    "kept",
    [
        "<code code='55607006' codeSystem='2.16.840.1.113883.6.96' displayName='Problem'/>",
        "<statusCode code='completed'/>",
        "<value xsi:type='PQ' value='7.25' unit='mg/dL'/>",
        "<repeatNumber value='3'/>",
        "<x negationInd='true' nullFlavor='UNK'/>",
        "<templateId root='2.16.840.1.113883.10.20.22.4.4' extension='2015-08-01'/>",
        "<translation code='K' codeSystem='2.16.840.1.113883.6.3' displayName='Known to all'/>",
    ],
)
def test_codes_and_numbers_are_carried(tmp_path: Path, kept: str) -> None:
    source = opened(tmp_path, document(entry=f"<entry>{kept}</entry>"))
    assert kept.replace("'", '"') in written(source, redacted(source), tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<paragraph styleCode='Bold xZyxquill'>a</paragraph>", '<paragraph styleCode="Bold">a</paragraph>'),
        ("<div id='Zyxquill'>a</div>", "<content>a</content>"),
        ("<own:b>a</own:b>", "<content>a</content>"),
        ("<linkHtml href='http://Zyxquill'>a</linkHtml>", "<linkHtml>a</linkHtml>"),
        ("<content ID='Zyxquill'>a</content>", '<content ID="n1">a</content>'),
        ("<footnoteRef IDREF='Zyxquill'/>a", '<footnoteRef IDREF="n1"/>a'),
    ],
)
def test_markup_of_a_narrative(tmp_path: Path, text: str, expected: str) -> None:
    source = opened(tmp_path, document(text=text))
    assert expected in written(source, redacted(source), tmp_path / "out").replace(' xmlns:own="urn:own"', "")


def test_a_type_that_the_policy_lacks_means_that_the_value_goes(tmp_path: Path) -> None:
    entry = (
        "<x><addr><city>Zyxquill</city></addr><telecom value='tel:Zyxquill'/>"
        "<effectiveTime value='20240301'/><id root='2.16.840.1.113883.4.1' extension='Zyxquill'/></x>"
    )
    path = tmp_path / "a.xml"
    path.write_bytes(document(entry=f"<entry>{entry}</entry>"))
    source = open_source(path, operators={"MRN": "redact"})
    assert [entry.note.fields for entry in source.read() if entry.note] == [(), ()]
    text = written(source, redacted(source), tmp_path / "out")
    assert "Zyxquill" not in text and "20240301" not in text
    assert '<telecom nullFlavor="MSK"/><effectiveTime nullFlavor="MSK"/>' in text


def test_a_policy_says_what_an_element_is(tmp_path: Path) -> None:
    entry = "<entry><nobody><badge>77-Q</badge></nobody><x><badge>5</badge></x></entry>"
    source = opened(tmp_path, document(entry=entry), fields={"nobody.badge": "OTHER_ID", "PID-5": "MRN"})
    _, note = (each.note for each in source.read())
    assert note is not None
    assert [(field.entity_type, field.text) for field in note.fields] == [("OTHER_ID", "77-Q")]
    assert note.text == "Seen.\n5"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<ClinicalDocument xmlns='urn:hl7-org:v3'>",
        SAMPLE.read_bytes()[:-300],
        SAMPLE.read_bytes().replace(b"Albany", b"Alb\xffny"),
        b"<other/>",
        b"<!DOCTYPE x [<!ENTITY e 'Zyxquill'>]>" + document(text="&e;"),
        b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>" + document(text="&e;"),
        b"<!DOCTYPE x SYSTEM 'http://example.org/x.dtd'>" + document(),
        b"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]>"
        + document(text="&b;"),
        document(text="&undeclared;"),
        document(text="<content>" * 400 + "</content>" * 400),
    ],
)
def test_what_cannot_be_read_is_quarantined(tmp_path: Path, content: bytes) -> None:
    source = opened(tmp_path, content)
    (entry,) = source.read()
    assert (entry.note_id, entry.reason) == ("header", Reason.INVALID_RECORD)
    assert "Zyxquill" not in entry.detail
    assert isinstance(source, KnowsPatients) and source.known_values() == {}
    assert source.write(same(source), tmp_path / "out") == ()
    assert list((tmp_path / "out").iterdir()) == []


def test_a_section_in_quarantine_is_left_out(tmp_path: Path) -> None:
    source = open_source(SAMPLE, operators=TYPES)
    outcomes = [each if each.ordinal != 1 else Outcome(1, None) for each in same(source)]
    text = written(source, iter(outcomes), tmp_path)
    assert "Parkinson" not in text and "Hospital course" not in text
    assert "Levodopa" in text


def test_without_its_header_a_document_is_left_out(tmp_path: Path) -> None:
    source = open_source(SAMPLE)
    outcomes = [Outcome(0, None), *(each for each in same(source) if each.ordinal)]
    assert source.write(iter(outcomes), tmp_path) == ()


def body(content: str, attributes: str) -> bytes:
    return document(body=f"<nonXMLBody><text {attributes}>{content}</text></nonXMLBody>")


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    ("content", "attributes"),
    [
        ("Seen by Dr. Lima.", ""),
        ("Seen by Dr. Lima.", "mediaType='text/plain'"),
        (encoded(b"Seen by Dr. Lima."), "mediaType='text/plain' representation='B64'"),
        (encoded(rb"{\rtf1 Seen by Dr. Lima.}"), "mediaType='text/rtf' representation='B64'"),
    ],
)
def test_a_body_that_is_no_xml_comes_out_as_text(tmp_path: Path, content: str, attributes: str) -> None:
    source = opened(tmp_path, body(content, attributes))
    _, note = (entry.note for entry in source.read())
    assert note is not None
    assert (note.note_id, note.text) == ("body", "Seen by Dr. Lima.")
    text = written(source, redacted(source), tmp_path / "out")
    assert '<text mediaType="text/plain">Seen by Dr. Lima.</text>' in text


@pytest.mark.parametrize(
    ("content", "attributes"),
    [
        (encoded(b"Zyxquill"), "mediaType='image/png' representation='B64'"),
        (encoded(b"%PDF-1.4 Zyxquill"), "mediaType='application/pdf' representation='B64'"),
        ("Zyxquill", "mediaType='text/plain' representation='B64'"),
        ("<reference value='Zyxquill.pdf'/>", "mediaType='application/pdf'"),
        ("Zyxquill", "mediaType='text/html'"),
    ],
)
def test_a_body_that_cannot_be_read_is_left_out(tmp_path: Path, content: str, attributes: str) -> None:
    source = opened(tmp_path, body(content, attributes))
    _, entry = source.read()
    assert (entry.note_id, entry.reason) == ("body", Reason.INVALID_RECORD)
    text = written(source, same(source), tmp_path / "out")
    assert "Zyxquill" not in text and content[:8] not in text
    assert '<text nullFlavor="MSK"/>' in text


def test_sections_of_one_code_and_none(tmp_path: Path) -> None:
    section = "<section>{}<text>a</text>{}</section>"
    code = "<code code='1-8' codeSystem='2.16.840.1.113883.6.1'/>"
    inner = f"<component>{section.format('', '')}</component>"
    parts = "".join(
        f"<component>{each}</component>" for each in (section.format(code, inner), section.format(code, ""))
    )
    source = opened(tmp_path, document(body=f"<structuredBody>{parts}</structuredBody>"))
    assert [entry.note_id for entry in source.read()] == ["header", "1-8", "section-2", "1-8-2"]


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1), max_size=5)
)
def test_any_text_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("c")
    paragraphs = "".join(
        etree.tostring(_paragraph(part), encoding="unicode") for part in parts if part.isprintable()
    )
    source = opened(folder, document(text=paragraphs), policy=False)
    before = etree.fromstring((folder / "a.xml").read_bytes())
    (path,) = source.write(same(source), folder / "out")
    after = etree.fromstring(path.read_bytes())
    assert etree.tostring(before, method="c14n") == etree.tostring(after, method="c14n")


def _paragraph(text: str) -> etree._Element:
    element = etree.Element("paragraph")
    element.text = text
    return element


def test_options_that_documents_cannot_have(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="have no columns"):
        open_source(SAMPLE, columns=Columns(text="t"))
    with pytest.raises(UsageError, match="without --format"):
        open_source(tmp_path, format="ccda")
