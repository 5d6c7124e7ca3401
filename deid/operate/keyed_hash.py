"""Keyed hashes: one token for one value, everywhere; without the key it tells nothing."""

from __future__ import annotations

from typing import ClassVar

from deid.operate.normalize import normalize
from deid.operate.operator import Params, PolicyOperator, keys_of


class KeyedHash(PolicyOperator):
    """Replace a mention by ``MRN_3f0c2a9b5d7e1846``: HMAC-SHA256 under the key of the run.

    The value is normalized first (``SMITH`` and ``Smith`` are equal), and the subject plays no part: a
    clinician has one token in the notes of all patients. That links records, so it belongs to expert
    determination, not to Safe Harbor (45 CFR 164.514(c)).

    Parameter ``length`` is the number of hexadecimal digits, 12 to 64; sixteen make a clash unlikely up to
    some hundred million values.
    """

    name: ClassVar[str] = "hash"

    def replace(self, text: str, params: Params) -> str:
        """Return the type's name and the digest.

        Args:
            text: The mention as written.
            params: See the class.

        Raises:
            KeyMaterialError: if there is no key.
        """
        entity_type: str = params.get("entity_type", "PHI")
        digest = keys_of(params).digest(f"hash:{entity_type}", normalize(text))
        return f"{entity_type}_{digest.hex()[: self.value(params, 'length')]}"
