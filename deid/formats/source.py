"""What a source of notes is, and how a path on a command line becomes one."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, Unpack, runtime_checkable

from deid.errors import IntegrityError, Reason, UsageError, unknown_name
from deid.formats.atomic import reading
from deid.formats.ccda.sniff import is_clinical_document
from deid.formats.compressed import compression_of, suffix_of
from deid.formats.database.address import is_address, parse_address
from deid.formats.documents.read import SUFFIXES as DOCUMENTS
from deid.formats.fhir.sniff import is_export_file, is_fhir
from deid.formats.known_values import KINDS
from deid.formats.pieces import Move
from deid.formats.remote import is_remote
from deid.formats.schemas import SCHEMAS, Columns, kind_columns, with_schema
from deid.note import KnownValue, Note
from deid.registry import Registry

if TYPE_CHECKING:
    from deid.keys import Keys

__all__ = ["FORMATS", "SCHEMAS", "Columns", "Entry", "Options", "Outcome", "Source", "open_source"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of the input: a note, or the reason why it is none.

    Args:
        ordinal: Position in the source, from 0.
        note_id: The note's id, or a place such as ``line-7`` where the record has none.
        note: The note; None if it goes to quarantine.
        reason: Why; None if there is a note.
        detail: What is wrong in more detail; never text of the record.
    """

    ordinal: int
    note_id: str
    note: Note | None
    reason: Reason | None
    detail: str = ""

    def __post_init__(self) -> None:
        if (self.note is None) == (self.reason is None):
            raise ValueError("an entry is either a note or a reason for quarantine")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an entry.

    Args:
        ordinal: The entry's.
        text: The de-identified text; None if the note was quarantined and is left out of the output.
        fields: The new value of each of the note's fields, by path.
        moves: The replaced stretches, sorted and disjoint.
    """

    ordinal: int
    text: str | None = field(repr=False)
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    moves: tuple[Move, ...] = ()


@runtime_checkable
class KnowsPatients(Protocol):
    """A source whose records say something of the patients, beside the notes."""

    def known_values(self) -> Mapping[str, tuple[KnownValue, ...]]:
        """Return what the source knows, by patient id; read before the notes are."""
        ...


@dataclass(frozen=True, slots=True)
class NewTexts:
    """What a record is written with.

    Args:
        text: The de-identified text.
        fields: The new value of each of the note's fields, by path.
        moves: The replaced stretches, sorted and disjoint.
    """

    text: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)
    moves: tuple[Move, ...] = ()


class Source(Protocol):
    """A readable collection of notes that can be written again with other texts."""

    name: str
    path: Path | None

    def read(self) -> Iterator[Entry]:
        """Deliver the entries in input order, ordinals from 0, in bounded memory; may be called again."""
        ...

    def write(self, outcomes: Iterator[Outcome], directory: Path) -> tuple[Path, ...]:
        """Read the source again and write it with the outcomes' texts; everything else is carried through.

        Args:
            outcomes: One per entry, in order.
            directory: Made if absent; not inside the source.

        Raises:
            IntegrityError: if the outcomes do not belong to this source, or it changed.
            InputOutputError: if a file cannot be read or written.
        """
        ...

    def passed_through(self) -> tuple[str, ...]:
        """Name the carried columns whose names look identifying."""
        ...

    def digest(self) -> str:
        """Return ``sha256:`` and the digest of the bytes; of a folder, of its sorted names and contents."""
        ...

    def size(self) -> int:
        """Return the size of the input in bytes."""
        ...


class Settings(TypedDict, total=False):
    """Further settings of `open_source`; see `Options`."""

    fields: Mapping[str, str]
    known_columns: Mapping[str, str]
    group_by: str | None
    order_by: str | None
    max_characters: int
    shard_notes: int
    delimiter: str | None
    operators: Mapping[str, str] | None
    id_keys: Keys | None
    new_id: Callable[[str], str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to read and write a source.

    Args:
        columns: Which column holds what.
        drop: Columns that are not carried to the output.
        fields: Column or path to the policy type that its values are; where the source has it, the values
            become the note's fields.
        known_columns: Column to kind (`deid.formats.known_values.KINDS`) of what it says about the patient;
            a note's metadata holds these columns, and those that say of what kind it is.
        group_by: Column of note ids; rows that follow one another under one id are one note.
        order_by: Column of whole numbers that says in which order the rows of a note are read.
        max_characters: Longest text, in code points; longer notes go to quarantine.
        shard_notes: Notes in an output file of a table.
        delimiter: One character between the cells of a CSV file; None for comma, or tab in ``.tsv``.
        operators: The policy's types and the name of each one's operator; None where no policy is at work, as
            when an output is read.
        id_keys: The secret, where the policy derives other numbers from it; ids that records refer to one
            another by may then be derived from it.
        new_id: Gives new ids of records, where several sources have to give the same; by `operators` and
            `id_keys` when None.

    Raises:
        UsageError: for a limit below 1 or a kind that does not exist.
    """

    columns: Columns = field(default_factory=Columns)
    drop: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    known_columns: Mapping[str, str] = field(default_factory=dict)
    group_by: str | None = None
    order_by: str | None = None
    max_characters: int = 1_000_000
    shard_notes: int = 50_000
    delimiter: str | None = None
    operators: Mapping[str, str] | None = None
    id_keys: Keys | None = None
    new_id: Callable[[str], str] | None = None

    def __post_init__(self) -> None:
        for name in ("max_characters", "shard_notes"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.order_by and not self.group_by:
            raise UsageError("--order-by says in which order the rows of a note stand; name --group-by too")
        for kind in self.known_columns.values():
            if kind not in KINDS:
                raise UsageError(unknown_name("kind of known value", kind, KINDS))

    def told(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the columns that a note's metadata holds.

        Args:
            names: Columns of the source.
        """
        asked = (*self.known_columns, *((self.order_by,) if self.order_by else ()), *kind_columns(names))
        return tuple(dict.fromkeys(asked))

    def named(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return the columns that must be there, by the role they were named for."""
        order = (self.order_by,) if self.order_by else ()
        return (("drop", self.drop), ("known", tuple(self.known_columns)), ("order", order))


FORMATS: Registry[Callable[[Path, Options], Source]] = Registry(
    "format",
    {
        "txt": "deid.formats.text_folder:TextFolder",
        "documents": "deid.formats.text_folder:text_and_documents",
        "jsonl": "deid.formats.jsonl:Jsonl",
        "csv": "deid.formats.csv_table:CsvTable",
        "parquet": "deid.formats.parquet:Parquet",
        "fhir": "deid.formats.fhir.bulk:FhirExport",
        "hl7": "deid.formats.hl7v2.source:Hl7",
        "ccda": "deid.formats.ccda.source:ClinicalDocument",
        "mixed": "deid.formats.mixed:Mixed",
    },
)
_SUFFIXES: Mapping[str, str] = {
    ".txt": "txt",
    **dict.fromkeys(DOCUMENTS, "documents"),
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".hl7": "hl7",
}
_UNCOMPRESSED = ("txt", "documents", "parquet")
TABLES = ("jsonl", "csv", "parquet")
"""Formats whose notes stand in rows of columns."""
_ISO_DATE = re.compile(r"(\d{4}-\d{2}-\d{2}|\d{8})(?!\d)")


def open_source(
    path: str | Path,
    *,
    columns: Columns | None = None,
    format: str | None = None,
    schema: str | None = None,
    drop: tuple[str, ...] = (),
    **settings: Unpack[Settings],
) -> Source:
    """Open a file or folder of notes.

    Args:
        path: File, folder or table of a database (`deid.formats.database.address`); ``-`` is JSONL on
            standard input.
        columns: Which column holds what; default names where not given.
        format: Name in `FORMATS`; by suffix or contents of the folder when None.
        schema: Preset in `SCHEMAS` for columns not given.
        drop: Columns that are not carried to the output.
        settings: Fields of `Options`.

    Raises:
        UsageError: for a path, format, preset, column or limit that cannot be used.
        InputOutputError: if the input cannot be read.
    """
    roles = with_schema(columns or Columns(), schema)
    if group_by := settings.get("group_by"):
        roles = replace(roles, note_id=group_by)
    options = Options(columns=roles, drop=drop, **settings)
    if str(path) == "-":
        return _rows_as_notes(_open_stdin(format, options), "jsonl", options)
    if is_address(str(path)):
        return _open_database(str(path), format, options)
    if is_remote(str(path)):
        raise UsageError("only deid run and deid detect read from a URL; copy the files here first")
    where = Path(path)
    with reading(str(path)):
        if not where.exists():
            raise _no_such_path(where)
        if not (where.is_file() or where.is_dir()):
            raise UsageError(
                f"input {path}: a pipe or device can be read only once; give '-' to read JSONL from it"
            )
        return open_format(where, format or _detect(where), options)


def open_format(path: Path, format: str, options: Options) -> Source:
    """Open a file or folder as one of a format.

    Args:
        path: It exists.
        format: Name in `FORMATS`.
        options: How to read and write it.

    Raises:
        UsageError: as `open_source`.
        InputOutputError: if the input cannot be read.
    """
    return _rows_as_notes(FORMATS.get(format)(path, options), format, options)


def format_of(path: Path) -> str | None:
    """Return the format of a file by its name and its beginning; None if it is of none that is read.

    Args:
        path: The file.
    """
    if is_fhir(path):
        return "fhir"
    if is_clinical_document(path):
        return "ccda"
    name = _SUFFIXES.get(suffix_of(path))
    return None if name in _UNCOMPRESSED and compression_of(path) else name


def _rows_as_notes(source: Source, format: str, options: Options) -> Source:
    """Put the rows of a note together, where that is asked for."""
    if not options.group_by or format == "mixed":
        return source
    if format not in TABLES:
        raise UsageError(f"input {source.name}: only {', '.join(TABLES)} have rows to group by a column")
    from deid.formats.grouped import Grouped

    return Grouped(source, options)


def _open_database(address: str, format: str | None, options: Options) -> Source:
    if format is not None:
        raise UsageError(f"a table of a database is read as such, not as {format}; leave out --format")
    from deid.formats.database.table import DatabaseTable

    table = DatabaseTable(parse_address(address), options)
    if not options.group_by:
        return table
    from deid.formats.grouped import Grouped

    return Grouped(table, options)


def _open_stdin(format: str | None, options: Options) -> Source:
    if format not in (None, "jsonl"):
        FORMATS.get(format or "")
        raise UsageError(f"standard input is read as jsonl, not as {format}; give a file instead of '-'")
    from deid.formats.jsonl import Jsonl

    return Jsonl.from_stream(sys.stdin.buffer, options)


def _no_such_path(path: Path) -> UsageError:
    parent = path.parent
    if not parent.is_dir():
        return UsageError(f"input {path}: there is no folder {parent}")
    close = get_close_matches(path.name, sorted(each.name for each in parent.iterdir()), n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return UsageError(f"input {path}: there is no such file or folder in {parent.resolve()}{hint}")


def _detect(path: Path) -> str:
    if path.is_dir():
        return _detect_folder(path)
    suffix = suffix_of(path)
    if suffix in {".xz", ".zip", ".7z", ".tar"}:
        raise UsageError(f"input {path}: packed in a way that is not read; unpack it first")
    if (found := format_of(path)) is not None:
        return found
    if suffix in _SUFFIXES:
        raise UsageError(f"input {path}: files of this kind are not read compressed; unpack it first")
    choose = f"choose one with --format: {', '.join(FORMATS.names())}"
    raise UsageError(f"input {path}: the suffix {suffix!r} is of no known format; {choose}")


def _detect_folder(path: Path) -> str:
    """Return the format of all files in a folder that are of any; ``mixed`` for several."""
    files = [each for each in path.rglob("*") if each.is_file()]
    found = {name for each in files if (name := format_of(each))}
    if not found:
        raise UsageError(f"input {path}: the folder holds no files of a format that is read")
    export = {each for each in path.iterdir() if is_export_file(each)}
    if any(map(is_fhir, export)) and all(each in export or not format_of(each) for each in files):
        return "fhir"
    if found <= {"txt", "documents"}:
        return "documents" if "documents" in found else "txt"
    return "parquet" if found == {"parquet"} else "mixed"


def make_entry(
    ordinal: int,
    fields: Mapping[str, Any],
    *,
    place: str,
    surrogate: Reason = Reason.INVALID_UTF8,
    max_characters: int,
) -> Entry:
    """Judge a record.

    Args:
        ordinal: Position in the source.
        fields: ``text``, ``note_id``, ``patient_id`` and ``note_date`` as strings or None, ``metadata``, and
            ``fields``, a tuple of `Field`, and ``joins``, as in `Note`, where there are any.
        place: Stands for an id that is missing, such as ``line-7``.
        surrogate: The reason for lone surrogates: escapes in JSON, undecodable bytes elsewhere.
        max_characters: Longest text.
    """
    note_id, text, patient = fields["note_id"], fields["text"], fields["patient_id"]
    for name in ("note_id", "patient_id"):
        if not _encodes(fields[name] or ""):
            return Entry(ordinal, place, None, surrogate, name)
    if not (note_id or "").strip():
        return Entry(ordinal, place, None, Reason.MISSING_ID)
    reason = text_problem(text, surrogate=surrogate, max_characters=max_characters)
    if reason is not None:
        return Entry(ordinal, note_id, None, reason)
    written = parse_date(fields["note_date"])
    values = tuple(fields.get("fields", ()))
    for each in values:
        if not _encodes(each.text):
            return Entry(ordinal, note_id, None, surrogate, "field")
    joins = tuple(fields.get("joins", ()))
    note = Note(note_id, text, patient or None, written, fields["metadata"], values, joins)
    return Entry(ordinal, note_id, note, None)


def text_problem(text: str | None, *, surrogate: Reason, max_characters: int) -> Reason | None:
    """Return why a text cannot be worked on, or None.

    Args:
        text: The note; None if the record has none.
        surrogate: The reason for lone surrogates.
        max_characters: Longest text.
    """
    if text is None:
        return Reason.MISSING_TEXT
    if len(text) > max_characters:
        return Reason.TOO_LONG
    if "\0" in text:
        return Reason.NUL_CHARACTER
    return None if _encodes(text) else surrogate


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse_date(value: str | None) -> date | None:
    """Read the date at the beginning of an ISO 8601 date or timestamp.

    Args:
        value: Such as ``2079-03-04`` or ``20790304T101500``; anything else gives None.
    """
    match = _ISO_DATE.match(value or "")
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


class Pairing:
    """Deals out outcomes to the entries of a source that is read again.

    Args:
        outcomes: One per entry, in order.
        name: The source, for errors.
    """

    def __init__(self, outcomes: Iterator[Outcome], name: str) -> None:
        self._outcomes = iter(outcomes)
        self._name = name

    def take(self, entry: Entry) -> NewTexts | None:
        """Return what an entry is written with; None if it is left out.

        Raises:
            IntegrityError: if the next outcome is not this entry's, or not of its fields.
        """
        outcome = next(self._outcomes, None)
        if outcome is None:
            raise IntegrityError(f"{self._name}: no outcome for entry {entry.ordinal}; did the input grow?")
        if outcome.ordinal != entry.ordinal:
            raise IntegrityError(f"{self._name}: outcome {outcome.ordinal} given for entry {entry.ordinal}")
        if outcome.text is not None and entry.reason is not None:
            raise IntegrityError(
                f"{self._name}: a text for entry {entry.ordinal}, which is {entry.reason.value}"
            )
        if outcome.text is None or entry.note is None:
            return None
        if outcome.fields.keys() != {each.path for each in entry.note.fields}:
            raise IntegrityError(f"{self._name}: entry {entry.ordinal} came back with other fields")
        return NewTexts(outcome.text, outcome.fields, outcome.moves)

    def finish(self) -> None:
        """Check that nothing is left.

        Raises:
            IntegrityError: if there are outcomes beyond the last entry.
        """
        if (outcome := next(self._outcomes, None)) is not None:
            raise IntegrityError(
                f"{self._name}: no entry for outcome {outcome.ordinal}; did the input shrink?"
            )
