"""What all the names in a subject's notes say about one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from deid.operate.surrogates.name_lists import formal_names, is_given
from deid.operate.surrogates.name_parts import NamePart, Role, parse_name


class People:
    """What the names in a subject's notes say, whatever their order.

    Args:
        names: Distinct names as written, sorted.

    Attributes:
        names: The folded given and family names in them.
        nicknames: The folded short forms in one mention with their formal name: Robert (Bob) Smith.
    """

    def __init__(self, names: Iterable[str]) -> None:
        parsed = [parse_name(name) for name in names]
        self.names = frozenset(
            part.word.key for parts in parsed for part in parts if part.role not in (Role.FIXED, Role.INITIAL)
        )
        self.nicknames = frozenset(
            part.word.key
            for parts in parsed
            for part in parts
            if {other.word.key for other in parts} & set(formal_names().get(part.word.key, ()))
        )
        self._votes: Counter[str] = Counter()
        self._beside: dict[str, list[tuple[Role, str]]] = {}
        self._initials: dict[str, tuple[tuple[Role, str], ...]] = {}
        for parts in parsed:
            self._add(parts)

    def _add(self, parts: tuple[NamePart, ...]) -> None:
        named = [(part.role, part.word.key) for part in parts if part.role in (Role.GIVEN, Role.FAMILY)]
        for role, key in named:
            self._votes[key] += 1 if role is Role.GIVEN else -1
        given = frozenset(key for role, key in named if role is Role.GIVEN)
        family = frozenset(key for role, key in named if role is Role.FAMILY)
        if given and family:
            for here, there in ((given, family), (family, given)):
                role = Role.FAMILY if there is family else Role.GIVEN
                for key in here:
                    self._beside.setdefault(key, []).extend((role, other) for other in sorted(there))
            spoken = sorted((part for part in parts if part.role is not Role.FIXED), key=_spoken_order)
            letters = "".join(part.word.key[0] for part in spoken)
            self._initials.setdefault(letters, tuple((part.role, part.word.key) for part in spoken))

    def formal(self, key: str) -> str:
        """Return the formal name that a folded given name is short for, the name itself if it is for none.

        Where a short form may stand for several, it is the first of them that the notes hold.

        Args:
            key: A folded given name.
        """
        formals = formal_names().get(key, ())
        held = (formal for formal in formals if formal in self.names)
        return next(held, formals[0] if len(formals) == 1 else key)

    def role(self, key: str, here: Role) -> Role:
        """Return the role of a folded name, the same wherever it stands in the subject's notes.

        Args:
            key: The name.
            here: Its role in the mention at hand, which counts if the other mentions do not tell.
        """
        votes = self._votes.get(key, 0)
        if votes:
            return Role.GIVEN if votes > 0 else Role.FAMILY
        if here is not Role.LONE and key not in self._votes:
            return here
        return Role.GIVEN if is_given(key) else Role.FAMILY

    def abbreviated(self, letter: str, role: Role, beside: frozenset[str]) -> str | None:
        """Return the folded name that an initial stands for, if a fuller form of the name is there.

        Args:
            letter: The initial, in lower case.
            role: Whether it stands for a given or a family name.
            beside: The names written out beside it; one of them has to be in the fuller form.
        """
        others = {key for name in beside for there, key in self._beside.get(name, ()) if there is role}
        fitting = (key for key in others if letter in (key[0], self.formal(key)[0]))
        return min(fitting, default=None)

    def spelled_out(self, letters: str) -> tuple[tuple[Role, str], ...] | None:
        """Return the parts of the name whose initials these are, or None."""
        return self._initials.get(letters)


def _spoken_order(part: NamePart) -> tuple[bool, int]:
    return part.role is Role.FAMILY, part.word.start
