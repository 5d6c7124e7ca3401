from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from deid.audit.evidence import gather
from deid.audit.report import as_html, as_json, as_markdown, read_report
from deid.audit.review import read_review
from deid.audit.sample import Drawn, draw, write_sample
from deid.cli import main
from deid.errors import IntegrityError, UsageError
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
    types=(EntityType(name="NUMBER", description="A number.", operator=_REDACT, hipaa="R"),),
)
_NOTES, _PATIENTS, _KINDS = 90, 15, ("ed note", "letter", "=cmd")


class _Numbers:
    model_digest = "sha256:none"
    runtime = "none"

    def process(self, groups: Sequence[Group]) -> tuple[tuple[NoteResult, ...], ...]:
        return tuple(tuple(_result(note) for note in group.notes) for group in groups)


def _result(note: Note) -> NoteResult:
    match = re.search(r"\d+", note.text)
    assert match is not None
    span = Span(*match.span(), "NUMBER", 0.9, (Finding(*match.span(), "NUMBER", 0.9, "rules"),))
    end = match.start() + len("[NUMBER]")
    text = f"{note.text[: match.start()]}[NUMBER]{note.text[match.end() :]}"
    replacement = Replacement(span, "redact", "[NUMBER]", match.start(), end)
    return NoteResult(note.note_id, DeidentifiedNote(note.note_id, text, (replacement,)))


def make(policy: Policy, **options: Any) -> _Numbers:
    """Build the stand-in, called as the real factory is."""
    del policy, options
    return _Numbers()


@pytest.fixture(scope="module", name="run")
def _run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sampled")
    records = (
        {
            "note_id": f"secretid{at}",
            "patient_id": f"secretpatient{at % _PATIENTS}",
            "kind": _KINDS[at % 3 if at < 60 else 0],
            "text": f"-Seen {at} in clinic, Zyxquill{at}",
        }
        for at in range(_NOTES)
    )
    source = folder / "notes.jsonl"
    source.write_text("".join(json.dumps(record) + "\n" for record in records))
    execute(RunRequest(input=source, policy=_POLICY, out=folder / "run", factory="test_sample:make"))
    return folder / "run"


def test_a_draw_is_repeatable_and_another_seed_draws_others(run: Path) -> None:
    assert draw(run, 20, seed=3) == draw(run, 20, seed=3)
    assert {each.entry for each in draw(run, 20, seed=3)} != {each.entry for each in draw(run, 20, seed=4)}


def test_strata_get_their_share(run: Path) -> None:
    kinds = Counter(each.kind for each in draw(run, 30, by=("kind",)))
    assert {kind: round(number / 30 * 9) for kind, number in kinds.items()} == {
        "ed note": 5,
        "letter": 2,
        "=cmd": 2,
    }
    patients = Counter(each.patient for each in draw(run, 15, by=("patient",)))
    assert len(patients) == _PATIENTS


@pytest.mark.parametrize("by", [(), ("kind",), ("kind", "patient")])
def test_every_note_has_the_same_chance(run: Path, by: tuple[str, ...]) -> None:
    draws = 60
    seen = Counter(each.entry for seed in range(draws) for each in draw(run, 30, by=by, seed=seed))
    assert sum(seen.values()) == draws * 30
    assert len(seen) == _NOTES
    assert max(seen.values()) < 40  # 20 expected; 6 standard deviations are 22


def test_all_are_drawn_if_there_are_not_more(run: Path) -> None:
    assert sorted(each.entry for each in draw(run, 500)) == list(range(_NOTES))
    assert sorted(each.entry for each in draw(run, 500, by=("kind",))) == list(range(_NOTES))


def test_an_unknown_stratum(run: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'kind'"):
        draw(run, 5, by=("kinds",))


@pytest.fixture(name="drawn")
def _drawn(run: Path) -> tuple[Drawn, ...]:
    return draw(run, 12, by=("kind", "patient"))


@pytest.fixture(name="sheets")
def _sheets(run: Path, drawn: tuple[Drawn, ...], tmp_path: Path) -> Path:
    write_sample(run, drawn, tmp_path / "review", seed=1)
    return tmp_path / "review"


def test_the_sheets_are_for_their_owner_alone_and_hold_no_ids(sheets: Path) -> None:
    for path in sheets.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert "secretid" not in path.read_text()
        assert "secretpatient" not in path.read_text()
    rows = list(csv.DictReader(io.StringIO((sheets / "sheet.csv").read_text())))
    assert len(rows) == 12
    assert all(row["text"].startswith("'-Seen [NUMBER] in clinic") for row in rows)  # no formula


def test_a_folder_in_use_is_refused(run: Path, drawn: tuple[Drawn, ...], sheets: Path) -> None:
    with pytest.raises(UsageError, match="not empty"):
        write_sample(run, drawn, sheets, seed=1)
    with pytest.raises(UsageError, match="in the run directory"):
        write_sample(run, drawn, run / "review", seed=1)


def _filled(sheets: Path, leaks: Sequence[str]) -> Path:
    rows = list(csv.DictReader(io.StringIO((sheets / "sheet.csv").read_text())))
    for row, number in zip(rows, leaks, strict=True):
        row["leaks"] = number
    path = sheets / "filled.csv"
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_sheet_filled_in(run: Path, sheets: Path) -> None:
    review = read_review(run, _filled(sheets, ["0", "2", "", *["0"] * 9]))
    assert (review.notes.leaking, review.notes.read, review.unread) == (1, 11, 1)
    assert review.notes.upper == pytest.approx(0.3644, abs=1e-3)  # Clopper-Pearson tables, 1 of 11
    assert (review.in_run, review.leaks) == (_NOTES, 2)
    assert review.leaking_in_run < 90 * review.notes.upper  # the finite run is known better
    assert sum(read for _, read in review.by_kind.values()) == 11
    assert review.patients is not None
    assert review.patients.leaking == 1


def test_exports_of_annotation_tools(run: Path, sheets: Path) -> None:
    path = sheets / "doccano.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    records[0]["label"] = [[0, 5, "CLINICIAN_NAME"], [6, 14, "OVER_REDACTED"]]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    review = read_review(run, path)
    assert (review.notes.leaking, review.notes.read, review.leaks, review.over_redactions) == (1, 12, 1, 1)
    assert review.by_type == {"CLINICIAN_NAME": 1}
    assert read_review(run, sheets / "label-studio.json").notes.leaking == 0


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("leaks", "leak", UsageError, "leaks is missing"),
        ("sha256:", "sha256:0", IntegrityError, "drawn from another run"),
        ("entry", "Entry", UsageError, "entry is missing"),
    ],
)
def test_a_sheet_that_cannot_be(  # noqa: PLR0917 - pytest passes them by name
    run: Path, sheets: Path, old: str, new: str, error: type[Exception], message: str
) -> None:
    path = _filled(sheets, ["0"] * 12)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(error, match=message):
        read_review(run, path)


@pytest.mark.parametrize("cell", ["many", "-1", "1.5", "²"])
def test_a_cell_that_is_no_number(run: Path, sheets: Path, cell: str) -> None:
    with pytest.raises(UsageError, match="row 2: leaks is not a whole number"):
        read_review(run, _filled(sheets, [cell, *["0"] * 11]))


def test_a_sheet_nobody_filled_in_and_one_with_a_row_twice(run: Path, sheets: Path) -> None:
    with pytest.raises(UsageError, match="no note was read"):
        read_review(run, sheets / "sheet.csv")
    path = _filled(sheets, ["0"] * 12)
    path.write_text(path.read_text() + path.read_text().splitlines(keepends=True)[1])
    with pytest.raises(IntegrityError, match="twice"):
        read_review(run, path)


def test_from_the_draw_to_the_report(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "review"
    call = ["sample", str(run), "--notes", "12", "--stratify", "kind", "--out", str(out)]
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 0, done.output
    sheet = _filled(out, ["0"] * 12)
    page = tmp_path / "report.html"
    done = CliRunner().invoke(main, ["report", str(run), "--review", str(sheet), "--html", str(page)])
    assert done.exit_code == 0, done.output
    assert "0 of 12 notes read have a leak" in " ".join(done.output.split())
    assert "at most 18 of the 90 de-identified notes" in " ".join(page.read_text().split())


def test_nothing_of_a_note_is_in_a_report(run: Path, sheets: Path, tmp_path: Path) -> None:
    """Unique words stand in texts, note ids and patient ids: none may come out in any form of the report."""
    report = read_report(run, evidence=gather(run, review=_filled(sheets, ["1"] * 12)))
    forms = (as_html(report), as_markdown(report), json.dumps(as_json(report)), repr(report))
    done = CliRunner().invoke(main, ["report", str(run), "--json"])
    for form in (*forms, done.output, (run / "manifest.json").read_text()):
        for token in ("Zyxquill", "secretid", "secretpatient", "Seen"):
            assert token not in form
