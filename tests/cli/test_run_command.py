from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deid.cli import main
from deid.errors import Reason
from deid.note import DeidentifiedNote
from deid.run.work import Group, NoteResult

_POLICY = """
policy: digits
version: "1"
types:
  NUMBER:
    description: A number that stands for a person, such as a record number or a telephone number.
"""


class _Upper:
    """Stands in for the pipeline: upper case is the redaction."""

    model_digest = "sha256:none"
    runtime = "none"

    @classmethod
    def from_policy(cls, policy: object, **options: Any) -> _Upper:
        del policy, options
        return cls()

    def process(self, groups: tuple[Group, ...]) -> tuple[tuple[NoteResult, ...], ...]:
        return tuple(tuple(self._note(note.note_id, note.text) for note in group.notes) for group in groups)

    def _note(self, note_id: str, text: str) -> NoteResult:
        if "bad" in text:
            return NoteResult(note_id, None, Reason.DETECTOR_FAILED)
        return NoteResult(note_id, DeidentifiedNote(note_id, text.upper(), ()))


@pytest.fixture(autouse=True)
def _standin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = ModuleType("deid.run.pipeline")
    module.Deidentifier = _Upper  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "deid.run.pipeline", module)
    monkeypatch.delenv("DEID_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text(_POLICY)
    Path("notes.jsonl").write_text(_lines("one", "two"))


def _lines(*texts: str) -> str:
    rows = [{"note_id": f"n{number}", "text": text, "mrn": "77"} for number, text in enumerate(texts)]
    return "".join(json.dumps(row) + "\n" for row in rows)


def _run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=stdin, catch_exceptions=False)


def _texts(lines: str) -> list[str]:
    return [json.loads(line)["text"] for line in lines.splitlines()]


def test_a_run_and_its_audit() -> None:
    result = _run("run", "notes.jsonl", "--policy", "p.yaml", "--out", "clean")
    assert result.exit_code == 0
    assert result.stdout == "2 notes de-identified in clean\n"
    assert "untouched: mrn (leave them out with --drop)" in result.stderr
    assert _texts(Path("clean/notes/part-00000.jsonl").read_text()) == ["ONE", "TWO"]
    check = _run("audit", "verify", "clean", "--notes")
    assert check.exit_code == 0
    assert "2 entries and all output texts" in check.stdout


def test_a_changed_log_and_a_changed_text() -> None:
    _run("run", "notes.jsonl", "--policy", "p.yaml", "--out", "clean")
    shard = Path("clean/notes/part-00000.jsonl")
    shard.write_text(shard.read_text().replace("TWO", "two"))
    assert _run("audit", "verify", "clean").exit_code == 0
    result = _run("audit", "verify", "clean", "--notes")
    assert result.exit_code == 5
    assert "entry 1: text" in result.stderr
    log = Path("clean/audit.jsonl")
    log.write_text(log.read_text().replace('"n0"', '"n9"'))
    result = _run("audit", "verify", "clean", "--json")
    assert result.exit_code == 5
    values = json.loads(result.stdout)
    assert (values["ok"], values["fault"]["kind"], values["fault"]["entry"]) == (False, "edited", 0)


def test_quarantined_notes_are_named() -> None:
    Path("notes.jsonl").write_text(_lines("one", *["bad"] * 25))
    result = _run("run", "notes.jsonl", "--policy", "p.yaml", "--out", "clean", "--drop", "mrn", "--json")
    assert result.exit_code == 3
    lines = result.stderr.splitlines()
    assert lines[0] == "25 of 26 notes were quarantined, listed in clean/quarantine/quarantine.jsonl:"
    assert lines[1] == "  'n1': detector-failed"
    assert lines[-1] == "  and 5 more"
    assert len(lines) == 22
    values = json.loads(result.stdout)
    assert values["quarantined"] == {"detector-failed": 25}
    assert (values["exit_code"], values["deidentified"], values["passed_through"]) == (3, 1, [])


def test_from_standard_input_to_standard_output() -> None:
    arguments = ("run", "-", "--policy", "p.yaml", "--out", "-", "--drop", "mrn")
    result = _run(*arguments, stdin=_lines("one", "bad", "two"))
    assert result.exit_code == 3
    assert _texts(result.stdout) == ["ONE", "TWO"]
    assert result.stderr.splitlines() == [
        "1 of 3 notes were quarantined, left out of the output:",
        "  'n1': detector-failed",
    ]
    assert sorted(path.name for path in Path().iterdir()) == ["notes.jsonl", "p.yaml"]


def test_a_keyed_run() -> None:
    assert _run("key", "new", "deid.key").exit_code == 0
    key = ("--key-file", "deid.key")
    assert _run("run", "notes.jsonl", "--policy", "p.yaml", "--out", "clean", *key).exit_code == 0
    assert _run("audit", "verify", "clean", *key, "--notes").exit_code == 0
    result = _run("audit", "verify", "clean")
    assert result.exit_code == 2
    assert "--key-file" in result.stderr


_WRONG = {
    "no input": (("missing.jsonl",), 2, "no such file"),
    "unknown policy": (("notes.jsonl", "--policy", "safe-harbour"), 2, "safe-harbor"),
    "unknown column": (("notes.jsonl", "--text-column", "note"), 2, "there is no column"),
    "unknown schema": (("notes.jsonl", "--schema", "omop"), 2, "omop-note"),
    "unknown format": (("notes.jsonl", "--format", "xls"), 2, "jsonl"),
    "known column without kind": (("notes.jsonl", "--known-column", "mrn"), 2, "COLUMN=KIND"),
    "unknown kind": (("notes.jsonl", "--known-column", "mrn=mnr"), 2, "mrn"),
    "no workers": (("notes.jsonl", "--workers", "0"), 2, "--workers"),
    "no key file": (("notes.jsonl", "--key-file", "none.key"), 4, "none.key"),
    "short key": (("notes.jsonl", "--key-file", "p.yaml"), 2, "p.yaml"),
    "json twice": (("notes.jsonl", "--out", "-", "--json"), 2, "--json"),
}


@pytest.mark.parametrize("name", _WRONG)
def test_wrong_calls(name: str) -> None:
    arguments, code, words = _WRONG[name]
    given = {"--policy": "p.yaml", "--out": "clean"}
    defaults = [
        each for option, value in given.items() if option not in arguments for each in (option, value)
    ]
    result = _run("run", *arguments, *defaults)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert not Path("clean").exists()


def test_a_folder_that_is_not_empty() -> None:
    for code, more in ((0, ()), (2, ()), (0, ("--resume",))):
        result = _run("run", "notes.jsonl", "--policy", "p.yaml", "--out", "clean", *more)
        assert result.exit_code == code
    Path("p.yaml").write_text(_POLICY.replace('"1"', '"2"'))
    result = _run("run", "notes.jsonl", "--policy", "p.yaml", "--out", "clean", "--resume")
    assert result.exit_code == 5
    assert "changed since the run began: policy" in result.stderr


@pytest.mark.parametrize("command", [("run",), ("audit",), ("audit", "verify")])
def test_help(command: tuple[str, ...]) -> None:
    result = _run(*command, "--help")
    assert result.exit_code == 0
    if command != ("audit",):
        assert "deid " + " ".join(command) in result.stdout
