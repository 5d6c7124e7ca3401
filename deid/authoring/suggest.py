"""Candidate mentions of a type in notes, for somebody to accept or reject."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

from pydantic import ValidationError

from deid.detect.description_recognizer import CANDIDATE_LEVELS, PolicyEncoder
from deid.detect.fold import fold
from deid.encoder.load import load_encoder
from deid.encoder.model import description_digest
from deid.errors import UsageError
from deid.formats.source import Source
from deid.note import Note
from deid.policy import EntityType, Policy

Kind = Literal["likely", "uncertain"]

LOWEST = CANDIDATE_LEVELS[-1]
_BATCH = 32  # notes that the encoder reads at once


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stretch of a note that the encoder may take for a type.

    Args:
        id: Made from position, text, wording of the type and model: of another note it is another.
        ordinal: Position of the note in its source.
        note: The note.
        start: First code point.
        end: One past the last.
        score: A threshold at which it is found; rounded down.
    """

    id: str
    ordinal: int
    note: Note
    start: int
    end: int
    score: float

    @property
    def surface(self) -> str:
        """The words; they are the note's own."""
        return self.note.text[self.start : self.end]

    @property
    def key(self) -> str:
        """What all ways of writing these words have in common: no case, one kind of space and of dash."""
        return " ".join(fold(self.surface).text.casefold().split())


@dataclass(frozen=True, slots=True)
class Drawn:
    """Notes drawn from a source.

    Args:
        notes: Each with its position, in the order of the source.
        total: Readable notes in the source.
        unreadable: Records that are none.
    """

    notes: tuple[tuple[int, Note], ...]
    total: int
    unreadable: int


@dataclass(frozen=True, slots=True)
class Pool:
    """All candidates of a type in some notes.

    Args:
        kind: The type.
        threshold: Score from which the encoder's findings of it count now.
        candidates: In the order of the notes.
        model: Digest of the encoder's model folder.
    """

    kind: EntityType
    threshold: float
    candidates: tuple[Candidate, ...]
    model: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A candidate to accept or reject.

    Args:
        candidate: The candidate.
        kind: ``likely`` by its score, or ``uncertain``: close to the threshold.
    """

    candidate: Candidate
    kind: Kind


@dataclass(frozen=True, slots=True)
class Context:
    """A candidate with what stands around it.

    Args:
        before: Text in front of it; signs that cannot be printed are replaced.
        surface: The candidate.
        after: Text behind it.
    """

    before: str = field(repr=False)
    surface: str = field(repr=False)
    after: str = field(repr=False)


def with_description(policy: Policy, name: str, description: str, examples: Sequence[str]) -> Policy:
    """Return a policy with a type described anew, or with one more type.

    Args:
        policy: The policy.
        name: The type; views, contrast and threshold that it has in the policy are left out.
        description: What it is, where it stands, what surrounds it.
        examples: Invented surface forms.

    Raises:
        UsageError: if name, description or an example cannot be used; says which.
    """
    try:
        kind = EntityType(
            name=name, description=description, examples=tuple(examples), operator=policy.default_operator
        )
    except ValidationError as error:
        where = ", ".join(sorted({str(each["loc"][0]) for each in error.errors(include_input=False)}))
        raise UsageError(
            f"cannot be used: {where}; a name is like DOCKET_NUMBER, a description has 1 to 2000 characters, "
            "an example 1 to 200"
        ) from None
    if name not in policy.type_names:
        return policy.model_copy(update={"types": (*policy.types, kind)})
    anew = {key: getattr(kind, key) for key in ("description", "examples", "views", "contrast", "threshold")}
    types = tuple(each.model_copy(update=anew) if each.name == name else each for each in policy.types)
    return policy.model_copy(update={"types": types})


def draw_notes(source: Source, limit: int, *, seed: int = 1) -> Drawn:
    """Draw notes from a source, each with the same chance (Vitter 1985, algorithm R); all if there are fewer.

    Args:
        source: From `deid.formats.source.open_source`.
        limit: How many.
        seed: Makes the draw.

    Raises:
        UsageError: if there is no readable note.
    """
    random, drawn = Random(seed), list[tuple[int, Note]]()
    total = unreadable = 0
    for entry in source.read():
        if entry.note is None:
            unreadable += 1
            continue
        at = total if total < limit else random.randrange(total + 1)
        if at < limit:
            drawn[at : at + 1] = [(entry.ordinal, entry.note)]
        total += 1
    if not drawn:
        raise UsageError(f"input {source.name}: there is no readable note")
    return Drawn(tuple(sorted(drawn, key=lambda pair: pair[0])), total, unreadable)


def find_candidates(
    policy: Policy,
    entity_type: str,
    notes: Sequence[tuple[int, Note]],
    *,
    model: Path | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Pool:
    """Find what the encoder may take for a type, the policy's other types competing.

    Args:
        policy: The policy.
        entity_type: One of its types.
        notes: Each with its position in the source.
        model: A model folder; the shipped one when None.
        progress: Is given the number of notes read since the last call.

    Raises:
        PolicyError: if the policy has no such type.
        UsageError: if the encoder does not look for the type.
    """
    kind = policy.type(entity_type)
    if "encoder" not in kind.detect:
        raise UsageError(
            f"{entity_type}: the encoder does not look for this type, so that it has no threshold; "
            "add encoder to its detect"
        )
    encoder = PolicyEncoder(policy, load_encoder(model))
    digest = encoder.encoder.digest
    found: list[Candidate] = []
    for begin in range(0, len(notes), _BATCH):
        group = notes[begin : begin + _BATCH]
        findings = encoder.candidates([note.text for _, note in group], entity_type)
        for (ordinal, note), own in zip(group, findings, strict=True):
            base = hashlib.sha256("\n".join((digest, description_digest(kind), note.text)).encode())
            for each in own:
                name = _name(base, ordinal, each.start, each.end)
                found.append(Candidate(name, ordinal, note, each.start, each.end, each.score))
        progress(len(group))
    at = encoder.types.names.index(entity_type)
    threshold = round(float(encoder.types.thresholds[at]), 4)
    return Pool(kind, threshold, tuple(found), digest)


def _name(base: hashlib._Hash, ordinal: int, start: int, end: int) -> str:
    digest = base.copy()
    digest.update(f"\n{ordinal} {start} {end}".encode())
    return f"n{ordinal}-{digest.hexdigest()[:8]}"


def choose(pool: Pool, *, count: int = 20, per_note: int = 3) -> tuple[Suggestion, ...]:
    """Choose the candidates to show: the likeliest, and of the others those closest to the threshold.

    Each surface is shown once, whatever its case. Closeness is measured in log odds.

    Args:
        pool: All candidates.
        count: At most so many of each kind.
        per_note: At most so many of each kind from a note.
    """
    taken: set[str] = set()
    by_score = sorted(pool.candidates, key=lambda each: (-each.score, each.ordinal, each.start))
    likely = tuple(_diverse(by_score, taken, count, per_note))
    center = _log_odds(pool.threshold)
    by_doubt = sorted(by_score, key=lambda each: abs(_log_odds(each.score) - center))
    uncertain = tuple(_diverse(by_doubt, taken, count, per_note))
    return (
        *(Suggestion(each, "likely") for each in likely),
        *(Suggestion(each, "uncertain") for each in uncertain),
    )


def _diverse(
    candidates: Iterable[Candidate], taken: set[str], count: int, per_note: int
) -> Iterator[Candidate]:
    """Yield candidates of surfaces that were not taken; takes theirs."""
    of_note = Counter[int]()
    for each in candidates:
        if of_note.total() == count:
            return
        if each.key not in taken and of_note[each.ordinal] < per_note:
            taken.add(each.key)
            of_note[each.ordinal] += 1
            yield each


def _log_odds(score: float) -> float:
    inside = min(max(score, 1e-4), 1 - 1e-4)
    return math.log(inside / (1 - inside))


def context(candidate: Candidate, *, width: int = 300, lines: int = 5) -> Context:
    """Return a candidate with the text around it, cut between words.

    Args:
        candidate: The candidate.
        width: At most so many characters on each side.
        lines: At most so many lines of the note on each side, its own among them.
    """
    text = candidate.note.text
    start, end = max(candidate.start - width, 0), min(candidate.end + width, len(text))
    before, after = text[start : candidate.start], text[candidate.end : end]
    if start and " " in before:
        before = f"… {before.partition(' ')[2]}"
    if end < len(text) and " " in after:
        after = f"{after.rpartition(' ')[0]} …"
    before = "\n".join(before.split("\n")[-lines:])
    after = "\n".join(after.split("\n")[:lines])
    return Context(_printable(before), _printable(candidate.surface), _printable(after))


def _printable(text: str) -> str:
    """Replace signs that a terminal would obey or that turn the direction of writing."""
    return "".join(
        sign if sign.isprintable() or sign == "\n" else " " if sign.isspace() else "�" for sign in text
    )
