"""A FHIR bulk export through the command line: nothing planted comes out, and links still resolve."""

from __future__ import annotations

import base64
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deid.cli import main
from deid.keys import new_key_file
from deid.policy import load_policy

SAMPLES = Path(__file__).parents[2] / "sample_notes"
ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?)?)?")
DATES = ("birthDate", "effectiveDateTime", "date", "issued", "lastUpdated", "start", "end")


def deid(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], catch_exceptions=False)


@pytest.fixture(scope="module", name="build")
def _build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample_notes_build_fhir", SAMPLES / "build_fhir.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield name, each
            yield from members(each)
    elif isinstance(value, list):
        for each in value:
            yield from members(each)


def everything(out: Path) -> str:
    """Return all that a run wrote, attachments decoded."""
    files = (path for path in sorted(out.rglob("*")) if path.is_file())
    texts = [path.read_bytes().decode(errors="replace") for path in files]
    data = (base64.b64decode(each).decode() for each in re.findall(r'"data":"([^"]+)"', "".join(texts)))
    return "\n".join([*texts, *data])


def resources(out: Path) -> list[dict[str, Any]]:
    lines = (line for path in sorted((out / "notes").iterdir()) for line in path.read_text().splitlines())
    return [json.loads(line) for line in lines]


@pytest.fixture(autouse=True)
def _no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEID_KEY", raising=False)


def test_committed_files_are_what_build_writes(build: ModuleType, tmp_path: Path) -> None:
    build.build(tmp_path / "fhir")

    written = {path.name: path.read_bytes() for path in (tmp_path / "fhir").iterdir()}
    assert written == {path.name: path.read_bytes() for path in (SAMPLES / "fhir").iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["safe-harbor", "research-surrogates"])
def test_an_export_comes_out_whole_and_without_anything_planted(
    build: ModuleType, tmp_path: Path, policy: str
) -> None:
    out, key = tmp_path / "out", tmp_path / "key"
    new_key_file(key)
    secret = ("--key-file", key) if policy == "research-surrogates" else ()

    run = deid("run", SAMPLES / "fhir", "--policy", policy, "--out", out, *secret)

    assert run.exit_code == 0, run.output
    written = everything(out)
    assert [each for each in build.PLANTED if each.casefold() in (written + run.output).casefold()] == []
    found = resources(out)
    assert len(found) == len(list(build.resources()))
    ids = {f"{each['resourceType']}/{each['id']}" for each in found}
    references = {value for name, value in members(found) if name == "reference"}
    assert all(ID.fullmatch(each["id"]) for each in found)
    assert references and references <= ids
    dates = [value for name, value in members(found) if name in DATES and isinstance(value, str)]
    assert dates and all(DATE.fullmatch(each) for each in dates)
    assert {value for name, value in members(found) if name == "gender"} == {"female", "male"}
    assert "Parkinson disease" in written and "Ejection fraction 55%" in written
    checked = deid("audit", "verify", out, "--notes", *secret)
    assert checked.exit_code == 0, checked.output


def test_a_run_again_gives_the_same_bytes_and_quarantine_says_where(tmp_path: Path) -> None:
    names = load_policy("safe-harbor").type_names
    types = "".join(f"  {name}: {{detect: [rules, known]}}\n" for name in names)
    policy = tmp_path / "without-encoder.yaml"
    policy.write_text(f"policy: p\nversion: '1'\nmethod: custom\nextends: safe-harbor\ntypes:\n{types}")
    folder = tmp_path / "export"
    folder.mkdir()
    for path in (SAMPLES / "fhir").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    with (folder / "Observation.ndjson").open("a") as stream:
        stream.write('{"resourceType": "Observation", "id": "Zyxquill"\n')

    first = deid("run", folder, "--policy", policy, "--out", tmp_path / "one", "--json")
    second = deid("run", folder, "--policy", policy, "--out", tmp_path / "two")

    assert (first.exit_code, second.exit_code) == (3, 3)
    assert "Observation.ndjson line 4" in (tmp_path / "one/quarantine/quarantine.jsonl").read_text()
    assert "Zyxquill" not in everything(tmp_path / "one") + first.output
    for path in (tmp_path / "one/notes").iterdir():
        assert path.read_bytes() == (tmp_path / "two/notes" / path.name).read_bytes()
