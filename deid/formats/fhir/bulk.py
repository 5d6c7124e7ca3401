"""FHIR R4 bulk exports: folders of NDJSON files, one such file, or a bundle in a JSON file."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deid.errors import Reason, UsageError
from deid.formats.atomic import (
    atomic_file,
    check_unchanged,
    digest_of,
    digest_of_folder,
    prepare_folder,
    reading,
    state_of,
)
from deid.formats.compressed import compressing, compression_of, open_bytes, suffix_of
from deid.formats.fhir.part import Part, Rules
from deid.formats.fhir.patients import known_of, patient_of, written
from deid.formats.fhir.resource import take_apart
from deid.formats.fhir.sniff import BUNDLE, is_export_file
from deid.formats.fhir.syntax import GONE, Unreadable, parse, write
from deid.formats.jsonl import numbered_lines
from deid.formats.record_ids import new_ids
from deid.formats.source import Entry, NewTexts, Options, Outcome, Pairing, make_entry
from deid.note import Field, KnownValue

_LONGEST_BUNDLE = 1 << 27
_PEOPLE = (b'"Patient"', b'"RelatedPerson"')


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    parts: list[Part]

    def place(self, number: int) -> str:
        """Say where a part stands."""
        return f"{self.name}, resource {number}" if number else self.name


class FhirExport:
    """Resources of FHIR R4, an entry for each with its values and one for each of its texts.

    The entry of a resource, ``Observation/<new id>``, has an empty text and the resource's fields; the texts
    follow as ``Observation/<new id>#note[0].text``. Ids are those of the output, so that no log holds an
    original one. The output has the same file names, an object a line.

    Args:
        path: A folder, of which the files ``*.ndjson`` are read, compressed or not; one such file; or a
            ``.json`` file with one resource, such as a bundle.
        options: `fields` and `drop` name elements by path without indices, such as ``Patient.birthDate``.

    Raises:
        UsageError: for columns, which there are none.
    """

    def __init__(self, path: Path, options: Options) -> None:
        columns = options.columns
        if any((columns.text, columns.note_id, columns.patient_id, columns.note_date, options.known_columns)):
            raise UsageError(
                f"input {path}: FHIR resources have no columns; leave out the options that name any"
            )
        self.name = str(path)
        self.path: Path | None = path
        self._options = options
        with reading(self.name):
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            self._files = [each for each in files if not path.is_dir() or is_export_file(each)]
            self._states = {each: state_of(each) for each in self._files}
        if not self._files:
            raise UsageError(f"input {path}: the folder holds no .ndjson files")
        self.skipped = len(files) - len(self._files)
        types = None if options.operators is None else frozenset(options.operators)
        self._rules = Rules(types, options.fields, frozenset(options.drop), new_ids(options))

    def read(self) -> Iterator[Entry]:
        """Deliver the entries of each resource; see `deid.formats.source.Source`."""
        ordinal = 0
        for file in self._files:
            for line in self._lines(file):
                for number, part in enumerate(line.parts):
                    entries = self._entries(ordinal, part, line.place(number))
                    yield from entries
                    ordinal += len(entries)

    def write(self, outcomes: Iterator[Outcome], directory: Path) -> tuple[Path, ...]:
        """Write the same files; see `deid.formats.source.Source`."""
        check_unchanged(self.name, self._states)
        prepare_folder(directory, source=self.path)
        pairing = Pairing(outcomes, self.name)
        count = 0
        for file in self._files:
            path = directory / file.name
            with atomic_file(path) as raw, compressing(raw, compression_of(path)) as stream:
                for line in self._lines(file):
                    kept = []
                    for number, part in enumerate(line.parts):
                        entries = self._entries(count, part, line.place(number))
                        kept.append(_put(part, [pairing.take(entry) for entry in entries]))
                        count += len(entries)
                    if kept[0]:
                        stream.write(f"{write(line.parts[0].tree)}\n".encode())
        pairing.finish()
        return tuple(directory / file.name for file in self._files)

    def known_values(self) -> Mapping[str, tuple[KnownValue, ...]]:
        """Return names, birth dates, addresses and numbers of patients, and the names of their relatives."""
        found: dict[str, dict[KnownValue, None]] = {}
        for file in self._files:
            for _, content in self._contents(file):
                for resource in _people(content):
                    if (known := known_of(resource)) is not None:
                        found.setdefault(known[0], {}).update((value, None) for value in known[1])
        return {patient: tuple(values) for patient, values in found.items()}

    def passed_through(self) -> tuple[str, ...]:
        """Name nothing: what is carried is what the standard says are codes."""
        return ()

    def digest(self) -> str:
        """Digest the input; see `deid.formats.source.Source`."""
        if self.path is not None and self.path.is_dir():
            return digest_of_folder(self.path, (file.name for file in self._files))
        with reading(self.name), self._files[0].open("rb") as stream:
            return digest_of(stream)

    def size(self) -> int:
        """Return the bytes of all files that are read."""
        return sum(size for size, _ in self._states.values())

    def _lines(self, file: Path) -> Iterator[_Line]:
        for number, content in self._contents(file):
            place = f"{file.name} line {number}"
            try:
                if content is None:
                    raise Unreadable(Reason.TOO_LONG, "line")
                parts = take_apart(parse(content), self._rules)
            except Unreadable as error:
                parts = [Part({}, problem=error)]
            yield _Line(place, parts)

    def _contents(self, file: Path) -> Iterator[tuple[int, bytes | None]]:
        with reading(self.name), open_bytes(file) as stream:
            if suffix_of(file) == BUNDLE:
                content = stream.read(_LONGEST_BUNDLE + 1)
                yield 1, content.removeprefix(BOM_UTF8) if len(content) <= _LONGEST_BUNDLE else None
            else:
                yield from numbered_lines(stream)

    def _entries(self, ordinal: int, part: Part, place: str) -> list[Entry]:
        """Return the entries of a resource: its values, then each text."""
        if part.problem is not None:
            return [Entry(ordinal, place, None, part.problem.reason, part.problem.detail)]
        kind, given = part.tree["resourceType"], part.tree.get("id")
        note_id = f"{kind}/{given}" if isinstance(given, str) else f"{kind} in {place}"
        same: dict[str, Any] = {
            "patient_id": patient_of(part.source),
            "note_date": written(part.source),
            "metadata": {"kind": kind},
        }
        fields = tuple(Field(each.path, each.entity_type, each.text) for each in part.values)
        records = [
            {"note_id": note_id, "text": "", "fields": fields, **same},
            *(
                {
                    "note_id": f"{note_id}#{text.path.removeprefix(kind + '.')}",
                    "text": text.text,
                    "joins": text.joins,
                    **same,
                }
                for text in part.texts
            ),
        ]
        return [
            make_entry(
                ordinal + number,
                record,
                place=place,
                surrogate=Reason.LONE_SURROGATE,
                max_characters=self._options.max_characters,
            )
            for number, record in enumerate(records)
        ]


def _put(part: Part, news: list[NewTexts | None]) -> bool:
    """Write the new values and texts into a resource; a text without one is left out.

    Returns:
        Whether the resource is kept.
    """
    head, *texts = news
    if head is None:
        if part.holder is not None:
            part.holder.update(dict.fromkeys(part.holder, GONE))
        return False
    for value in part.values:
        value.put(head.fields[value.path])
    for text, new in zip(part.texts, texts, strict=True):
        if new is None:
            text.remove()
        else:
            text.put(new)
    return True


def _people(content: bytes | None) -> Iterator[dict[str, Any]]:
    """Yield the resources on a line that may tell of persons."""
    if content is None or not any(name in content for name in _PEOPLE):
        return
    try:
        resource = parse(content)
    except Unreadable:
        return
    yield resource
    entries = resource.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
            yield entry["resource"]
