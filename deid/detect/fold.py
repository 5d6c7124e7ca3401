"""A copy of a text in which typographic variants are plain ASCII, with the way back to exact offsets.

Exports are full of non-breaking spaces, typographic dashes and quotes, full-width digits, zero-width
characters and CRLF. Rules read the folded copy; each code point of it stands for exactly one of the original,
and what is left out (zero-width characters, the CR of CRLF) is accounted for.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

_REMOVED = 0x110000
_REPLACEMENT_CHARACTER = 0xFFFD
_CR, _LF = 0x0D, 0x0A
_BY_CATEGORY = {"Cf": _REMOVED, "Zs": 0x20, "Zl": _LF, "Zp": _LF, "Pd": 0x2D, "Cs": _REPLACEMENT_CHARACTER}
_SIGNS = {
    ord(sign): ord(plain)
    for signs, plain in (
        ("‘’‚‛ʼ′´ˈ", "'"),
        ("“”„‟″", '"'),
        ("−⁃", "-"),
        ("⁄∕", "/"),
        ("∶", ":"),
        ("№", "#"),
        ("\x85", "\n"),
    )
    for sign in signs
}
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Folded:
    """A folded text.

    Args:
        text: The folded text.
        origins: For each code point of it the index of the original one; None if the same.
    """

    text: str = field(repr=False)
    origins: Indices | None = field(default=None, repr=False)

    @cached_property
    def data(self) -> bytes:
        """The folded text in UTF-8."""
        return self.text.encode()

    @cached_property
    def _first_bytes(self) -> Indices | None:
        """Byte offsets at which the code points begin; None if each is one byte."""
        if len(self.data) == len(self.text):
            return None
        return np.flatnonzero((np.frombuffer(self.data, np.uint8) & 0xC0) != 0x80)

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Translate a non-empty stretch of `text` to the original text.

        Args:
            start: First code point.
            end: One past the last code point.
        """
        if self.origins is None:
            return start, end
        return int(self.origins[start]), int(self.origins[end - 1]) + 1

    def original_bytes(self, start: int, end: int) -> tuple[int, int]:
        """Translate a non-empty stretch of `data` to code points of the original text.

        Args:
            start: Offset of the first byte of a character.
            end: Offset one past the last byte of a character.
        """
        if self._first_bytes is not None:
            start, end = (int(place) for place in np.searchsorted(self._first_bytes, (start, end)))
        return self.original(start, end)


def fold(text: str) -> Folded:
    """Fold a text: spaces, dashes, quotes, digits and full-width forms to ASCII, line ends to LF.

    Args:
        text: Any text; lone surrogates become U+FFFD.
    """
    if text.isascii() and "\r" not in text:
        return Folded(text)
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).copy()
    carriage = points == _CR
    points[carriage] = _LF
    points[:-1][carriage[:-1] & (np.diff(points) == 0) & ~carriage[1:]] = _REMOVED
    beyond = points > 0x7F
    different, inverse = np.unique(points[beyond], return_inverse=True)
    points[beyond] = np.array([_fold_point(int(point)) for point in different], np.uint32)[inverse]
    kept = points != _REMOVED
    folded = points[kept].tobytes().decode("utf-32-le")
    return Folded(folded, None if kept.all() else np.flatnonzero(kept))


@lru_cache(maxsize=4096)
def _fold_point(point: int) -> int:
    if point == _REMOVED or point in _VARIATION_SELECTORS:
        return _REMOVED
    if point in _SIGNS:
        return _SIGNS[point]
    sign = chr(point)
    category = unicodedata.category(sign)
    if category in _BY_CATEGORY:
        return _BY_CATEGORY[category]
    if category == "Nd":
        return ord("0") + unicodedata.decimal(sign)
    plain = unicodedata.normalize("NFKC", sign)
    # Superscripts and fractions (No) are not digits of a number: 10² is not 102.
    return ord(plain) if category != "No" and len(plain) == 1 and plain.isascii() else point
