"""Files of HL7 v2 messages as a source of notes; all else in them is replaced, carried or emptied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deid.errors import InputOutputError, Reason, UsageError
from deid.formats.atomic import atomic_file, check_unchanged, digest_of, prepare_folder, reading, state_of
from deid.formats.compressed import compressing, compression_of, open_bytes
from deid.formats.hl7v2.elements import segment_kinds
from deid.formats.hl7v2.message import Message, Report, parse_message
from deid.formats.hl7v2.syntax import SyntaxProblem, read_messages
from deid.formats.pieces import divide, joins
from deid.formats.source import Entry, NewTexts, Options, Outcome, Pairing, make_entry
from deid.note import KnownValue

_KNOWN = {  # components of PID and NK1 to kinds of known values
    "PID-3.1": "mrn", "PID-5.1": "family_name", "PID-5.2": "given_name", "PID-5.3": "given_name",
    "PID-7": "birth_date", "PID-9.1": "family_name", "PID-11.1": "street_address", "PID-11.3": "city",
    "PID-11.5": "zip_code", "PID-13.1": "phone", "PID-14.1": "phone", "PID-18.1": "account_number",
    "PID-19": "ssn", "NK1-2.1": "relative_name", "NK1-2.2": "relative_name", "NK1-5.1": "phone",
    "IN1-36": "health_plan_id",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Read:
    """A message as read.

    Args:
        message: None if it could not be read.
        reports: Its texts.
        entries: One for each report, or one for the message.
        raw: Its bytes.
    """

    message: Message | None
    reports: tuple[Report, ...]
    entries: tuple[Entry, ...]
    raw: bytes = field(repr=False)


class Hl7:
    """HL7 v2 messages in a file, one after the other, with or without batch headers and MLLP framing.

    A note is a report: the OBX segments of text (TX, FT, ST) that belong to one OBR or TXA, a line each; or
    the NTE segments that follow one another, or a field of free text. Offsets count in the text without
    escapes. Names, numbers, addresses and dates are replaced by what the policy does with their types;
    `elements.yaml` says which fields are what. A message that cannot be read, or has a note in quarantine, is
    left out.

    Args:
        path: The file.
        options: `fields` overrules what a field is, as in ``ZPI-3: OTHER_ID``.

    Raises:
        UsageError: for options that messages cannot have, or a file that is no HL7 v2.
        InputOutputError: if the file cannot be read.
    """

    def __init__(self, path: Path, options: Options) -> None:
        if (
            options.drop
            or options.known_columns
            or any(
                (
                    options.columns.text,
                    options.columns.note_id,
                    options.columns.patient_id,
                    options.columns.note_date,
                )
            )
        ):
            raise UsageError(f"input {path}: messages have no columns; say under fields: what a field is")
        if not path.is_file():
            raise UsageError(f"input {path}: HL7 messages are read from a single file")
        self.name = str(path)
        self.path: Path | None = path
        self._file, self._options = path, options
        self._kinds = segment_kinds(options.fields)
        with reading(self.name):
            self._states = {path: state_of(path)}
            with open_bytes(path) as stream:
                first = stream.read(64).lstrip(b"\x0b\r\n")
        if first and not first.startswith((b"MSH", b"FHS", b"BHS")):
            raise UsageError(f"input {path}: does not begin with MSH, FHS or BHS, as HL7 v2 messages do")

    def read(self) -> Iterator[Entry]:
        """Deliver an entry for each report; see `deid.formats.source.Source`."""
        return (entry for each in self._messages() for entry in each.entries)

    def write(self, outcomes: Iterator[Outcome], directory: Path) -> tuple[Path, ...]:
        """Write one file of messages under the input's name; see `deid.formats.source.Source`."""
        check_unchanged(self.name, self._states)
        prepare_folder(directory, source=self._file)
        pairing = Pairing(outcomes, self.name)
        suffix = compression_of(self._file)
        path = directory / f"part-00000.hl7{suffix}"
        with atomic_file(path) as file, compressing(file, suffix) as stream:
            for each in self._messages():
                taken = [pairing.take(entry) for entry in each.entries]
                if each.message is not None and None not in taken:
                    stream.write(_written(each, [new for new in taken if new is not None]))
        pairing.finish()
        return (path,)

    def passed_through(self) -> tuple[str, ...]:
        """Name nothing: what identifies is replaced or emptied; see `deid.formats.source.Source`."""
        return ()

    def known_values(self) -> dict[str, tuple[KnownValue, ...]]:
        """Return what PID, NK1 and IN1 segments say, by patient; see `deid.formats.source.KnowsPatients`."""
        found: dict[str, dict[KnownValue, None]] = {}
        for each in self._messages():
            if each.message is not None and each.message.patient_id:
                own = found.setdefault(each.message.patient_id, {})
                told = [(path, text.strip()) for path, text in each.message.values()]
                family = {text for path, text in told if path == "PID-5.1"}
                for path, text in told:
                    shared = path == "NK1-2.1" and text in family  # the patient's own name, in the notes
                    if path in _KNOWN and text and not shared:
                        own[KnownValue(_KNOWN[path], text)] = None
        return {patient: tuple(values) for patient, values in found.items()}

    def digest(self) -> str:
        """Digest the file; see `deid.formats.source.Source`."""
        with reading(self.name), self._file.open("rb") as stream:
            return digest_of(stream)

    def size(self) -> int:
        """Return the size of the file in bytes."""
        with reading(self.name):
            return self._file.stat().st_size

    def _messages(self) -> Iterator[_Read]:
        ordinal = number = 0
        with reading(self.name), open_bytes(self._file) as stream:
            try:
                for lines in read_messages(stream):
                    number += 1
                    each = self._message(ordinal, f"message-{number}", lines)
                    ordinal += len(each.entries)
                    yield each
            except SyntaxProblem as problem:
                raise InputOutputError(f"{self.name}: message {number + 1}: {problem}") from None

    def _message(self, ordinal: int, place: str, lines: Sequence[tuple[bytes, bytes, bytes]]) -> _Read:
        raw = b"".join(before + line + end for before, line, end in lines)
        try:
            message = parse_message(lines, self._kinds)
            reports = message.reports()
        except UnicodeDecodeError:
            return _Read(None, (), (Entry(ordinal, place, None, Reason.INVALID_UTF8),), raw)
        except SyntaxProblem as problem:
            return _Read(None, (), (Entry(ordinal, place, None, Reason.INVALID_RECORD, str(problem)),), raw)
        entries = tuple(self._entry(ordinal + at, place, message, reports, at) for at in range(len(reports)))
        return _Read(message, reports, entries, raw)

    def _entry(self, ordinal: int, place: str, message: Message, reports: Sequence[Report], at: int) -> Entry:
        report = reports[at]
        fields: dict[str, Any] = {
            "text": report.text,
            "joins": joins(report.pieces),
            "note_id": f"{place}{report.suffix}",
            "patient_id": message.patient_id or None,
            "note_date": message.date,
            "metadata": {"kind": message.kind},
            "fields": message.fields() if at == 0 else (),
        }
        limit = self._options.max_characters
        return make_entry(ordinal, fields, place=place, max_characters=limit)


def _written(each: _Read, texts: Sequence[NewTexts]) -> bytes:
    message = each.message
    if message is None:
        return b""
    new = {
        path: text
        for report, taken in zip(each.reports, texts, strict=True)
        for path, text in report.divided(divide(taken.text, taken.moves, report.pieces), message.signs)
    }
    fields = {path: text for taken in texts for path, text in taken.fields.items()}
    return message.written(fields, new)
