"""A clinical document in an XML file as a source of notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lxml import etree

from deid.errors import NoteError, Reason, UsageError
from deid.formats.atomic import atomic_file, check_unchanged, digest_of, prepare_folder, reading, state_of
from deid.formats.ccda.document import Document
from deid.formats.ccda.narrative import NAMESPACE
from deid.formats.ccda.patient import date_of, known_of, patient_of
from deid.formats.ccda.section import HEADER, Rules, Section
from deid.formats.record_ids import new_ids
from deid.formats.source import Entry, Options, Outcome, Pairing, make_entry
from deid.formats.xml import parse_xml
from deid.note import Field, KnownValue

_LONGEST = 1 << 27
_ROOT = f"{NAMESPACE}ClinicalDocument"


class ClinicalDocument:
    """A document of HL7 CDA release 2, such as C-CDA: a note for the header, and one for each section.

    The text of a section is its title, its narrative, and the strings of its entries that no code system of
    a standard stands for, a line each. The header's text is the title and such strings; persons, numbers,
    addresses and dates are values beside the texts, by `elements.yaml`. A section in quarantine is left out;
    without its header a document is left out.

    Args:
        path: The file.
        options: `fields` overrules what an element is, by the end of its path: ``patient.name: OTHER_ID``.

    Raises:
        UsageError: for options that documents cannot have.
        InputOutputError: if the file cannot be read.
    """

    def __init__(self, path: Path, options: Options) -> None:
        columns = options.columns
        named = (columns.text, columns.note_id, columns.patient_id, columns.note_date)
        if any(named) or options.drop or options.known_columns:
            raise UsageError(
                f"input {path}: clinical documents have no columns; say under fields: what is what"
            )
        if not path.is_file():
            raise UsageError(f"input {path}: a document is a file; a folder of them is read without --format")
        self.name = str(path)
        self.path: Path | None = path
        self._file, self._options = path, options
        types = None if options.operators is None else frozenset(options.operators)
        self._rules = Rules(types, options.fields, new_ids(options))
        with reading(self.name):
            self._states = {path: state_of(path)}

    def read(self) -> Iterator[Entry]:
        """Deliver an entry for the header and each section; see `deid.formats.source.Source`."""
        yield from self._read()[1]

    def write(self, outcomes: Iterator[Outcome], directory: Path) -> tuple[Path, ...]:
        """Write the document under its name; see `deid.formats.source.Source`."""
        check_unchanged(self.name, self._states)
        prepare_folder(directory, source=self._file)
        pairing = Pairing(outcomes, self.name)
        document, entries = self._read()
        taken = [pairing.take(entry) for entry in entries]
        pairing.finish()
        if document is None or taken[0] is None:
            return ()
        for section, new in zip(document.sections, taken, strict=True):
            if new is None:
                section.remove()
            else:
                section.put(new)
        path = directory / self._file.name
        with atomic_file(path) as stream:
            stream.write(document.written())
        return (path,)

    def known_values(self) -> Mapping[str, tuple[KnownValue, ...]]:
        """Return what the header says of the patient; see `deid.formats.source.KnowsPatients`."""
        try:
            root = self._root()
        except NoteError:
            return {}
        patient = patient_of(root)
        return {} if patient is None else {patient: tuple(dict.fromkeys(known_of(root)))}

    def passed_through(self) -> tuple[str, ...]:
        """Name nothing: what is carried are codes and numbers; see `deid.formats.source.Source`."""
        return ()

    def digest(self) -> str:
        """Digest the file; see `deid.formats.source.Source`."""
        with reading(self.name), self._file.open("rb") as stream:
            return digest_of(stream)

    def size(self) -> int:
        """Return the size of the file in bytes."""
        return self._states[self._file][0]

    def _root(self) -> etree._Element:
        with reading(self.name), self._file.open("rb") as stream:
            content = stream.read(_LONGEST + 1)
        if len(content) > _LONGEST:
            raise NoteError(Reason.TOO_LONG, "file")
        root = parse_xml(content)
        if root.tag != _ROOT:
            raise NoteError(Reason.INVALID_RECORD, "not a ClinicalDocument")
        return root

    def _read(self) -> tuple[Document | None, list[Entry]]:
        """Return the document, None if it cannot be read, and its entries."""
        try:
            root = self._root()
            patient, written = patient_of(root), date_of(root)
            document = Document(root, self._rules)
        except NoteError as error:
            return None, [Entry(0, HEADER, None, error.reason, error.detail)]
        sections = enumerate(document.sections)
        return document, [self._entry(number, section, patient, written) for number, section in sections]

    def _entry(self, ordinal: int, section: Section, patient: str | None, written: str | None) -> Entry:
        if section.problem is not None:
            return Entry(ordinal, section.name, None, section.problem.reason, section.problem.detail)
        fields: dict[str, Any] = {
            "text": section.joined.text,
            "joins": section.joined.joins,
            "note_id": section.name,
            "patient_id": patient,
            "note_date": written,
            "metadata": {"kind": section.name},
            "fields": tuple(Field(each.path, each.entity_type, each.text) for each in section.values),
        }
        limit = self._options.max_characters
        return make_entry(ordinal, fields, place=f"section-{ordinal}", max_characters=limit)
