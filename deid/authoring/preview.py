"""A policy that is edited while somebody sees what it finds in example notes.

`Preview` knows nothing of HTTP: `deid.authoring.preview_page` lays out what it found, and
`deid.authoring.preview_server` puts it behind a secret address.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from threading import Lock

from deid.authoring.edit import load_policy_text, read_policy_text, save_policy_text, with_example
from deid.authoring.lint import LintFinding, lint_policy
from deid.authoring.preview_page import Found, Page, Problem, Result, counts, note_views, problem_at
from deid.encoder.load import load_encoder
from deid.encoder.model import DescriptionEncoder
from deid.errors import DeidError, PolicyError, UsageError
from deid.formats.source import Entry, Source
from deid.policy import Policy, ResolvedPolicy, resolve_policy
from deid.run.pipeline import Deidentifier
from deid.run.work import Group

_KEPT_RESULTS = 8
_KEPT_WORDS = 512_000_000  # bytes of memory: five hundred notes of five hundred words
_LONGEST_EXAMPLE = 200


def read_entries(source: Source, limit: int) -> tuple[Entry, ...]:
    """Read the first notes of a source.

    Args:
        source: From `deid.formats.source.open_source`.
        limit: How many records.

    Raises:
        UsageError: if none of them is a note.
    """
    entries = tuple(islice(source.read(), limit))
    if not any(entry.note for entry in entries):
        raise UsageError(f"input {source.name}: there is no readable note among the first {limit} records")
    return entries


class Preview:
    """A policy file that is edited, and the notes it is tried on.

    Args:
        policy: Path of a policy file, or the name of a shipped policy, which cannot be saved.
        entries: The notes.
        model: A model folder; the shipped one when None.

    Raises:
        PolicyError: if there is no such policy. A file that does not load can be edited nevertheless.
    """

    def __init__(self, policy: str, entries: Sequence[Entry], *, model: Path | None = None) -> None:
        self.editable = policy.endswith((".yaml", ".yml")) or "/" in policy or "\\" in policy
        self.path = Path(policy) if self.editable else resolve_policy(policy).files[0].path
        if not self.path.is_file():
            raise PolicyError(f"{policy}: there is no such file; deid policy new writes one")
        self._entries = tuple(entries)
        self._model = model
        self._lock = Lock()
        self._results: dict[str, Found] = {}
        self._last: Result | None = None

    def act(self, fields: Mapping[str, str]) -> Page:
        """Do what the page's form asks for, and show the page again.

        Args:
            fields: ``do`` (preview, save or add), ``text``, ``base``, ``type``, ``surface``.
        """
        text = fields.get("text", "").replace("\r\n", "\n")
        entity_type, surface = fields.get("type", ""), fields.get("surface", "")
        message, failed = "", False
        try:
            if fields.get("do") == "add":
                text = self.add_example(text, entity_type, surface)
                message, surface = f"Added to the examples of {entity_type}; not saved yet.", ""
            elif fields.get("do") == "save":
                self.save(text, base=fields.get("base", ""))
                message = "Saved."
        except DeidError as error:
            message, failed = str(error), True
        page = self.render(text)
        return replace(page, message=message, failed=failed, entity_type=entity_type, surface=surface)

    def render(self, text: str | None = None) -> Page:
        """Return the page for a text.

        Args:
            text: The edited text; the saved one when None.
        """
        with self._lock:
            saved_text, base = read_policy_text(self.path)
            text = saved_text if text is None else text
            saved = self._saved(saved_text)
            now, problems = self._judge(text)
            self._last = now or self._last or saved
            counted = tuple(counts(self._last, saved))
            return Page(
                text=text,
                base=base,
                changed=text != saved_text,
                problems=problems,
                stale=now is None,
                types=self._last.types if self._last else (),
                counts=tuple(each for each in counted if each.now or each.saved),
                unfound=tuple(each.entity_type for each in counted if not (each.now or each.saved)),
                notes=tuple(note_views(self._entries, self._last, saved)),
            )

    def save(self, text: str, *, base: str = "") -> None:
        """Write the edited text to the policy's file.

        Args:
            text: The text.
            base: Digest of the file that the edit began from; not compared when empty.

        Raises:
            UsageError: if the policy is a shipped one, or the file has changed since.
            PolicyError: if the text does not load.
            InputOutputError: if the file cannot be written.
        """
        if not self.editable:
            raise UsageError(
                f"Not saved: {self.path.stem} is a shipped policy. "
                f"deid policy new ours.yaml --extends {self.path.stem} makes one of your own."
            )
        with self._lock:
            save_policy_text(self.path, text, base=base)

    def add_example(self, text: str, entity_type: str, surface: str) -> str:
        """Return the text with one more example of a type; comments and layout stay.

        A type that inherits its examples gets them written out, since a child's list replaces its parent's.

        Args:
            text: A text that loads.
            entity_type: One of its types.
            surface: The example; runs of white space become single spaces.

        Raises:
            UsageError: if the example is empty, too long or there already, or cannot be put in by itself.
            PolicyError: if the text does not load or has no such type.
        """
        example = " ".join(surface.split())
        if not example:
            raise UsageError("Select words in a note, or write an example.")
        if len(example) > _LONGEST_EXAMPLE:
            raise UsageError(f"An example has at most {_LONGEST_EXAMPLE} characters.")
        try:
            kind = self._load(text).policy.type(entity_type)
        except PolicyError:
            raise PolicyError("Not added: the text does not load, or has no such type.") from None
        if example in kind.examples:
            raise UsageError(f"{kind.name} has this example already.")
        return with_example(text, kind, example)

    def _load(self, text: str) -> ResolvedPolicy:
        """Load a text; a shipped policy names its parent, and its folder may not be writable."""
        return load_policy_text(text, self.path, beside=self.editable)

    def _saved(self, text: str) -> Result | None:
        """Return what the saved text finds, None if it does not load."""
        try:
            return self._result(self._load(text))
        except DeidError:
            return None

    def _judge(self, text: str) -> tuple[Result | None, tuple[Problem, ...]]:
        """Return what a text finds, None if it does not load; and what is wrong with it."""
        problems: tuple[Problem, ...] = ()
        try:
            resolved = self._load(text)
            problems = tuple(self._lint_problem(each, text) for each in lint_policy(resolved))
            return self._result(resolved), problems
        except DeidError as error:
            return None, (*self._load_problems(error, text), *problems)

    def _load_problems(self, error: DeidError, text: str) -> Iterator[Problem]:
        for line in str(error).splitlines():
            place = re.match(re.escape(str(self.path)) + r":(\d+):\d+: ", line)
            if place:
                yield problem_at(int(place[1]), "error", line[place.end() :], text)
            else:
                yield Problem("error", line)

    def _lint_problem(self, finding: LintFinding, text: str) -> Problem:
        place, what = finding.place, f"{finding.code}: {finding.reason}; {finding.fix}"
        if place.file == str(self.path):
            return problem_at(place.line, finding.severity, f"{place.key}: {what}", text)
        return Problem(finding.severity, f"{Path(place.file).name}: {place.key}: {what}")

    def _result(self, resolved: ResolvedPolicy) -> Result:
        """Find mentions in the notes; operators do not matter for it, and the last results are kept."""
        policy = resolved.policy
        key = json.dumps([kind.model_dump(mode="json", exclude={"operator"}) for kind in policy.types])
        found = self._results.pop(key, None) or self._detect(policy)
        self._results[key] = found
        if len(self._results) > _KEPT_RESULTS:
            del self._results[next(iter(self._results))]
        own = resolved.files[0].marks
        types = sorted(policy.type_names, key=lambda name: ("types", name) not in own)
        return Result(policy, tuple(types), found)

    def _detect(self, policy: Policy) -> Found:
        notes = [entry.note for entry in self._entries if entry.note]
        patients: dict[tuple[str | None, int], list[int]] = {}
        for at, note in enumerate(notes):
            patients.setdefault((note.patient_id, -1 if note.patient_id else at), []).append(at)
        groups = [Group(tuple(notes[at] for at in own)) for own in patients.values()]
        if any("encoder" in kind.detect for kind in policy.types):
            self._keep_notes()
        results = Deidentifier.for_detection(policy, model=self._model).find(groups)
        found = dict(
            pair
            for own, spans in zip(patients.values(), results, strict=True)
            for pair in zip(own, spans, strict=True)
        )
        return tuple(found[at] for at in range(len(notes)))

    def _keep_notes(self) -> None:
        """Have the encoder keep what it reads of the notes, so that an edit costs only the new wordings."""
        encoder = load_encoder(self._model)
        if isinstance(encoder, DescriptionEncoder):
            encoder.keep_texts(_KEPT_WORDS)
