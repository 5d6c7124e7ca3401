"""Masking: signs in the place of letters and digits."""

from __future__ import annotations

from typing import ClassVar

from deid.operate.failure import OperatorFailure
from deid.operate.operator import Params, PolicyOperator

_FIXED_LENGTH = 8
_SHAPE = frozenset(" \t\r\n-./,:;()@#_")


class Mask(PolicyOperator):
    """Replace a mention by ``********``.

    Parameters:
        char: The sign; not a letter, digit or space.
        keep_last: How many of the last letters and digits stay, 0 to 4; less than half of them, else the
            mention is redacted.
        length: ``fixed`` gives eight signs whatever was there; ``same`` one for each character, with the
            separators left in place (``***-**-1234``), which tells length and shape.
    """

    name: ClassVar[str] = "mask"

    def replace(self, text: str, params: Params) -> str:
        """Return the masked form.

        Args:
            text: The mention as written.
            params: See the class.

        Raises:
            OperatorFailure: if the mention is too short for `keep_last`, or holds nothing to mask.
        """
        sign: str = self.value(params, "char")
        keep: int = self.value(params, "keep_last")
        solid = [index for index, character in enumerate(text) if character.isalnum()]
        if not solid or 2 * keep >= len(solid):
            raise OperatorFailure("too few letters and digits to mask")
        last = frozenset(solid[-keep:]) if keep else frozenset()
        if self.value(params, "length") == "fixed":
            return sign * _FIXED_LENGTH + "".join(text[index] for index in sorted(last))
        return "".join(
            character if index in last or character in _SHAPE else sign
            for index, character in enumerate(text)
        )
