"""The pipeline: detect, propagate, resolve, operate; a note comes out de-identified or quarantined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from deid.detect.engine import Detector
from deid.detect.known import KnownValueRecognizer
from deid.detect.propagate import propagate
from deid.encoder.load import load_encoder
from deid.errors import NoteError, Reason, UsageError
from deid.keys import Keys
from deid.note import DeidentifiedNote, Finding, Note, Span
from deid.operate.apply import Operators
from deid.operate.subject import Subject
from deid.policy import Policy, load_policy
from deid.resolve import resolve
from deid.run.work import Group, NoteResult

if TYPE_CHECKING:
    import pandas as pd

_Found = list[tuple[Finding, ...] | NoteError]


class Deidentifier:
    """De-identifies notes under a policy.

    Args:
        policy: What to look for and what to do with it.
        detector: Finds PHI.
        operators: Replace it.
    """

    def __init__(self, policy: Policy, detector: Detector, operators: Operators) -> None:
        self.policy = policy
        self._detector, self._operators = detector, operators

    @classmethod
    def from_policy(
        cls,
        policy: str | Path | Policy,
        *,
        keys: Keys | None = None,
        model: Path | None = None,
        runtime: str = "openvino",
        streams: int = 1,
    ) -> Deidentifier:
        """Load a policy with its encoder and operators.

        Args:
            policy: A policy, or the name of a shipped one, or a path.
            keys: Needed where the policy has surrogates, date shifts, hashes or codes.
            model: A model folder; the shipped one when None.
            runtime: ``openvino`` or ``torch``.
            streams: Batches the encoder computes side by side.

        Raises:
            PolicyError: if the policy cannot be loaded.
            KeyMaterialError: if it needs a key and there is none.
        """
        loaded = policy if isinstance(policy, Policy) else load_policy(policy)
        operators = Operators(loaded, keys=keys)
        return cls(loaded, _detector(loaded, model, runtime, streams), operators)

    @classmethod
    def for_detection(cls, policy: Policy, *, model: Path | None = None, streams: int = 1) -> Deidentifier:
        """Load a policy to find spans only: its operators need no key, and replace by its types' names.

        Args:
            policy: A policy.
            model: A model folder; the shipped one when None.
            streams: Batches the encoder computes side by side.
        """
        detector = _detector(policy, model, "openvino", streams)
        redact = policy.default_operator.model_copy(update={"name": "redact", "params": {}})
        types = tuple(kind.model_copy(update={"operator": redact}) for kind in policy.types)
        redacting = policy.model_copy(update={"types": types, "default_operator": redact})
        return cls(policy, detector, Operators(redacting, keys=None))

    @property
    def model_digest(self) -> str:
        """Digest of the encoder's model folder; empty if the policy does not use it."""
        encoder = self._detector.encoder
        return encoder.digest if encoder else ""

    @property
    def runtime(self) -> str:
        """Name and precision of what carries out the encoder's sums; empty if it is not used."""
        encoder = self._detector.encoder
        return encoder.runtime if encoder else ""

    @overload
    def deidentify(self, text: str) -> DeidentifiedNote: ...

    @overload
    def deidentify(self, text: pd.Series, *, patient_ids: pd.Series | None = None) -> pd.Series: ...

    def deidentify(
        self, text: str | pd.Series, *, patient_ids: pd.Series | None = None
    ) -> DeidentifiedNote | pd.Series:
        """De-identify one text, or a pandas Series of texts.

        Args:
            text: A note, or a Series of notes; missing values stay missing.
            patient_ids: For a Series, whose note each is, row by row under the same index; where the
                value is missing, the note is its own patient.

        Returns:
            The de-identified note with its replacements, or a Series of texts under the same index.

        Raises:
            NoteError: if a note cannot be de-identified; nothing comes back.
            UsageError: if `patient_ids` has another index than `text`.
        """
        if isinstance(text, str):
            return self._one(Note("text", text))
        present = text.notna().to_numpy()
        owners = [None] * len(text) if patient_ids is None else _owners(text, patient_ids)
        groups: dict[tuple[str, str], list[Note]] = {}
        for row in present.nonzero()[0].tolist():
            owner = owners[row]
            key = ("row", str(row)) if owner is None else ("patient", owner)
            groups.setdefault(key, []).append(Note(str(row), text.iloc[row], patient_id=owner))
        series = text.astype(object)
        for results in self.process([Group(tuple(group)) for group in groups.values()]):
            for result in results:
                if result.deidentified is None:
                    raise NoteError(
                        result.reason or Reason.DETECTOR_FAILED, f"row {result.note_id}: {result.detail}"
                    )
                series.iloc[int(result.note_id)] = result.deidentified.text
        return series

    def _one(self, note: Note) -> DeidentifiedNote:
        ((result,),) = self.process([Group((note,))])
        if result.deidentified is None:
            raise NoteError(result.reason or Reason.DETECTOR_FAILED, result.detail)
        return result.deidentified

    def process_group(self, group: Group) -> tuple[NoteResult, ...]:
        """De-identify the notes of one patient."""
        return self.process([group])[0]

    def process(self, groups: Sequence[Group]) -> tuple[tuple[NoteResult, ...], ...]:
        """De-identify the notes of several patients; the encoder reads all of them in one go.

        Args:
            groups: One for each patient; a group's result depends on no other group.
        """
        resolved = self.find(groups)
        return tuple(self._operate(group, spans) for group, spans in zip(groups, resolved, strict=True))

    def find(self, groups: Sequence[Group]) -> list[list[tuple[Span, ...] | NoteError]]:
        """Detect, propagate within each patient's notes, and resolve.

        Args:
            groups: One for each patient.

        Returns:
            For each group and each of its notes the spans, or why there are none.
        """
        found = self._detect(groups)
        return [self._spans(group, each) for group, each in zip(groups, found, strict=True)]

    def _spans(self, group: Group, found: _Found) -> list[tuple[Span, ...] | NoteError]:
        try:
            return self._resolve(group, self._propagate(group, found))
        except Exception as error:  # whatever fails among a patient's notes, they go to quarantine together
            return [NoteError(Reason.DETECTOR_FAILED, type(error).__name__)] * len(group.notes)

    def _detect(self, groups: Sequence[Group]) -> list[_Found]:
        notes = [note for group in groups for note in group.notes]
        extra: list[tuple[KnownValueRecognizer, ...]] = []
        for group in groups:
            types = [kind.name for kind in self.policy.types if "known" in kind.detect]
            patient = (KnownValueRecognizer(group.known, types),) if group.known and types else ()
            extra += [patient] * len(group.notes)
        found = self._detect_all([note.text for note in notes], extra)
        fitting = (_fitting(note.text, each) for note, each in zip(notes, found, strict=True))
        return [[next(fitting) for _ in group.notes] for group in groups]

    def _detect_all(self, texts: Sequence[str], extra: Sequence[tuple[KnownValueRecognizer, ...]]) -> _Found:
        """Detect in all texts at once; if that fails, in halves, until the text that fails stands alone."""
        try:
            return list(self._detector.detect(texts, ad_hoc=extra))
        except Exception as error:  # whatever a detector raises, its note goes to quarantine
            if len(texts) == 1:
                return [NoteError(Reason.DETECTOR_FAILED, type(error).__name__)]
        middle = len(texts) // 2
        return [
            *self._detect_all(texts[:middle], extra[:middle]),
            *self._detect_all(texts[middle:], extra[middle:]),
        ]

    def _propagate(self, group: Group, found: _Found) -> _Found:
        good = [index for index, findings in enumerate(found) if not isinstance(findings, NoteError)]
        base = [_findings(found[index]) for index in good]
        further = propagate(self.policy, [group.notes[index].text for index in good], base)
        result = list(found)
        for index, findings, more in zip(good, base, further, strict=True):
            result[index] = (*findings, *more)
        return result

    def _resolve(self, group: Group, found: _Found) -> list[tuple[Span, ...] | NoteError]:
        return [
            findings if isinstance(findings, NoteError) else resolve(note.text, findings, joins=note.joins)
            for note, findings in zip(group.notes, found, strict=True)
        ]

    def _operate(
        self, group: Group, resolved: Iterable[tuple[Span, ...] | NoteError]
    ) -> tuple[NoteResult, ...]:
        pairs = list(zip(group.notes, resolved, strict=True))
        found = {
            (span.entity_type, note.text[span.start : span.end])
            for note, spans in pairs
            if not isinstance(spans, NoteError)
            for span in spans
        } | {(each.entity_type, each.text) for note in group.notes for each in note.fields}
        mentions = tuple(sorted(found))  # one object for all notes: operators cache by identity
        return tuple(self._operate_note(group, note, spans, mentions) for note, spans in pairs)

    def _operate_note(
        self,
        group: Group,
        note: Note,
        spans: tuple[Span, ...] | NoteError,
        mentions: tuple[tuple[str, str], ...],
    ) -> NoteResult:
        if isinstance(spans, NoteError):
            return NoteResult(note.note_id, None, spans.reason, spans.detail)
        subject = Subject(
            key_name=note.patient_id or f"note {note.note_id}",
            mentions=mentions,
            code=group.code,
            note_date=note.note_date,
        )
        try:
            return NoteResult(note.note_id, self._operators.apply(note, spans, subject))
        except NoteError as error:
            return NoteResult(note.note_id, None, error.reason, error.detail)


def _fitting(text: str, found: tuple[Finding, ...] | NoteError) -> tuple[Finding, ...] | NoteError:
    """Quarantine a note whose detector found something beyond its end: such offsets are of another text."""
    if isinstance(found, NoteError) or all(finding.end <= len(text) for finding in found):
        return found
    return NoteError(Reason.DETECTOR_FAILED, "a finding leaves the note")


def _findings(found: tuple[Finding, ...] | NoteError) -> tuple[Finding, ...]:
    """Narrow a result that is known to be no error."""
    return () if isinstance(found, NoteError) else found


def _detector(policy: Policy, model: Path | None, runtime: str, streams: int) -> Detector:
    encoder = None
    if any("encoder" in kind.detect for kind in policy.types):
        encoder = load_encoder(model, runtime=runtime, streams=streams)
    return Detector(policy, encoder=encoder)


def _owners(text: pd.Series, patient_ids: pd.Series) -> list[str | None]:
    """Return whose note each row is; None where nobody knows."""
    if not text.index.equals(patient_ids.index):
        raise UsageError("patient_ids has another index than the notes; align them first")
    pairs = zip(patient_ids, patient_ids.isna(), strict=True)
    return [None if missing or value == "" else str(value) for value, missing in pairs]
