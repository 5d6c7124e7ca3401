from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest

from deid.detect.engine import Detector
from deid.detect.known import KINDS as HIDDEN_KINDS
from deid.errors import KeyMaterialError, NoteError, Reason, UsageError
from deid.formats.known_values import KINDS
from deid.keys import Keys
from deid.note import Finding, KnownValue, Note
from deid.operate.apply import Operators
from deid.operate.redact import Redact
from deid.policy import EntityType, OperatorSpec, Policy
from deid.run.pipeline import Deidentifier
from deid.run.work import Group

_KEYS = Keys.from_bytes(b"k" * 32)
_SECRET = "Quillfeather"  # stands in notes that fail; must stand in no message
_NAME = re.compile(r"<(\w+)(?: (\w+))?>")
_OFFSETS: dict[str, tuple[int, int]] = {"overlap": (1, 9), "outside": (0, 10_000)}


def _policy(**operators: str | dict[str, Any]) -> Policy:
    """Three types; the operator of each can be given by its name or with parameters."""
    types = []
    for name in ("PATIENT_NAME", "RELATIVE_NAME", "MRN"):
        spec = operators.get(name, "redact")
        given = {"name": spec} if isinstance(spec, str) else spec
        types.append(EntityType(name=name, description="A stand-in type.", operator=OperatorSpec(**given)))
    redact = OperatorSpec(name="redact")
    return Policy(name="standin", version="1", method="custom", default_operator=redact, types=tuple(types))


class _Marks:
    """Finds ``<Name>`` and ``<Name Name>`` without the brackets; raises for texts that hold the word BOOM.

    Args:
        fault: Adds a finding that overlaps the others, or one that leaves the text.
    """

    encoder = None

    def __init__(self, fault: str = "") -> None:
        self._fault = fault
        self.calls: list[int] = []

    def detect(
        self, texts: Sequence[str], *, ad_hoc: Sequence[Sequence[Any]] | None = None
    ) -> list[tuple[Finding, ...]]:
        self.calls.append(len(texts))
        for text in texts:
            if "BOOM" in text:
                raise RuntimeError(f"cannot read {text!r}")
        extra = ad_hoc or [()] * len(texts)
        return [tuple(self._find(text, known)) for text, known in zip(texts, extra, strict=True)]

    def _find(self, text: str, known: Sequence[Any]) -> Iterator[Finding]:
        for match in _NAME.finditer(text):
            yield Finding(match.start() + 1, match.end() - 1, "PATIENT_NAME", 0.9, "rules", "marks")
        for recognizer in known:
            yield from recognizer.find(text)
        if self._fault:
            yield Finding(*_OFFSETS[self._fault], "RELATIVE_NAME", 0.5, "encoder")


def _deidentifier(policy: Policy | None = None, *, fault: str = "", keys: Keys | None = None) -> Deidentifier:
    chosen = policy or _policy()
    return Deidentifier(chosen, _Marks(fault), Operators(chosen, keys=keys))  # type: ignore[arg-type]


def _group(*texts: str, patient: str | None = "p1", **settings: Any) -> Group:
    notes = tuple(Note(f"n{number}", text, patient_id=patient) for number, text in enumerate(texts))
    return Group(notes, **settings)


def _texts(deidentifier: Deidentifier, *groups: Group) -> list[list[str | None]]:
    return [
        [result.deidentified.text if result.deidentified else None for result in results]
        for results in deidentifier.process(groups)
    ]


def test_a_name_found_once_is_hidden_in_the_patient_s_other_notes_only() -> None:
    mine = _group("seen <Tessaly> today", "Tessaly is better", patient="p1")
    other = _group("Tessaly is a river", "the river Tessaly, <Bramwell>", patient="p2")
    assert _texts(_deidentifier(), mine, other) == [
        ["seen <[PATIENT_NAME]> today", "[PATIENT_NAME] is better"],
        ["Tessaly is a river", "the river Tessaly, <[PATIENT_NAME]>"],
    ]


def test_propagation_that_the_policy_does_not_ask_for() -> None:
    policy = _policy()
    types = tuple(kind.model_copy(update={"detect": ("rules",)}) for kind in policy.types)
    narrow = policy.model_copy(update={"types": types})
    assert _texts(_deidentifier(narrow), _group("<Tessaly>", "Tessaly")) == [["<[PATIENT_NAME]>", "Tessaly"]]


@pytest.mark.parametrize("others", [0, 1, 2])
def test_a_group_s_result_depends_on_no_other_group(others: int) -> None:
    policy = _policy(PATIENT_NAME={"name": "surrogate", "params": {"kind": "person_name"}})
    deidentifier = _deidentifier(policy, keys=_KEYS)
    mine = _group("<Tessaly Vorn> and <Bramwell>", "Vorn came back")
    more = [_group("<Tessaly>", "Bramwell", patient=f"q{number}") for number in range(others)]
    alone = deidentifier.process_group(mine)
    assert deidentifier.process([*more, mine])[-1] == alone
    assert deidentifier.process([mine, *more])[0] == alone
    assert "Vorn" not in str([result.deidentified.text for result in alone if result.deidentified])


@pytest.mark.parametrize("operator", ["surrogate", "pseudonym", "hash"])
def test_the_order_of_notes_does_not_matter(operator: str) -> None:
    spec = {"name": operator, "params": {"kind": "person_name"} if operator == "surrogate" else {}}
    deidentifier = _deidentifier(_policy(PATIENT_NAME=spec), keys=_KEYS)
    notes = _group("<Tessaly Vorn>", "<Bramwell Ashdown> with Vorn", "Ashdown, <Marchetti>").notes
    forward = {result.note_id: result for result in deidentifier.process_group(Group(notes))}
    for order in ((2, 1, 0), (1, 0, 2)):
        shuffled = Group(tuple(notes[index] for index in order))
        assert {result.note_id: result for result in deidentifier.process_group(shuffled)} == forward
    texts = [result.deidentified.text for result in forward.values() if result.deidentified]
    assert len(set(texts)) == 3
    assert not re.search("Vorn|Ashdown|Marchetti", " ".join(texts))


def test_the_note_that_fails_is_quarantined_and_no_other() -> None:
    texts = [f"note {number} <Tessaly>" for number in range(12)]
    texts[7] = f"BOOM {_SECRET}"
    deidentifier = _deidentifier()
    groups = [_group(*texts[:3]), _group(*texts[3:9], patient="p2"), _group(*texts[9:], patient="p3")]
    results = [result for results in deidentifier.process(groups) for result in results]
    failed = [result for result in results if result.deidentified is None]
    assert [(result.note_id, result.reason, result.detail) for result in failed] == [
        ("n4", Reason.DETECTOR_FAILED, "RuntimeError")
    ]
    done = [result.deidentified.text for result in results if result.deidentified]
    assert done == [f"note {number} <[PATIENT_NAME]>" for number in range(12) if number != 7]
    assert _SECRET not in repr(results)


def test_a_failing_note_s_neighbours_still_learn_from_one_another() -> None:
    found = _texts(_deidentifier(), _group("<Tessaly>", "BOOM", "Tessaly again"))
    assert found == [["<[PATIENT_NAME]>", None, "[PATIENT_NAME] again"]]


def test_a_batch_without_a_failure_is_read_in_one_go() -> None:
    detector = _Marks()
    policy = _policy()
    deidentifier = Deidentifier(policy, detector, Operators(policy, keys=None))  # type: ignore[arg-type]
    deidentifier.process([_group("a", "b"), _group("c", patient="p2")])
    assert detector.calls == [3]
    assert deidentifier.process([]) == ()


def test_overlapping_findings_become_disjoint_spans_that_cover_both() -> None:
    text = "x <Tessaly> y"
    ((result,),) = _deidentifier(fault="overlap").process([_group(text)])
    assert result.deidentified is not None
    spans = [replacement.span for replacement in result.deidentified.replacements]
    covered = {place for span in spans for place in range(span.start, span.end)}
    assert all(before.end <= after.start for before, after in pairwise(spans))
    assert {place for place in range(1, 10) if text[place].isalnum()} <= covered
    assert "Tess" not in result.deidentified.text


def test_findings_that_do_not_fit_the_text_quarantine_the_note() -> None:
    ((result,),) = _deidentifier(fault="outside").process([_group("too <short> for that")])
    assert (result.deidentified, result.reason) == (None, Reason.DETECTOR_FAILED)


def test_an_operator_that_breaks_quarantines_the_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Redact, text: str, params: object) -> str:
        if text == _SECRET:
            raise RuntimeError(text)
        return "[X]"

    monkeypatch.setattr(Redact, "replace", broken)
    results = _deidentifier().process_group(_group("<Tessaly>", f"<{_SECRET}>"))
    assert [result.reason for result in results] == [None, Reason.OPERATOR_FAILED]
    assert _SECRET not in repr(results)


@pytest.mark.parametrize(
    ("known", "text", "expected"),
    [
        (KnownValue("family_name", "Ashdown"), "ASHDOWN came", "[PATIENT_NAME] came"),
        (KnownValue("mrn", "00-1234"), "number 001234", "number [MRN]"),
        (KnownValue("relative_name", "Ottoline"), "with Ottoline", "with [RELATIVE_NAME]"),
        (KnownValue("city", "Foxholme"), "from Foxholme", "from Foxholme"),  # not a type of this policy
    ],
)
def test_known_values_are_hidden_in_their_patient_s_notes_only(
    known: KnownValue, text: str, expected: str
) -> None:
    groups = (_group(text, known=(known,)), _group(text, patient="p2"))
    assert _texts(_deidentifier(), *groups) == [[expected], [text]]


def test_every_kind_of_known_value_that_a_source_may_have_is_hidden() -> None:
    assert set(KINDS) == set(HIDDEN_KINDS)


def test_a_random_code_stands_for_the_patient() -> None:
    policy = _policy(PATIENT_NAME={"name": "pseudonym", "params": {"code": "random"}})
    coded = _group("<Tessaly>", "Tessaly", code="7KXW9ACDEF")
    bare = _group("<Bramwell>", patient="p2")
    assert _texts(_deidentifier(policy), coded, bare) == [
        ["<[PATIENT 7KXW9ACDEF]>", "[PATIENT 7KXW9ACDEF]"],
        ["<[PATIENT_NAME]>"],  # without a code: redacted
    ]


def test_a_policy_that_needs_a_key_says_so() -> None:
    policy = _policy(MRN="hash").model_copy()
    types = tuple(kind.model_copy(update={"detect": ("rules",)}) for kind in policy.types)
    with pytest.raises(KeyMaterialError, match=r"MRN \(hash\)"):
        Deidentifier.from_policy(policy.model_copy(update={"types": types}))


def test_a_policy_without_the_encoder_loads_none() -> None:
    policy = _policy()
    types = tuple(kind.model_copy(update={"detect": ("rules", "propagation")}) for kind in policy.types)
    deidentifier = Deidentifier.from_policy(policy.model_copy(update={"types": types}))
    assert (deidentifier.model_digest, deidentifier.runtime) == ("", "")
    assert deidentifier.deidentify("MRN: 4471902, BP 120/80").text == "MRN: [MRN], BP 120/80"


def _message(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.__context__)


def test_one_text() -> None:
    note = _deidentifier().deidentify("seen <Tessaly>")
    assert note.text == "seen <[PATIENT_NAME]>"
    (replacement,) = note.replacements
    assert note.text[replacement.new_start : replacement.new_end] == "[PATIENT_NAME]"


@pytest.mark.parametrize(
    ("fault", "text", "reason"),
    [
        ("", f"BOOM {_SECRET}", Reason.DETECTOR_FAILED),
        ("outside", f"{_SECRET} <{_SECRET}>", Reason.DETECTOR_FAILED),
    ],
)
def test_a_text_that_fails_is_not_in_the_error(fault: str, text: str, reason: Reason) -> None:
    deidentifier = _deidentifier(fault=fault)
    with pytest.raises(NoteError) as caught:
        deidentifier.deidentify(text)
    assert caught.value.reason is reason
    assert _SECRET not in _message(caught.value).replace(repr(text), "")
    with pytest.raises(NoteError, match=r"row 1") as caught:
        deidentifier.deidentify(pd.Series(["", text] if not fault else [pd.NA, text]))
    assert _SECRET not in str(caught.value)


def test_a_lone_surrogate_is_an_error_of_ours() -> None:
    policy = _policy()
    deidentifier = Deidentifier(policy, Detector(_rules_only(policy)), Operators(policy, keys=None))
    with pytest.raises(NoteError) as caught:
        deidentifier.deidentify(f"\ud800 {_SECRET}")
    assert _SECRET not in str(caught.value)


def _rules_only(policy: Policy) -> Policy:
    types = tuple(kind.model_copy(update={"detect": ("rules",)}) for kind in policy.types)
    return policy.model_copy(update={"types": types})


_DONE, _ALONE = "<[PATIENT_NAME]>", "Tessaly"


@pytest.mark.parametrize(
    ("index", "owners", "expected"),
    [
        ([0, 1, 2], None, [_DONE, _ALONE, None]),
        ([5, 5, 5], None, [_DONE, _ALONE, None]),
        (["b", "a", "a"], ["p", "p", "p"], [_DONE, "[PATIENT_NAME]", None]),
        ([7, 7, 8], ["p", "q", "q"], [_DONE, _ALONE, None]),
        ([0, 1, 2], [None, None, None], [_DONE, _ALONE, None]),
        ([0, 1, 2], [1.0, float("nan"), float("nan")], [_DONE, _ALONE, None]),
        ([0, 1, 2], ["", "", ""], [_DONE, _ALONE, None]),
        ([0, 1, 2], ["0", None, None], [_DONE, _ALONE, None]),
    ],
)
@pytest.mark.parametrize("dtype", ["object", "string"])
def test_a_series(
    index: list[object], owners: list[object] | None, expected: list[str | None], dtype: str
) -> None:
    texts = pd.Series(["<Tessaly>", "Tessaly", None], index=index, name="note", dtype=dtype)
    before = texts.copy()
    patient_ids = None if owners is None else pd.Series(owners, index=index)
    done = _deidentifier().deidentify(texts, patient_ids=patient_ids)
    assert [None if pd.isna(value) else value for value in done] == expected
    assert done.index.equals(texts.index)
    assert done.name == "note"
    pd.testing.assert_series_equal(texts, before)


def test_an_empty_series() -> None:
    for texts in (pd.Series([], dtype=object), pd.Series([None, None], dtype=object)):
        done = _deidentifier().deidentify(texts)
        assert len(done) == len(texts)
        assert done.isna().all()


def test_patient_ids_under_another_index() -> None:
    with pytest.raises(UsageError, match="index"):
        _deidentifier().deidentify(pd.Series(["a", "b"]), patient_ids=pd.Series(["p", "q"], index=[1, 0]))
