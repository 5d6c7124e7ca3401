from __future__ import annotations

from typing import Any

import pytest
from presidio_anonymizer.operators import Operator, OperatorType

from deid.errors import PolicyError
from deid.operate.catalog import OPERATORS, check_operator, check_policy, needs_code, needs_key
from deid.policy import EntityType, OperatorSpec, Policy, available_policies, load_policy
from deid.policy_operators import OPERATOR_NAMES


def spec(name: str, **params: Any) -> OperatorSpec:
    return OperatorSpec(name=name, params=params)


def policy(*types: EntityType, default: OperatorSpec | None = None) -> Policy:
    return Policy(
        name="tested", version="1", method="custom", default_operator=default or spec("redact"), types=types
    )


def test_the_policy_language_and_the_catalog_have_the_same_names() -> None:
    assert OPERATORS.names() == tuple(sorted(OPERATOR_NAMES))


@pytest.mark.parametrize("name", OPERATOR_NAMES)
def test_every_operator_is_one_of_presidio(name: str) -> None:
    operator = OPERATORS.get(name)()
    assert isinstance(operator, Operator)
    assert operator.operator_name() == name
    assert operator.operator_type() is OperatorType.Anonymize


@pytest.mark.parametrize("name", available_policies())
def test_shipped_policies_are_in_order(name: str) -> None:
    check_policy(load_policy(name))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (spec("mask", kep_last=2), r"^types\.SSN\.operator\.mask\.kep_last: .*did you mean 'keep_last'"),
        (spec("mask", keep_last=7), r"^types\.SSN\.operator\.mask\.keep_last: must lie in 0 to 4"),
        (spec("generalize"), r"^types\.SSN\.operator\.generalize\.to: missing"),
        (spec("hash", key="s" * 32), r"^types\.SSN\.operator\.hash\.key: a policy holds no secret"),
        (spec("surrogate", knd="city"), r"^types\.SSN\.operator\.surrogate\.knd: .*did you mean 'kind'"),
        (spec("redct"), r"^types\.SSN\.operator: unknown operator 'redct'; did you mean 'redact'"),
    ],
)
def test_what_is_wrong_and_where(given: OperatorSpec, message: str) -> None:
    with pytest.raises(PolicyError, match=message) as error:
        check_operator(given, "SSN")
    assert "s" * 32 not in str(error.value)


def test_default_operator_is_checked_with_its_own_path() -> None:
    with pytest.raises(PolicyError, match=r"^policy tested: default_operator\.mask\.chr: .*'char'"):
        check_policy(
            policy(
                EntityType(name="MRN", description="x", operator=spec("keep")), default=spec("mask", chr="#")
            )
        )


def test_every_type_is_checked() -> None:
    types = [EntityType(name=name, description="x", operator=spec("redact")) for name in ("SSN", "MRN")]
    bad = EntityType(name="AGE", description="x", operator=spec("generalize", to="decade"))
    with pytest.raises(PolicyError, match=r"^policy tested: types\.AGE\.operator\.generalize\.to: "):
        check_policy(policy(*types, bad))


@pytest.mark.parametrize(
    ("given", "key", "code"),
    [
        (spec("redact"), False, False),
        (spec("mask"), False, False),
        (spec("keep"), False, False),
        (spec("generalize", to="year"), False, False),
        (spec("hash"), True, False),
        (spec("encrypt"), True, False),
        (spec("surrogate"), True, False),
        (spec("shift_date"), True, False),
        (spec("pseudonym"), True, False),
        (spec("pseudonym", code="keyed"), True, False),
        (spec("pseudonym", code="random"), False, True),
    ],
)
def test_needs(given: OperatorSpec, key: bool, code: bool) -> None:
    assert (needs_key(given), needs_code(given)) == (key, code)
