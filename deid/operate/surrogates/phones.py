"""Telephone, fax and pager numbers: the same format, American ones in the range reserved for fiction."""

from __future__ import annotations

import re
from functools import cache

from deid.operate.failure import OperatorFailure
from deid.operate.surrogates.choice import Choice
from deid.operate.surrogates.regions import states
from deid.operate.surrogates.words import fold, put

_EXTENSION = re.compile(r"(?i)\s*(?:,|;|/)?\s*(?:x|extension|extn|ext|#)[.:\s]*\d+\s*$")
_CALLING_CODE = re.compile(r"\s*(?:\+|00|011[\s-]?)\s*(\d{1,3})")
_LETTERS = re.compile(r"[^\W\d_]+")
_LABELS = frozenset(
    (
        "phone",
        "ph",
        "tel",
        "telephone",
        "fax",
        "cell",
        "mobile",
        "home",
        "work",
        "office",
        "pager",
        "beeper",
        "p",
        "f",
    )
)
_TWO_DIGIT_CODES = frozenset(
    (
        *(
            "20",
            "27",
            "30",
            "31",
            "32",
            "33",
            "34",
            "36",
            "39",
            "40",
            "41",
            "43",
            "44",
            "45",
            "46",
            "47",
            "48",
        ),
        *(
            "49",
            "51",
            "52",
            "53",
            "54",
            "55",
            "56",
            "57",
            "58",
            "60",
            "61",
            "62",
            "63",
            "64",
            "65",
            "66",
            "81",
        ),
        *("82", "84", "86", "90", "91", "92", "93", "94", "95", "98"),
    )
)


def phone(text: str, choice: Choice) -> str:
    """Return a number of the same format; North American ones get 555-0100 to 555-0199, reserved for fiction.

    Numbers of other countries keep the calling code. Extensions and short numbers change digit by digit.

    Args:
        text: A telephone, fax or pager number.
        choice: The draws of this mention.

    Raises:
        OperatorFailure: if there is no digit in it.
    """
    if not any(map(str.isdigit, text)):
        raise OperatorFailure("there is no digit in the telephone number")
    extension = _EXTENSION.search(text)
    body, tail = (text[: extension.start()], extension[0]) if extension else (text, "")
    letters = [word for word in _LETTERS.finditer(body) if word[0].lower() not in _LABELS]
    if letters:  # 1-800-FLOWERS
        body = put(body, [(*word.span(), choice.shaped(word[0], fold(body), word[0])) for word in letters])
    digits = "".join(filter(str.isdigit, body))
    new = _other_digits(body, digits, choice) if digits else ""
    behind = "".join(filter(str.isdigit, tail))
    return _digits_for_digits(body, new) + _digits_for_digits(
        tail, choice.shaped(behind, digits, "extension", behind) if tail else ""
    )


def _digits_for_digits(text: str, digits: str) -> str:
    new = iter(digits)
    return "".join(next(new) if sign.isdigit() else sign for sign in text)


def _other_digits(body: str, digits: str, choice: Choice) -> str:
    calling = _CALLING_CODE.match(body)
    if calling and not calling[1].startswith("1"):
        code = _code_length(calling[1])
        kept = sum(map(str.isdigit, body[: calling.start(1)])) + code
        trunk = kept + 1 if digits[kept : kept + 1] == "0" else kept
        return digits[:trunk] + choice.shaped(digits[trunk:], digits[trunk:]) if digits[trunk:] else digits
    if (
        any(map(str.isalpha, body))
        or len(digits) not in (7, 10, 11)
        or (len(digits) == 11 and digits[0] != "1")
    ):
        return choice.shaped(digits, digits)
    local = digits[-7:]
    line = choice.pick(
        tuple(f"55501{number:02d}" for number in range(100)),
        "line",
        local,
        avoid=lambda option: option == local,
    )
    if len(digits) == 7:
        return line
    area = choice.pick(_area_codes(), "area", digits[-10:], avoid=lambda option: option == digits[-10:-7])
    return digits[:-10] + area + line


@cache
def _area_codes() -> tuple[str, ...]:
    return tuple(sorted({code for one in states() for code in one.area_codes}))


def _code_length(digits: str) -> int:
    """Return how many digits the calling code has (ITU-T E.164)."""
    if digits[0] == "7":
        return 1
    return 2 if digits[:2] in _TWO_DIGIT_CODES else min(3, len(digits))
