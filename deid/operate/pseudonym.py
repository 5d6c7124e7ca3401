"""Pseudonyms: ``PATIENT_1`` and record codes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import ClassVar

from deid.keys import Keys
from deid.operate.failure import OperatorFailure
from deid.operate.normalize import normalize
from deid.operate.operator import Params, PolicyOperator, keys_of, label, subject_of
from deid.operate.subject import Subject

_CODE_SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_LENGTH = 12
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_GENERATIONS = frozenset({"jr", "sr", "ii", "iii", "iv"})

Numbers = dict[str, int]


class Pseudonym(PolicyOperator):
    """Replace a mention by its type and a number, or by a record code.

    Parameter ``code``:
        - ``none``: ``PATIENT_1``. Distinct values of a type in the notes of one subject are numbered in the
          order of a keyed digest, so that neither the order of notes nor that of mentions matters. Types that
          end in ``_NAME`` are compared by name parts: see `group_names`.
        - ``random``: ``[PATIENT 8F3K-22QX]``, with the random code that a crosswalk file assigned to the
          patient. This is what 45 CFR 164.514(c) allows under Safe Harbor.
        - ``keyed``: the same form, with a code derived from key and patient id; for expert determination.

    A code stands for the patient, whatever the mention: use it for the patient's own names and numbers.
    """

    name: ClassVar[str] = "pseudonym"

    def __init__(self) -> None:
        self._last: tuple[Subject, str, Numbers] | None = None

    def replace(self, text: str, params: Params) -> str:
        """Return the pseudonym.

        Args:
            text: The mention as written.
            params: See the class.

        Raises:
            OperatorFailure: if there is no code, or the value is not among the subject's mentions.
            KeyMaterialError: if a key is needed and there is none.
        """
        entity_type: str = params.get("entity_type", "PHI")
        subject = subject_of(params)
        code: str = self.value(params, "code")
        if code == "random":
            if not subject.code:
                raise OperatorFailure("the subject has no record code")
            return f"[{label(entity_type)} {subject.code}]"
        if code == "keyed":
            return f"[{label(entity_type)} {keyed_code(keys_of(params), subject)}]"
        number = self._numbers(keys_of(params), subject, entity_type).get(normalize(text))
        if number is None:
            raise OperatorFailure("the value is not among the subject's mentions")
        return f"{label(entity_type)}_{number}"

    def _numbers(self, keys: Keys, subject: Subject, entity_type: str) -> Numbers:
        last = self._last
        if (
            last is None
            or last[0].mentions is not subject.mentions
            or last[0].key_name != subject.key_name
            or last[1] != entity_type
        ):
            last = (subject, entity_type, number_values(keys, subject, entity_type))
            self._last = last
        return last[2]


def keyed_code(keys: Keys, subject: Subject) -> str:
    """Return a record code of 60 bits, such as ``8F3K-22QX-70VD``, in Crockford's base 32.

    Args:
        keys: The secret.
        subject: Whose code; depends on the key name alone.

    Raises:
        OperatorFailure: if the subject has no key name: a code for nobody would be the same for all.
    """
    if not subject.key_name:
        raise OperatorFailure("a record code needs a subject")
    number = keys.number("pseudonym-code", subject.key_name, below=32**_CODE_LENGTH)
    signs = "".join(_CODE_SIGNS[number >> 5 * place & 31] for place in range(_CODE_LENGTH))
    return "-".join(signs[start : start + 4] for start in range(0, _CODE_LENGTH, 4))


def number_values(keys: Keys, subject: Subject, entity_type: str) -> Numbers:
    """Number the distinct values of a type from 1.

    Args:
        keys: The secret that orders the values.
        subject: Whose mentions.
        entity_type: The type; values of a type that ends in ``_NAME`` are grouped by `group_names`.

    Returns:
        Normalized value to number.
    """
    values = sorted({normalize(surface) for kind, surface in subject.mentions if kind == entity_type})
    groups = group_names(values) if entity_type.endswith("_NAME") else [(value,) for value in values]
    order = sorted(
        groups,
        key=lambda group: keys.digest("pseudonym", subject.key_name, entity_type, group[0]),
    )
    return {value: number for number, group in enumerate(order, start=1) for value in group}


def group_names(values: Iterable[str]) -> list[tuple[str, ...]]:
    """Group the written forms of one person's name: "john smith", "smith, john", "smith".

    A name belongs to a fuller one if its parts are among the parts of that one; an initial stands for any
    part it begins. A name that fits several fuller ones that do not fit one another (two people called Smith)
    stays alone, and so does one that holds initials only.

    Args:
        values: Distinct normalized names.

    Returns:
        Groups, each sorted; every value is in one group.
    """
    parts = {value: _name_parts(value) for value in sorted(values)}
    written: dict[frozenset[str], list[str]] = defaultdict(list)
    for value, names in parts.items():
        written[names or frozenset({value})].append(value)
    holding: dict[str, list[frozenset[str]]] = defaultdict(list)
    for names in written:
        for name in names:
            holding[name].append(names)
    groups: dict[frozenset[str], list[str]] = defaultdict(list)
    for names, forms in written.items():
        anchor = max(names, key=lambda name: (len(name), name))
        fuller = [other for other in holding[anchor] if _fits(names, other)] if len(anchor) > 1 else []
        fullest = [other for other in fuller if not any(_is_fuller(third, other) for third in fuller)]
        groups[fullest[0] if len(fullest) == 1 else names].extend(forms)
    return [tuple(sorted(group)) for group in groups.values()]


def _name_parts(value: str) -> frozenset[str]:
    return frozenset(_WORD.findall(value)) - _GENERATIONS


def _fits(names: frozenset[str], other: frozenset[str]) -> bool:
    return all(
        name in other or (len(name) == 1 and any(part.startswith(name) for part in other)) for name in names
    )


def _is_fuller(names: frozenset[str], other: frozenset[str]) -> bool:
    return _fits(other, names) and not _fits(names, other)
