"""Candidates of a type in notes, and what the answers make of them: a threshold, a sheet, gold."""

from __future__ import annotations

import codecs
import csv
import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from deid.audit.bounds import upper_bound
from deid.authoring.answers import read_answers, write_passages, write_suggestions
from deid.authoring.suggest import (
    LOWEST,
    Candidate,
    Pool,
    choose,
    context,
    draw_notes,
    find_candidates,
    with_description,
)
from deid.authoring.threshold import HIGHEST, MOST_MISSED, decide
from deid.cli import main
from deid.detect.description_recognizer import PolicyEncoder
from deid.errors import IntegrityError, PolicyError, UsageError
from deid.formats.gold import read_gold
from deid.formats.source import open_source
from deid.note import Note
from deid.policy import EntityType, Policy, load_policy

POLICY = """\
# ours
policy: ours
version: '1'
default_operator: redact
types:
  DOCKET_NUMBER:  # from legal
    description: >-
      The number of a court case that concerns the patient, such as a guardianship, custody, commitment or
      criminal matter, following docket, case no., cause no. or court file.
    examples: ["79-GD-00418", "CV-2079-004417", "2079 MH 0882"]
    contrast: a police incident, insurance claim or medical record number
    # reviewed every year
    hipaa: R
  MRN:
    description: The number of the patient's chart, medical record or hospital registration.
    examples: ["4471902"]
  BADGE:
    description: The number on a badge.
    detect: [rules]
"""
TEXTS = (
    "SW note: guardianship petition, docket 79-GD-00418, hearing moved.\nMRN 4471902.",
    "Custody matter FC-20-5852-D pending per grandmother. Police report 22-10873 filed.",
    "Case no. CV-2079-004417, commitment. BP 120/80, K 4.1. Docusate 100 mg BID.",
    "On probation, cause number CR-79-1180; A1c 7.2. Copy of docket 79-gd-00418 in chart.",
    "No legal issues. Accession S79-2210. Follow up in 2 weeks. Foley removed.",
)
DOCKETS = {"79-GD-00418", "FC-20-5852-D", "CV-2079-004417", "CR-79-1180", "79-gd-00418"}


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    (tmp_path / "ours.yaml").write_text(POLICY)
    lines = (json.dumps({"note_id": f"n-{at}", "text": text}) for at, text in enumerate(TEXTS))
    (tmp_path / "notes.jsonl").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture(scope="module", name="pool")
def _pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    path = tmp_path_factory.mktemp("policy") / "ours.yaml"
    path.write_text(POLICY)
    return find_candidates(load_policy(path), "DOCKET_NUMBER", _notes(*TEXTS))


def _notes(*texts: str) -> list[tuple[int, Note]]:
    return [(at, Note(f"n-{at}", text)) for at, text in enumerate(texts)]


def test_candidates_hold_the_mentions_and_their_scores_are_thresholds(pool: Pool) -> None:
    assert {each.surface for each in pool.candidates} >= DOCKETS
    assert len(pool.candidates) < sum(len(text.split()) for text in TEXTS) / 2
    for each in pool.candidates:
        assert LOWEST <= each.score <= 1
    weakest = min((each for each in pool.candidates if each.surface in DOCKETS), key=lambda each: each.score)
    policy = Policy(
        name="x",
        version="1",
        method="custom",
        default_operator=pool.kind.operator,
        types=(pool.kind.model_copy(update={"threshold": weakest.score}),),
    )
    (found,) = PolicyEncoder(policy).find([weakest.note.text])
    assert (weakest.start, weakest.end) in {(each.start, each.end) for each in found}


def test_the_pool_is_the_same_whatever_the_threshold_is_now(pool: Pool, folder: Path) -> None:
    path = folder / "ours.yaml"
    path.write_text(POLICY.replace("    hipaa: R\n", "    threshold: 0.9\n    hipaa: R\n"))
    again = find_candidates(load_policy(path), "DOCKET_NUMBER", _notes(*TEXTS))
    assert again.threshold == 0.9
    assert again.candidates == pool.candidates


def test_shipped_types_compete(folder: Path) -> None:
    text = "Seen by Dr. Ana Lima for Parkinson disease. MRN 4471902."
    (folder / "notes.jsonl").write_text(json.dumps({"note_id": "n", "text": text}))
    done = _deid(folder, "--json", policy="safe-harbor", name="CLINICIAN_NAME")
    assert done.exit_code == 0, done.output
    found = {text[each["start"] : each["end"]] for each in json.loads(done.stdout)["candidates"]}
    assert "Ana Lima" in found
    assert "4471902" not in found


def _made(*scores: float, notes: int = 100, surfaces: str = "", threshold: float = 0.1) -> Pool:
    """Make a pool of candidates one below the other, each note with as many as needed."""
    kind = EntityType(name="X", description="x", operator=load_policy("base").default_operator)
    found = []
    for at, score in enumerate(scores):
        surface = surfaces[at] if surfaces else f"W{at}"
        ordinal = at % notes
        note = Note(f"n-{ordinal}", f"about {surface} here")
        found.append(Candidate(f"n{at}", ordinal, note, 6, 6 + len(surface), score))
    return Pool(kind, threshold, tuple(found), "sha256:0123456789")


def test_the_likeliest_come_first_then_those_around_the_threshold() -> None:
    pool = _made(0.9, 0.05, 0.11, 0.5, 0.02, 0.8, 0.2, 0.09)
    chosen = choose(pool, count=3)
    assert [(each.candidate.score, each.kind) for each in chosen] == [
        (0.9, "likely"),
        (0.8, "likely"),
        (0.5, "likely"),
        (0.11, "uncertain"),
        (0.09, "uncertain"),
        (0.05, "uncertain"),
    ]


def test_a_surface_is_shown_once_and_a_note_does_not_fill_the_list() -> None:
    pool = _made(0.9, 0.8, 0.7, 0.6, surfaces="aAbc")
    assert [each.candidate.surface for each in choose(pool)] == ["a", "b", "c"]
    pool = _made(*(0.9 - at / 100 for at in range(12)), notes=2)
    chosen = choose(pool, per_note=2)
    assert [each.kind for each in chosen] == ["likely"] * 4 + ["uncertain"] * 4
    assert [each.candidate.ordinal for each in chosen[:4]] == [0, 1, 0, 1]


def test_a_threshold_is_lowered_to_the_lowest_accepted() -> None:
    pool = _made(0.9, 0.5, 0.06, 0.05, 0.04)
    decision = decide(pool, {"n0": True, "n1": True, "n2": True, "n3": False})
    assert (decision.previous, decision.threshold, decision.changed) == (0.1, 0.06, True)
    assert (decision.accepted, decision.missed, decision.rejected, decision.wrongly_found) == (3, 0, 1, 0)
    assert (decision.unseen_found, decision.unseen_missed) == (0, 1)
    assert decision.bound == pytest.approx(1 - 0.05 ** (1 / 3))


def test_a_threshold_is_raised_past_what_was_rejected_alone() -> None:
    scores = [0.9 - at / 100 for at in range(20)]
    pool = _made(*scores, 0.12, 0.3)
    yes = {f"n{at}": True for at in range(20)}
    assert decide(pool, {**yes, "n20": False, "n21": False}).threshold == HIGHEST
    held = decide(pool, {**yes, "n20": False})
    assert (held.threshold, held.unseen_found) == (0.3, 1)
    assert "nobody judged" in held.reason
    assert decide(pool, yes).threshold == 0.12
    few = decide(pool, {f"n{at}": True for at in range(10)} | {f"n{at}": False for at in range(10, 22)})
    assert (few.threshold, few.changed) == (0.1, False)
    assert "accept 14 or more" in few.reason
    assert upper_bound(0, 14) <= MOST_MISSED < upper_bound(0, 13)


def test_other_places_of_an_accepted_surface_are_not_given_up() -> None:
    scores = [0.9 - at / 100 for at in range(20)]
    pool = _made(*scores, 0.2, surfaces="abcdefghijklmnopqrstA")
    assert decide(pool, {f"n{at}": True for at in range(20)}).threshold == 0.2


def test_a_lower_recall_gives_up_the_weakest_and_the_bound_says_so() -> None:
    pool = _made(*(0.9 - at / 100 for at in range(19)), 0.04)
    answers = {f"n{at}": True for at in range(20)}
    assert decide(pool, answers).threshold == 0.04
    decision = decide(pool, answers, recall=0.9)
    assert decision.bound == upper_bound(1, 20)
    assert (decision.threshold, decision.missed) == (0.1, 1)


def test_without_an_accepted_candidate_the_threshold_stays() -> None:
    decision = decide(_made(0.9, 0.05), {"n0": False, "n1": False})
    assert (decision.threshold, decision.bound, decision.reason) == (0.1, None, "nothing was accepted")


def test_context_shows_no_sign_that_a_terminal_obeys() -> None:
    text = "a\nb\nc\nd\ne\nf says \x1b[31m\u202e" + "word " * 100 + "X1" + ", then\tmore\n" * 9
    start = text.index("X1")
    around = context(Candidate("n0", 0, Note("n", text), start, start + 2, 0.5))
    assert around.before.startswith("… word word")
    assert around.after == ", then more\n" * 4 + ", then more"
    around = context(Candidate("n0", 0, Note("n", text), start, start + 2, 0.5), width=600)
    assert around.before.startswith("b\nc\nd\ne\nf says �[31m�word")


def test_a_draw_is_the_same_each_time(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    lines = [json.dumps({"note_id": f"n{at}", "text": f"text {at}"}) for at in range(50)]
    path.write_text("\n".join([*lines, '{"note_id": "n50"}']))
    drawn = draw_notes(open_source(path), 10)
    assert drawn == draw_notes(open_source(path), 10)
    assert (len(drawn.notes), drawn.total, drawn.unreadable) == (10, 50, 1)
    ordinals = [ordinal for ordinal, _ in drawn.notes]
    assert ordinals == sorted(set(ordinals))
    assert ordinals != [at for at, _ in draw_notes(open_source(path), 10, seed=2).notes]
    assert [at for at, _ in draw_notes(open_source(path), 60).notes] == list(range(50))
    path.write_text('{"note_id": "n", "text": null}')
    with pytest.raises(UsageError, match="no readable note"):
        draw_notes(open_source(path), 10)


def test_a_description_in_place_of_the_policys() -> None:
    policy = load_policy("base")
    anew = with_description(policy, "MRN", "A chart number.", ["12"]).type("MRN")
    assert (anew.description, anew.examples, anew.views) == ("A chart number.", ("12",), ())
    assert (anew.i2b2, anew.operator) == ("MEDICALRECORD", policy.type("MRN").operator)
    assert with_description(policy, "PET", "A pet.", []).type_names == (*policy.type_names, "PET")
    for name, description in (("pet", "A pet."), ("PET", " "), ("PET", "x" * 2001)):
        with pytest.raises(UsageError, match=r"cannot be used: (name|description); "):
            with_description(policy, name, description, [])


def test_a_sheet_goes_out_and_comes_back(pool: Pool, tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    chosen = choose(pool)
    write_suggestions(path, chosen)
    assert path.stat().st_mode & 0o777 == 0o600
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["id", "note_id", "start", "end", "score", "kind", "context", "answer"]
    assert len(rows) == len(chosen)
    for row, each in zip(rows, chosen, strict=True):
        assert f"⟦{each.candidate.surface}⟧" in row["context"]
        assert TEXTS[int(row["note_id"][2:])][int(row["start"]) : int(row["end"])] == each.candidate.surface
    with pytest.raises(UsageError, match="is there already"):
        write_suggestions(path, chosen)
    assert read_answers(path, pool) == {}
    first, second, third = (row["id"] for row in rows[:3])
    path.write_text(f"answer;id\nY;{first}\n No ;{second}\nskip;{third}\n;\n")
    assert read_answers(path, pool) == {first: True, second: False}


@pytest.mark.parametrize(
    ("rows", "error", "what"),
    [
        ("{0},maybe Okonkwo\n", UsageError, "row 2: the answer is none"),
        ("{0},y\n{0},n\n", UsageError, "row 3: this candidate stands there twice"),
        ("Okonkwo,y\n", IntegrityError, "row 2: there is no such candidate"),
        (",y\n", IntegrityError, "row 2: there is no such candidate"),
    ],
)
def test_sheets_that_are_refused(
    pool: Pool, tmp_path: Path, rows: str, error: type[Exception], what: str
) -> None:
    path = tmp_path / "sheet.csv"
    path.write_text("id,answer\n" + rows.format(pool.candidates[0].id))
    with pytest.raises(error, match=what) as raised:
        read_answers(path, pool)
    assert "Okonkwo" not in str(raised.value)


def test_a_sheet_of_another_wording_is_refused(pool: Pool, tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    write_suggestions(path, choose(pool))
    policy = Policy(
        name="x", version="1", method="custom", default_operator=pool.kind.operator, types=(pool.kind,)
    )
    anew = with_description(policy, "DOCKET_NUMBER", "Number of a court case.", ["79-GD-00418"])
    with pytest.raises(IntegrityError, match="another wording"):
        read_answers(path, find_candidates(anew, "DOCKET_NUMBER", _notes(*TEXTS)))


def test_gold_says_everything_of_the_type(tmp_path: Path) -> None:
    text = f"{'filler ' * 60}docket A1, then B2 and C3;\n{'filler ' * 60}D4 {'filler ' * 60}"
    note = Note("n-0", text, patient_id="p1")
    found = tuple(
        Candidate(surface, 0, note, at := text.index(surface), at + 2, 0.5)
        for surface in ("A1", "B2", "C3", "D4")
    )
    pool = Pool(_made(0.5).kind, 0.1, found, "sha256:00")
    path = tmp_path / "gold.jsonl"
    assert write_passages(path, pool, {"A1": True, "B2": False, "D4": True}) == 2
    assert path.stat().st_mode & 0o777 == 0o600
    (first, marks), (last, last_marks) = read_gold(path)
    assert [first.text[each.start : each.end] for each in marks] == ["A1"]
    assert [last.text[each.start : each.end] for each in last_marks] == ["D4"]
    assert {each.entity_type for each in (*marks, *last_marks)} == {"X"}
    assert "C3" not in first.text + last.text
    assert first.text.endswith(" then B2 and")
    assert first.text.startswith("filler ")
    assert (first.patient_id, first.metadata["only"]) == ("p1", ["X"])
    (rejected,) = first.metadata["rejected"]
    assert first.text[rejected["start"] : rejected["end"]] == "B2"
    assert text[int(last.note_id.removeprefix("n-0@")) :].startswith(last.text)
    with pytest.raises(UsageError, match="is there already"):
        write_passages(path, pool, {})


def _deid(folder: Path, *arguments: str, policy: str = "ours.yaml", name: str = "DOCKET_NUMBER") -> Result:
    target = str(folder / policy) if policy.endswith(".yaml") else policy
    call = ["policy", "suggest", target, name, "--notes", str(folder / "notes.jsonl")]
    return CliRunner().invoke(main, [*call, *arguments])


def _fill(sheet: Path, filled: Path) -> tuple[int, int]:
    """Answer a sheet, and return how many candidates were accepted and rejected."""
    with sheet.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        surface = row["context"].partition("⟦")[2].partition("⟧")[0]
        row["answer"] = "y" if surface in DOCKETS else "n"
    with filled.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    accepted = sum(row["answer"] == "y" for row in rows)
    return accepted, len(rows) - accepted


def test_the_way_of_the_spreadsheet(folder: Path) -> None:
    done = _deid(folder, "--sheet", str(folder / "sheet.csv"))
    assert done.exit_code == 0, done.output
    assert (folder / "ours.yaml").read_text() == POLICY
    accepted, rejected = _fill(folder / "sheet.csv", folder / "filled.csv")
    assert accepted == len({surface.upper() for surface in DOCKETS})
    # A threshold that finds too little, so that the answers lower it.
    high = POLICY.replace("    hipaa: R\n", "    threshold: 0.97  # deid policy suggest: old\n    hipaa: R\n")
    (folder / "ours.yaml").write_text(high)
    (folder / "ours.yaml").chmod(0o600)
    answers = ("--answers", str(folder / "filled.csv"))
    dry = _deid(folder, *answers, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "not saved: write threshold: 0." in dry.stderr
    assert (folder / "ours.yaml").read_text() == high
    done = _deid(folder, *answers, "--gold", str(folder / "gold.jsonl"), "--json")
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    decision = printed["decision"]
    assert (decision["previous"], decision["missed"]) == (0.97, 0)
    assert (decision["accepted"], decision["rejected"]) == (accepted, rejected)
    policy = load_policy(folder / "ours.yaml")
    assert policy.type("DOCKET_NUMBER").threshold == decision["threshold"] < 0.97
    old, new = high.splitlines(), (folder / "ours.yaml").read_text().splitlines()
    changed = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
    assert len(changed) == 1
    assert changed[0][1].startswith(
        f"    threshold: {decision['threshold']:g}  # deid policy suggest: 4 accepted, "
    )
    assert (folder / "ours.yaml").stat().st_mode & 0o777 == 0o600
    gold = {note.text[m.start : m.end] for note, own in read_gold(folder / "gold.jsonl") for m in own}
    assert {surface.upper() for surface in gold} == {surface.upper() for surface in DOCKETS}
    text = done.output + dry.output + (folder / "ours.yaml").read_text().replace(POLICY, "")
    assert "FC-20-5852-D" not in text
    again = json.loads(_deid(folder, *answers, "--json").stdout)["decision"]
    assert again["previous"] == again["threshold"] == decision["threshold"]


def test_json_holds_offsets_and_no_text(folder: Path) -> None:
    done = _deid(folder, "--json", "--count", "2")
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert [each["kind"] for each in printed["candidates"]] == ["likely"] * 2 + ["uncertain"] * 2
    for each in printed["candidates"]:
        assert set(each) == {"id", "note_id", "start", "end", "score", "kind"}
    assert printed["decision"] is None
    assert not any(surface in done.output for surface in DOCKETS)
    assert done.output == _deid(folder, "--json", "--count", "2").output


def test_a_description_by_flags_saves_nothing(folder: Path) -> None:
    flags = (
        "--description",
        "The number of a court case, after docket or case no.",
        "--example",
        "79-GD-00418",
    )
    sheet, filled = folder / "sheet.csv", folder / "filled.csv"
    assert _deid(folder, *flags, "--sheet", str(sheet), name="COURT_CASE").exit_code == 0
    accepted, rejected = _fill(sheet, filled)
    done = _deid(folder, *flags, "--answers", str(filled), name="COURT_CASE")
    assert done.exit_code == 0, done.output
    assert accepted
    assert f"COURT_CASE: {accepted} accepted, {rejected} rejected" in done.stdout
    assert (folder / "ours.yaml").read_text() == POLICY


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        ((), 2, "answering needs a terminal; give --sheet FILE"),
        (("--sheet", "{}/a.csv", "--answers", "{}/b.csv"), 2, "not both"),
        (("--gold", "{}/g.jsonl", "--json"), 2, "--gold needs answers"),
        (("--example", "A1", "--json"), 2, "--example goes with --description"),
        (("--sheet", "{}/ours.yaml"), 2, "is there already"),
        (("--answers", "{}/absent.csv"), 4, "cannot read"),
        (("--answers", "{}/notes.jsonl"), 2, "needs the columns id, note_id"),
        (("--json", "--notes", "{}/absent.jsonl"), 2, "there is no such file"),
        (("--recall", "0.2", "--json"), 2, "0.5<=x<=1"),
    ],
)
def test_bad_calls(folder: Path, arguments: tuple[str, ...], code: int, what: str) -> None:
    done = _deid(folder, *(each.format(folder) for each in arguments))
    assert (done.exit_code, what in done.output) == (code, True), done.output
    assert (folder / "ours.yaml").read_text() == POLICY
    assert sorted(each.name for each in folder.iterdir()) == ["notes.jsonl", "ours.yaml"]


def test_bad_types_and_notes(folder: Path) -> None:
    done = _deid(folder, "--json", name="DOCKET_NUMER")
    assert done.exit_code == 2
    assert "did you mean 'DOCKET_NUMBER'?" in done.output
    done = _deid(folder, "--json", name="BADGE")
    assert done.exit_code == 2
    assert "the encoder does not look for this type" in done.output
    (folder / "notes.jsonl").write_text('{"note_id": "n", "text": "No fever."}\n')
    done = _deid(folder, "--sheet", str(folder / "sheet.csv"))
    assert done.exit_code == 2
    assert "nothing in these notes scores 0.02 or more" in done.output
    assert not (folder / "sheet.csv").exists()
    with pytest.raises(PolicyError):
        find_candidates(load_policy("base"), "PET", _notes("a"))


def _ask(folder: Path, monkeypatch: pytest.MonkeyPatch, keys: str, *arguments: str) -> None:
    """Call the command as if standard input and output were a terminal, and press keys there."""
    left = list(keys)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(click, "getchar", lambda echo=False: left.pop(0))
    call = ["policy", "suggest", str(folder / "ours.yaml"), "DOCKET_NUMBER"]
    main([*call, "--notes", str(folder / "notes.jsonl"), *arguments], standalone_mode=False)
    assert left == []


HIGH = POLICY.replace("    hipaa: R\n", "    threshold: 0.97\n    hipaa: R\n")


def test_keys(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "ours.yaml").write_text(HIGH)
    # The first is rejected, taken back and accepted; the third is skipped; z and x are no keys.
    _ask(folder, monkeypatch, "nybbyzysq" + "xy", "--gold", str(folder / "gold.jsonl"))
    shown = capsys.readouterr()
    assert "DOCKET_NUMBER: 2 accepted, 0 rejected" in shown.out
    assert "wrote" in shown.err
    assert not any(surface in shown.err for surface in DOCKETS)
    threshold = load_policy(folder / "ours.yaml").type("DOCKET_NUMBER").threshold
    assert isinstance(threshold, float)
    assert threshold < 0.97
    assert sum(len(marks) for _, marks in read_gold(folder / "gold.jsonl")) == 2


def test_a_no_at_the_end_leaves_the_policy(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "ours.yaml").write_text(HIGH)
    _ask(folder, monkeypatch, "yq" + "n")
    assert "write it to" in capsys.readouterr().err
    assert (folder / "ours.yaml").read_text() == HIGH


def test_in_a_terminal(folder: Path) -> None:
    (folder / "ours.yaml").write_text(HIGH)
    ours, theirs = pty.openpty()
    call = [sys.executable, "-m", "deid", "policy", "suggest", "ours.yaml", "DOCKET_NUMBER"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(
        [*call, "--notes", "notes.jsonl"],
        cwd=folder,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = ""
    decoder = codecs.getincrementaldecoder("utf-8")()  # a terminal may be read in the middle of a letter
    try:
        for expected, key in (("1 of ", "y"), ("2 of ", "q"), ("y or n", "y"), ("wrote ours.yaml", "")):
            while expected not in shown:
                shown += decoder.decode(os.read(ours, 65536))
            shown = shown.partition(expected)[2]
            time.sleep(0.2)  # what is typed before a key is waited for is thrown away
            os.write(ours, key.encode())
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert load_policy(folder / "ours.yaml").type("DOCKET_NUMBER").threshold != 0.97
