from __future__ import annotations

import json
from pathlib import Path

import pytest

from deid.errors import InputOutputError, UsageError
from deid.run.directory import disk_errors, hold, output_texts, summarize


def test_a_new_folder_is_left_as_it_was_if_nothing_comes_of_the_run(tmp_path: Path) -> None:
    out = tmp_path / "a" / "out"
    with pytest.raises(UsageError), hold(out, resume=False):
        (out / "manifest.json").write_text('{"status": "running"}')
        (out / "work").mkdir()
        raise UsageError("column")
    assert not out.exists()


def test_an_empty_folder_stays(tmp_path: Path) -> None:
    with pytest.raises(UsageError), hold(tmp_path, resume=True):
        raise UsageError("column")
    assert list(tmp_path.iterdir()) == []


def test_finished_units_are_kept(tmp_path: Path) -> None:
    with pytest.raises(UsageError), hold(tmp_path / "out", resume=False):
        (tmp_path / "out" / "manifest.json").write_text('{"status": "running"}')
        (tmp_path / "out" / "work").mkdir()
        (tmp_path / "out" / "work" / "unit-00000.jsonl").touch()
        raise UsageError("disk")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["manifest.json", "work"]


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path: Path, resume: bool) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(UsageError, match=r"not empty|other things"), hold(tmp_path, resume=resume):
        pytest.fail("held")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_with_a_run_needs_resume(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"status": "running"}')
    with pytest.raises(UsageError, match="--resume"), hold(tmp_path, resume=False):
        pytest.fail("held")
    with hold(tmp_path, resume=True):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_what_a_kill_at_the_very_start_leaves_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / ".deid-0123456789abcdef.tmp").touch()
    with hold(tmp_path, resume=False):
        pass


def test_two_runs_cannot_hold_one_folder(tmp_path: Path) -> None:
    with hold(tmp_path / "out", resume=False):
        with pytest.raises(UsageError, match="another run"), hold(tmp_path / "out", resume=True):
            pytest.fail("held twice")
        assert (tmp_path / "out" / ".lock").exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(UsageError, match="is a file"), hold(tmp_path / "out", resume=False):
        pytest.fail("held")


def test_failures_of_the_system_say_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(InputOutputError, match=r"No space left on device.*--resume"), disk_errors(tmp_path):
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("manifest", [None, {"status": "running"}])
def test_an_unfinished_run_has_no_summary(tmp_path: Path, manifest: dict[str, str] | None) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="no finished run"):
        summarize(tmp_path)
    with pytest.raises(UsageError, match="no finished run"):
        next(output_texts(tmp_path))
