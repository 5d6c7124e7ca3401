"""The keyed draw behind every surrogate: the same value of the same subject gives the same draw, anywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from deid.keys import Keys
from deid.operate.failure import OperatorFailure
from deid.operate.surrogates.vocabulary import Vocabulary
from deid.operate.surrogates.words import words_of

_ATTEMPTS = 40
_DIGITS = "0123456789"
_LOWER = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Choice:
    """Draws for one mention; nothing is remembered between draws.

    Args:
        keys: The secret.
        key_name: Whose notes; goes into every draw.
        kind: Kind of surrogate, the purpose of the key.
        entity_type: Type of the mention.
        vocabulary: What was found in the subject's notes.
    """

    keys: Keys
    key_name: str
    kind: str
    entity_type: str
    vocabulary: Vocabulary

    def of(self, kind: str) -> Choice:
        """Return the draws of another kind for the same subject, for values inside values."""
        return replace(self, kind=kind)

    def number(self, *parts: str, below: int) -> int:
        """Draw a number in ``[0, below)`` for a value.

        Args:
            parts: The value, normalized, and what tells draws for the same value apart.
            below: Upper bound, exclusive.
        """
        return self.keys.number(f"surrogate:{self.kind}", self.key_name, *parts, below=below)

    def pick(self, options: Sequence[str], *parts: str, avoid: Callable[[str], bool]) -> str:
        """Draw an option, and others after it where the drawn one is to be avoided.

        Args:
            options: A frozen list.
            parts: As for `number`.
            avoid: Says which options must not be taken.

        Raises:
            OperatorFailure: if all are to be avoided.
        """
        if options:
            # Steps of a drawn width, so that the neighbors of avoided options are not drawn more often.
            width, first = divmod(self.number(*parts, below=2**60), len(options))
            for step in range(len(options)):
                option = options[(first + step * (width % len(options) or 1)) % len(options)]
                if not avoid(option):
                    return option
            for option in options:
                if not avoid(option):
                    return option
        raise OperatorFailure("no surrogate is left in the list")

    def letters_and_digits(self, text: str, *parts: str) -> str:
        """Replace digits by digits and letters by letters of the same case; everything else stays.

        Args:
            text: What to replace; letters beyond ASCII give ASCII letters.
            parts: As for `number`.
        """
        signs = []
        pool = 0
        for index, sign in enumerate(text):
            if index % 30 == 0:
                digest = self.keys.digest(
                    f"surrogate:{self.kind}", self.key_name, *parts, f"signs {index // 30}"
                )
                pool = int.from_bytes(digest, "big")
            pool, draw = divmod(pool, 260)
            signs.append(_replacement(sign, draw))
        return "".join(signs)

    def shaped(self, text: str, *parts: str) -> str:
        """Do as `letters_and_digits`, never giving the original, nor a leading zero where it has none.

        Args:
            text: What to replace.
            parts: As for `number`.

        Raises:
            OperatorFailure: if the text has no letter or digit.
        """
        digit = next((index for index, sign in enumerate(text) if sign.isdigit()), None)
        for attempt in range(_ATTEMPTS):
            new = self.letters_and_digits(text, *parts, f"attempt {attempt}")
            if digit is not None and new[digit] == "0" != text[digit]:
                continue
            if new.casefold() != text.casefold():
                return new
        raise OperatorFailure("there is no letter or digit to replace")

    def is_taken(self, option: str) -> bool:
        """Tell whether a word of an option occurs in the mentions of the subject's notes."""
        taken = self.vocabulary.words
        key = option.lower()
        return key in taken or (not key.isalpha() and any(word.key in taken for word in words_of(key)))


def _replacement(sign: str, draw: int) -> str:
    if sign.isdecimal() or sign.isdigit():
        return _DIGITS[draw % 10]
    if not sign.isalpha():
        return sign
    letter = _LOWER[draw % 26]
    return letter.upper() if sign.isupper() else letter
