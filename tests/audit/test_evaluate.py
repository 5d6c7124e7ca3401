from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from deid.audit.evaluate import Evaluation, evaluate, gates_of
from deid.audit.gates import read_gates
from deid.audit.problems import Problem, shape_of
from deid.cli import main
from deid.detect.engine import Detector
from deid.errors import UsageError
from deid.formats.annotations import i2b2, token_tags
from deid.formats.gold import Gold
from deid.formats.markup import read_marked
from deid.note import KnownValue, Note
from deid.policy import Policy, load_policy
from deid.run.pipeline import Deidentifier

SECRET = "Zyxquill"
NOTES = (
    ("n1", "p1", "Pt seen by Dr. ⟦CLINICIAN_NAME|Zyxquill⟧ on ⟦DATE|3/4/2079⟧, MRN: ⟦MRN|4471902⟧."),
    ("n2", "p1", "⟦PATIENT_NAME|zyxquill⟧ lives in ⟦CITY|Qumby⟧. Call ⟦PHONE|603-555-0142⟧."),
    ("n3", "p2", "No changes. BP 120/80. Foley removed."),
)


def golds() -> list[Gold]:
    made = []
    for name, patient, marked in NOTES:
        text, mentions = read_marked(marked)
        note = Note(name, text, patient_id=patient, metadata={"kind": "clinic", "origins": "irish"})
        made.append((note, mentions))
    return made


@pytest.fixture(scope="module", name="policy_file")
def _policy_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a policy of rules alone, which needs no encoder."""
    path = tmp_path_factory.mktemp("policy") / "rules.yaml"
    kinds = (
        f"  {name}: {{detect: [rules]}}\n" for name in load_policy("safe-harbor").type_names if name != "DATE"
    )
    path.write_text(
        "policy: rules\nversion: '1'\nmethod: custom\nextends: safe-harbor\ntypes:\n"
        + "".join(kinds)
        + "  DATE: {detect: [rules], operator: keep}\n"
    )
    return path


@pytest.fixture(scope="module", name="evaluation")
def _evaluation(policy_file: Path) -> Evaluation:
    return evaluate(golds(), Deidentifier.for_detection(load_policy(policy_file)))


def test_figures(evaluation: Evaluation) -> None:
    """The rules find the titled name, the dates and numbers; not the bare name and the town."""
    assert evaluation.by_type == {
        "CITY": (0, 1),
        "CLINICIAN_NAME": (1, 1),
        "DATE": (1, 1),
        "MRN": (1, 1),
        "PATIENT_NAME": (0, 1),
        "PHONE": (1, 1),
    }
    assert evaluation.figures["recall"] == pytest.approx(4 / 6)
    assert evaluation.figures["removed"] == pytest.approx(3 / 6)  # dates are found and kept
    assert evaluation.figures["notes_without_leak"] == pytest.approx(2 / 3)
    assert evaluation.figures["patients_without_leak"] == pytest.approx(1 / 2)
    assert evaluation.figures["precision"] == 1
    assert evaluation.bounds["notes_without_leak"][0] == pytest.approx(1 - 0.8646, abs=1e-3)
    assert evaluation.by_item == {"A": (1, 2), "B": (0, 1), "C": (1, 1), "D": (1, 1), "H": (1, 1)}
    assert evaluation.by_kind == {"clinic": (4, 6)}
    assert evaluation.by_origin == {"irish": (1, 2)}


def test_what_a_source_knows_is_found_in_the_notes_of_its_patient_alone(tmp_path: Path) -> None:
    path = tmp_path / "known.yaml"
    kinds = (f"  {name}: {{detect: [rules, known]}}\n" for name in load_policy("safe-harbor").type_names)
    path.write_text("policy: known\nversion: '1'\nextends: safe-harbor\ntypes:\n" + "".join(kinds))
    deidentifier = Deidentifier.for_detection(load_policy(path))
    table = {
        "p1": (KnownValue("name", "Ana Zyxquill"), KnownValue("city", "Qumby")),
        "p2": (KnownValue("name", "Foley Nemo"),),
        "1": (KnownValue("name", "Call Nobody"),),
    }
    made = evaluate(golds(), deidentifier, known=table)
    assert made.by_type["CITY"] == (1, 1)
    assert ("n3", "over-redaction") in {(each.note_id, each.kind) for each in made.problems}
    nobody = [(replace(note, patient_id=None), mentions) for note, mentions in golds()]
    assert evaluate(nobody, deidentifier, known=table).by_type["CITY"] == (0, 1)


def test_problems_are_told_by_shape(evaluation: Evaluation) -> None:
    assert [(each.note_id, each.entity_type, each.shape, each.part) for each in evaluation.problems] == [
        ("n2", "PATIENT_NAME", "a", "all"),
        ("n2", "CITY", "Aa", "all"),
    ]
    content = json.dumps(evaluation.as_json())
    for secret in (SECRET, SECRET.lower(), "Qumby", "4471902"):
        assert secret not in content


def test_text_is_shown_when_asked_for(policy_file: Path) -> None:
    shown = evaluate(golds(), Deidentifier.for_detection(load_policy(policy_file)), with_text=True)
    assert "lives in Qumby. Call" in shown.problems[1].text


@pytest.mark.parametrize(
    ("surface", "shape"),
    [
        ("O'Neil-Lima, 3/4", "A'Aa-Aa, 9/9"),
        ("LIMA, ANA", "AA, AA"),
        ("Ana\n  Lima", "Aa Aa"),
        ("AB-0041", "AA-9999"),
    ],
)
def test_shapes(surface: str, shape: str) -> None:
    assert shape_of(surface) == shape


def test_a_note_that_fails_counts_nowhere(policy_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Detector.detect

    def fail(self: Detector, texts: list[str], **named: object) -> object:
        if any("Foley" in text for text in texts):
            raise RuntimeError(SECRET)
        return real(self, texts, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Detector, "detect", fail)
    made = evaluate(golds(), Deidentifier.for_detection(load_policy(policy_file)))
    assert made.quarantined == (("n3", "detector-failed"),)
    assert [note.note_id for note in made.notes] == ["n1", "n2"]


def test_gates(evaluation: Evaluation) -> None:
    gates = gates_of(
        evaluation,
        read_gates("recall>=0.6, over_redaction<=0.01,recall:PHONE>=1,notes_without_leak>=0.9"),
    )
    assert [gate.holds for gate in gates] == [True, True, True, False]
    assert gates_of(evaluation, read_gates("")) == ()


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ("recal>=1", "did you mean 'recall'"),
        ("recall:FONE>=1", "did you mean 'PHONE'"),
        ("recall=1", "write MEASURE>=NUMBER"),
        ("recall<=1", "is written with >="),
        ("over_redaction>=1", "is written with <="),
        ("precision:PHONE>=1", "measure"),
    ],
)
def test_gates_that_cannot_be(evaluation: Evaluation, gate: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        gates_of(evaluation, read_gates(gate))


def test_no_notes(policy_file: Path) -> None:
    with pytest.raises(UsageError, match="no notes"):
        evaluate([], Deidentifier.for_detection(load_policy(policy_file)))


def test_the_figures_do_not_depend_on_the_shape_of_the_gold(
    policy_file: Path, evaluation: Evaluation, tmp_path: Path
) -> None:
    i2b2.write(tmp_path / "xml", golds())
    token_tags.write(tmp_path / "rows.jsonl", golds())
    for path in (tmp_path / "xml", tmp_path / "rows.jsonl"):
        done = CliRunner().invoke(main, ["evaluate", str(path), "--policy", str(policy_file), "--json"])
        assert done.exit_code == 0, done.output
        figures = json.loads(done.stdout)["figures"]
        for name in ("recall", "precision", "over_redaction", "notes_without_leak"):
            assert figures[name]["value"] == pytest.approx(evaluation.figures[name], abs=1e-6)


def test_the_command(policy_file: Path, tmp_path: Path) -> None:
    token_tags.write(tmp_path / "rows.jsonl", golds())
    call = ["evaluate", str(tmp_path / "rows.jsonl"), "--policy", str(policy_file)]
    done = CliRunner().invoke(main, [*call, "--gate", "recall>=0.99"])
    assert done.exit_code == 1
    assert "3 notes of 2 patients, 6 mentions" in done.output
    assert "gate recall 0.99: 0.6667 MISSED" in done.output
    assert SECRET.lower() not in done.output.lower()
    assert "Qumby" in CliRunner().invoke(main, [*call, "--with-text"]).output
    missing = CliRunner().invoke(main, [*call[:1], "gone.jsonl", *call[2:]])
    assert missing.exit_code == 2


def test_operators_that_need_a_key_do_not_stand_in_the_way() -> None:
    policy = load_policy("research-surrogates")
    types = tuple(kind.model_copy(update={"detect": ("rules",)}) for kind in policy.types)
    keyless: Policy = policy.model_copy(update={"types": types})
    assert evaluate(golds(), Deidentifier.for_detection(keyless)).figures["recall"] > 0.5


def test_problems_hold_no_text_by_themselves() -> None:
    assert Problem("leak", "n", 0, 3, "DATE", "9/9", "all", "prose", ()).text == ""
