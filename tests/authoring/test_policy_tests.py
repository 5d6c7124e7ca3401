from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from deid.authoring.policy_tests import find_tests, read_tests, run_tests
from deid.cli import main
from deid.errors import PolicyError
from deid.policy import available_policies, load_policy


@pytest.fixture(name="policy_file")
def _policy_file(tmp_path: Path) -> Path:
    path = tmp_path / "ours.yaml"
    names = "".join(f"  {name}: {{detect: [rules]}}\n" for name in load_policy("safe-harbor").type_names)
    path.write_text(f"policy: ours\nversion: '1'\nextends: safe-harbor\ntypes:\n{names}")
    return path


def _tests(policy_file: Path, body: str) -> Path:
    path = policy_file.with_name("ours.tests.yaml")
    path.write_text(f"policy: ./ours.yaml\ntests:\n{body}", encoding="utf-8")
    return path


_BODY = """\
  - name: a titled name
    text: Seen by Dr. ⟦CLINICIAN_NAME|Ana Lima⟧ on ⟦DATE|3/4/2079⟧.
  - name: a number that rules do not know
    text: The docket is ⟦OTHER_ID|Zyxquill⟧.
  - name: a date that is not marked
    text: Seen on 3/4/2079, SSN ⟦MRN|900-55-1234⟧.
  - name: only names are judged here
    text: Seen on 3/4/2079.
    only: [CLINICIAN_NAME]
"""


def test_what_a_test_says(policy_file: Path) -> None:
    policy, tests = read_tests(_tests(policy_file, _BODY))
    results = run_tests(tests, load_policy(policy))
    assert [result.passed for result in results] == [True, False, False, True]
    assert [str(fault) for result in results for fault in result.faults] == [
        "OTHER_ID missed at 14-22: Aa",
        "MRN as another type (SSN) at 22-33: 999-99-9999",
        "DATE wrongly found at 8-16: 9/9/9999",
    ]
    assert results[0].found == {"CLINICIAN_NAME": 1, "DATE": 1}
    assert tests[1].line == 5


def test_the_command(policy_file: Path, tmp_path: Path) -> None:
    _tests(policy_file, _BODY)
    report = tmp_path / "junit.xml"
    done = CliRunner().invoke(main, ["policy", "test", str(policy_file), "--junit", str(report)])
    assert done.exit_code == 1
    assert "FAILED ours: line 5: a number that rules do not know" in done.output
    assert "2 of 4 tests pass" in done.output
    assert "Zyxquill" not in done.output + report.read_text()
    suite = ET.parse(report).getroot()[0]
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("ours", "4", "2")
    values = json.loads(CliRunner().invoke(main, ["policy", "test", str(policy_file), "--json"]).stdout)
    assert [test["passed"] for test in values["ours"]] == [True, False, False, True]


def test_a_known_miss_is_told_and_passes_until_it_is_found(policy_file: Path, tmp_path: Path) -> None:
    missed = "  - name: a number that rules do not know\n    text: The docket is ⟦OTHER_ID|Zyxquill⟧.\n"
    found = "  - name: a date\n    text: Seen on ⟦DATE|3/4/2079⟧.\n"
    report = tmp_path / "junit.xml"
    arguments = ["policy", "test", str(policy_file), "--junit", str(report)]
    _tests(policy_file, f"{found}{missed}    known_miss: true\n")
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0
    assert (
        "known miss ours: line 5: a number that rules do not know\n    OTHER_ID missed at 14-22"
        in done.output
    )
    assert "2 of 2 tests pass, 1 of them known to miss something" in done.output
    suite = ET.parse(report).getroot()[0]
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "1")
    assert [case.find("skipped") is not None for case in suite] == [False, True]
    _tests(policy_file, f"{found}    known_miss: true\n{missed}    known_miss: true\n")
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1
    assert "FAILED ours: line 3: a date\n    everything is found now: take known_miss away" in done.output
    assert ET.parse(report).getroot()[0].get("failures") == "1"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("  - name: x\n    text: ⟦CLINICIAN|Lima⟧\n", "tests\\[0\\].text: .*did you mean"),
        ("  - name: x\n    text: ⟦DATE|3/4\n", "unbalanced"),
        ("  - name: x\n    text: y\n    only: [DATES]\n", "tests\\[0\\].only: DATES is no type"),
        ("  - name: x\n    txt: y\n", "txt"),
        ("  []\n", "tests"),
    ],
)
def test_files_that_cannot_be(policy_file: Path, body: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        read_tests(_tests(policy_file, body))


def test_a_policy_without_tests(policy_file: Path) -> None:
    with pytest.raises(PolicyError, match=r"write ours\.tests\.yaml beside it"):
        find_tests(str(policy_file))


def test_tests_are_no_policies() -> None:
    assert not [name for name in available_policies() if "tests" in name]


@pytest.mark.slow
def test_all_shipped_policies_carry_tests_that_pass() -> None:
    done = CliRunner().invoke(main, ["policy", "test", *available_policies()])
    assert done.exit_code == 0, done.output
