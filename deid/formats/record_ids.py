"""New ids of resources: the same for the same id everywhere, always valid, never made from a person's data.

A new id is valid in FHIR (``[A-Za-z0-9-.]{1,64}``); a UUID becomes a UUID, so that ``urn:uuid:`` stays one.
"""

from __future__ import annotations

import base64
import re
import secrets
import sqlite3
import weakref
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING
from uuid import UUID

from deid.keys import Keys

if TYPE_CHECKING:
    from deid.formats.source import Options

NewId = Callable[[str], str]
_ID_TYPE = "OTHER_ID"
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SIGNS = 26


def new_ids(options: Options) -> NewId:
    """Return what gives new ids: `Options.new_id` where sources share it, else what the policy asks for.

    Args:
        options: Of the source; without a policy, or where it keeps other ids, ids stay.
    """
    if options.new_id is not None:
        return options.new_id
    if options.operators is None or options.operators.get(_ID_TYPE) == "keep":
        return same
    return keyed(options.id_keys) if options.id_keys is not None else Numbered()


def same(text: str) -> str:
    """Keep an id.

    Args:
        text: The id.
    """
    return text


def keyed(keys: Keys) -> NewId:
    """Derive ids from a secret: the same in every run with it, 128 bits long.

    Args:
        keys: The secret.
    """

    def new(text: str) -> str:
        if _UUID.fullmatch(text):
            return str(UUID(bytes=keys.digest("fhir-id", text.lower())[:16], version=4))
        return base64.b32encode(keys.digest("fhir-id", text)[:20]).decode().lower()[:_SIGNS]

    return new


class Numbered:
    """Numbers ids in the order in which they first occur; an output shows that order anyway.

    The numbers of an input are the same whenever it is read from its beginning. They are kept by salted
    digest, beyond a small cache in a temporary file without a name.
    """

    def __init__(self) -> None:
        self._salt = secrets.token_bytes(16)
        self._table = sqlite3.connect("", isolation_level=None)
        weakref.finalize(self, self._table.close)
        for line in (
            "PRAGMA journal_mode=OFF",
            "PRAGMA synchronous=OFF",
            "CREATE TABLE ids (digest BLOB PRIMARY KEY, number INTEGER) WITHOUT ROWID",
            "BEGIN",
        ):
            self._table.execute(line)
        self._count = 0

    def __call__(self, text: str) -> str:
        """Return the new id.

        Args:
            text: The id.
        """
        is_uuid = _UUID.fullmatch(text) is not None
        number = self._number(text.lower() if is_uuid else text)
        return str(UUID(int=number, version=4)) if is_uuid else f"id-{number}"

    def _number(self, text: str) -> int:
        digest = blake2b(text.encode("utf-8", "surrogatepass"), key=self._salt, digest_size=16).digest()
        row = self._table.execute("SELECT number FROM ids WHERE digest = ?", (digest,)).fetchone()
        if row is not None:
            return int(row[0])
        self._count += 1
        self._table.execute("INSERT INTO ids VALUES (?, ?)", (digest, self._count))
        return self._count
