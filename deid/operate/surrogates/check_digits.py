"""Check digits: telling valid numbers, and making a new number valid in the same way."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_VIN_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789", strict=True))
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
# Issued to nobody: https://digital.nhs.uk, synthetic NHS numbers.
_NHS_TEST_RANGE = "999"


def luhn_digit(digits: str) -> str:
    """Return the digit that makes a number valid when put behind it (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def npi_digit(digits: str) -> str:
    """Return the check digit of a National Provider Identifier (45 CFR 162.406: Luhn behind 80840)."""
    return luhn_digit("80840" + digits)


def dea_digit(digits: str) -> str:
    """Return the check digit of a DEA registration number from its first six digits."""
    odd, even = digits[0::2], digits[1::2]
    return str((sum(map(int, odd)) + 2 * sum(map(int, even))) % 10)


def nhs_digit(digits: str) -> str:
    """Return the check digit of a UK NHS number (modulus 11); empty where the nine digits allow none."""
    check = -sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=True)) % 11
    return "" if check == 10 else str(check)


def vin_digit(vin: str) -> str:
    """Return the ninth sign of a vehicle identification number (49 CFR 565.15) from all seventeen."""
    values = (int(_VIN_VALUES.get(sign, sign)) for sign in vin.upper())
    check = sum(value * weight for value, weight in zip(values, _VIN_WEIGHTS, strict=True)) % 11
    return "X" if check == 10 else str(check)


@dataclass(frozen=True, slots=True)
class Scheme:
    """A kind of number with a check digit.

    Args:
        shape: What the number looks like without separators, in upper case.
        is_valid: Tells a valid number of that shape.
        mend: Returns the number made valid, or an empty text where it cannot be.
    """

    shape: re.Pattern[str]
    is_valid: Callable[[str], bool]
    mend: Callable[[str], str]


def _mend_vin(value: str) -> str:
    # I, O and Q do not occur in a VIN.
    value = value.translate(str.maketrans("IOQ", "JPR"))
    return value[:8] + vin_digit(value) + value[9:]


def _mend_nhs(value: str) -> str:
    digits = _NHS_TEST_RANGE + value[3:9]
    check = nhs_digit(digits)
    return digits + check if check else ""


# The first scheme that fits a number decides; a chance fit does no harm.
SCHEMES = (
    Scheme(
        re.compile(r"[A-HJ-NPR-Z0-9]{17}"),
        lambda value: any(map(str.isalpha, value)) and vin_digit(value) == value[8],
        _mend_vin,
    ),
    Scheme(
        re.compile(r"[A-Z][A-Z9]\d{7}"),
        lambda value: dea_digit(value[2:8]) == value[8],
        lambda value: value[:8] + dea_digit(value[2:8]),
    ),
    Scheme(
        re.compile(r"[12]\d{9}"),
        lambda value: npi_digit(value[:9]) == value[9],
        lambda value: "1" + value[1:9] + npi_digit("1" + value[1:9]),
    ),
    Scheme(re.compile(r"\d{10}"), lambda value: nhs_digit(value[:9]) == value[9], _mend_nhs),
    Scheme(
        re.compile(r"\d{8,}"),
        lambda value: luhn_digit(value[:-1]) == value[-1],
        lambda value: value[:-1] + luhn_digit(value[:-1]),
    ),
)


def scheme_of(value: str) -> Scheme | None:
    """Return the scheme by which a number is valid, or None.

    Args:
        value: Letters and digits without separators, in upper case.
    """
    fitting = (scheme for scheme in SCHEMES if scheme.shape.fullmatch(value) and scheme.is_valid(value))
    return next(fitting, None)
