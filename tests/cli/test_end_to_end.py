"""The main job from the command line: every format, any number of workers, all that can be wrong."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from deid.audit.log import verify_log
from deid.cli import main
from deid.detect.engine import Detector
from deid.errors import Reason
from deid.formats.gold import Gold, read_gold
from deid.keys import Keys
from deid.operate.apply import Operators
from deid.policy import Policy, load_policy
from deid.run import execute as runs
from deid.run.directory import output_texts
from deid.run.pipeline import Deidentifier
from deid.run.units import Partitioning

SAMPLES = Path(__file__).parents[2] / "sample_notes"
FORMATS = ("txt", "notes.jsonl", "notes.csv", "notes.parquet")
NAMES = ("PATIENT_NAME", "RELATIVE_NAME", "CLINICIAN_NAME")
FLOOR = 0.9  # recall on the samples, all types together
# Planted in notes that fail: a name with a title, a record number, and plain words.
PHI, NUMBER, PLAIN = "Zyxquill", "88330417", "marzipanwise"
SECRET = f"Seen by Dr. {PHI}, MRN: {NUMBER}, {PLAIN}."
_POISON = "poisonwort"  # the failing recognizer raises when it reads this

# Gold names that the shipped encoder leaves in the text, each with the reason why nothing finds it.
LEFT: Mapping[tuple[str, str], str] = {
    ("n004", "D.O."): "the patient's initials, which are also the degree of an osteopath",
    ("n010", "Rose"): "a given name at the start of a sentence, which is also a verb",
    ("n022", "Rod"): "a short given name that is also a word",
    ("n028", "Parkinson"): "the disease, of which she has no sign; the name itself is hidden",
    ("n026", "p r u s z y n s k i"): "a surname spelled out with blanks in a dictation",
    ("n036", "Rosa"): "a given name without any cue beside it",
}


@dataclass(frozen=True)
class Call:
    """A command that ended."""

    code: int
    stdout: str
    stderr: str


def deid(*arguments: str | Path, stdin: bytes | None = None) -> Call:
    """Call the command; an exception that is no message of ours fails the test."""
    result = CliRunner().invoke(main, [str(each) for each in arguments], input=stdin, catch_exceptions=False)
    return Call(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret from outside; and the code may be edited while the tests run."""
    monkeypatch.delenv("DEID_KEY", raising=False)
    monkeypatch.setattr("deid.run.manifest.code_digest", lambda: "sha256:code")


@pytest.fixture(scope="session", name="policy")
def _policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write Safe Harbor without the encoder, which takes seconds to load."""
    path = tmp_path_factory.mktemp("policy") / "rules-only.yaml"
    types = "".join(
        f"  {name}: {{detect: [rules, known, propagation]}}\n"
        for name in load_policy("safe-harbor").type_names
    )
    path.write_text(
        f"policy: rules-only\nversion: '1'\nmethod: custom\nextends: safe-harbor\ntypes:\n{types}"
    )
    return path


@pytest.fixture(scope="session", name="gold")
def _gold() -> list[Gold]:
    return list(read_gold(SAMPLES / "gold.jsonl"))


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files but the clocks and the salted digests."""
    own = ("timing.json", "results.sqlite")
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in own)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(files)}


def no_secret(*places: Path | Call) -> None:
    """Check that nothing planted stands in what a command printed or in any file or file name of a folder."""
    found: list[str] = []
    for place in places:
        if isinstance(place, Call):
            texts = {"stdout": place.stdout.encode(), "stderr": place.stderr.encode()}
        else:
            texts = {str(path): str(path).encode() for path in place.rglob("*")}
            texts |= {str(path): path.read_bytes() for path in place.rglob("*") if path.is_file()}
        found += (
            f"{name} holds {token}"
            for name, content in texts.items()
            for token in (PHI, NUMBER, PLAIN)
            if token.lower().encode() in content.lower()
        )
    assert found == []


# ---------------------------------------------------------------- the samples, in every format


def _records(path: Path) -> list[dict[str, Any]]:
    """Read a table, or a folder of texts, by means other than ours."""
    if path.is_dir():
        return [
            {"note_id": each.stem, "text": each.read_bytes().decode()} for each in sorted(path.glob("*.txt"))
        ]
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _output(folder: Path, name: str) -> Path:
    return folder / "notes" if name == "txt" else folder / "notes" / f"part-00000{Path(name).suffix}"


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_comes_back_whole_without_what_was_found(
    name: str, policy: Path, tmp_path: Path, gold: list[Gold]
) -> None:
    call = deid("run", SAMPLES / name, "--policy", policy, "--out", tmp_path / "out")
    assert (call.code, call.stdout) == (0, f"38 notes de-identified in {tmp_path / 'out'}\n")
    before, after = _records(SAMPLES / name), _records(_output(tmp_path / "out", name))
    assert [list(record) for record in after] == [list(record) for record in before]
    for old, new, (note, _) in zip(before, after, gold, strict=True):
        assert old["text"] == note.text
        assert {**old, "text": ""} == {**new, "text": ""}
        assert new["text"] != old["text"]
    if name.endswith(".parquet"):
        schemas = [
            pq.read_schema(path).remove_metadata()
            for path in (SAMPLES / name, _output(tmp_path / "out", name))
        ]
        assert schemas[0] == schemas[1]
    assert verify_log(tmp_path / "out", texts=output_texts(tmp_path / "out")).ok
    everything = " ".join(record["text"] for record in after)
    for text in ("4471902", "603-555-0143", "11/03/2080", "20418"):
        assert text not in everything
    for text in ("BP 120/80", "L4-5", "Foley", "Parkinson", "5/5"):
        assert text in everything


def test_the_text_does_not_depend_on_the_format(policy: Path, tmp_path: Path) -> None:
    texts = []
    for name in ("notes.jsonl", "notes.csv", "notes.parquet"):
        deid("run", SAMPLES / name, "--policy", policy, "--out", tmp_path / name)
        texts.append([record["text"] for record in _records(_output(tmp_path / name, name))])
    assert texts[0] == texts[1] == texts[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_the_number_of_workers_does_not_show(name: str, policy: Path, tmp_path: Path) -> None:
    """Small units, so that two workers really share the notes."""
    small = Partitioning(notes=4, partition_bytes=10_000)
    for workers in (1, 2):
        out = tmp_path / f"out{workers}"
        request = runs.RunRequest(
            input=SAMPLES / name, policy=policy, out=out, partitioning=small, workers=workers
        )
        assert runs.execute(request).exit_code == 0
    first, second = contents(tmp_path / "out1"), contents(tmp_path / "out2")
    assert {path.partition("/")[0] for path in first} == {
        "audit.jsonl",
        "manifest.json",
        "notes",
        "quarantine",
    }
    assert first == second


@pytest.mark.slow
def test_workers_and_quarantine_from_the_command_line(policy: Path, tmp_path: Path) -> None:
    lines = (SAMPLES / "notes.jsonl").read_text(encoding="utf-8") + json.dumps({"note_id": "x", "text": "\0"})
    (tmp_path / "notes.jsonl").write_text(lines, encoding="utf-8")
    calls = [
        deid(
            *("run", tmp_path / "notes.jsonl", "--policy", policy),
            *("--out", tmp_path / f"out{workers}", "--workers", str(workers)),
        )
        for workers in (1, 2)
    ]
    assert [call.code for call in calls] == [3, 3]
    assert contents(tmp_path / "out1") == contents(tmp_path / "out2")


# ---------------------------------------------------------------- usage: what, where, the closest match


def _jsonl(path: Path, *records: object) -> Path:
    """Write records as JSON; bytes are written as they are."""
    lines = (each if isinstance(each, bytes) else json.dumps(each).encode() for each in records)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def _refused(call: Call, tmp_path: Path, *, code: int, words: Sequence[str]) -> None:
    assert call.code == code, call.stderr
    for word in words:
        assert word in call.stderr
    assert "Traceback" not in call.stderr
    assert call.stdout == ""
    assert not (tmp_path / "out").exists()
    no_secret(call)


def test_a_policy_that_is_not_there(tmp_path: Path) -> None:
    source = _jsonl(tmp_path / "notes.jsonl", {"note_id": "a", "text": SECRET})
    for name, words in (
        ("safe-harbr", ("unknown policy 'safe-harbr'", "did you mean 'safe-harbor'?", "limited-data-set")),
        (str(tmp_path / "mine.yaml"), ("mine.yaml",)),
    ):
        call = deid("run", source, "--policy", name, "--out", tmp_path / "out")
        _refused(call, tmp_path, code=2, words=words)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("types:\n  MRN: {operater: mask}", (":6:9: types.MRN.operater", "did you mean 'operator'?")),
        ("types:\n  MRN: {operator: redakt}", (":6:9: types.MRN.operator", "did you mean 'redact'?")),
        ("tipes: {}", (":5:1: tipes", "did you mean 'types'?")),
        ("method: hhs-safe-harbour", ("did you mean 'hhs-safe-harbor'?",)),
    ],
)
def test_a_key_of_a_policy_that_is_wrong(lines: str, words: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    method = "" if lines.startswith("method") else "method: custom\n"
    path.write_text(f"policy: mine\nversion: '1'\n{method}extends: safe-harbor\n{lines}\n")
    source = _jsonl(tmp_path / "notes.jsonl", {"note_id": "a", "text": SECRET})
    call = deid("run", source, "--policy", path, "--out", tmp_path / "out")
    _refused(call, tmp_path, code=2, words=(str(path), *words))


@pytest.mark.parametrize("name", ["notes.jsonl", "notes.csv", "notes.parquet"])
@pytest.mark.parametrize(
    "option", ["--text-column", "--id-column", "--patient-column", "--date-column", "--drop"]
)
def test_a_column_that_is_not_there(name: str, option: str, policy: Path, tmp_path: Path) -> None:
    call = deid("run", SAMPLES / name, "--policy", policy, "--out", tmp_path / "out", option, "pationt_id")
    words = ("'pationt_id'", "did you mean 'patient_id'?", "note_id, patient_id, note_date, kind")
    _refused(call, tmp_path, code=2, words=words)


def test_a_folder_that_is_not_empty(policy: Path, tmp_path: Path) -> None:
    source = _jsonl(tmp_path / "notes.jsonl", {"note_id": "a", "text": "fine"})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    for more in ((), ("--resume",)):
        call = deid("run", source, "--policy", policy, "--out", tmp_path / "full", *more)
        assert call.code == 2
        assert "is not empty" in call.stderr or "holds other things" in call.stderr
    assert contents(tmp_path / "full") == {"thesis.txt": b"mine"}


def test_a_run_is_continued_with_the_same_input_policy_and_options_only(policy: Path, tmp_path: Path) -> None:
    source = _jsonl(tmp_path / "notes.jsonl", {"note_id": "a", "text": "MRN: 4471902"})
    run = ("run", source, "--out", tmp_path / "out", "--policy")
    assert deid(*run, policy).code == 0
    before = contents(tmp_path / "out")
    other = tmp_path / "other.yaml"
    other.write_text(policy.read_text().replace("'1'", "'2'"))
    changes: tuple[tuple[tuple[str | Path, ...], str], ...] = (
        ((other,), "policy"),
        ((policy, "--shard-notes", "7"), "options (shard_notes)"),
        ((policy, "--key-file", _key(tmp_path)), "key"),
    )
    for more, part in changes:
        call = deid(*run, *more, "--resume")
        assert (call.code, call.stdout) == (5, "")
        assert f"cannot resume: changed since the run began: {part};" in call.stderr
    _jsonl(source, {"note_id": "a", "text": SECRET})
    call = deid(*run, policy, "--resume")
    assert (call.code, "changed since the run began: input;" in call.stderr) == (5, True)
    no_secret(call, tmp_path / "out")
    assert deid(*run, policy).code == 2
    assert contents(tmp_path / "out") == before


def _key(folder: Path) -> Path:
    assert deid("key", "new", folder / "deid.key").code == 0
    return folder / "deid.key"


# ---------------------------------------------------------------- notes: de-identified or quarantined


def _ids(folder: Path) -> dict[str, str]:
    """Return the ids in the quarantine list, each with its reason."""
    lines = (folder / "quarantine" / "quarantine.jsonl").read_text().splitlines()
    return {value["note_id"]: value["reason"] for value in map(json.loads, lines)}


def _quarantined(call: Call, out: Path, expected: Mapping[str, Reason], done: Sequence[str]) -> None:
    """Check that each note is in the output or in the list, and that nothing planted is seen."""
    assert call.code == 3, call.stderr
    assert _ids(out) == expected
    assert f"{len(expected)} of {len(expected) + len(done)} notes were quarantined" in call.stderr
    for note_id, reason in expected.items():
        assert f"  {note_id!r}: {reason}" in call.stderr
    written = {each["note_id"]: each["text"] for each in _records(next((out / "notes").iterdir()))}
    assert list(written) == list(done)
    assert verify_log(out, texts=output_texts(out)).ok
    no_secret(call, out)
    page = deid("report", out, "--html", out.parent / "report.html")
    no_secret(page, deid("report", out, "--json"))


_LONG = f"{SECRET} " + "word " * 2_000_000  # 10 MB
_CASES: tuple[tuple[str, object, Reason | None], ...] = (
    ("first", {"text": "MRN: 4471902"}, None),
    ("line-2", b'{"note_id": "bytes", "text": "' + SECRET.encode() + b' \xff\xfe"}', Reason.INVALID_UTF8),
    ("nul", {"text": f"{SECRET}\0"}, Reason.NUL_CHARACTER),
    (
        "lone",
        b'{"note_id": "lone", "text": "' + SECRET.encode() + b' \\ud83d alone"}',
        Reason.LONE_SURROGATE,
    ),
    ("empty", {"text": ""}, None),
    ("blank", {"text": " \n\t "}, None),
    ("long", {"text": _LONG}, Reason.TOO_LONG),
    ("../../x", {"text": "fine"}, None),
    ("/etc/x\nname", {"text": "fine"}, None),
    ("none", {"text": None, "was": "lost"}, Reason.MISSING_TEXT),
    ("number", {"text": 88330417}, Reason.MISSING_TEXT),
    ("list", {"text": [SECRET]}, Reason.MISSING_TEXT),
    ("line-13", f'{{"note_id": "broken", "text": "{SECRET}'.encode(), Reason.INVALID_RECORD),
    ("line-14", f'["{SECRET}"]'.encode(), Reason.INVALID_RECORD),
    ("line-15", {"note_id": "", "text": SECRET}, Reason.MISSING_ID),
    ("last", {"text": "MRN: 4471902"}, None),
)


def test_records_of_every_bad_kind(policy: Path, tmp_path: Path) -> None:
    records = [
        each if isinstance(each, bytes) else {"note_id": name, **each}  # type: ignore[dict-item]
        for name, each, _ in _CASES
    ]
    work = tmp_path / "work"
    work.mkdir()
    source = _jsonl(work / "notes.jsonl", *records)
    call = deid("run", source, "--policy", policy, "--out", work / "out")
    expected = {name: reason for name, _, reason in _CASES if reason is not None}
    _quarantined(call, work / "out", expected, [name for name, _, reason in _CASES if reason is None])
    texts = {each["note_id"]: each["text"] for each in _records(work / "out" / "notes" / "part-00000.jsonl")}
    assert texts["empty"] == ""
    assert texts["first"] == texts["last"] == "MRN: [MRN]"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["work"]
    assert sorted(path.name for path in work.iterdir()) == ["notes.jsonl", "out", "report.html"]


def test_bad_cells_of_a_csv_file(policy: Path, tmp_path: Path) -> None:
    rows = (
        b"note_id,text,site",
        b"../../x,fine,07",
        b"bytes," + SECRET.replace(",", ";").encode() + b" \xff,07",
        b"nul," + SECRET.replace(",", ";").encode() + b"\0,07",
        b"empty,,NA",
        b'wide,"' + SECRET.encode() + b'",07,more',
        b'last,"MRN: 4471902",001',
    )
    (tmp_path / "notes.csv").write_bytes(b"\n".join(rows) + b"\n")
    call = deid("run", tmp_path / "notes.csv", "--policy", policy, "--out", tmp_path / "out")
    wide = next(each for each in _ids(tmp_path / "out") if each not in ("bytes", "nul"))
    expected = {"bytes": Reason.INVALID_UTF8, "nul": Reason.NUL_CHARACTER, wide: Reason.INVALID_RECORD}
    _quarantined(call, tmp_path / "out", expected, ["../../x", "empty", "last"])
    assert (tmp_path / "out" / "notes" / "part-00000.csv").read_bytes().splitlines()[1:] == [
        b"../../x,fine,07",
        b"empty,,NA",
        b"last,MRN: [MRN],001",
    ]


def test_a_csv_file_whose_quotes_are_broken(policy: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text(f'note_id,text\na,fine\nb,"{SECRET}\nc,"and" on\n')
    call = deid("run", tmp_path / "notes.csv", "--policy", policy, "--out", tmp_path / "out")
    assert call.code == 4
    assert "notes.csv" in call.stderr
    no_secret(call)
    if (tmp_path / "out").exists():
        no_secret(tmp_path / "out")


def test_bad_cells_of_a_parquet_file(policy: Path, tmp_path: Path) -> None:
    texts = ["fine", f"{SECRET}\0", None, "", "MRN: 4471902"]
    table = pa.table(
        {"note_id": ["../../x", "nul", "none", "empty", "last"], "text": texts, "n": [1, 2, 3, 4, 5]}
    )
    pq.write_table(table, tmp_path / "notes.parquet")
    call = deid("run", tmp_path / "notes.parquet", "--policy", policy, "--out", tmp_path / "out")
    expected = {"nul": Reason.NUL_CHARACTER, "none": Reason.MISSING_TEXT}
    _quarantined(call, tmp_path / "out", expected, ["../../x", "empty", "last"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.parquet", "out", "report.html"]


def test_bad_text_files(policy: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    (notes / "sub").mkdir(parents=True)
    (notes / "bytes.txt").write_bytes(SECRET.encode() + b"\xff")
    (notes / "empty.txt").write_bytes(b"")
    (notes / "long.txt").write_text(_LONG)
    (notes / "nul.txt").write_text(f"{SECRET}\0")
    (notes / "sub" / "..x.txt").write_text("MRN: 4471902")
    (tmp_path / "outside.txt").write_text(SECRET)
    (notes / "link.txt").symlink_to(tmp_path / "outside.txt")
    call = deid("run", notes, "--policy", policy, "--out", tmp_path / "out")
    assert call.code == 3
    expected = {"bytes": Reason.INVALID_UTF8, "long": Reason.TOO_LONG, "nul": Reason.NUL_CHARACTER}
    assert _ids(tmp_path / "out") == expected
    assert contents(tmp_path / "out" / "notes") == {"empty.txt": b"", "sub/..x.txt": b"MRN: [MRN]"}
    no_secret(call, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes", "out", "outside.txt"]


def test_a_long_note_can_be_allowed(policy: Path, tmp_path: Path) -> None:
    text = f"{SECRET} " + "stable, walks well. " * 10_000
    source = _jsonl(tmp_path / "notes.jsonl", {"note_id": "a", "text": text})
    for most, code in ((len(text) - 1, 3), (len(text), 0)):
        out = tmp_path / f"out{code}"
        call = deid("run", source, "--policy", policy, "--out", out, "--max-characters", str(most))
        assert call.code == code
    (record,) = _records(tmp_path / "out0" / "notes" / "part-00000.jsonl")
    assert record["text"].endswith("walks well. ")
    assert PHI not in record["text"]
    assert NUMBER not in record["text"]


# ---------------------------------------------------------------- a detector that raises


class _Failing(EntityRecognizer):
    """Raises for a text that holds the poison, and quotes the text."""

    def __init__(self) -> None:
        super().__init__(supported_entities=["MRN"], name="Failing", supported_language="en")

    def load(self) -> None:
        """Nothing to load."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        del entities, nlp_artifacts
        if _POISON in text:
            raise ValueError(f"cannot make sense of {text}")
        return []


def failing(policy: Policy, *, keys: Keys | None, **options: Any) -> Deidentifier:
    """Build the real pipeline with one recognizer more, called as its own factory is."""
    del options
    return Deidentifier(policy, Detector(policy, recognizers=(_Failing(),)), Operators(policy, keys=keys))


@pytest.mark.parametrize("patients", [0, 1, 3])
def test_the_note_on_which_a_detector_raises(
    patients: int, policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [{"note_id": f"n{number}", "text": f"MRN: 44719{number:02}"} for number in range(12)]
    for number, record in enumerate(records):
        if patients:
            record["patient_id"] = f"p{number % patients}"
    records[7]["text"] = f"{SECRET} {_POISON}"
    source = _jsonl(tmp_path / "notes.jsonl", *records)
    request = runs.RunRequest(
        input=source, policy=policy, out=tmp_path / "out", factory="test_end_to_end:failing"
    )
    summary = runs.execute(request)
    assert summary.exit_code == 3
    assert summary.quarantined == (("n7", "detector-failed"),)
    (line,) = (tmp_path / "out" / "quarantine" / "quarantine.jsonl").read_text().splitlines()
    assert json.loads(line)["detail"] == "ValueError"
    written = _records(tmp_path / "out" / "notes" / "part-00000.jsonl")
    assert [record["note_id"] for record in written] == [f"n{number}" for number in range(12) if number != 7]
    assert {record["text"] for record in written} == {"MRN: [MRN]"}
    no_secret(Call(0, *capsys.readouterr()), tmp_path / "out")


# ---------------------------------------------------------------- the shipped encoder


@pytest.fixture(scope="module", name="shipped")
def _shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("shipped")
    source = SAMPLES / "notes.jsonl"
    assert deid("run", source, "--policy", "safe-harbor", "--out", folder / "out").code == 0
    call = deid("detect", source, "--policy", "safe-harbor", "--out", folder / "spans.jsonl")
    assert (call.code, call.stdout) == (0, "")
    yield folder
    shutil.rmtree(folder)


def _letters(text: str, start: int, end: int) -> set[int]:
    return {place for place in range(start, end) if text[place].isalnum()}


@pytest.mark.slow
def test_recall_on_the_samples(shipped: Path, gold: list[Gold]) -> None:
    spans = {value["note_id"]: value["spans"] for value in _records(shipped / "spans.jsonl")}
    missed: list[str] = []
    count = 0
    for note, mentions in gold:
        covered = {place for span in spans[note.note_id] for place in range(span["start"], span["end"])}
        count += len(mentions)
        missed += (
            f"{note.note_id} {mention.entity_type} at {mention.start}"
            for mention in mentions
            if not _letters(note.text, mention.start, mention.end) <= covered
        )
    recall = 1 - len(missed) / count
    assert recall >= FLOOR, f"{recall:.3f}: {missed}"


@pytest.mark.slow
def test_what_detect_finds_is_what_run_replaces(shipped: Path) -> None:
    log = {value["note_id"]: value["spans"] for value in _records(shipped / "out" / "audit.jsonl")}
    for value in _records(shipped / "spans.jsonl"):
        replaced = log[value["note_id"]]
        assert [{key: span[key] for key in value["spans"][0]} for span in replaced] == value["spans"]
    assert any("encoder" in span["detectors"] for spans in log.values() for span in spans)


@pytest.mark.slow
def test_no_name_is_left_in_the_redacted_text_but_the_known_ones(shipped: Path, gold: list[Gold]) -> None:
    texts = {
        each["note_id"]: each["text"] for each in _records(shipped / "out" / "notes" / "part-00000.jsonl")
    }
    left = {
        (note.note_id, surface)
        for note, mentions in gold
        for mention in mentions
        if mention.entity_type in NAMES
        for surface in [note.text[mention.start : mention.end]]
        if re.search(rf"(?<!\w){re.escape(surface)}(?!\w)", texts[note.note_id])
    }
    assert left - set(LEFT) == set()
    assert verify_log(shipped / "out", texts=output_texts(shipped / "out")).ok
