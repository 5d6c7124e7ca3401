"""The operators of a policy, applied to the spans of a note."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deid.errors import KeyMaterialError, NoteError, PolicyError, Reason
from deid.keys import Keys
from deid.note import DeidentifiedNote, Field, Note, ReplacedField, Replacement, Span
from deid.operate import catalog
from deid.operate.failure import OperatorFailure
from deid.operate.operator import PolicyOperator, redacted
from deid.operate.subject import Subject
from deid.policy import OperatorSpec, Policy

_CONTEXT = 40
_REDACT, _KEEP = "redact", "keep"


@dataclass(frozen=True, slots=True)
class _Prepared:
    name: str
    call: Callable[[str, dict[str, Any]], str]
    params: Mapping[str, Any]


def needs_key(policy: Policy) -> bool:
    """Tell whether a policy cannot run without a secret.

    Args:
        policy: A resolved policy.
    """
    return any(catalog.needs_key(spec) for spec in _specs(policy).values())


def needs_crosswalk(policy: Policy) -> bool:
    """Tell whether a policy asks for random record codes, which live in a crosswalk file.

    Args:
        policy: A resolved policy.
    """
    return any(catalog.needs_code(spec) for spec in _specs(policy).values())


class Operators:
    """One operator for each type of a policy, its parameters checked once.

    Args:
        policy: A resolved policy.
        keys: The secret of the run; None if the policy needs none.

    Raises:
        PolicyError: if an operator does not take its parameters.
        KeyMaterialError: if the policy needs a secret and there is none.
    """

    def __init__(self, policy: Policy, *, keys: Keys | None) -> None:
        specs = _specs(policy)
        keyed = sorted(name for name, spec in specs.items() if keys is None and catalog.needs_key(spec))
        if keyed:
            names = ", ".join(f"{name} ({specs[name].name})" for name in keyed)
            raise KeyMaterialError(
                f"policy {policy.name} needs a key for {names}; make one with deid key, then give it by"
                " --key-file or DEID_KEY"
            )
        catalog.check_policy(policy)
        self._keys = keys
        self._census = policy.zip3_census
        self._default = policy.default_operator
        self._prepared = {kind.name: self._prepare(kind.operator, kind.name) for kind in policy.types}

    def apply(self, note: Note, spans: tuple[Span, ...], subject: Subject) -> DeidentifiedNote:
        """Replace the spans of a note, from left to right, and its fields whole.

        A span whose operator cannot do its job is redacted, and says so in `Replacement.operator`; with
        ``on_failure: quarantine`` the note goes to quarantine instead.

        Args:
            note: The note.
            spans: Sorted and disjoint; a type that the policy does not have gets the default operator.
            subject: Whom the note is about.

        Raises:
            NoteError: if the spans do not fit the note, an operator breaks, or one fails that may not.
        """
        text = note.text
        pieces: list[str] = []
        replacements: list[Replacement] = []
        position = length = 0
        for span in spans:
            if span.start < position or span.end > len(text):
                raise NoteError(Reason.OPERATOR_FAILED, "spans overlap or leave the note")
            before = text[position : span.start]
            context = text[max(0, span.start - _CONTEXT) : span.start]
            name, new = self._replace(text[span.start : span.end], span.entity_type, subject, context)
            start = length + len(before)
            length = start + len(new)
            pieces += (before, new)
            replacements.append(Replacement(span, name, new, start, length))
            position = span.end
        pieces.append(text[position:])
        fields = tuple(self._replace_field(each, subject) for each in note.fields)
        return DeidentifiedNote(note.note_id, "".join(pieces), tuple(replacements), fields)

    def _replace_field(self, field: Field, subject: Subject) -> ReplacedField:
        if not field.text:
            return ReplacedField(field.path, field.entity_type, _KEEP, "")
        operator, new = self._replace(field.text, field.entity_type, subject, field.path)
        return ReplacedField(field.path, field.entity_type, operator, new)

    def _replace(self, surface: str, entity_type: str, subject: Subject, context: str) -> tuple[str, str]:
        prepared = self._prepared.get(entity_type) or self._prepare_unknown(entity_type)
        params = {**prepared.params, "subject": subject, "context": context}
        try:
            new = prepared.call(surface, params)
        except (OperatorFailure, ValueError):
            return _REDACT, redacted(prepared.name, entity_type, params)
        except Exception:
            # Whatever an operator raises, the note must not come out; the cause may quote it and ends here.
            raise NoteError(Reason.OPERATOR_FAILED, prepared.name) from None
        if not isinstance(new, str):
            raise NoteError(Reason.OPERATOR_FAILED, prepared.name)
        return prepared.name, new

    def _prepare_unknown(self, entity_type: str) -> _Prepared:
        try:
            catalog.check_operator(self._default, entity_type)
            prepared = self._prepare(self._default, entity_type)
        except PolicyError:  # a surrogate without a kind says nothing of a type that the policy does not have
            prepared = self._prepare(OperatorSpec(name=_REDACT), entity_type)
        self._prepared[entity_type] = prepared
        return prepared

    def _prepare(self, spec: OperatorSpec, entity_type: str) -> _Prepared:
        operator = catalog.OPERATORS.get(spec.name)()
        given = {"entity_type": entity_type, "keys": self._keys}
        if isinstance(operator, PolicyOperator):
            if "zip3_census" in operator.parameters:
                given["zip3_census"] = self._census
            return _Prepared(spec.name, operator.replace, {**given, **spec.params})
        return _Prepared(spec.name, operator.operate, {**given, **spec.params})


def _specs(policy: Policy) -> dict[str, OperatorSpec]:
    return {
        "default_operator": policy.default_operator,
        **{kind.name: kind.operator for kind in policy.types},
    }
