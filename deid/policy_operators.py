"""What the operators of a policy take and which values they fit; a policy is checked against it when read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deid.errors import unknown_name

CENSUSES = ("union", "2000", "2010", "2020")
SURROGATE_KINDS = (
    "person_name", "profession", "hospital", "organization", "street_address", "city", "state", "country",
    "zip_code", "location", "age", "phone", "email", "url", "ip_address", "identifier", "username",
)  # fmt: skip
_WEEK = 7

# What the values of a type are: a kind of surrogate, or a date. Told by its i2b2 tag, else by its name.
_VALUE_OF_TAG = {
    "PATIENT": "person_name", "DOCTOR": "person_name", "USERNAME": "username", "PROFESSION": "profession",
    "HOSPITAL": "hospital", "ORGANIZATION": "organization", "STREET": "street_address", "CITY": "city",
    "STATE": "state", "COUNTRY": "country", "ZIP": "zip_code", "LOCATION-OTHER": "location", "AGE": "age",
    "DATE": "date", "PHONE": "phone", "FAX": "phone", "EMAIL": "email", "URL": "url", "IPADDR": "ip_address",
    **dict.fromkeys(
        (
            "SSN", "MEDICALRECORD", "HEALTHPLAN", "ACCOUNT", "LICENSE", "VEHICLE", "DEVICE", "BIOID", "IDNUM",
        ),
        "identifier",
    ),
}  # fmt: skip
_TAG_OF_TYPE = {
    "PATIENT_NAME": "PATIENT", "RELATIVE_NAME": "PATIENT", "CLINICIAN_NAME": "DOCTOR", "USERNAME": "USERNAME",
    "PROFESSION": "PROFESSION", "HOSPITAL": "HOSPITAL", "ORGANIZATION": "ORGANIZATION",
    "STREET_ADDRESS": "STREET", "CITY": "CITY", "STATE": "STATE", "COUNTRY": "COUNTRY", "ZIP_CODE": "ZIP",
    "LOCATION_OTHER": "LOCATION-OTHER", "AGE": "AGE", "DATE": "DATE", "PHONE": "PHONE", "FAX": "FAX",
    "EMAIL": "EMAIL", "URL": "URL", "IP_ADDRESS": "IPADDR", "SSN": "SSN", "MRN": "MEDICALRECORD",
    "HEALTH_PLAN_ID": "HEALTHPLAN", "ACCOUNT_NUMBER": "ACCOUNT", "LICENSE_NUMBER": "LICENSE",
    "VEHICLE_ID": "VEHICLE", "DEVICE_ID": "DEVICE", "BIOMETRIC_ID": "BIOID", "OTHER_ID": "IDNUM",
}  # fmt: skip
_WORDS = {
    "person_name": "names of persons", "profession": "occupations", "hospital": "places of care",
    "organization": "organizations", "street_address": "street addresses", "city": "cities",
    "state": "states", "country": "countries", "zip_code": "ZIP codes", "location": "places", "age": "ages",
    "date": "dates", "phone": "telephone numbers", "email": "e-mail addresses", "url": "web addresses",
    "ip_address": "IP addresses", "identifier": "numbers", "username": "log-in names",
}  # fmt: skip
# What generalize may go to -> the values that have it in them.
_GENERALIZED = {
    "year": ("date",),
    "age_90_plus": ("age",),
    "zip3": ("zip_code",),
    "state": ("state", "street_address", "city", "location"),
}
# Kinds of surrogates that may stand for one another: places of any kind, codes of any kind.
_ALIKE = (
    frozenset({"hospital", "organization", "location", "street_address", "city"}),
    frozenset({"location", "city", "state", "country"}),
    frozenset({"identifier", "username", "zip_code", "phone", "ip_address"}),
    frozenset({"email", "url", "username"}),
)
_METHOD_DEFAULTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    # 45 CFR 164.514(c): a code under Safe Harbor must not derive from information about the individual.
    "hhs-safe-harbor": {"pseudonym": {"code": "random"}},
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a parameter of an operator may be.

    Args:
        kind: ``str``, ``int`` or ``bool``.
        default: Its value where a policy gives none; None where the operator decides.
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

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of its values."""
        if self.kind is bool:
            return {"type": "boolean"}
        if self.kind is int:
            return {"type": "integer", "minimum": self.low, "maximum": self.high}
        if self.choices:
            return {"enum": list(self.choices)}
        return {"type": "string", "minLength": self.low, "maxLength": self.high}


_ON_FAILURE = {"on_failure": Parameter(str, "redact", choices=("redact", "quarantine"))}

# Operators by name; their documentation is in deid/operate, a file for each. `redact` and `keep` cannot fail.
PARAMETERS: Mapping[str, Mapping[str, Parameter]] = {
    "encrypt": _ON_FAILURE,
    "generalize": {
        "to": Parameter(str, None, choices=tuple(_GENERALIZED)),
        "zip3_census": Parameter(str, "union", choices=CENSUSES),
        "day_first": Parameter(bool, False),
        **_ON_FAILURE,
    },
    "hash": {"length": Parameter(int, 16, low=12, high=64), **_ON_FAILURE},
    "keep": {},
    "mask": {
        "char": Parameter(str, "*", low=1, high=1),
        "keep_last": Parameter(int, 0, high=4),
        "length": Parameter(str, "fixed", choices=("fixed", "same")),
        **_ON_FAILURE,
    },
    "pseudonym": {"code": Parameter(str, "none", choices=("none", "random", "keyed")), **_ON_FAILURE},
    "redact": {"text": Parameter(str, None, high=100)},
    "shift_date": {
        "max_days": Parameter(int, 365, low=1, high=3650),
        "weekday": Parameter(bool, True),
        "day_first": Parameter(bool, None),
        **_ON_FAILURE,
    },
    "surrogate": {"kind": Parameter(str, None, choices=SURROGATE_KINDS), **_ON_FAILURE},
}
OPERATOR_NAMES = tuple(PARAMETERS)


def value_of(entity_type: str, i2b2: str | None = None) -> str | None:
    """Return what the values of a type are: one of `SURROGATE_KINDS`, ``date``, or None where nobody knows.

    Args:
        entity_type: Its name.
        i2b2: Its tag in the i2b2-2014 corpus.
    """
    return _VALUE_OF_TAG.get(i2b2 or "") or _VALUE_OF_TAG.get(_TAG_OF_TYPE.get(entity_type, ""))


def tag_of(entity_type: str, i2b2: str | None = None) -> str | None:
    """Return the i2b2 tag of a type; a type of the shipped policies has one by its name.

    Args:
        entity_type: Its name.
        i2b2: The tag it was given.
    """
    return i2b2 or _TAG_OF_TYPE.get(entity_type)


def filled(
    name: str, params: Mapping[str, Any], *, value: str | None, method: str, of_patient: bool = False
) -> dict[str, Any]:
    """Return the parameters of an operator with what type and method make of those left out.

    A generalization goes to what the type's values have in them, a surrogate is of the type's kind, and a
    pseudonym of what names the patient under Safe Harbor is a random code, 45 CFR 164.514(c).

    Args:
        name: The operator.
        params: The parameters given.
        value: From `value_of`.
        method: The policy's method.
        of_patient: Whether the type names the patient and nobody else.
    """
    made = dict(params)
    if name == "generalize" and "to" not in made:
        targets = [target for target, values in _GENERALIZED.items() if value in values]
        made |= {"to": targets[0]} if targets else {}
    elif name == "surrogate" and "kind" not in made and value in SURROGATE_KINDS:
        made["kind"] = value
    elif of_patient:
        made = {**_METHOD_DEFAULTS.get(method, {}).get(name, {}), **made}
    return made


def parameter_problems(name: str, params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the parameters that are wrong, each with what is wrong.

    Args:
        name: One of `OPERATOR_NAMES`.
        params: The parameters given; those left out are in order.
    """
    known = PARAMETERS[name]
    sound = True
    for parameter, value in params.items():
        if parameter in ("key", "keys"):
            yield parameter, "a policy holds no secret; give the key to the run (--key-file or DEID_KEY)"
        elif parameter not in known:
            yield str(parameter)[:40], unknown_name("parameter", str(parameter)[:40], known)
        elif problem := known[parameter].problem(value):
            sound = False
            yield parameter, problem
    if sound:
        yield from _joint_problems(name, params)


def _joint_problems(name: str, params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    given = {parameter: spec.default for parameter, spec in PARAMETERS[name].items()} | dict(params)
    if name == "mask":
        sign = str(given["char"])
        if sign.isalnum() or sign.isspace() or not sign.isprintable():
            yield "char", "must be a printable sign, not a letter, digit or space"
    if name == "shift_date" and given["weekday"] and given["max_days"] < _WEEK:
        yield "max_days", "must be 7 or more, or set weekday: false"


def misfit(name: str, params: Mapping[str, Any], value: str | None) -> tuple[str, str] | None:
    """Return the parameter that is missing or does not fit a type's values, and why; or None.

    Args:
        name: The operator.
        params: Its parameters, from `filled`.
        value: From `value_of`; of unknown values nothing but what is missing is told.
    """
    if name == "generalize":
        return _unfit_generalization(params.get("to"), value)
    if name == "surrogate":
        return _unfit_surrogate(params.get("kind"), value)
    if name == "shift_date" and value not in (None, "date"):
        return "", _does_not_fit(name, ("date",), str(value))
    return None


def _unfit_generalization(target: str | None, value: str | None) -> tuple[str, str] | None:
    if target is None:
        if value is not None:
            return "to", f"there is nothing coarser of {_WORDS[value]}; use redact or another operator"
        return "to", f"missing; one of {', '.join(_GENERALIZED)}"
    fitting = _GENERALIZED[target]
    return None if value is None or value in fitting else ("to", _does_not_fit(target, fitting, value))


def _unfit_surrogate(kind: str | None, value: str | None) -> tuple[str, str] | None:
    if kind is None:
        if value == "date":
            return "kind", "there is no surrogate of a date; use shift_date"
        return "kind", f"missing; give the operator a kind: {', '.join(SURROGATE_KINDS)}"
    alike = {value, *(each for group in _ALIKE if value in group for each in group)}
    return None if value is None or kind in alike else ("kind", _does_not_fit(kind, (kind,), value))


def _does_not_fit(what: str, fitting: tuple[str, ...], value: str) -> str:
    options = ["redact", "mask", "pseudonym", "hash"]
    if value in SURROGATE_KINDS:
        options.append(f"surrogate: {{kind: {value}}}")
    options += [f"generalize: {{to: {target}}}" for target, values in _GENERALIZED.items() if value in values]
    options += ["shift_date"] if value == "date" else []
    words = " and ".join(_WORDS[each] for each in fitting)
    return f"{what} fits {words}, and the values of this type are {_WORDS[value]}; use {', '.join(options)}"
