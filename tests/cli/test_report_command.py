from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deid.cli import main
from deid.errors import Reason
from deid.note import DeidentifiedNote, Finding, Note, Replacement, Span
from deid.policy import EntityType, OperatorSpec, Policy
from deid.run.execute import RunRequest, execute
from deid.run.work import Group, NoteResult

_REDACT = OperatorSpec(name="redact")
_POLICY = Policy(
    name="numbers",
    version="1",
    method="custom",
    default_operator=_REDACT,
    types=(
        EntityType(name="NUMBER", description="A number.", operator=_REDACT, hipaa="R"),
        EntityType(name="COLOR", description="A color.", operator=_REDACT),
    ),
)
_PLAIN = "Marmalade"  # stands in every note; may stand in samples only


class _Numbers:
    model_digest = "sha256:none"

    def process(self, groups: Sequence[Group]) -> tuple[tuple[NoteResult, ...], ...]:
        return tuple(tuple(_result(note) for note in group.notes) for group in groups)


def _result(note: Note) -> NoteResult:
    match = re.search(r"\d+", note.text)
    if match is None:
        return NoteResult(note.note_id, None, Reason.DETECTOR_FAILED)
    found = Finding(*match.span(), "NUMBER", 0.9, "rules")
    span = Span(*match.span(), "NUMBER", 0.9, (found,))
    end = match.start() + len("[NUMBER]")
    replacement = Replacement(span, "redact", "[NUMBER]", match.start(), end)
    text = f"{note.text[: match.start()]}[NUMBER]{note.text[match.end() :]}"
    return NoteResult(note.note_id, DeidentifiedNote(note.note_id, text, (replacement,)))


def make(policy: Policy, **options: Any) -> _Numbers:
    """Build the stand-in, called as the real factory is."""
    del policy, options
    return _Numbers()


@pytest.fixture(autouse=True, scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a run; ids and names look like the markup of the library that prints them."""
    folder = tmp_path_factory.mktemp("report")
    rows = [
        {
            "note_id": "[/b]n0",
            "kind": "ed note",
            "text": f"{_PLAIN} 12 [/red]",
            "cell phone": "7",
            "[/x]": "8",
        },
        {"note_id": "n1", "kind": "ed note", "text": f"{_PLAIN} 345"},
        {"note_id": "n2", "kind": "letter", "text": f"{_PLAIN} without"},
        {"note_id": "n3", "kind": "letter", "text": f"{_PLAIN} 6"},
    ]
    (folder / "notes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    request = RunRequest(
        input=folder / "notes.jsonl", policy=_POLICY, out=folder / "run", factory="test_report_command:make"
    )
    execute(request)
    return folder


@pytest.fixture(autouse=True)
def _here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def _report(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["report", *arguments], catch_exceptions=False)


def test_the_text_says_what_was_done() -> None:
    result = _report("run")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    for words in (
        "policy numbers 1 (custom)",
        "notes 4 read, 3 de-identified",
        "quarantined 1 detector-failed",
        "detectors rules 3",
        "note kinds ed note 2, letter 2",
        "untouched cell phone,",
        "(identifying columns)",
        "NUMBER R redact 3",
        "COLOR redact 0",
    ):
        assert words in text
    assert _PLAIN not in result.output


def test_json_is_alone_on_standard_output() -> None:
    result = _report("run", "--json", "--html", "page.html")
    values = json.loads(result.stdout)
    assert values["manifest"]["counts"]["deidentified"] == 3
    assert values["quarantined"] == [{"position": 3, "reason": "detector-failed"}]
    assert "samples" not in values
    assert result.stderr == "wrote page.html\n"
    assert _PLAIN not in result.output


def test_a_page() -> None:
    result = _report("run", "--html", "page.html")
    assert result.exit_code == 0
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "NUMBER" in page
    assert _PLAIN not in page


def test_samples_in_the_text_on_the_page_and_in_json() -> None:
    arguments = ("run", "--with-samples", "--source", "notes.jsonl")
    shown = _report(*arguments).stdout
    assert "[/b]n0 before" in shown
    assert f"{_PLAIN} [NUMBER] [/red]" in shown
    assert f"{_PLAIN} 12 [/red]" in shown
    values = json.loads(_report(*arguments, "--samples", "2", "--json", "--html", "samples.html").stdout)
    assert [sample["note_id"] for sample in values["samples"]] == ["[/b]n0", "n1"]
    page = Path("samples.html").read_text(encoding="utf-8")
    assert page.count(_PLAIN) == 4
    assert "holds note text with PHI" in page


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run", "--with-samples"), 2, "--source"),
        (("run", "--with-samples", "--source", "note.jsonl"), 2, "did you mean 'notes.jsonl'?"),
        (("run", "--with-samples", "--source", "other.jsonl"), 5, "not the input"),
        (("run", "--samples", "0"), 2, "--samples"),
        (("run", "--html", "absent/page.html"), 4, "absent/page.html"),
        (("absent",), 2, "no finished run"),
        (("run/notes",), 2, "no finished run"),
    ],
)
def test_wrong_calls(arguments: tuple[str, ...], code: int, words: str) -> None:
    Path("other.jsonl").write_text('{"note_id": "n0", "text": "another"}\n')
    result = _report(*arguments)
    assert result.exit_code == code
    assert words in result.stderr
    assert _PLAIN not in result.output
    assert not Path("absent").exists()
