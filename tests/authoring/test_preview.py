"""A policy that is edited on example notes: what is shown, what is saved, what is read again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from preview_site import POLICY, TEXT, WITHOUT_BADGE, entries, make_preview, marks

from deid.authoring.preview import Preview, read_entries
from deid.authoring.preview_page import Piece
from deid.authoring.preview_server import page_html
from deid.encoder.openvino_runtime import OpenVinoRuntime
from deid.errors import PolicyError, Reason, UsageError
from deid.formats.source import open_source
from deid.policy import load_policy


def test_the_saved_policy_is_shown_as_it_is(tmp_path: Path) -> None:
    page = make_preview(tmp_path).render()
    assert page.text == POLICY
    assert not page.changed
    assert marks(page) == [("same", "20418"), ("same", "FC-2014"), ("same", "FC-99")]
    assert [(each.entity_type, each.now, each.saved, each.difference) for each in page.counts] == [
        ("DOCKET", 2, 2, ""),
        ("BADGE", 1, 1, ""),
    ]
    assert ["".join(piece.text for piece in note.pieces) for note in page.notes] == [TEXT, "Nothing here."]
    assert page.notes[0].pieces[1].title == "BADGE, 0.80, rules"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["ours.yaml"]


def test_what_an_edit_adds_and_loses(tmp_path: Path) -> None:
    preview = make_preview(tmp_path)
    page = preview.render(WITHOUT_BADGE.replace(r"FC-\d+", r"FC-\d{3,}|case"))
    assert marks(page) == [("lost", "20418"), ("added", "case"), ("same", "FC-2014"), ("lost", "FC-99")]
    assert [(each.entity_type, each.difference) for each in page.counts] == [("DOCKET", ""), ("BADGE", "−1")]
    assert (page.found, page.added, page.lost) == (2, 1, 2)
    assert preview.render().lost == 0


def test_a_mention_that_changes_its_type_or_size_names_what_it_was(tmp_path: Path) -> None:
    page = make_preview(tmp_path).render(
        POLICY.replace("  BADGE:", "  STAFF:").replace(r"FC-\d+", r"\d{4}\b")
    )
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
    preview = make_preview(tmp_path)
    page = preview.render(broken)
    assert page.text == broken
    assert page.stale
    assert len(marks(page)) == 3
    assert any(each.line == line and what in each.what for each in page.problems), page.problems
    assert page.marked_lines[line].severity == "error"
    assert str(tmp_path) not in "".join(each.what for each in page.problems)
    assert f'<span class="error">{line}<em>' in page_html(preview, page, nonce="n")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["ours.yaml"]


def test_types_of_the_file_itself_come_first(tmp_path: Path) -> None:
    names = load_policy("base").type_names
    detect = "".join(f"  {name}: {{detect: [rules]}}\n" for name in names)
    (tmp_path / "parent.yaml").write_text(f"policy: parent\nversion: '1'\nextends: base\ntypes:\n{detect}")
    text = "policy: ours\nversion: '1'\nextends: ./parent.yaml\ntypes:\n  MRN: {hipaa: H}\n"
    page = make_preview(tmp_path, text).render()
    assert page.types == ("MRN", *(name for name in names if name != "MRN"))


def test_the_notes_stay_as_the_last_good_edit_finds_them(tmp_path: Path) -> None:
    preview = make_preview(tmp_path)
    assert len(marks(preview.render(WITHOUT_BADGE))) == 3
    page = preview.render("policy: [")
    assert page.stale
    assert ("lost", "20418") in marks(page)


def test_a_saved_policy_that_does_not_load_can_be_mended(tmp_path: Path) -> None:
    preview = make_preview(tmp_path, "policy: [")
    page = preview.render()
    assert page.stale
    assert page.counts == ()
    page = preview.render(POLICY)
    assert not page.stale
    assert [(each.now, each.saved, each.difference) for each in page.counts] == [(2, None, ""), (1, None, "")]
    preview.save(POLICY)
    assert load_policy(tmp_path / "ours.yaml").type_names == ("DOCKET", "BADGE")


def test_warnings_name_their_line(tmp_path: Path) -> None:
    page = make_preview(tmp_path).render(POLICY.replace("    detect: [rules]\n", "    detect: [known]\n", 1))
    found = {(each.severity, each.line) for each in page.problems if "DP010" in each.what}
    assert found == {("warning", 9)}


def test_saving(tmp_path: Path) -> None:
    preview = make_preview(tmp_path)
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
    preview = Preview(str(path), entries(TEXT))
    page = preview.act({"do": "save", "text": POLICY.replace("\n", "\r\n").replace("# ours", "# mine")})
    assert page.message == "Saved."
    assert path.read_bytes() == POLICY.replace("\n", "\r\n").replace("# ours", "# mine").encode()


def test_a_shipped_policy_is_tried_but_not_saved() -> None:
    preview = Preview("safe-harbor", entries(TEXT))
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
    preview = make_preview(tmp_path, text)
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
    preview = make_preview(tmp_path, text)
    made = preview.add_example(text, "DATE", "4 floréal")
    inherited = load_policy("base").type("DATE").examples
    (tmp_path / "made.yaml").write_text(made)
    policy = load_policy(tmp_path / "made.yaml")
    assert policy.type("DATE").examples == (*inherited, "4 floréal")
    assert re.findall("#.*", made) == re.findall("#.*", text)
    assert policy.type_names == load_policy(tmp_path / "ours.yaml").type_names


def test_examples_that_are_refused(tmp_path: Path) -> None:
    preview = make_preview(tmp_path)
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


ENCODED = POLICY.replace("    detect: [rules]\n", "", 1)


def test_an_edit_reads_no_note_again_and_only_wordings_that_are_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preview = make_preview(tmp_path, ENCODED)
    preview.render()

    def fail(self: OpenVinoRuntime, batches: Iterator[object]) -> Iterator[object]:
        assert not list(batches)
        return iter(())

    monkeypatch.setattr(OpenVinoRuntime, "read", fail)
    reworded = ENCODED.replace("custody case", "guardianship case")
    assert preview.render(reworded).notes[0].pieces
    monkeypatch.setattr(OpenVinoRuntime, "describe", fail)
    for edit in (
        ENCODED.replace(r"FC-\d+", r"FC-\d{3,}"),
        ENCODED.replace("    patterns", "    threshold: 0.9\n    patterns", 1),
        reworded.replace("  DOCKET:", "  COURT:"),
    ):
        page = preview.render(edit)
        assert not page.stale, page.problems
        assert "".join(piece.text for piece in page.notes[0].pieces) == TEXT
