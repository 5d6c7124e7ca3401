"""The checks that rules name, and those on numbers with check digits, addresses and telephone numbers.

All of them take the matched surface with its signs and spaces. A check digit only decides where nothing but
the shape speaks for an identifier; a labelled number is taken as it stands, for typing errors are PHI too.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from deid.detect import date_checks, identifier_checks, name_checks

_NOT_DIGIT = re.compile(r"[^0-9]")
_NOT_ALNUM = re.compile(r"[^0-9A-Za-z]")
_NPI_PREFIX_SUM = 24
_VIN_VALUES = dict(
    zip("ABCDEFGHJKLMNPRSTUVWXYZ", (*range(1, 9), *range(1, 6), 7, 9, *range(2, 10)), strict=True)
)
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
# ITU-T E.164 assigned country codes: of two digits, and the first two digits of those with three.
_TWO_DIGIT_CODE = re.compile(r"2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]")
_THREE_DIGIT_CODE = re.compile(r"2[1-69]|3[578]|42|5[09]|6[789]|8[0578]|9[679]")


def _digits(surface: str) -> str:
    return _NOT_DIGIT.sub("", surface)


def luhn(surface: str) -> bool:
    """Accept digits whose last is the Luhn check digit (ISO/IEC 7812-1, annex B)."""
    digits = _digits(surface)
    return bool(digits) and _luhn_sum(digits) % 10 == 0


def _luhn_sum(digits: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total


def payment_card(surface: str) -> bool:
    """Accept 13 to 19 digits with a payment network's first digit and a Luhn check digit."""
    digits = _digits(surface)
    return 13 <= len(digits) <= 19 and digits[0] in "3456" and luhn(digits)


def npi(surface: str) -> bool:
    """Accept a National Provider Identifier: ten digits, Luhn with the prefix 80840 (45 CFR 162.406)."""
    digits = _digits(surface)
    return len(digits) == 10 and digits[0] in "12" and (_luhn_sum(digits) + _NPI_PREFIX_SUM) % 10 == 0


def dea(surface: str) -> bool:
    """Accept a DEA registration number: two signs and seven digits, the last a check digit (21 CFR 1301)."""
    digits = _digits(surface[2:])
    if len(surface) != 9 or len(digits) != 7:
        return False
    odd, even = (sum(int(digit) for digit in digits[first:6:2]) for first in (0, 1))
    return (odd + 2 * even) % 10 == int(digits[6])


def vin(surface: str) -> bool:
    """Accept a vehicle identification number: 17 signs, the ninth a check digit (49 CFR 565.15, ISO 3779)."""
    signs = surface.upper()
    if len(signs) != 17 or not all(sign.isdigit() or sign in _VIN_VALUES for sign in signs):
        return False
    values = (int(sign) if sign.isdigit() else _VIN_VALUES[sign] for sign in signs)
    rest = sum(value * weight for value, weight in zip(values, _VIN_WEIGHTS, strict=True)) % 11
    return not signs.isdigit() and signs[8] == ("X" if rest == 10 else str(rest))


def ssn(surface: str) -> bool:
    """Accept nine digits that may be a Social Security or taxpayer number: no group of zeros, not 666."""
    digits = _digits(surface)
    return (
        len(digits) == 9 and digits[:3] not in {"000", "666"} and digits[3:5] != "00" and digits[5:] != "0000"
    )


def nhs_number(surface: str) -> bool:
    """Accept ten digits with the modulus 11 check digit of the English NHS number (NHS Data Dictionary)."""
    digits = _digits(surface)
    if len(digits) != 10 or len(set(digits)) == 1:
        return False
    rest = sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False)) % 11
    return (11 - rest) % 11 == int(digits[9]) if rest != 1 else False


def iban(surface: str) -> bool:
    """Accept an international bank account number by its modulus 97 (ISO 13616-1)."""
    signs = _NOT_ALNUM.sub("", surface).upper()
    moved = signs[4:] + signs[:4]
    return 15 <= len(signs) <= 34 and int("".join(str(int(sign, 36)) for sign in moved)) % 97 == 1


def ipv4(surface: str) -> bool:
    """Accept four octets, unless they read as the number of a section: ``2.1.3.4``."""
    octets = re.split("[:/]", surface, maxsplit=1)[0].split(".")
    if len(octets) != 4 or not all(
        re.fullmatch("[0-9]{1,3}", octet) and int(octet) < 256 for octet in octets
    ):
        return False
    return any(not 1 <= int(octet) <= 20 for octet in octets)


def ipv6(surface: str) -> bool:
    """Accept an IPv6 address (RFC 4291) of a global, link-local or unique local range."""
    try:
        address = ipaddress.IPv6Address(re.split("[/%]", surface, maxsplit=1)[0])
    except ValueError:
        return False
    return address.packed[0] >= 0xFC or 0x20 <= address.packed[0] <= 0x3F


def mac_address(surface: str) -> bool:
    """Accept six pairs of hexadecimal digits, at least one of them a letter."""
    return len(_NOT_ALNUM.sub("", surface)) == 12 and any(sign.isalpha() for sign in surface)


def calling_code(surface: str) -> bool:
    """Accept a telephone number with an assigned country code (ITU-T E.164), at most 15 digits."""
    digits = _digits(surface.replace("(0)", ""))
    written = len(re.sub(r"\D.*", "", surface.removeprefix("+"), flags=re.DOTALL))
    if digits[:1] == "1":
        return len(digits) == 11 and written in {1, 4, 11}
    if not 9 <= len(digits) <= 15:
        return False
    if digits[:1] == "7" or _TWO_DIGIT_CODE.match(digits):
        return written >= (1 if digits[:1] == "7" else 2)
    return _THREE_DIGIT_CODE.match(digits) is not None and written >= 3


def telephone(surface: str) -> bool:
    """Accept 7 to 15 digits that are no range of round numbers such as ``500-1000`` and no date."""
    digits = _digits(surface)
    if len(digits) == 7:
        low, high = int(digits[:3]), int(digits[3:])
        return not (low < high and low % 25 == 0 and high % 50 == 0)
    return 7 <= len(digits) <= 15 and not date_checks.numeric_date(surface)


def telephone_or_spoken(surface: str) -> bool:
    """Accept what `telephone` accepts, and digits that are written out."""
    return surface[0].isalpha() or telephone(surface)


def ocr_telephone(surface: str) -> bool:
    """Accept a number of which one to five digits were read as letters: ``6l7-555-OIO8``."""
    letters = sum(sign.isalpha() for sign in surface)
    first = re.split(r"[). /-]", surface.lstrip("("), maxsplit=1)[0]
    return 1 <= letters <= 5 and len(_digits(surface)) >= 5 and any(map(str.isdigit, first))


_OWN = (
    luhn, payment_card, npi, dea, vin, ssn, nhs_number, iban, ipv4, ipv6, mac_address, calling_code,
    telephone, telephone_or_spoken, ocr_telephone,
)  # fmt: skip

CHECKS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {check.__name__: check for check in _OWN}
    | dict(identifier_checks.CHECKS)
    | dict(date_checks.CHECKS)
    | dict(name_checks.CHECKS)
)
