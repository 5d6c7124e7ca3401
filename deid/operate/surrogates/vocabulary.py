"""Everything found in a subject's notes, in the forms in which surrogates ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

from deid.operate.surrogates.people import People
from deid.operate.surrogates.words import words_of

Mentions = tuple[tuple[str, str], ...]


class Vocabulary:
    """The mentions of a subject's notes, looked at once.

    Args:
        mentions: Sorted (entity type, surface) pairs.
    """

    def __init__(self, mentions: Mentions = ()) -> None:
        self.mentions = mentions
        self._surfaces: dict[str, list[str]] = {}
        for entity_type, surface in sorted(set(mentions)):
            self._surfaces.setdefault(entity_type, []).append(surface)

    @cached_property
    def words(self) -> frozenset[str]:
        """The folded words of all mentions: no surrogate may hold one of them."""
        return frozenset(word.key for _, surface in self.mentions for word in words_of(surface))

    @cached_property
    def people(self) -> People:
        """What the names of persons say about one another."""
        names = {
            surface
            for entity_type, surfaces in self._surfaces.items()
            if entity_type.endswith("_NAME")
            for surface in surfaces
        }
        return People(sorted(names))

    def surfaces(self, entity_type: str) -> tuple[str, ...]:
        """Return the distinct mentions of a type, sorted."""
        return tuple(self._surfaces.get(entity_type, ()))


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """Mentions as a key compared by identity: hashing a thousand of them would cost more than a draw."""

    mentions: Mentions

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.mentions is other.mentions

    def __hash__(self) -> int:
        return id(self.mentions)


def vocabulary_of(mentions: Mentions) -> Vocabulary:
    """Return the vocabulary of a subject's mentions; the operators of all types share the latest ones.

    Args:
        mentions: Sorted (entity type, surface) pairs; the same tuple for all mentions of a subject.
    """
    return _vocabulary(_Same(mentions))


@lru_cache(maxsize=4)
def _vocabulary(same: _Same) -> Vocabulary:
    return Vocabulary(same.mentions)
