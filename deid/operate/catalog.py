"""The operators by name, and the check of what a policy asks of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deid.errors import PolicyError, UsageError
from deid.policy import OperatorSpec, Policy
from deid.registry import Registry

if TYPE_CHECKING:
    from presidio_anonymizer.operators import Operator

OPERATORS: Registry[type[Operator]] = Registry(
    "operator",
    {
        "encrypt": "deid.operate.encrypt:Encrypt",
        "generalize": "deid.operate.generalize:Generalize",
        "hash": "deid.operate.keyed_hash:KeyedHash",
        "keep": "deid.operate.keep:Keep",
        "mask": "deid.operate.mask:Mask",
        "pseudonym": "deid.operate.pseudonym:Pseudonym",
        "redact": "deid.operate.redact:Redact",
        "shift_date": "deid.operate.shift_date:ShiftDate",
        "surrogate": "deid.operate.surrogate:Surrogate",
    },
)
# The parameter that the type decides where it is left out.
_BY_TYPE = {"generalize": "to", "surrogate": "kind"}
_KEYED = frozenset({"encrypt", "hash", "shift_date", "surrogate"})


def check_operator(spec: OperatorSpec, entity_type: str = "") -> None:
    """Check that an operator exists and takes the parameters given.

    Args:
        spec: What the policy says.
        entity_type: The type it belongs to; empty for the policy's default operator.

    Raises:
        PolicyError: with key path, what is wrong and the closest valid name.
    """
    path = f"types.{entity_type}.operator" if entity_type else "default_operator"
    secrets = sorted({"key", "keys"} & spec.params.keys())
    if secrets:
        where = f"{path}.{spec.name}.{secrets[0]}"
        raise PolicyError(
            f"{where}: a policy holds no secret; give the key to the run (--key-file or DEID_KEY)"
        )
    try:
        operator = OPERATORS.get(spec.name)()
    except UsageError as error:
        raise PolicyError(f"{path}: {error}") from None
    if not entity_type and spec.name in _BY_TYPE and _BY_TYPE[spec.name] not in spec.params:
        return  # a policy file's types fill this in; see deid.policy_operators.filled
    try:
        operator.validate({**spec.params, "entity_type": entity_type})
    except PolicyError as error:
        joint = "." if str(error).startswith(f"{spec.name}.") else f".{spec.name}: "
        raise PolicyError(f"{path}{joint}{error}") from None


def check_policy(policy: Policy) -> None:
    """Check the operators of all types and the default one.

    Args:
        policy: A resolved policy.

    Raises:
        PolicyError: naming policy, key path and what is wrong.
    """
    try:
        check_operator(policy.default_operator)
        for entity_type in policy.types:
            check_operator(entity_type.operator, entity_type.name)
    except PolicyError as error:
        raise PolicyError(f"policy {policy.name}: {error}") from None


def needs_key(spec: OperatorSpec) -> bool:
    """Tell whether an operator needs a secret.

    Args:
        spec: What the policy says.
    """
    return spec.name in _KEYED or (spec.name == "pseudonym" and spec.params.get("code") != "random")


def needs_code(spec: OperatorSpec) -> bool:
    """Tell whether an operator needs a random record code, and so the run a crosswalk file.

    Args:
        spec: What the policy says.
    """
    return spec.name == "pseudonym" and spec.params.get("code") == "random"
