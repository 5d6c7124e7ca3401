"""Numbers of all kinds and log-ins: digits for digits, letters for letters, check digits still valid."""

from __future__ import annotations

import re

from deid.operate.failure import OperatorFailure
from deid.operate.surrogates.check_digits import scheme_of
from deid.operate.surrogates.choice import Choice
from deid.operate.surrogates.names import initials
from deid.operate.surrogates.words import put

_MASKED = re.compile(r"[xX*#]{2,}")
_LABEL = re.compile(r"(?:MRN|SSN|NPI|DEA|VIN|ACCT|ACC|PIN|ID)(?![A-Za-z])", re.IGNORECASE)
_SSN = re.compile(r"\d{9}")
_TOKEN = re.compile(r"[^\W_]+")
_ATTEMPTS = 20


def identifier(text: str, choice: Choice) -> str:
    """Return another number of the same shape; separators, masked parts (XXX-XX) and labels (MRN) stay.

    A number is compared without its separators. A number of three to five digits that ends a longer one of
    the same type in the notes ("ending in 6789") ends the surrogate of that one, too.

    Args:
        text: The mention.
        choice: The draws of this mention.

    Raises:
        OperatorFailure: if there is no letter or digit to replace.
    """
    keep = {index for match in _MASKED.finditer(text) for index in range(*match.span())}
    label = _LABEL.match(text)
    if label and len(text) > label.end():
        keep |= set(range(label.end()))
    places = [index for index, sign in enumerate(text) if sign.isalnum() and index not in keep]
    value = "".join(text[index] for index in places)
    if not value:
        raise OperatorFailure("there is no letter or digit in the number")
    new = _ending(value, choice) or _other(value, choice)
    return put(text, [(index, index + 1, sign) for index, sign in zip(places, new, strict=True)])


def _ending(value: str, choice: Choice) -> str | None:
    if not (value.isdigit() and 3 <= len(value) <= 5):
        return None
    for longer in choice.vocabulary.surfaces(choice.entity_type):
        full = "".join(filter(str.isalnum, longer))
        if len(full) > len(value) and full.endswith(value) and full[-6:].isdigit():
            new = "".join(filter(str.isalnum, identifier(longer, choice)))[-len(value) :]
            return None if new == value else new
    return None


def _other(value: str, choice: Choice) -> str:
    key = value.casefold()
    if "SSN" in choice.entity_type and _SSN.fullmatch(value):
        return _ssn(value, choice)
    scheme = scheme_of(value.upper())
    for attempt in range(_ATTEMPTS):
        new = choice.shaped(value, key, f"try {attempt}")
        if scheme:
            mended = scheme.mend(new.upper())
            new = "".join(
                sign.lower() if old.islower() else sign for old, sign in zip(value, mended, strict=False)
            )
        if len(new) == len(value) and new.casefold() != key:
            return new
    raise OperatorFailure("no valid number of this kind differs from the original")


def _ssn(value: str, choice: Choice) -> str:
    """Return a number that was never given out, neither as SSN (area 9xx) nor as ITIN (group 50 and up)."""
    for attempt in range(_ATTEMPTS):
        number = choice.number("ssn", value, f"try {attempt}", below=100 * 49 * 9999)
        rest, serial = divmod(number, 9999)
        area, group = divmod(rest, 49)
        new = f"{900 + area}{group + 1:02d}{serial + 1:04d}"
        if new != value:
            return new
    raise OperatorFailure("no number that was never given out differs from the original")


def username(text: str, choice: Choice) -> str:
    """Return other letters and digits, each part between separators by itself: ``WHP/tlq``, ``jdoe12``.

    Two to four letters that are the initials of a person in the notes become the initials of the surrogate.

    Args:
        text: The mention.
        choice: The draws of this mention.

    Raises:
        OperatorFailure: if there is no letter or digit in it.
    """
    pieces = [(match.start(), match.end(), _log_in(match[0], choice)) for match in _TOKEN.finditer(text)]
    if not pieces:
        raise OperatorFailure("there is no letter or digit in the user name")
    return put(text, pieces)


def _log_in(token: str, choice: Choice) -> str:
    letters = token.casefold()
    if 2 <= len(letters) <= 4 and choice.vocabulary.people.spelled_out(letters):
        new = initials(letters, choice.of("person_name"))
        if new != letters and len(new) == len(letters):
            return "".join(
                sign.upper() if old.isupper() else sign for old, sign in zip(token, new, strict=True)
            )
    return choice.shaped(token, letters)
