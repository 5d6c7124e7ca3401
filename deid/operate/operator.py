"""What all operators share: Presidio's interface, checked parameters, redaction on failure."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from presidio_anonymizer.operators import Operator, OperatorType

from deid.errors import KeyMaterialError, NoteError, PolicyError, Reason
from deid.keys import Keys
from deid.operate.failure import OperatorFailure
from deid.operate.subject import Subject
from deid.policy_operators import PARAMETERS, Parameter, parameter_problems

Params = Mapping[str, Any]
RUNTIME_PARAMS = frozenset({"entity_type", "keys", "key", "subject", "context"})
_NOBODY = Subject(key_name="")


def marker(entity_type: str) -> str:
    """Return the text that stands for a redacted mention, such as ``[CLINICIAN_NAME]``."""
    return f"[{entity_type}]"


def redacted(operator: str, entity_type: str, params: Params) -> str:
    """Return what stands in the place of a mention that an operator cannot replace.

    Args:
        operator: The operator's name.
        entity_type: The mention's type.
        params: With ``on_failure`` of the policy.

    Raises:
        NoteError: if that is ``quarantine``.
    """
    if params.get("on_failure") == "quarantine":
        raise NoteError(Reason.OPERATOR_FAILED, operator) from None
    return marker(entity_type)


def label(entity_type: str) -> str:
    """Return a type's name as it reads in a pseudonym: ``PATIENT`` of ``PATIENT_NAME``."""
    return entity_type.removesuffix("_NAME")


class PolicyOperator(Operator):
    """Base of the operators: give a name and `replace`; parameters are declared in `deid.policy_operators`.

    Works in `deid.operate.apply.Operators`, which asks `replace` and notes a failure, and in Presidio's
    ``AnonymizerEngine``, which calls `operate` and gets the redacted form on failure; with the parameter
    ``on_failure: quarantine`` the note is not to come out, and an error is raised instead.
    """

    name: ClassVar[str]

    @abstractmethod
    def replace(self, text: str, params: Params) -> str:
        """Return what stands in the place of a mention.

        Args:
            text: The mention as written.
            params: Parameters of the policy with ``entity_type``, and where there are any ``keys`` (or
                ``key``, a secret), ``subject`` and ``context`` (up to 40 code points before the mention,
                or the path of a field).

        Raises:
            OperatorFailure: if this operator cannot replace this mention.
            KeyMaterialError: if it needs a secret and has none.
        """

    def operate(self, text: str, params: Params | None = None) -> str:
        """Do as `replace`, but redact where that fails.

        Args:
            text: The mention as written.
            params: As for `replace`.

        Raises:
            KeyMaterialError: if the operator needs a secret and has none.
            NoteError: where it fails, and ``on_failure`` says ``quarantine``.
        """
        given = params or {}
        try:
            return self.replace(text, given)
        except OperatorFailure:
            return redacted(self.name, given.get("entity_type", "PHI"), given)

    def validate(self, params: Params | None = None) -> None:
        """Check names and values of parameters.

        Args:
            params: Parameters of a policy; what is added at run time may be among them.

        Raises:
            PolicyError: naming operator and parameter, with the closest valid name.
        """
        given = {name: value for name, value in (params or {}).items() if name not in RUNTIME_PARAMS}
        for name, what in parameter_problems(self.name, given):
            raise PolicyError(f"{self.name}.{name}: {what}")

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameters it takes."""
        return PARAMETERS[self.name]

    def value(self, params: Params, name: str) -> Any:
        """Return a parameter or its default."""
        return params.get(name, self.parameters[name].default)

    def operator_name(self) -> str:
        """Return the name used in policies."""
        return self.name

    def operator_type(self) -> OperatorType:
        """Return Presidio's kind of operator."""
        return OperatorType.Anonymize


def subject_of(params: Params) -> Subject:
    """Return the subject, or one without name and mentions: then values are consistent per key only."""
    return params.get("subject") or _NOBODY


def keys_of(params: Params) -> Keys:
    """Return the keys among parameters.

    Args:
        params: With ``keys``, or with ``key``: a secret as bytes or text, as Presidio's operators take it.

    Raises:
        KeyMaterialError: if there is neither, or the secret is too short.
    """
    keys = params.get("keys")
    if isinstance(keys, Keys):
        return keys
    secret = params.get("key")
    if isinstance(secret, str):
        secret = secret.encode("utf-8", "surrogatepass")
    if not isinstance(secret, bytes):
        raise KeyMaterialError("this operator needs a secret: pass it as the parameter key, or keys=Keys...")
    return Keys.from_bytes(secret)
