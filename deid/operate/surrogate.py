"""Surrogates: realistic values of the same kind, the same ones for the same person wherever they stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from deid.errors import PolicyError
from deid.operate.failure import OperatorFailure
from deid.operate.operator import Params, PolicyOperator, keys_of, subject_of
from deid.operate.surrogates.ages import age
from deid.operate.surrogates.choice import Choice
from deid.operate.surrogates.contact import email, ip_address, url
from deid.operate.surrogates.identifiers import identifier, username
from deid.operate.surrogates.institutions import hospital, location, organization
from deid.operate.surrogates.names import person_name
from deid.operate.surrogates.phones import phone
from deid.operate.surrogates.places import city, country
from deid.operate.surrogates.professions import profession
from deid.operate.surrogates.regions import state, zip_code
from deid.operate.surrogates.streets import street_address
from deid.operate.surrogates.vocabulary import vocabulary_of
from deid.policy_operators import SURROGATE_KINDS, value_of

KINDS: dict[str, Callable[[str, Choice], str]] = {
    "person_name": person_name,
    "profession": profession,
    "hospital": hospital,
    "organization": organization,
    "street_address": street_address,
    "city": city,
    "state": state,
    "country": country,
    "zip_code": zip_code,
    "location": location,
    "age": age,
    "phone": phone,
    "email": email,
    "url": url,
    "ip_address": ip_address,
    "identifier": identifier,
    "username": username,
}


class Surrogate(PolicyOperator):
    """Replace a mention by a realistic value of the same kind.

    The value is drawn from frozen lists by HMAC over the subject's key name and the normalized original; no
    table is kept. Parameter ``kind`` is one of `KINDS`; without it, the entity type decides.
    """

    name: ClassVar[str] = "surrogate"

    def validate(self, params: Params | None = None) -> None:
        """Check the parameters, and that the entity type has a kind where none is given.

        Args:
            params: See `PolicyOperator.validate`.

        Raises:
            PolicyError: naming the parameter or the entity type, with the closest valid name.
        """
        super().validate(params)
        given = params or {}
        if "kind" not in given and "entity_type" in given:
            kind_of(given["entity_type"])

    def replace(self, text: str, params: Params) -> str:
        """Return the surrogate.

        Args:
            text: The mention as written.
            params: See `PolicyOperator.replace`.

        Raises:
            OperatorFailure: if the mention does not look like its kind, or no surrogate differs from it.
            KeyMaterialError: if there is no secret.
            PolicyError: if there is no kind, and none for the entity type.
        """
        entity_type: str = params.get("entity_type", "")
        kind: str = self.value(params, "kind") or kind_of(entity_type)
        subject = subject_of(params)
        vocabulary = vocabulary_of(subject.mentions)
        choice = Choice(keys_of(params), subject.key_name, kind, entity_type, vocabulary)
        new = KINDS[kind](text, choice)
        if new.casefold() == text.casefold():
            raise OperatorFailure("the surrogate reads like the original")
        return new


def kind_of(entity_type: str) -> str:
    """Return the kind of surrogate of an entity type.

    Args:
        entity_type: A type of the shipped policies.

    Raises:
        PolicyError: if the type has none.
    """
    kind = value_of(entity_type)
    if kind in KINDS:
        return kind
    raise PolicyError(
        f"there is no kind of surrogate for the entity type {entity_type!r}; give the operator a kind, as in"
        f" {{surrogate: {{kind: identifier}}}}: {', '.join(SURROGATE_KINDS)}"
    )
