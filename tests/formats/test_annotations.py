"""Gold in the shapes of other tools: read as they write it, and back unchanged; no text in errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.errors import UsageError
from deid.formats.annotations import brat, doccano, i2b2, label_studio, token_tags
from deid.formats.annotations.offsets import Utf16Offsets
from deid.formats.gold import Gold, read_gold
from deid.formats.markup import GoldMention, read_marked
from deid.note import Note

SECRET = "Xanthippe"
MARKED = (
    "🙂 Seen by Dr. ⟦CLINICIAN_NAME#1|Ana\nLima⟧ on ⟦DATE|3/4/79⟧ & <again> ⟦DATE|2080⟧, 𝛽-blocker.\n"
    "Wife: ⟦RELATIVE_NAME|Xanthippe⟧⟦AGE|62⟧y"
)


def note(marked: str = MARKED, **fields: object) -> Gold:
    text, mentions = read_marked(marked)
    return Note("n1-01", text, **fields), mentions  # type: ignore[arg-type]


def unlinked(gold: Gold) -> Gold:
    return gold[0], tuple(replace(each, link="") for each in gold[1])


@st.composite
def golds(draw: st.DrawFn) -> Gold:
    """Texts of any characters that XML allows, with mentions anywhere that hold more than white space."""
    allowed = st.characters(exclude_categories=["Cs", "Cc", "Cn"], include_characters="\n\r\t")
    text = draw(st.text(allowed, min_size=1, max_size=60))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), unique=True, max_size=8)))
    kinds = st.sampled_from(["DATE", "PATIENT_NAME", "MRN", "PET_NAME"])
    mentions = tuple(
        GoldMention(start, end, draw(kinds))
        for start, end in zip(cuts[::2], cuts[1::2], strict=False)
        if text[start:end] == text[start:end].strip() and not re.search(r"\s\s", text[start:end])
    )
    return Note("n1", text), mentions


Writer = Callable[[Path, Iterable[Gold]], None]
ROUND_TRIPS: dict[str, tuple[str, Writer]] = {
    "doccano": ("gold.jsonl", doccano.write),
    "label-studio": ("gold.jsonl", label_studio.write),
    "token-tags": ("gold.jsonl", token_tags.write),
    "brat": ("gold", brat.write),
    "i2b2": ("gold", i2b2.write),
}


@pytest.mark.parametrize("name", ROUND_TRIPS)
@settings(max_examples=60)
@given(gold=golds())
def test_round_trip(name: str, gold: Gold, tmp_path_factory: pytest.TempPathFactory) -> None:
    file, write = ROUND_TRIPS[name]
    path = tmp_path_factory.mktemp("gold") / file
    write(path, [gold])
    (back,) = read_gold(path, format=name)
    assert back[0].text == gold[0].text
    assert back[1] == gold[1]


@pytest.mark.parametrize("name", ["doccano", "label-studio", "token-tags"])
def test_ids_dates_and_metadata_survive(name: str, tmp_path: Path) -> None:
    gold = note(patient_id="p1", note_date=date(2079, 3, 4), metadata={"kind": "phone call"})
    file, write = ROUND_TRIPS[name]
    write(tmp_path / file, [gold])
    (back,) = read_gold(tmp_path / file)  # the format is recognized
    assert unlinked(back) == unlinked(gold)


@pytest.mark.parametrize("name", ["label-studio", "brat"])
def test_links_survive_where_the_format_has_room(name: str, tmp_path: Path) -> None:
    file, write = ROUND_TRIPS[name]
    write(tmp_path / file, [note()])
    assert next(read_gold(tmp_path / file))[1] == note()[1]


def test_offsets_of_browsers() -> None:
    units = Utf16Offsets("a🙂b𝛽")
    assert [units.to_units(point) for point in range(5)] == [0, 1, 3, 4, 6]
    assert [units.to_points(unit, place="here") for unit in (0, 1, 3, 4, 6)] == [0, 1, 2, 3, 4]
    with pytest.raises(UsageError, match="here: the offset 2 cuts a character"):
        units.to_points(2, place="here")


def lines(path: Path, *records: object) -> Path:
    path.write_text("\n".join(json.dumps(each) for each in records), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "record",
    [
        {"id": 4, "text": "🙂 Ada came", "label": [[2, 5, "NAME"]]},
        {"id": 4, "data": "🙂 Ada came", "labels": [[2, 5, "NAME"]]},
        {
            "id": 4,
            "text": "🙂 Ada came",
            "entities": [{"id": 9, "label": "NAME", "start_offset": 2, "end_offset": 5}],
            "relations": [],
            "Comments": [],
        },
    ],
)
def test_doccano_exports(tmp_path: Path, record: object) -> None:
    ((read, mentions),) = read_gold(lines(tmp_path / "export.jsonl", record))
    assert (read.note_id, read.text, dict(read.metadata)) == ("4", "🙂 Ada came", {})
    assert mentions == (GoldMention(2, 5, "NAME"),)


def test_doccano_in_units(tmp_path: Path) -> None:
    path = lines(tmp_path / "old.jsonl", {"id": 4, "text": "🙂 Ada", "label": [[3, 6, "NAME"]]})
    assert next(doccano.read(path, utf16=True))[1] == (GoldMention(2, 5, "NAME"),)
    doccano.write(tmp_path / "new.jsonl", [note()], utf16=True)
    assert unlinked(next(doccano.read(tmp_path / "new.jsonl", utf16=True))) == unlinked(note())


TASK = {
    "id": 3,
    "data": {"text": "🙂 Ada came\\n", "ward": "7"},
    "annotations": [
        {"was_cancelled": True, "result": []},
        {
            "result": [
                {
                    "type": "labels",
                    "value": {"start": 3, "end": 6, "text": "Ada", "labels": ["NAME"]},
                    "from_name": "label",
                    "to_name": "text",
                },
                {"type": "choices", "value": {"choices": ["good"]}},
            ]
        },
    ],
}


def test_label_studio_exports(tmp_path: Path) -> None:
    smaller = {
        "id": 3,
        "text": "🙂 Ada came",
        "label": [{"start": 3, "end": 6, "text": "Ada", "labels": ["NAME"]}],
        "annotator": 1,
    }
    whole = tmp_path / "export.json"
    whole.write_text(json.dumps([TASK, smaller]), encoding="utf-8")
    first, second = read_gold(whole)
    assert first[1] == second[1] == (GoldMention(2, 5, "NAME"),)
    assert dict(first[0].metadata) == {"ward": "7"}
    assert next(read_gold(lines(tmp_path / "min.jsonl", smaller)))[1] == second[1]


def test_token_rows(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "tokens": ["Dr", "Ana", "Lima", "at", "3", "pm"], "ner_tags": [0, 1, 2, 0, 3, 0]},
        {"id": 2, "tokens": ["Ana", "Lima"], "ner_tags": [2, 1]},  # an I without B begins a mention too
        {"id": 3, "tokens": [], "ner_tags": []},
    ]
    path = lines(tmp_path / "rows.jsonl", *rows)
    (tmp_path / "labels.json").write_text(json.dumps({"0": "O", "1": "B-NAME", "2": "I-NAME", "3": "B-TIME"}))
    expected = [
        (GoldMention(3, 11, "NAME"), GoldMention(15, 16, "TIME")),
        (GoldMention(0, 3, "NAME"), GoldMention(4, 8, "NAME")),
        (),
    ]
    assert [mentions for _, mentions in read_gold(path)] == expected
    table = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows), table)
    assert [mentions for _, mentions in read_gold(table)] == expected
    named = token_tags.read(path, labels=["O", "B-A", "I-A", "B-B"])
    assert next(named)[1] == (GoldMention(3, 11, "A"), GoldMention(15, 16, "B"))


def test_bare_tags_and_text(tmp_path: Path) -> None:
    row = {
        "text": "Ana  Lima, 3/4",
        "words": ["Ana", "Lima", ",", "3/4"],
        "tags": ["NAME", "NAME", "O", "S-DATE"],
    }
    ((read, mentions),) = read_gold(lines(tmp_path / "rows.jsonl", row))
    assert (read.note_id, read.text) == ("row-1", row["text"])
    assert mentions == (GoldMention(0, 9, "NAME"), GoldMention(11, 14, "DATE"))


def test_i2b2_files(tmp_path: Path) -> None:
    (tmp_path / "220-03.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8" ?>\n<deIdi2b2>\n<TEXT><![CDATA[\n\nRecord date: 2079-03-04\n'
        "Ana Lima < 5 & well]]></TEXT>\n<TAGS>\n"
        '<DATE id="P0" start="15" end="25" text="2079-03-04" TYPE="DATE" comment="" />\n'
        '<NAME id="P1" start="26" end="34" text="Ana Lima" TYPE="DOCTOR" comment="" />\n'
        '<ID id="P2" start="37" end="38" text="5" TYPE="GENE" comment="" />\n</TAGS>\n</deIdi2b2>',
        encoding="utf-8",
    )
    ((read, mentions),) = read_gold(tmp_path)
    assert (read.note_id, read.patient_id) == ("220-03", "220")
    assert [(read.text[m.start : m.end], m.entity_type) for m in mentions] == [
        ("2079-03-04", "DATE"),
        ("Ana Lima", "CLINICIAN_NAME"),
        ("5", "GENE"),
    ]


def test_i2b2_has_one_tag_for_patients_and_relatives(tmp_path: Path) -> None:
    i2b2.write(tmp_path / "out", [note()])
    assert b'TYPE="PATIENT"' in (tmp_path / "out" / "n1-01.xml").read_bytes()
    kinds = [mention.entity_type for mention in next(read_gold(tmp_path / "out"))[1]]
    assert kinds == ["CLINICIAN_NAME", "DATE", "DATE", "PATIENT_NAME", "AGE"]


def test_entities_of_xml_are_not_resolved(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "a.xml").write_text(
        f'<!DOCTYPE d [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]>'
        "<deIdi2b2><TEXT>&e;</TEXT><TAGS/></deIdi2b2>"
    )
    with pytest.raises(UsageError, match="needs the elements TEXT and TAGS"):
        list(read_gold(tmp_path))


def test_brat_fragments(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Ana\nLima came", encoding="utf-8")
    (tmp_path / "a.ann").write_text("T1\tNAME 0 3;4 8\tAna Lima\nR1\tX Arg1:T1 Arg2:T1\n", encoding="utf-8")
    assert next(read_gold(tmp_path))[1] == (GoldMention(0, 8, "NAME"),)


@pytest.mark.parametrize(
    ("name", "file", "content", "message"),
    [
        ("doccano", "a.jsonl", {"id": 1, "text": SECRET, "label": [[0, 99, "X"]]}, "label 1: start and end"),
        (
            "doccano",
            "a.jsonl",
            {"id": 1, "text": SECRET, "label": [[0]]},
            r"label 1: needs \[start, end, type",
        ),
        ("doccano", "a.jsonl", {"id": 1, "text": SECRET}, "needs label"),
        ("doccano", "a.jsonl", {"id": 1, "label": []}, "needs text"),
        ("doccano", "a.jsonl", {"text": SECRET, "label": []}, "needs an id"),
        ("label-studio", "a.jsonl", {"id": 1, "data": {}}, "needs data.text"),
        ("label-studio", "a.jsonl", {"id": 1, "data": {"text": SECRET}, "annotations": []}, "no annotation"),
        (
            "label-studio",
            "a.jsonl",
            {"id": 1, "text": SECRET, "label": [{"start": 1, "end": 3, "text": SECRET, "labels": ["X"]}]},
            "do not point at the text",
        ),
        ("label-studio", "a.json", "[3]", "task 1: not a JSON object"),
        ("label-studio", "a.json", "[", "not JSON"),
        ("token-tags", "a.jsonl", {"tokens": [SECRET], "ner_tags": []}, "two lists of one length"),
        ("token-tags", "a.jsonl", {"tokens": [7], "ner_tags": ["O"]}, "must be strings"),
        ("token-tags", "a.jsonl", {"tokens": [SECRET], "ner_tags": [3]}, "labels.json"),
        (
            "token-tags",
            "a.jsonl",
            {"text": "b", "tokens": [SECRET], "ner_tags": ["O"]},
            "token 1 does not occur",
        ),
        ("i2b2", "a.xml", f"<deIdi2b2><TEXT>{SECRET}", "not well-formed XML, near line 1"),
        ("i2b2", "a.xml", f"<deIdi2b2><TEXT>{SECRET}</TEXT></deIdi2b2>", "TEXT and TAGS"),
        (
            "i2b2",
            "a.xml",
            f'<d><TEXT>{SECRET}</TEXT><TAGS><NAME start="x" end="2" TYPE="DOCTOR"/></TAGS></d>',
            "tag 1: start and end",
        ),
        ("brat", "a.txt", SECRET, "there is no a.ann"),
    ],
)
def test_bad_gold_is_refused_without_its_text(
    tmp_path: Path, name: str, file: str, content: object, message: str
) -> None:
    path = tmp_path / file
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        list(read_gold(tmp_path if name == "brat" else path, format=name))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_bad_brat_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(SECRET)
    (tmp_path / "a.ann").write_text("T1\tNAME zero\tXanthippe\n")
    with pytest.raises(UsageError, match=r"a\.ann: line 1 is not"):
        list(read_gold(tmp_path))
    (tmp_path / "a.ann").write_bytes(b"T1\xff")
    with pytest.raises(UsageError, match="not UTF-8"):
        list(read_gold(tmp_path))


@pytest.mark.parametrize("write", [brat.write, i2b2.write])
def test_an_id_that_is_no_file_name_is_refused(tmp_path: Path, write: Writer) -> None:
    with pytest.raises(UsageError, match="cannot be a file's name"):
        write(tmp_path / "out", [(Note("../../x", "text"), ())])
    assert not (tmp_path / "x.txt").exists()


def test_a_character_that_xml_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"note 1 holds the control character U\+000C at 4"):
        i2b2.write(tmp_path / "out", [(Note("n1", "page\f2"), ())])
