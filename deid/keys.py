"""Secrets: one per run, from which every purpose derives a key of its own."""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from deid.errors import InputOutputError, KeyMaterialError

MIN_BYTES = 32
_MAX_BYTES = 65_536
_SALT = b"clinical-deid/1"


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """A secret and what is derived from it: HKDF-SHA256 (RFC 5869) for each purpose, HMAC-SHA256 for choices.

    Args:
        _secret: At least 32 bytes; use `from_bytes`, `from_file` or `from_environment`.
    """

    _secret: bytes = field(repr=False)
    _derived: dict[bytes, bytes] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if len(self._secret) < MIN_BYTES:
            raise KeyMaterialError(
                f"the secret has {len(self._secret)} bytes; at least {MIN_BYTES} are needed"
                " (deid.keys.new_key_file makes one)"
            )

    @classmethod
    def from_bytes(cls, secret: bytes) -> Keys:
        """Take a secret as it is.

        Args:
            secret: At least 32 bytes, drawn at random.

        Raises:
            KeyMaterialError: if it is shorter.
        """
        return cls(bytes(secret))

    @classmethod
    def from_file(cls, path: str | Path) -> Keys:
        """Read a secret from a file that its owner alone can read.

        The content is taken as it is, without decoding; one line break at the end is left out.

        Args:
            path: The key file.

        Raises:
            KeyMaterialError: if others can read the file or the secret is too short or too long.
            InputOutputError: if it cannot be read.
        """
        try:
            with Path(path).open("rb") as stream:
                mode = os.fstat(stream.fileno()).st_mode
                secret = stream.read(_MAX_BYTES + 1)
        except OSError as error:
            raise InputOutputError(f"key file {path}: cannot be read: {error.strerror}") from None
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            allowed = f"mode {stat.S_IMODE(mode):04o}"
            raise KeyMaterialError(f"key file {path}: others may use it ({allowed}); run chmod 600 on it")
        if len(secret) > _MAX_BYTES:
            raise KeyMaterialError(f"key file {path}: longer than {_MAX_BYTES} bytes; this is not a key file")
        return cls(secret.removesuffix(b"\n").removesuffix(b"\r"))

    @classmethod
    def from_environment(
        cls, variable: str = "DEID_KEY", environment: Mapping[str, str] = os.environ
    ) -> Keys | None:
        """Read a secret from an environment variable.

        Args:
            variable: Its name; its UTF-8 bytes are the secret.
            environment: Where to look.

        Returns:
            The keys, or None if the variable is not set.

        Raises:
            KeyMaterialError: if the variable is set and too short.
        """
        value = environment.get(variable)
        return None if value is None else cls(os.fsencode(value))

    @property
    def key_id(self) -> str:
        """Sixteen hexadecimal characters that tell two secrets apart and reveal neither; for manifests."""
        return self._derive(b"key-id").hex()[:16]

    def purpose(self, purpose: str) -> bytes:
        """Return the 32-byte key of a purpose.

        Args:
            purpose: Such as ``surrogate:city``; different purposes give unrelated keys.
        """
        return self._derive(b"purpose:" + _encode(purpose))

    def digest(self, purpose: str, *parts: str) -> bytes:
        """Return HMAC-SHA256 over parts under the key of a purpose.

        Each part is preceded by its length in bytes (8 bytes, big-endian), so that different parts never give
        the same input.

        Args:
            purpose: As for `purpose`.
            parts: Any texts, lone surrogates included.
        """
        encoded = [_encode(part) for part in parts]
        message = b"".join(len(part).to_bytes(8, "big") + part for part in encoded)
        return hmac.digest(self.purpose(purpose), message, "sha256")

    def number(self, purpose: str, *parts: str, below: int) -> int:
        """Return a whole number that looks random and depends on key, purpose and parts alone.

        Args:
            purpose: As for `purpose`.
            parts: As for `digest`.
            below: Upper bound, exclusive, at most 2**64: the bias is then under 2**-192.

        Raises:
            ValueError: if `below` is out of range.
        """
        if not 1 <= below <= 2**64:
            raise ValueError(f"below must lie in 1..2**64, got {below}")
        return int.from_bytes(self.digest(purpose, *parts), "big") % below

    def _derive(self, info: bytes) -> bytes:
        if info not in self._derived:
            self._derived[info] = HKDF(algorithm=SHA256(), length=32, salt=_SALT, info=info).derive(
                self._secret
            )
        return self._derived[info]


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def new_key_file(path: str | Path) -> None:
    """Write a new secret: 32 random bytes as one line of hexadecimal digits, readable by the owner alone.

    Args:
        path: A file that does not exist yet.

    Raises:
        InputOutputError: if the file exists or cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(MIN_BYTES) + "\n")
    except FileExistsError:
        raise InputOutputError(f"key file {path}: exists already; a key is never overwritten") from None
    except OSError as error:
        raise InputOutputError(f"key file {path}: cannot be written: {error.strerror}") from None
