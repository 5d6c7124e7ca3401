from __future__ import annotations

import traceback
from datetime import date
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from presidio_anonymizer.operators import Operator, OperatorType

from deid.errors import KeyMaterialError, NoteError, PolicyError, Reason
from deid.keys import Keys
from deid.note import DeidentifiedNote, Field, Note, Span
from deid.operate import catalog
from deid.operate.apply import Operators, needs_crosswalk, needs_key
from deid.operate.failure import OperatorFailure
from deid.operate.subject import Subject
from deid.policy import EntityType, OperatorSpec, Policy
from deid.registry import Registry

KEYS = Keys.from_bytes(b"k" * 32)
TEXT = "John Smith (MRN 0012345), 91, seen 03/04/2079 by Dr. Okonkwo-Reyes, 02139."
SURFACES = {
    "PATIENT_NAME": "John Smith", "MRN": "0012345", "AGE": "91", "DATE": "03/04/2079",
    "CLINICIAN_NAME": "Okonkwo-Reyes", "ZIP_CODE": "02139",
}  # fmt: skip
SPANS = tuple(
    Span(TEXT.index(surface), TEXT.index(surface) + len(surface), entity_type, 0.9)
    for entity_type, surface in SURFACES.items()
)
SUBJECT = Subject("p1", tuple(sorted(SURFACES.items())), note_date=date(2079, 3, 5))
NOTE = Note("n1", TEXT)


def policy(operators: dict[str, Any], default: str = "redact", **more: Any) -> Policy:
    types = tuple(
        EntityType(name=name, description="x", operator=OperatorSpec.parse(operator))
        for name, operator in operators.items()
    )
    default_operator = OperatorSpec.parse(default)
    return Policy(
        name="tested", version="1", method="custom", default_operator=default_operator, types=types, **more
    )


MIXED = policy(
    {
        "PATIENT_NAME": "pseudonym",
        "MRN": {"mask": {"keep_last": 2}},
        "AGE": {"generalize": {"to": "age_90_plus"}},
        "DATE": {"generalize": {"to": "year"}},
        "CLINICIAN_NAME": "redact",
        "ZIP_CODE": {"generalize": {"to": "zip3"}},
    }
)


def check_shape(note: Note, spans: tuple[Span, ...], result: DeidentifiedNote) -> None:
    assert result.note_id == note.note_id
    assert tuple(replacement.span for replacement in result.replacements) == spans
    old = new = 0
    for replacement in result.replacements:
        assert note.text[old : replacement.span.start] == result.text[new : replacement.new_start]
        assert result.text[replacement.new_start : replacement.new_end] == replacement.text
        old, new = replacement.span.end, replacement.new_end
    assert note.text[old:] == result.text[new:]


def test_one_note_many_operators() -> None:
    result = Operators(MIXED, keys=KEYS).apply(NOTE, SPANS, SUBJECT)
    assert result.text == "PATIENT_1 (MRN ********45), 90+, seen 2079 by Dr. [CLINICIAN_NAME], 021."
    check_shape(NOTE, SPANS, result)
    names = [replacement.operator for replacement in result.replacements]
    assert names == ["pseudonym", "mask", "generalize", "generalize", "redact", "generalize"]


def test_the_path_of_a_field_says_what_its_value_is() -> None:
    fields = tuple(Field(path, "DATE", "1985-03-04") for path in ("birthDate", "period.start"))
    subject = Subject("p1", (("AGE", "94"), ("DATE", "1985-03-04")))
    result = Operators(MIXED, keys=KEYS).apply(Note("n1", "", fields=fields), (), subject)
    assert [field.text for field in result.fields] == ["[DATE]", "1985"]


def test_no_spans_no_change() -> None:
    assert Operators(MIXED, keys=KEYS).apply(NOTE, (), SUBJECT) == DeidentifiedNote("n1", TEXT, ())


def test_a_type_the_policy_lacks_gets_the_default_operator() -> None:
    operators = Operators(policy({"MRN": "keep"}, default="mask"), keys=None)
    result = operators.apply(NOTE, SPANS[:2], SUBJECT)
    assert result.text.startswith("******** (MRN 0012345)")
    assert [replacement.operator for replacement in result.replacements] == ["mask", "keep"]


@pytest.mark.parametrize("census", ["2000", "2020"])
def test_the_census_of_the_policy_counts(census: str) -> None:
    chosen = policy({"ZIP_CODE": {"generalize": {"to": "zip3"}}}, zip3_census=census)
    result = Operators(chosen, keys=None).apply(Note("n1", "83001"), (Span(0, 5, "ZIP_CODE", 1.0),), SUBJECT)
    assert result.text == {"2000": "000", "2020": "830"}[census]


@given(st.data())
def test_outside_the_spans_nothing_changes(data: st.DataObject) -> None:
    text = data.draw(st.text(min_size=1, max_size=60))
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=10, unique=True).map(sorted))
    kinds = st.sampled_from([*SURFACES, "UNKNOWN"])
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    spans = tuple(Span(start, end, data.draw(kinds), 0.5) for start, end in pairs)
    check_shape(Note("n", text), spans, Operators(MIXED, keys=KEYS).apply(Note("n", text), spans, SUBJECT))


@given(st.lists(st.text(alphabet="0123456789abcdefgh", min_size=1), min_size=1, max_size=5))
def test_redacted_text_holds_no_surface(surfaces: list[str]) -> None:
    text, spans = "", []
    for surface in surfaces:
        text += " ~ "
        spans.append(Span(len(text), len(text) + len(surface), "MRN", 1.0))
        text += surface
    result = Operators(policy({"MRN": "redact"}), keys=None).apply(Note("n", text), tuple(spans), SUBJECT)
    assert not any(surface in result.text for surface in surfaces)


@pytest.mark.parametrize(
    ("operator", "text"),
    [
        ("shift_date", "Christmas"),
        ({"generalize": {"to": "year"}}, "3/4"),
        ({"generalize": {"to": "zip3"}}, "K1A 0B1"),
        ({"generalize": {"to": "age_90_plus"}}, "Smith"),
        ({"mask": {"keep_last": 4}}, "12345"),
        ("pseudonym", "nobody listed this"),
        ({"pseudonym": {"code": "random"}}, "Smith"),
    ],
)
def test_what_cannot_be_done_is_redacted(operator: Any, text: str) -> None:
    operators = Operators(policy({"OTHER_ID": operator}), keys=KEYS)
    result = operators.apply(Note("n1", text), (Span(0, len(text), "OTHER_ID", 1.0),), Subject("p1"))
    assert result.text == "[OTHER_ID]"
    assert result.replacements[0].operator == "redact"


@pytest.mark.parametrize("operator", ["shift_date", "generalize", "mask", "pseudonym", "surrogate"])
def test_a_note_goes_to_quarantine_where_the_policy_wants_it(operator: str) -> None:
    params = {
        "generalize": {"to": "year"}, "mask": {"keep_last": 4}, "surrogate": {"kind": "phone"},
    }.get(operator, {})  # fmt: skip
    asked = {operator: {**params, "on_failure": "quarantine"}}
    note, spans = Note("n1", "Easter"), (Span(0, 6, "OTHER_ID", 1.0),)
    with pytest.raises(NoteError) as caught:
        Operators(policy({"OTHER_ID": asked}), keys=KEYS).apply(note, spans, Subject("p1"))
    assert (caught.value.reason, caught.value.detail) == (Reason.OPERATOR_FAILED, operator)
    assert "Easter" not in "".join(traceback.format_exception(caught.value))
    asked[operator]["on_failure"] = "redact"
    result = Operators(policy({"OTHER_ID": asked}), keys=KEYS).apply(note, spans, Subject("p1"))
    assert result.text == "[OTHER_ID]"


def test_a_default_surrogate_redacts_a_type_without_a_kind() -> None:
    operators = Operators(policy({"MRN": "keep"}, default="surrogate"), keys=KEYS)
    result = operators.apply(Note("n1", "A-12"), (Span(0, 4, "DOCKET", 1.0),), Subject("p1"))
    assert (result.text, result.replacements[0].operator) == ("[DOCKET]", "redact")


class Foreign(Operator):
    """An operator of somebody else, which does what the test sets."""

    raises: ClassVar[Exception | None] = None
    result: ClassVar[Any] = "new"
    seen: ClassVar[dict[str, Any]] = {}

    def operate(self, text: str, params: dict[str, Any] | None = None) -> str:
        type(self).seen = dict(params or {})
        (params or {}).clear()
        if self.raises is not None:
            raise self.raises
        return self.result

    def validate(self, params: dict[str, Any] | None = None) -> None:
        pass

    def operator_name(self) -> str:
        return "redact"

    def operator_type(self) -> OperatorType:
        return OperatorType.Anonymize


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> type[Foreign]:
    registry: Registry[Any] = Registry("operator", {"redact": f"{__name__}:Foreign"})
    monkeypatch.setattr(registry, "get", lambda name: Foreign)
    monkeypatch.setattr(catalog, "OPERATORS", registry)
    monkeypatch.setattr(Foreign, "raises", None)
    monkeypatch.setattr(Foreign, "result", "new")
    return Foreign


def apply_foreign() -> DeidentifiedNote:
    return Operators(policy({"MRN": "redact"}), keys=KEYS).apply(NOTE, SPANS[:2], SUBJECT)


def test_operators_of_others_get_what_ours_get(foreign: type[Foreign]) -> None:
    assert apply_foreign().text.startswith("new (MRN new)")
    assert foreign.seen == {
        "entity_type": "MRN",
        "keys": KEYS,
        "subject": SUBJECT,
        "context": "John Smith (MRN ",
    }


@pytest.mark.parametrize(
    "failure", [OperatorFailure("cannot"), ValueError(TEXT), UnicodeDecodeError("utf-8", b"x", 0, 1, "bad")]
)
def test_failures_redact(foreign: type[Foreign], monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    monkeypatch.setattr(foreign, "raises", failure)
    assert apply_foreign().text.startswith("[PATIENT_NAME] (MRN [MRN])")


@pytest.mark.parametrize(
    "failure", [KeyError("Smith"), TypeError("Smith"), RuntimeError("Smith"), KeyMaterialError("Smith")]
)
def test_a_broken_operator_quarantines_the_note(
    foreign: type[Foreign], monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    monkeypatch.setattr(foreign, "raises", failure)
    with pytest.raises(NoteError) as error:
        apply_foreign()
    assert (error.value.reason, error.value.detail) == (Reason.OPERATOR_FAILED, "redact")
    assert "Smith" not in "".join(traceback.format_exception_only(error.value))
    assert error.value.__suppress_context__


@pytest.mark.parametrize("result", [None, b"new", 3])
def test_a_result_that_is_no_text_quarantines_the_note(
    foreign: type[Foreign], monkeypatch: pytest.MonkeyPatch, result: object
) -> None:
    monkeypatch.setattr(foreign, "result", result)
    with pytest.raises(NoteError, match="operator-failed"):
        apply_foreign()


@pytest.mark.parametrize(
    "spans",
    [
        (Span(0, 10, "MRN", 1.0), Span(5, 12, "MRN", 1.0)),
        (Span(20, 22, "MRN", 1.0), Span(5, 12, "MRN", 1.0)),
        (Span(0, len(TEXT) + 1, "MRN", 1.0),),
    ],
    ids=["overlap", "order", "end"],
)
def test_spans_that_do_not_fit_quarantine_the_note(spans: tuple[Span, ...]) -> None:
    with pytest.raises(NoteError, match="spans"):
        Operators(MIXED, keys=KEYS).apply(NOTE, spans, SUBJECT)


def test_a_missing_key_is_named_before_any_note_is_read() -> None:
    keyed = policy({"MRN": "hash", "DATE": "shift_date", "AGE": "keep"})
    with pytest.raises(
        KeyMaterialError, match=r"policy tested needs a key for DATE \(shift_date\), MRN \(hash\); "
    ):
        Operators(keyed, keys=None)


def test_wrong_parameters_are_named_before_any_note_is_read() -> None:
    with pytest.raises(PolicyError, match=r"policy tested: types\.MRN\.operator\.mask\.chr"):
        Operators(policy({"MRN": {"mask": {"chr": "#"}}}), keys=None)


@pytest.mark.parametrize(
    ("operators", "default", "key", "crosswalk"),
    [
        ({"MRN": "redact"}, "redact", False, False),
        ({"MRN": "redact", "SSN": "hash"}, "redact", True, False),
        ({"MRN": "redact"}, "encrypt", True, False),
        ({"MRN": {"pseudonym": {"code": "random"}}}, "redact", False, True),
    ],
)
def test_needs_of_a_policy(operators: dict[str, Any], default: str, key: bool, crosswalk: bool) -> None:
    given_policy = policy(operators, default)
    assert (needs_key(given_policy), needs_crosswalk(given_policy)) == (key, crosswalk)


def test_notes_of_one_subject_agree_whatever_their_order() -> None:
    keyed = policy(
        {"PATIENT_NAME": "pseudonym", "MRN": "hash", "DATE": "shift_date", "CLINICIAN_NAME": "encrypt"}
    )
    notes = [Note("n1", TEXT), Note("n2", f"Addendum. {TEXT}")]
    placed = {
        "n1": SPANS,
        "n2": tuple(Span(span.start + 10, span.end + 10, span.entity_type, span.score) for span in SPANS),
    }
    orders = []
    for ordered in (notes, notes[::-1]):
        operators = Operators(keyed, keys=KEYS)
        orders.append(
            {note.note_id: operators.apply(note, placed[note.note_id], SUBJECT).text for note in ordered}
        )
    assert orders[0] == orders[1]
    assert orders[0]["n2"] == f"Addendum. {orders[0]['n1']}"
