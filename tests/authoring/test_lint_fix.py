from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from lint_cases import BAD

from deid.authoring.lint import lint
from deid.authoring.lint_fix import MENDED_CODES, mend
from deid.cli import main
from deid.errors import PolicyError, UsageError

# Findings of these codes that leave a choice, or whose mention is nothing but a label.
CHOICES = ("operator: hash", "operator: encrypt", "hipaa: S")
HAND_WRITTEN = """\
# Ours; comments stay.
policy: mine
verson: "1"          # of the text
extends: safe-harbor
zip3_census: '2010'
default_operatr: {mask: {length: same}}
types:
  # dates
  DATE:
    operator:
      shift_date:
        max_days: 30   # a month
  AGE: {operator: keep}
  CITY:
    operator: keep    # large ones
  SSN: {operator: {mask: {keep_last: 4, char: "#"}}}
  PHONE: {threshold: 0.4, operator: {mask: {lenght: fixed}}}
  FAX:
    threshold: 0.2  # deid policy suggest: 22 accepted
  CLINICIAN_NAME:
    examples:
      - Dr. Thorvald     # with a title
      - "Lindqvist, RN"
      - Wexcombe
    hipaa: 'a'
  PET:
    description: The name of an animal that lives with the patient, after pet, dog or cat.
    detect: [encoder]
    exampels: [Wicket]
    patterns:
      - regex: 'pet (?P<phi>[A-Z][a-z]+)'
        scor: 0.7
"""
MENDED = """\
# Ours; comments stay.
policy: mine
version: "1"          # of the text
extends: safe-harbor
zip3_census: union
default_operator: mask
types:
  # dates
  DATE:
    operator: {generalize: {to: year}}   # a month
  AGE: {operator: {generalize: {to: age_90_plus}}}
  CITY:
    operator: redact    # large ones
  SSN: {operator: {mask: {char: "#"}}}
  PHONE: {threshold: calibrated, operator: {mask: {length: fixed}}}
  FAX:
    threshold: 0.2  # deid policy suggest: 22 accepted
  CLINICIAN_NAME:
    examples:
      - Thorvald     # with a title
      - Lindqvist
      - Wexcombe
    hipaa: A
  PET:
    description: The name of an animal that lives with the patient, after pet, dog or cat.
    detect: [rules, encoder]
    examples: [Wicket]
    patterns:
      - regex: 'pet (?P<phi>[A-Z][a-z]+)'
        score: 0.7
"""


def deid(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["policy", "lint", "--no-encoder", *arguments])


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(HAND_WRITTEN, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("code", "text"),
    [
        pytest.param(code, text, id=f"{code}-{at}")
        for at, (code, text, _) in enumerate(BAD)
        if code in MENDED_CODES and not any(choice in text for choice in CHOICES)
    ],
)
def test_what_leaves_one_choice_is_mended(tmp_path: Path, code: str, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    mended = mend(path)
    assert [told for told, _ in mended.done] == [code]
    mended.save()
    assert lint(path) == ()


@pytest.mark.parametrize(
    "text",
    [text for code, text, _ in BAD if code not in MENDED_CODES or any(each in text for each in CHOICES)],
)
def test_what_asks_for_a_decision_stays(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    mended = mend(path)
    assert (mended.done, mended.diff, mended.after) == ((), "", text)


def test_comments_and_other_lines_stay(own: Path) -> None:
    mended = mend(own)
    assert mended.after == MENDED
    assert own.read_text(encoding="utf-8") == HAND_WRITTEN
    assert ("key", "types.PET.patterns[0].score") in mended.done


def test_fix_writes_prints_a_diff_and_lints_what_is_left(own: Path) -> None:
    own.chmod(0o640)
    result = deid(str(own), "--fix")
    assert result.exit_code == 0
    assert own.read_text(encoding="utf-8") == MENDED
    assert stat.S_IMODE(own.stat().st_mode) == 0o640
    assert '-verson: "1"          # of the text\n+version: "1"          # of the text\n' in result.stdout
    assert "types.FAX.threshold: warning DP018" in result.stdout
    assert f"{own}: 16 mended" in result.stderr
    again = deid(str(own), "--fix")
    assert f"{own}: 0 mended" in again.stderr
    assert "---" not in again.stdout


def test_a_dry_run_shows_the_same_and_changes_nothing(own: Path) -> None:
    own.write_text(MENDED.replace("operator: redact ", "operator: keep "), encoding="utf-8")
    before = own.read_bytes()
    result = deid(str(own), "--fix", "--dry-run")
    assert result.exit_code == 1  # the file still has the error
    assert "-    operator: keep    # large ones\n+    operator: redact    # large ones\n" in result.stdout
    assert "DP006" in result.stdout
    assert own.read_bytes() == before
    assert list(own.parent.iterdir()) == [own]


def test_json_stays_json(own: Path) -> None:
    result = deid(str(own), "--fix", "--json")
    assert [finding["code"] for finding in json.loads(result.stdout)] == ["DP018"]
    assert "+version" in result.stderr


def test_a_dry_run_without_fix_is_refused(own: Path) -> None:
    result = deid(str(own), "--dry-run")
    assert (result.exit_code, own.read_text(encoding="utf-8")) == (2, HAND_WRITTEN)
    assert "--fix" in result.stderr


@pytest.mark.parametrize("name", ["safe-harbor", "policies/base.yaml"])
def test_shipped_policies_are_not_changed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    result = deid(name, "--fix")
    assert result.exit_code == 2
    assert "deid policy new" in result.stderr


def test_where_one_cannot_be_mended_none_is(own: Path) -> None:
    broken = own.with_name("broken.yaml")
    broken.write_text("policy: broken\nversion: '1'\ntypes: {PET: {colour: red}}\n")
    result = deid(str(own), str(broken), "--fix")
    assert result.exit_code == 2
    assert "types.PET.colour" in result.stderr
    assert own.read_text(encoding="utf-8") == HAND_WRITTEN


def test_what_a_parent_says_is_overridden_in_the_file_itself(tmp_path: Path) -> None:
    parent = tmp_path / "parent.yaml"
    parent.write_text("policy: p\nversion: '1'\nextends: safe-harbor\ntypes: {AGE: {operator: keep}}\n")
    path = tmp_path / "mine.yaml"
    path.write_text("policy: mine\nversion: '1'\nextends: parent.yaml\n")
    before = parent.read_bytes()
    mend(path).save()
    assert path.read_text().endswith(
        "extends: parent.yaml\ntypes:\n  AGE:\n    operator: {generalize: {to: age_90_plus}}\n"
    )
    assert parent.read_bytes() == before


def test_a_threshold_that_finds_more_than_the_calibrated_one_stays(own: Path) -> None:
    types = "{MRN: {threshold: 0.001}, FAX: {threshold: 0.9}}"
    text = f"policy: mine\nversion: '1'\nextends: base\ntypes: {types}\n"
    own.write_text(text, encoding="utf-8")
    assert mend(own).after == text.replace("0.9", "calibrated")


def test_line_ends_stay(own: Path) -> None:
    own.write_bytes(HAND_WRITTEN.replace("\n", "\r\n").encode())
    mend(own).save()
    assert own.read_bytes() == MENDED.replace("\n", "\r\n").encode()


def test_a_change_made_meanwhile_is_not_overwritten(own: Path) -> None:
    mended = mend(own)
    own.write_text(MENDED + "# more\n", encoding="utf-8")
    with pytest.raises(UsageError, match="changed elsewhere"):
        mended.save()
    assert own.read_text(encoding="utf-8").endswith("# more\n")


def test_what_is_no_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("policy: mine\n\tversion: 1\n")
    with pytest.raises(PolicyError, match=r"mine\.yaml:2:1"):
        mend(path)
