from __future__ import annotations

import stat
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import pytest

from deid.errors import DeidError, InputOutputError, IntegrityError, UsageError
from deid.run.crosswalk import ALPHABET, CODE_LENGTH, Crosswalk, Patients


def test_codes_are_kept_for_later_runs(tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    ids = ["p1", "p,2", 'p"3\n', "p1"]
    with Crosswalk(path) as crosswalk:
        first = [crosswalk.code(each) for each in ids]
        crosswalk.save()
    with Crosswalk(path) as crosswalk:
        assert [crosswalk.code(each) for each in ids] == first
        assert crosswalk.code("p4") not in first
        crosswalk.save()
    assert len(set(first)) == 3
    assert all(len(code) == CODE_LENGTH and set(code) <= set(ALPHABET) for code in first)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().splitlines()[0] == "patient_id,code"


def test_a_code_that_is_taken_is_drawn_again(tmp_path: Path) -> None:
    draws = cycle("A" * (2 * CODE_LENGTH) + "C" * CODE_LENGTH)

    def choose(_: Sequence[str]) -> str:
        return next(draws)

    with Crosswalk(tmp_path / "codes.csv", choose=choose) as crosswalk:
        assert crosswalk.code("p1") == "A" * CODE_LENGTH
        assert crosswalk.code("p2") == "C" * CODE_LENGTH


def test_codes_have_no_look_alikes() -> None:
    assert not set("01OIL2ZB8S5UV") & set(ALPHABET)


def test_two_runs_cannot_use_it_at_once(tmp_path: Path) -> None:
    with Crosswalk(tmp_path / "codes.csv"), pytest.raises(UsageError, match="another run is using it"):
        Crosswalk(tmp_path / "codes.csv")


def test_it_is_free_after_saving_and_takes_no_new_patients(tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    with Crosswalk(path) as crosswalk:
        code = crosswalk.code("p1")
        crosswalk.save()
        with Crosswalk(path) as other:
            assert other.code("p1") == code
        with pytest.raises(IntegrityError, match="closed"):
            crosswalk.code("p2")


def test_what_a_killed_run_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ".codes.csv.new").write_text("torn")
    with Crosswalk(tmp_path / "codes.csv") as crosswalk:
        crosswalk.code("p1")
        crosswalk.save()
    assert [path.name for path in tmp_path.iterdir()] == ["codes.csv"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("patient,code\n", "first line"),
        ("patient_id,code\np1,A\np1,C\n", "line 3"),
        ("patient_id,code\np1,A\np2,A\n", "line 3"),
        ("patient_id,code\np1\n", "line 2"),
        ("patient_id,code\np1,\n", "line 2"),
        ("patient_id,code\np1,A,C\n", "line 2"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "codes.csv"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(IntegrityError, match=message) as caught:
        Crosswalk(path)
    assert "p1" not in str(caught.value)
    assert path.read_text() == content


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    path.write_text("patient_id,code\n")
    path.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        Crosswalk(path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputOutputError, match="cannot be opened"):
        Crosswalk(tmp_path / "none" / "codes.csv")


def test_a_resumed_run_must_have_the_same_codes(tmp_path: Path) -> None:
    def ready(path: Path, *ids: str) -> None:
        with Crosswalk(path) as crosswalk:
            patients = Patients(1, crosswalk=crosswalk, record=tmp_path / "record")
            for each in ids:
                patients.code(each)
            patients.ready()

    ready(tmp_path / "codes.csv", "p1", "p2")
    ready(tmp_path / "codes.csv", "p1", "p2", "p1")
    with pytest.raises(DeidError, match="other codes"):
        ready(tmp_path / "others.csv", "p1", "p2")


def test_without_a_crosswalk_there_are_no_codes() -> None:
    patients = Patients(1)
    patients.ready()
    assert patients.code("p1") is None
