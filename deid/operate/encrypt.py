"""Encryption: tokens from which the holder of the key gets the mention back."""

from __future__ import annotations

import base64
import binascii
import re
from typing import ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from deid.errors import IntegrityError
from deid.keys import Keys
from deid.operate.operator import Params, PolicyOperator, keys_of, subject_of

_VERSION = "ENC1"
_BLOCK = 16
_BINDING = 12
_TOKEN = re.compile(rf"\[{_VERSION}:([^:\[\]\s]+):([A-Za-z0-9_-]+)\]")


class Encrypt(PolicyOperator):
    """Replace a mention by ``[ENC1:MRN:...]``: AES-SIV with a 512-bit key (RFC 5297).

    Encryption is authenticated, and deterministic so that a run repeated gives the same bytes. The price: a
    reader sees which tokens stand for equal values. To limit that, the plaintext begins with a keyed digest
    of the subject: equal values of two patients give different tokens. Plaintexts are padded to blocks of 16
    bytes, so that a token tells little of the length. The entity type is authenticated with the token.

    A token derives from the person and belongs to expert determination, not to Safe Harbor.
    """

    name: ClassVar[str] = "encrypt"

    def replace(self, text: str, params: Params) -> str:
        """Return the token.

        Args:
            text: The mention as written.
            params: See `PolicyOperator.replace`.

        Raises:
            KeyMaterialError: if there is no key.
        """
        keys = keys_of(params)
        entity_type: str = params.get("entity_type", "PHI")
        binding = keys.digest("encrypt-subject", subject_of(params).key_name)[:_BINDING]
        plain = binding + text.encode("utf-8", "surrogatepass") + b"\x80"
        plain += bytes(-len(plain) % _BLOCK)
        sealed = _cipher(keys).encrypt(plain, _associated(entity_type))
        return f"[{_VERSION}:{entity_type}:{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}]"


def decrypt(token: str, keys: Keys) -> str:
    """Return the mention behind a token.

    Args:
        token: What `Encrypt` wrote, brackets included.
        keys: The keys of that run.

    Raises:
        IntegrityError: if this is no token of this version, or another key made it, or it was changed.
    """
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise IntegrityError(f"this is no token; one has the form [{_VERSION}:TYPE:...]")
    encoded = match[2]
    try:
        sealed = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        plain = _cipher(keys).decrypt(sealed, _associated(match[1]))
    except (InvalidTag, binascii.Error):
        raise IntegrityError("the token was made with another key, or was changed") from None
    return plain[_BINDING:].rstrip(b"\x00")[:-1].decode("utf-8", "surrogatepass")


def decrypt_text(text: str, keys: Keys) -> str:
    """Put the mentions back in the place of all tokens of a text.

    Args:
        text: A de-identified note.
        keys: The keys of that run.

    Raises:
        IntegrityError: as `decrypt`.
    """
    return _TOKEN.sub(lambda match: decrypt(match[0], keys), text)


def _cipher(keys: Keys) -> AESSIV:
    return AESSIV(keys.purpose("encrypt:mac") + keys.purpose("encrypt:ctr"))


def _associated(entity_type: str) -> list[bytes]:
    return [_VERSION.encode(), entity_type.encode()]
