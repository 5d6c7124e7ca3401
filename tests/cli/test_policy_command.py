from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deid.authoring import show
from deid.cli import main
from deid.cli import policy as policy_module
from deid.policy import load_policy, policy_schema, resolve_policy


def deid(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["policy", *arguments])


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(
        "policy: own\nversion: '1'\nextends: safe-harbor\ntypes:\n  MRN: {operator: hash, threshold: 0.45}\n",
        encoding="utf-8",
    )
    return path


def test_list() -> None:
    result = deid("list")
    assert result.exit_code == 0
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == [
        "base",
        "canada-phipa",
        "gdpr-pseudonymization",
        "limited-data-set",
        "minimal-names",
        "psychotherapy-notes",
        "research-imaging-reports",
        "research-surrogates",
        "safe-harbor",
        "safe-harbor-surrogates",
        "uk-nhs",
    ]


def test_list_as_json() -> None:
    summaries = {summary["name"]: summary for summary in json.loads(deid("list", "--json").stdout)}
    policy = load_policy("safe-harbor")
    assert summaries["safe-harbor"] == {
        "name": "safe-harbor",
        "version": policy.version,
        "method": "hhs-safe-harbor",
        "types": 29,
        "description": policy.description,
        "digest": policy.digest,
    }


def test_list_is_a_table_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    list_command = policy_module.list_command.callback
    assert list_command is not None
    list_command(as_json=False)
    output = capsys.readouterr().out
    assert "what it does" in output
    assert "\t" not in output


@pytest.mark.parametrize("name", ["base", "safe-harbor", "limited-data-set", "research-surrogates", "own"])
def test_what_show_prints_is_the_same_policy(tmp_path: Path, own: Path, name: str) -> None:
    source = str(own) if name == "own" else name
    result = deid("show", source)
    assert result.exit_code == 0
    copy = tmp_path / "copy.yaml"
    copy.write_text(result.stdout, encoding="utf-8")
    assert load_policy(copy) == load_policy(source)
    assert load_policy(copy).digest in result.stdout


def test_show_says_where_types_come_from(own: Path) -> None:
    lines = deid("show", str(own)).stdout.splitlines()
    assert lines[0] == "# resolved from own.yaml <- safe-harbor.yaml <- base.yaml"
    comments = {
        lines[index + 1].strip(" :"): line.strip()
        for index, line in enumerate(lines)
        if line.startswith("  # ")
    }
    assert comments["MRN"] == "# from base.yaml; threshold, operator from own.yaml"
    assert comments["DATE"] == "# from base.yaml; operator from safe-harbor.yaml"
    assert len(comments) == 29


def test_origins_name_defaults(tmp_path: Path) -> None:
    path = tmp_path / "bare.yaml"
    path.write_text("policy: bare\nversion: '1'\ntypes: {PET: {description: an animal}}\n", encoding="utf-8")
    assert show.type_origins(resolve_policy(path), "PET") == {
        "description": "bare.yaml",
        "operator": "built-in default",
    }


def test_show_as_json(own: Path) -> None:
    shown = json.loads(deid("show", str(own), "--json").stdout)
    assert shown["digest"] == load_policy(own).digest
    assert shown["files"] == ["own.yaml", "safe-harbor.yaml", "base.yaml"]
    assert shown["policy"]["types"]["MRN"]["operator"] == "hash"
    assert shown["policy"]["types"]["DATE"]["operator"] == {"generalize": {"to": "year"}}
    assert shown["origins"]["MRN"]["threshold"] == "own.yaml"


def test_lint_of_clean_policies() -> None:
    result = deid("lint", "base", "safe-harbor")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == "errors: 0, warnings: 0\n"


def test_lint_fails_on_errors_alone(own: Path) -> None:
    result = deid("lint", "base", str(own))
    assert result.exit_code == 1
    assert f"{own}:5:9: types.MRN.operator: error DP005" in result.stdout
    assert f"{own}:5:25: types.MRN.threshold: warning DP032" in result.stdout
    assert result.stderr == "errors: 1, warnings: 1\n"
    own.write_text(own.read_text(encoding="utf-8").replace("operator: hash, ", ""), encoding="utf-8")
    assert deid("lint", str(own)).exit_code == 0


def test_lint_as_json(own: Path) -> None:
    result = deid("lint", str(own), "--json", "--no-encoder")
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)
    assert (first["code"], first["severity"], second["code"]) == ("DP005", "error", "DP018")
    assert first["place"] == {"file": str(own), "key": "types.MRN.operator", "line": 5, "column": 9}
    assert set(first) == {"code", "severity", "place", "reason", "source", "fix"}


@pytest.mark.parametrize("command", ["show", "lint"])
def test_a_policy_that_cannot_load_exits_with_2(command: str) -> None:
    result = deid(command, "safe-harbour")
    assert result.exit_code == 2
    assert "did you mean 'safe-harbor'?" in result.stderr
    assert "Traceback" not in result.output


def test_lint_needs_a_name() -> None:
    assert deid("lint").exit_code == 2


def test_schema() -> None:
    assert json.loads(deid("schema").stdout) == policy_schema()


@pytest.mark.parametrize("command", sorted(policy_module.command.commands))
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = deid(command, "--help")
    assert result.exit_code == 0
    assert f"deid policy {command}" in re.split("Examples?:", result.stdout)[1]
