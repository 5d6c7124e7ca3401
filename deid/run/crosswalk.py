"""What a run knows of patients beside their notes: partition, known values, random record codes."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import os
import secrets
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from deid.errors import InputOutputError, IntegrityError, UsageError
from deid.formats.atomic import atomic_file, sync_folder
from deid.keys import Keys
from deid.note import KnownValue

ALPHABET = "34679ACDEFGHJKMNPQRTWXY"
"""Digits and letters that are not taken for one another in print or handwriting."""
CODE_LENGTH = 10
_HEADER = ["patient_id", "code"]
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


class Crosswalk:
    """The file that links patients to random record codes; kept apart from the run directory.

    45 CFR 164.514(c): a code must not be derived from information about the individual, and the mechanism for
    re-identification must not be disclosed. While it is open no other run can use the file.

    Args:
        path: CSV file with the columns patient_id and code; made, for its owner only, if it does not exist.
        choose: Picks one of the characters of a text at random.

    Raises:
        UsageError: if others can read the file, or another run uses it.
        IntegrityError: if it is not a crosswalk, or has a patient or a code twice.
        InputOutputError: if it cannot be read or made.
    """

    def __init__(self, path: Path, *, choose: Callable[[Sequence[str]], str] = secrets.choice) -> None:
        self._path = path
        self._choose = choose
        self._digest = hashlib.sha256()
        self._seen: set[str] = set()
        try:
            self._descriptor = _open_locked(path)
        except OSError as error:
            raise InputOutputError(f"crosswalk {path}: cannot be opened: {error.strerror}") from None
        try:
            self._codes = _read(path, self._descriptor)
        except BaseException:
            self.close()
            raise
        self._used = set(self._codes.values())
        self._changed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let other runs use the file; does not save."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def code(self, patient_id: str) -> str:
        """Return a patient's code, a new one for a new patient.

        Args:
            patient_id: The patient.
        """
        if patient_id not in self._codes:
            self._codes[patient_id] = self._new_code()
        code = self._codes[patient_id]
        if patient_id not in self._seen:
            self._seen.add(patient_id)
            self._digest.update(code.encode())
        return code

    def _new_code(self) -> str:
        if self._descriptor < 0:
            raise IntegrityError(f"crosswalk {self._path}: closed already; a new code would not be written")
        while (code := "".join(self._choose(ALPHABET) for _ in range(CODE_LENGTH))) in self._used:
            pass
        self._used.add(code)
        self._changed = True
        return code

    @property
    def digest(self) -> str:
        """Digest of the codes asked for so far, in order; says nothing about patients."""
        return f"sha256:{self._digest.hexdigest()}"

    def save(self) -> None:
        """Write new codes down for good and close the file: a new one beside it, synced, put in its place.

        Raises:
            InputOutputError: if it cannot be written; the old file is then as it was.
        """
        if self._changed:
            self._replace()
        self.close()

    def _replace(self) -> None:
        rows = io.StringIO(newline="")
        writer = csv.writer(rows)
        writer.writerow(_HEADER)
        writer.writerows(self._codes.items())
        beside = self._path.with_name(f".{self._path.name}.new")
        try:
            # The lock is held: what lies there was left by a run that was killed.
            beside.unlink(missing_ok=True)
            with os.fdopen(os.open(beside, _NEW, 0o600), "wb") as stream:
                stream.write(rows.getvalue().encode("utf-8", "surrogatepass"))
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            raise InputOutputError(f"crosswalk {self._path}: cannot be written: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class Patients:
    """What a run knows about patients beside their notes.

    Args:
        partitions: Number of partitions the patients are spread over.
        keys: The run's secret, if it has one.
        known: Values to hide, by patient id.
        known_columns: Column of the input to the kind of known value that it holds.
        crosswalk: Random codes, where the policy asks for them.
        record: File that keeps the digest of the codes used, so that a resumed run uses the same.
    """

    partitions: int
    keys: Keys | None = None
    known: Mapping[str, tuple[KnownValue, ...]] = field(default_factory=dict, repr=False)
    known_columns: Mapping[str, str] = field(default_factory=dict)
    crosswalk: Crosswalk | None = None
    record: Path | None = None

    def partition(self, patient_id: str) -> int:
        """Return where a patient's notes are worked on: keyed if there is a secret; never written down."""
        if self.keys is not None:
            return self.keys.number("partition", patient_id, below=self.partitions)
        digest = hashlib.sha256(b"deid-partition:" + patient_id.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest, "big") % self.partitions

    def code(self, patient_id: str) -> str | None:
        """Return a patient's random code, None where the policy asks for none."""
        return self.crosswalk.code(patient_id) if self.crosswalk is not None else None

    def ready(self) -> None:
        """Write new codes down; before any note of a patient is worked on.

        Raises:
            InputOutputError: if they cannot be written.
            IntegrityError: if a run that is resumed began with other codes.
        """
        if self.crosswalk is None:
            return
        self.crosswalk.save()
        if self.record is None:
            return
        digest = self.crosswalk.digest.encode()
        if not self.record.exists():
            with atomic_file(self.record) as stream:
                stream.write(digest)
        elif self.record.read_bytes() != digest:
            raise IntegrityError(
                "cannot resume: the crosswalk holds other codes for these patients than when the run began;"
                " give the same file, or begin in a new folder"
            )


def _open_locked(path: Path) -> int:
    try:
        descriptor = os.open(path, _NEW, 0o600)
    except FileExistsError:
        descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine, there = os.fstat(descriptor), path.stat()
    except BlockingIOError:
        os.close(descriptor)
        raise UsageError(f"crosswalk {path}: another run is using it; wait for its end") from None
    if (mine.st_dev, mine.st_ino) != (there.st_dev, there.st_ino):
        os.close(descriptor)
        raise UsageError(f"crosswalk {path}: another run has just changed it; try again")
    if mine.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        os.close(descriptor)
        mode = f"mode {stat.S_IMODE(mine.st_mode):04o}"
        raise UsageError(f"crosswalk {path}: others may use it ({mode}); run chmod 600 on it")
    return descriptor


def _read(path: Path, descriptor: int) -> dict[str, str]:
    with os.fdopen(os.dup(descriptor), "r", encoding="utf-8", errors="surrogatepass", newline="") as stream:
        rows = csv.reader(stream)
        codes: dict[str, str] = {}
        taken: set[str] = set()
        try:
            header = next(rows, None)
            if header not in (None, _HEADER):
                raise IntegrityError(f"crosswalk {path}: the first line must be {','.join(_HEADER)}")
            for row in rows:
                if len(row) != len(_HEADER) or row[0] in codes or row[1] in taken or not row[1]:
                    raise IntegrityError(
                        f"crosswalk {path}, line {rows.line_num}: not a patient id and a code,"
                        " or one of the two stands in the file twice"
                    )
                codes[row[0]] = row[1]
                taken.add(row[1])
        except (csv.Error, UnicodeDecodeError):
            raise IntegrityError(f"crosswalk {path}, line {rows.line_num}: cannot be read as CSV") from None
    return codes
