"""What all operators share: Presidio's interface, checked parameters, redaction on failure."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from presidio_anonymizer.operators import Operator, OperatorType

from deid.errors import KeyMaterialError, PolicyError, unknown_name
from deid.keys import Keys
from deid.operate.failure import OperatorFailure
from deid.operate.subject import Subject

Params = Mapping[str, Any]
RUNTIME_PARAMS = frozenset({"entity_type", "keys", "key", "subject", "context"})
_NOBODY = Subject(key_name="")


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a parameter of an operator may be.

    Args:
        kind: ``str``, ``int`` or ``bool``.
        default: Its value where a policy gives none.
        choices: The values allowed; any when empty.
        low: Smallest number or shortest text allowed.
        high: Largest number or longest text allowed.
    """

    kind: type[str] | type[int] | type[bool]
    default: str | int | bool | None
    choices: tuple[str, ...] = ()
    low: int = 0
    high: int = 10_000

    def problem(self, value: object) -> str | None:
        """Return what is wrong with a value, or None."""
        if type(value) is not self.kind:
            return f"must be of type {self.kind.__name__}, not {type(value).__name__}"
        if isinstance(value, str) and self.choices and value not in self.choices:
            return unknown_name("value", value[:40], self.choices)
        if isinstance(value, bool):
            return None
        size = value if isinstance(value, int) else len(str(value))
        if not self.low <= size <= self.high:
            return f"must {'have a length of' if self.kind is str else 'lie in'} {self.low} to {self.high}"
        return None


def marker(entity_type: str) -> str:
    """Return the text that stands for a redacted mention, such as ``[CLINICIAN_NAME]``."""
    return f"[{entity_type}]"


def label(entity_type: str) -> str:
    """Return a type's name as it reads in a pseudonym: ``PATIENT`` of ``PATIENT_NAME``."""
    return entity_type.removesuffix("_NAME")


class PolicyOperator(Operator):
    """Base of the operators: give a name, the parameters, and `replace`.

    Works in `deid.operate.apply.Operators`, which asks `replace` and notes a failure, and in Presidio's
    ``AnonymizerEngine``, which calls `operate` and gets the redacted form on failure.
    """

    name: ClassVar[str]
    parameters: ClassVar[Mapping[str, Parameter]] = {}

    @abstractmethod
    def replace(self, text: str, params: Params) -> str:
        """Return what stands in the place of a mention.

        Args:
            text: The mention as written.
            params: Parameters of the policy with ``entity_type``, and where there are any ``keys`` (or
                ``key``, a secret), ``subject`` and ``context`` (up to 40 code points before the mention).

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
        """
        given = params or {}
        try:
            return self.replace(text, given)
        except OperatorFailure:
            return marker(given.get("entity_type", "PHI"))

    def validate(self, params: Params | None = None) -> None:
        """Check names and values of parameters.

        Args:
            params: Parameters of a policy; what is added at run time may be among them.

        Raises:
            PolicyError: naming operator and parameter, with the closest valid name.
        """
        for name, value in (params or {}).items():
            if name in RUNTIME_PARAMS:
                continue
            if name not in self.parameters:
                problem = unknown_name("parameter", str(name)[:40], self.parameters)
                raise PolicyError(f"{self.name}.{str(name)[:40]}: {problem}")
            wrong = self.parameters[name].problem(value)
            if wrong:
                raise PolicyError(f"{self.name}.{name}: {wrong}")

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
