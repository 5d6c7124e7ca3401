from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from deid.audit.report import Piece, RunReport, as_html, as_json, as_markdown, read_report
from deid.errors import InputOutputError, IntegrityError, Reason, UsageError
from deid.formats.source import open_source
from deid.note import DeidentifiedNote, Finding, Note, Replacement, Span
from deid.policy import EntityType, OperatorSpec, Policy
from deid.run.execute import RunRequest, execute
from deid.run.work import Group, NoteResult

_REDACT = OperatorSpec(name="redact")
_YEAR = OperatorSpec(name="generalize", params={"to": "year"})
_POLICY = Policy(
    name="ward-b",
    version="3",
    method="custom",
    default_operator=_REDACT,
    types=(
        EntityType(
            name="MRN", description="Record numbers, described at length.", operator=_REDACT, hipaa="H"
        ),
        EntityType(name="DATE", description="Calendar dates.", operator=_YEAR, hipaa="C", detect=("rules",)),
        EntityType(name="CITY", description="Cities.", operator=_REDACT),
        EntityType(name="AGE", description="Ages.", operator=_REDACT),
    ),
)
_TEXTS = {
    "n0": ("ed note", "Code #A1 and #D2, <script>alert(1)</script> & more"),
    "n1": ("ed note", "nothing to find here"),
    "n2": ("letter", "FAILS on #A3"),
    "n3": (None, "#D4#D5"),
    "<i>n4": ("letter", "FAILS too"),
}
_TYPES = {"A": "MRN", "D": "DATE"}


class _Codes:
    """Finds ``#A1`` and ``#D2``; fails for notes that say so."""

    model_digest = "sha256:model"
    runtime = "sums 1"

    def process(self, groups: Sequence[Group]) -> tuple[tuple[NoteResult, ...], ...]:
        return tuple(tuple(_result(note) for note in group.notes) for group in groups)


def _result(note: Note) -> NoteResult:
    if "FAILS" in note.text:
        return NoteResult(note.note_id, None, Reason.DETECTOR_FAILED)
    pieces: list[str] = []
    replacements: list[Replacement] = []
    position = 0
    for match in re.finditer(r"#([AD])\d", note.text):
        kind = _TYPES[match[1]]
        detectors = ("encoder", "rules") if kind == "MRN" else ("rules",)
        found = tuple(Finding(*match.span(), kind, 0.9, name) for name in detectors)
        pieces += (note.text[position : match.start()], f"[{kind}]")
        end = sum(map(len, pieces))
        span = Span(*match.span(), kind, 0.9, found)
        replacements.append(Replacement(span, "redact", pieces[-1], end - len(pieces[-1]), end))
        position = match.end()
    text = "".join([*pieces, note.text[position:]])
    return NoteResult(note.note_id, DeidentifiedNote(note.note_id, text, tuple(replacements)))


def make(policy: Policy, **options: Any) -> _Codes:
    """Build the stand-in, called as the real factory is."""
    del policy, options
    return _Codes()


@pytest.fixture(scope="module", name="source")
def _source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "notes.jsonl"
    records = (
        {"note_id": key, "kind": kind, "text": text, "mrn": "7"} for key, (kind, text) in _TEXTS.items()
    )
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture(scope="module", name="run")
def _run(source: Path) -> Path:
    out = source.parent / "run"
    execute(RunRequest(input=source, policy=_POLICY, out=out, factory="test_report:make"))
    return out


@pytest.fixture(name="report")
def _report(run: Path) -> RunReport:
    return read_report(run)


@pytest.fixture(name="sampled")
def _sampled(run: Path, source: Path) -> RunReport:
    return read_report(run, source=open_source(source), samples=10)


def test_types_stand_by_frequency_and_unfound_ones_are_shown(report: RunReport) -> None:
    rows = [(row.name, row.hipaa, row.operator, row.count) for row in report.types]
    assert rows == [
        ("DATE", "C", "generalize (to: year)", 3),
        ("MRN", "H", "redact", 1),
        ("AGE", "", "redact", 0),
        ("CITY", "", "redact", 0),
    ]
    assert report.types[0].detectors == ("rules",)


def test_detectors_are_those_that_were_at_work_and_operators_those_applied(report: RunReport) -> None:
    rows = {row.name: row for row in report.types}
    assert rows["MRN"].detectors == ("rules", "encoder", "propagation")  # the run had no known values
    assert rows["MRN"].applied == ()
    assert rows["DATE"].applied == (("redact", 3),)  # the stand-in redacts what the policy generalizes
    for page in (as_html(report), as_markdown(report)):
        assert "applied: redact 3" in page


def test_counts_are_those_of_the_manifest_and_add_up(report: RunReport) -> None:
    counts = report.manifest["counts"]
    assert counts["notes"] == counts["deidentified"] + sum(counts["quarantined"].values()) == len(_TEXTS)
    assert counts["spans"]["by_detector"] == {"encoder": 1, "rules": 4}
    assert counts["note_kinds"] == {"ed note": 2, "letter": 2}
    assert sum(row.count for row in report.types) == counts["spans"]["total"] == 4


def test_quarantined_notes_are_listed(report: RunReport) -> None:
    assert report.quarantined == ((3, "detector-failed"), (5, "detector-failed"))


def test_without_samples_there_is_no_note_text(report: RunReport) -> None:
    assert report.samples == ()
    for page in (as_html(report), json.dumps(as_json(report))):
        for _, text in _TEXTS.values():
            assert text not in page
        assert "alert(1)" not in page
        assert "nothing to find" not in page


def test_samples_hold_the_notes_before_and_after(sampled: RunReport, run: Path) -> None:
    written = [
        json.loads(line)["text"] for line in (run / "notes" / "part-00000.jsonl").read_text().splitlines()
    ]
    assert [sample.note_id for sample in sampled.samples] == ["n0", "n1", "n3"]
    for sample, text in zip(sampled.samples, written, strict=True):
        assert "".join(piece.text for piece in sample.before) == _TEXTS[sample.note_id][1]
        assert "".join(piece.text for piece in sample.after) == text
    assert sampled.samples[0].before[:4] == (
        Piece("Code "),
        Piece("#A1", "MRN"),
        Piece(" and "),
        Piece("#D2", "DATE"),
    )
    assert sampled.samples[2].after == (Piece("[DATE]", "DATE"), Piece("[DATE]", "DATE"))
    assert "#A1" not in repr(sampled.samples)


def test_the_number_of_samples_is_kept(run: Path, source: Path) -> None:
    assert len(read_report(run, source=open_source(source), samples=2).samples) == 2
    assert read_report(run, source=open_source(source), samples=0).samples == ()


def test_samples_need_the_run_s_own_input(run: Path, source: Path, tmp_path: Path) -> None:
    other = tmp_path / "notes.jsonl"
    other.write_text(source.read_text().replace("nothing", "something"))
    with pytest.raises(IntegrityError, match="not the input"):
        read_report(run, source=open_source(other), samples=1)


class _Page(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += ((name, value or "") for name, value in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(name="page", params=["plain", "with samples"])
def _page(request: pytest.FixtureRequest, report: RunReport, sampled: RunReport) -> _Page:
    return _Page(as_html(report if request.param == "plain" else sampled))


def test_the_page_is_self_contained_and_has_no_script(page: _Page) -> None:
    assert not {"script", "link", "iframe", "img", "object", "base", "form", "i", "b>"} & set(page.names)
    assert not [
        name for name, _ in page.attributes if name in {"src", "href", "srcset"} or name.startswith("on")
    ]
    policy = [value for name, value in page.attributes if name == "content"]
    assert policy[0].startswith("default-src 'none'")
    assert "http" not in page.text


def test_the_page_shows_names_as_they_are(page: _Page) -> None:
    assert "ward-b" in page.text
    assert "<i>n4" not in page.text  # ids stay in the run's own list
    assert "columns that look identifying were carried through untouched" in " ".join(
        page.text.lower().split()
    )


def test_the_page_with_samples_says_that_it_holds_phi(report: RunReport, sampled: RunReport) -> None:
    with_samples, without = _Page(as_html(sampled)).text, _Page(as_html(report)).text
    assert "holds note text with PHI" in with_samples
    assert "<script>alert(1)</script> & more" in with_samples
    assert "Before and after" not in without


def test_plain_values(report: RunReport, sampled: RunReport) -> None:
    values = json.loads(json.dumps(as_json(report)))
    assert list(values) == [
        *("manifest", "timing", "policy_findings", "types", "safe_harbor", "treatments", "quarantined"),
        *("evaluation", "review", "residual_risks"),
    ]
    assert "resolved" not in values["manifest"]["policy"]
    assert "described at length" not in json.dumps(values)
    assert values["quarantined"][1] == {"position": 5, "reason": "detector-failed"}
    assert values["types"][0]["name"] == "DATE"
    samples = as_json(sampled)["samples"]
    assert samples[0]["before"][1] == {"text": "#A1", "entity_type": "MRN"}
    assert "resolved" in report.manifest["policy"]


def _broken(run: Path, tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    yield tmp_path / "absent"
    manifest = json.loads((run / "manifest.json").read_text())
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "manifest.json").write_text(json.dumps({**manifest, "status": "running"}))
    yield begun


def test_a_folder_without_a_finished_run(run: Path, tmp_path: Path) -> None:
    for folder in _broken(run, tmp_path):
        with pytest.raises(UsageError, match="no finished run"):
            read_report(folder)


def test_a_run_that_lost_a_file(run: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes((run / "manifest.json").read_bytes())
    with pytest.raises(InputOutputError, match="No such file"):
        read_report(tmp_path)


def test_a_run_whose_clocks_are_gone(run: Path, tmp_path: Path) -> None:
    for name in ("manifest.json", "audit.jsonl", "quarantine/quarantine.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((run / name).read_bytes())
    report = read_report(tmp_path)
    assert report.timing == {}
    assert "notes a second" not in as_html(report)


def test_a_run_without_notes(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_text("")
    request = RunRequest(
        input=tmp_path / "notes.jsonl", policy=_POLICY, out=tmp_path / "run", factory="test_report:make"
    )
    execute(request)
    report = read_report(tmp_path / "run")
    assert {row.count for row in report.types} == {0}
    assert "No note was quarantined" in as_html(report)
