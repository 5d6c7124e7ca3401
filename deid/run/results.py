"""What a run keeps of each note for the next one, which carries it over where nothing changed."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

from deid.audit.log import MANIFEST_NAME, canonical, seal
from deid.errors import InputOutputError, IntegrityError, UsageError
from deid.formats.atomic import sync_folder
from deid.keys import MIN_BYTES, Keys
from deid.run.directory import RESULTS
from deid.run.manifest import COMPLETE, file_digest, read_manifest
from deid.run.spool import Item
from deid.run.units import ItemGroup

_VERSION = 1
_PARTS = ("policy", "model", "code")
_NOTE, _GROUP, _SEAL = "carry-note", "carry-group", "carry-result"
_DIGEST_BYTES = 16
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_CACHE_KIB = 32_768
_TABLES = """
CREATE TABLE kept (version INTEGER NOT NULL, salt BLOB);
CREATE TABLE note (ordinal INTEGER PRIMARY KEY, digest BLOB NOT NULL, together BLOB NOT NULL, kind TEXT,
                   source INTEGER);
CREATE TABLE result (ordinal INTEGER PRIMARY KEY, content BLOB NOT NULL, seal BLOB NOT NULL);
"""
_INDEXES = "CREATE INDEX by_digest ON note (digest); CREATE INDEX by_group ON note (together);"
_SAME_GROUP = """
SELECT note.ordinal FROM earlier.note JOIN earlier.result ON result.ordinal = note.ordinal
WHERE note.together = ? ORDER BY note.ordinal LIMIT ?
"""
_COPY = """
INSERT INTO main.result SELECT note.ordinal, result.content, result.seal
FROM main.note JOIN earlier.result ON result.ordinal = note.source ORDER BY note.ordinal
"""
_GONE = """
SELECT count(*) FROM earlier.note AS before
WHERE NOT EXISTS (SELECT 1 FROM main.note AS now WHERE now.digest = before.digest)
"""
_CARRIED = """
SELECT note.ordinal, note.kind, result.content FROM note JOIN result ON result.ordinal = note.ordinal
WHERE note.source IS NOT NULL ORDER BY note.ordinal
"""
_SEALED = "SELECT digest, together, content, seal FROM note JOIN result ON result.ordinal = note.ordinal"


@dataclass(frozen=True, slots=True)
class Earlier:
    """A finished run whose results may be carried over.

    Args:
        path: The results it keeps.
        digest: Digest of its manifest.
        manifest: The manifest.
    """

    path: Path
    digest: str
    manifest: Mapping[str, Any]

    def differing(self, draft: Mapping[str, Any]) -> tuple[str, ...]:
        """Name what all results depend on and is not the same any more: policy, model, code.

        Args:
            draft: The manifest of the run that begins.
        """
        return tuple(name for name in _PARTS if self.manifest[name] != draft[name])


def read_earlier(directory: Path, keys: Keys | None) -> Earlier:
    """Look at an earlier run.

    Args:
        directory: Its run directory, or the manifest in it.
        keys: The secret of the run that begins.

    Raises:
        UsageError: if there is no finished run, or it keeps no results.
        IntegrityError: if it had another secret, so that surrogates, dates and codes would change, or its
            manifest was changed.
        InputOutputError: if it cannot be read.
    """
    folder = directory.parent if directory.name == MANIFEST_NAME else directory
    manifest = read_manifest(folder)
    if manifest is None or manifest.get("status") != COMPLETE:
        raise UsageError(f"--since-manifest {directory}: there is no finished run here")
    if manifest["key"]["id"] != (keys.key_id if keys is not None else None):
        raise IntegrityError(
            f"--since-manifest {directory}: that run was made with another secret, or one of the two"
            " with none: surrogates and dates would change; give the same one, or leave out --since-manifest"
        )
    if keys is not None and not hmac.compare_digest(str(manifest.get("seal")), seal(manifest, keys)):
        raise IntegrityError(
            f"--since-manifest {directory}: the manifest was changed: its seal does not match"
        )
    if not (folder / RESULTS).is_file():
        raise UsageError(
            f"--since-manifest {directory}: the run keeps no {RESULTS}; leave out --since-manifest"
        )
    return Earlier(folder / RESULTS, file_digest(folder / MANIFEST_NAME), manifest)


class Results:
    """The file in which a run keeps results; written in two stages, as notes are read and as they are merged.

    A note is known by HMAC-SHA256 of all that its result depends on, under the run's secret or else a random
    salt in the file; the notes of a patient are carried over together or not at all, and none is that was
    quarantined. The file is for its owner only. Memory does not grow with the number of notes.

    Args:
        path: The file; replaced as reading begins.
        draft: The manifest of this run.
        keys: The run's secret, if it has one.
        earlier: Where results are carried over from.
    """

    def __init__(
        self, path: Path, draft: Mapping[str, Any], *, keys: Keys | None, earlier: Earlier | None
    ) -> None:
        self._path, self._earlier = path, earlier
        parts = canonical({name: draft[name] for name in _PARTS})
        self._context = hashlib.sha256(parts.encode()).hexdigest()
        self._salt = None
        if keys is None:
            self._salt = _salt_of(earlier.path) if earlier is not None else secrets.token_bytes(MIN_BYTES)
            keys = Keys.from_bytes(self._salt)
        self._keys = keys
        self._database: sqlite3.Connection | None = None
        self._carried = self._again = self._new = self._gone = 0

    @property
    def counts(self) -> dict[str, int]:
        """Notes carried over, worked on again with their patient, new or changed, and not there any more."""
        return {
            "carried_over": self._carried,
            "again": self._again,
            "new": self._new,
            "gone": self._gone,
        }

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Begin the file anew and take notes with `wanted`; at the end, results carried over lie in it.

        Raises:
            InputOutputError: if it cannot be written.
            IntegrityError: if the earlier run's results are damaged.
        """
        self._carried = self._again = self._new = self._gone = 0
        if self._earlier is not None:
            _check_seals(self._earlier.path, self._keys)
        self._path.unlink(missing_ok=True)
        os.close(os.open(self._path, _NEW, 0o600))
        with self._open() as database:
            database.executescript(_TABLES)
            database.execute("INSERT INTO kept VALUES (?, ?)", (_VERSION, self._salt))
            if self._earlier is not None:
                database.execute("ATTACH ? AS earlier", (_read_only(self._earlier.path),))
            database.execute("BEGIN")
            yield
            database.execute("COMMIT")
            database.executescript(_INDEXES)
            if self._earlier is not None:
                database.execute(_COPY)
                (self._gone,) = database.execute(_GONE).fetchone()

    def wanted(self, group: ItemGroup) -> bool:
        """Take down a patient's notes; tell if they have to be worked on.

        Args:
            group: The notes.
        """
        digests = [_digest(self._keys, _NOTE, _content(item)) for item in group.items]
        known = json.dumps([astuple(each) for each in group.known])
        members = (digest.hex() for digest in digests)
        together = _digest(self._keys, _GROUP, self._context, group.code or "", known, *members)
        sources = self._find(together, digests)
        self._connection.executemany(
            "INSERT INTO note VALUES (?, ?, ?, ?, ?)",
            [
                (item.ordinal, digest, together, item.kind, source)
                for item, digest, source in zip(group.items, digests, sources, strict=True)
            ],
        )
        return None in sources

    def _find(self, together: bytes, digests: list[bytes]) -> list[int | None]:
        """Return the place in the earlier run of each of a patient's notes, or None for all of them."""
        if self._earlier is not None:
            found = self._connection.execute(_SAME_GROUP, (together, len(digests))).fetchall()
            if len(found) == len(digests):
                self._carried += len(digests)
                return [ordinal for (ordinal,) in found]
            for digest in digests:
                query = "SELECT 1 FROM earlier.note WHERE digest = ? LIMIT 1"
                known = self._connection.execute(query, (digest,)).fetchone() is not None
                self._again, self._new = self._again + known, self._new + (not known)
        return [None] * len(digests)

    @contextmanager
    def merging(self) -> Iterator[None]:
        """Open the file again, for `carried` and `keep`.

        Raises:
            InputOutputError: if it cannot be written.
        """
        with self._open() as database:
            database.execute("BEGIN")
            yield
            database.execute("COMMIT")

    def carried(self) -> Iterator[dict[str, Any]]:
        """Yield the results carried over in input order, as in the files of units."""
        for ordinal, kind, content in self._connection.execute(_CARRIED):
            yield {"ordinal": ordinal, "kind": kind, **json.loads(zlib.decompress(content))}

    def keep(self, line: Mapping[str, Any]) -> None:
        """Keep the result of a note that was de-identified, unless it was carried over.

        Args:
            line: A line of a unit's file.
        """
        ordinal = line["ordinal"]
        query = "SELECT digest, together FROM note WHERE ordinal = ? AND source IS NULL"
        if (row := self._connection.execute(query, (ordinal,)).fetchone()) is None:
            return
        kept = {name: value for name, value in line.items() if name not in ("ordinal", "kind")}
        digest, together = row
        content = zlib.compress(json.dumps(kept, separators=(",", ":")).encode())
        values = (ordinal, content, _seal(self._keys, digest, together, content))
        self._connection.execute("INSERT INTO result VALUES (?, ?, ?)", values)

    def put_in_place(self, folder: Path) -> None:
        """Move the finished file to the run directory, for good.

        Args:
            folder: The run directory.

        Raises:
            OSError: if that cannot be done.
        """
        with self._path.open("rb") as stream:
            os.fsync(stream.fileno())
        os.replace(self._path, folder / RESULTS)
        sync_folder(folder)

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._database is None:
            raise ValueError("results are taken down within reading() or merging()")
        return self._database

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        uri = self._path.resolve().as_uri()
        try:
            with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as database:
                # What a kill leaves behind is begun anew: neither a journal nor syncs in between are needed.
                for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
                    database.execute(f"PRAGMA {setting}")
                self._database = database
                yield database
        except sqlite3.Error as error:
            raise InputOutputError(f"cannot write {self._path}: {error}") from None
        finally:
            self._database = None


def _read_only(path: Path) -> str:
    return f"{path.resolve().as_uri()}?mode=ro&immutable=1"


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(_read_only(path), uri=True)) as database:
            version = database.execute("SELECT version FROM kept").fetchone()
            if version != (_VERSION,):
                raise UsageError(f"{path}: kept by another version; leave out --since-manifest")
            yield database
    except sqlite3.Error:
        raise IntegrityError(
            f"{path}: damaged, or not results of a run; leave out --since-manifest"
        ) from None


def _salt_of(path: Path) -> bytes:
    with _reading(path) as database:
        (salt,) = database.execute("SELECT salt FROM kept").fetchone()
    if not isinstance(salt, bytes) or len(salt) != MIN_BYTES:
        raise IntegrityError(f"{path}: has no salt; leave out --since-manifest")
    return salt


def _check_seals(path: Path, keys: Keys) -> None:
    with _reading(path) as database:
        for digest, together, content, found in database.execute(_SEALED):
            if not hmac.compare_digest(_seal(keys, digest, together, content), found):
                raise IntegrityError(f"{path}: was changed after the run; leave out --since-manifest")


def _content(item: Item) -> str:
    """Return all that a note's result depends on beside its patient's other notes."""
    return replace(item, ordinal=0, kind=None).to_json().decode()


def _digest(keys: Keys, purpose: str, *parts: str) -> bytes:
    return keys.digest(purpose, *parts)[:_DIGEST_BYTES]


def _seal(keys: Keys, digest: bytes, together: bytes, content: bytes) -> bytes:
    return _digest(keys, _SEAL, digest.hex(), together.hex(), content.hex())
