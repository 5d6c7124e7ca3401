from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deid.cli import main
from deid.formats.gold import read_gold
from deid.policy import load_policy

SAMPLES = Path(__file__).parents[2] / "sample_notes"
_TEXT = "MRN: 4471902\nSeen 3/4/2079 \U0001f9d1\u200d\u2695\ufe0f cell 603-555-0143, BP 120/80."
_SPANS = [("MRN", "4471902"), ("DATE", "3/4/2079"), ("PHONE", "603-555-0143")]


def _rules_only(parent: str) -> str:
    """Return a policy that finds without the encoder, which takes seconds to load."""
    names = load_policy(parent).type_names
    types = "".join(f"  {name}: {{detect: [rules, propagation]}}\n" for name in names)
    return f"policy: rules-only\nversion: '1'\nmethod: custom\nextends: {parent}\ntypes:\n{types}"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEID_KEY", raising=False)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    Path("p.yaml").write_text(_rules_only("safe-harbor"))


def _detect(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["detect", *arguments], input=stdin, catch_exceptions=False)


def _lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def _values(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def _surfaces(text: str, spans: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(span["entity_type"], text[span["start"] : span["end"]]) for span in spans]


def test_spans_count_code_points() -> None:
    result = _detect("-", "--policy", "p.yaml", stdin=_lines({"note_id": "a", "text": _TEXT}))
    assert result.exit_code == 0
    (value,) = _values(result.stdout)
    assert list(value) == ["note_id", "spans"]
    assert _surfaces(_TEXT, value["spans"]) == _SPANS
    for span in value["spans"]:
        assert list(span) == ["start", "end", "entity_type", "score", "detectors"]
        assert 0 < span["score"] <= 1
        assert "rules" in span["detectors"]


@pytest.mark.parametrize("name", ["notes.jsonl", "notes.csv", "notes.parquet", "txt"])
def test_the_samples_in_input_order(name: str) -> None:
    assert _detect(str(SAMPLES / name), "--policy", "p.yaml", "--out", "spans.jsonl").exit_code == 0
    values = _values(Path("spans.jsonl").read_text())
    notes = [note for note, _ in read_gold(SAMPLES / "gold.jsonl")]
    assert [value["note_id"] for value in values] == [note.note_id for note in notes]
    for note, value in zip(notes, values, strict=True):
        spans = value["spans"]
        ends = [0, *(span["end"] for span in spans)]
        assert all(end <= span["start"] < span["end"] for end, span in zip(ends, spans, strict=False))
        assert ends[-1] <= len(note.text)


def test_what_is_written_is_what_is_printed() -> None:
    Path("notes.jsonl").write_text(_lines({"note_id": "a", "text": _TEXT}, {"note_id": "b", "text": ""}))
    printed = _detect("notes.jsonl", "--policy", "p.yaml")
    written = _detect("notes.jsonl", "--policy", "p.yaml", "--out", "spans.jsonl")
    assert written.stdout == ""
    assert Path("spans.jsonl").read_text() == printed.stdout
    assert _values(printed.stdout)[1] == {"note_id": "b", "spans": []}


def test_a_patient_s_notes_inform_one_another() -> None:
    labelled = {"note_id": "a", "patient_id": "p", "text": "Patient: Tessaly Vornholt"}
    bare = {"note_id": "b", "patient_id": "p", "text": "today Vornholt came back"}
    values = _values(_detect("-", "--policy", "p.yaml", stdin=_lines(bare, labelled)).stdout)
    assert _surfaces(bare["text"], values[0]["spans"]) == [("PATIENT_NAME", "Vornholt")]
    assert values[0]["spans"][0]["detectors"] == ["propagation"]


def test_notes_that_cannot_be_read_keep_their_place() -> None:
    stdin = _lines({"note_id": "a", "text": _TEXT}, {"note_id": "b", "text": "Tessaly\0"}, {"note_id": "c"})
    result = _detect("-", "--policy", "p.yaml", stdin=stdin + "Tessaly is no record\n")
    assert result.exit_code == 3
    values = _values(result.stdout)
    assert [(value["note_id"], value.get("reason")) for value in values] == [
        ("a", None),
        ("b", "nul-character"),
        ("c", "missing-text"),
        ("line-4", "invalid-record"),
    ]
    assert result.stderr == "3 notes could not be worked on; their lines hold the reason\n"
    assert "Tessaly" not in result.output


def test_finding_needs_neither_key_nor_crosswalk() -> None:
    coded = _rules_only("research-surrogates") + "default_operator: {pseudonym: {code: random}}\n"
    Path("keyed.yaml").write_text(coded)
    stdin = _lines({"note_id": "a", "text": _TEXT})
    keyed = _detect("-", "--policy", "keyed.yaml", stdin=stdin)
    assert keyed.exit_code == 0
    assert keyed.stdout == _detect("-", "--policy", "p.yaml", stdin=stdin).stdout


def test_nothing_is_left_behind() -> None:
    _detect("-", "--policy", "p.yaml", stdin=_lines({"note_id": "a", "text": _TEXT}))
    _detect("-", "--policy", "p.yaml", "--text-column", "note", stdin=_lines({"note_id": "a", "text": ""}))
    assert sorted(path.name for path in Path().iterdir()) == ["p.yaml", "temporary"]
    assert list(Path("temporary").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--policy", "safe-harbour"), 2, "did you mean 'safe-harbor'?"),
        (("--policy", "p.yaml", "--text-column", "tekst"), 2, "did you mean 'text'?"),
        (("--policy", "p.yaml", "--out", "absent/spans.jsonl"), 4, "absent/spans.jsonl"),
        (("--policy", "p.yaml", "--workers", "0"), 2, "--workers"),
    ],
)
def test_wrong_calls(arguments: tuple[str, ...], code: int, words: str) -> None:
    Path("notes.jsonl").write_text(_lines({"note_id": "a", "text": "Tessaly"}))
    result = _detect("notes.jsonl", *arguments)
    assert result.exit_code == code
    assert words in result.stderr
    assert result.stdout == ""
    assert "Tessaly" not in result.output
