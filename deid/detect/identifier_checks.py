"""Checks on matched identifiers without a format of their own: a number of somebody, or a measurement?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from deid.detect import date_checks
from deid.detect.lists import word_list

_NOT_DIGIT = re.compile(r"[^0-9]")
_NOT_ALNUM = re.compile(r"[^0-9A-Za-z]")
_NO_LOGIN = frozenset(
    """april august bid cord covid day dec disabled expired failed feb friday gauge grade group hour jan
    july june level march may min monday mrsa none nov oct omega patient pending phase q required
    reset same sept stage step times type unit unknown vit vitamin vitd week year""".split()  # noqa: SIM905
)
_VERTEBRAE = re.compile(r"[CTLS]\d{1,2}(?:[-/][CTLS]?\d{1,2})*")
_YEARS = re.compile(r"(?:19|20|21)\d\d(?:[-/](?:19|20|21)?\d\d)?")
FISCAL_YEAR = re.compile(r"FY[ -]?['’]?(?:(?:19|20|21)\d\d|\d\d)")
_DIAGNOSIS_CODE = re.compile(r"[A-TV-Z]\d[0-9AB]\d{3}[A-Z]")
# What stands before a number in vital signs, results, fluids and orders; ICD-10-CM codes and section titles.
_MEASURES = frozenset(
    """A AC AG ALP ALT ANC APGAR AST BE BG BID BMI BMP BNP BP BS BUN CA CBC CK CL CMP CO CPT CR CRP CT CVP
    D DBP DX EBL ECG ED EDW EF EKG ESR ETCO FEV FIO FVC G GCS GFR H HB HCG HCPCS HCT HGB HPF HR ICD
    ICU ID IL IM INR IU IV K KCL KUB LDH LDL LR LVEF MAP MCV MG ML MRI NA NDC NG NS O PCO PEEP PET
    PH PHQ PLT PO PRN PSA PT PTT Q RBC RR SAT SBP SC SPO SQ SUV T TID TSH TV US UOP VT VS WBC WT XR
    YO""".split()  # noqa: SIM905
)
# Sponsors' codes for drugs in trials, such as MK-3475.
_DRUG_PREFIXES = frozenset(
    "ABBV ABT AMG AZD BAY BGB BI BMS CC GSK IMA JNJ LY MEDI MK NCT PF RG RO SAR SB TAK VX ZD".split()  # noqa: SIM905
)


def _digits(surface: str) -> str:
    return _NOT_DIGIT.sub("", surface)


def labelled(surface: str) -> bool:
    """Accept what stands behind an unmistakable label, with at least four digits, or three and a letter.

    A date with two digits for the year is accepted: hospital numbers like ``11-04-72`` look the same.
    """
    digits = _digits(surface)
    least = 3 if any(sign.isalpha() for sign in surface) else 4
    if len(digits) < least or not digits.strip("0") or _YEARS.fullmatch(surface):
        return False
    has_full_year = re.search(r"(?:^|\D)\d{4}(?:\D|$)", surface) is not None
    return not (has_full_year and date_checks.numeric_date(surface))


def identifier(surface: str) -> bool:
    """Accept a labelled value with at least three digits that is no date, no year and no measurement.

    Two digits are enough behind capitals and a hyphen, as in ``IB-77``.
    """
    digits = _digits(surface)
    least = 2 if re.match(r"[A-Z]{2,10}-\d|[A-Z]{4,}\d", surface) else 3
    return len(digits) >= least and not _is_other_number(surface, digits)


def identifier_four(surface: str) -> bool:
    """Accept what `identifier` accepts if it has a letter or at least four digits."""
    return identifier(surface) and (len(_digits(surface)) >= 4 or any(sign.isalpha() for sign in surface))


def code(surface: str) -> bool:
    """Accept a value whose shape alone says identifier, behind a label that is also a word of prose.

    Capitals and digits with a hyphen, or at least four digits; without letters at least six digits.
    """
    digits = _digits(surface)
    lettered = any(sign.isalpha() for sign in surface)
    least = (3 if re.search("[-/&]|[A-Z]{3}", surface) else 4) if lettered else 6
    return len(digits) >= least and not _is_other_number(surface, digits)


def _is_other_number(surface: str, digits: str) -> bool:
    if not digits.strip("0") or date_checks.numeric_date(surface) or _YEARS.fullmatch(surface):
        return True
    if _VERTEBRAE.fullmatch(surface) or FISCAL_YEAR.fullmatch(surface):
        return True
    measured = re.match(r"([A-Za-z]+) (\d.*)", surface)
    if measured is None:
        return _is_round_range(surface)
    name, number = measured[1].upper(), measured[2]
    if name in {"ID", "NO"} or _YEARS.fullmatch(number):
        return True
    is_short = len(digits) < 8 and all(len(part) < 5 for part in re.findall(r"\d+", number))
    return (name in _MEASURES and is_short) or (len(digits) < 6 and int(digits) % 100 == 0)


def _is_round_range(surface: str) -> bool:
    ends = re.fullmatch(r"([1-9]\d*)[ -]([1-9]\d*)", surface)
    return ends is not None and int(ends[1]) < int(ends[2]) and int(ends[1]) % 5 == int(ends[2]) % 5 == 0


def long_alphanumeric(surface: str) -> bool:
    """Accept an unlabelled run of capitals and digits that is neither a diagnosis code nor a trial drug."""
    is_diagnosis = _DIAGNOSIS_CODE.fullmatch(surface) is not None
    is_drug = re.split(r"[\d-]", surface)[0] in _DRUG_PREFIXES
    has_label = re.match(r"[A-Za-z]+ ", surface) is not None  # the letters of `MRN 4471902` name the number
    return not (is_diagnosis or is_drug or has_label or surface.endswith("000")) and identifier(surface)


def long_number(surface: str) -> bool:
    """Accept an unlabelled run of digits unless it is round or an HL7 timestamp."""
    return not surface.endswith("0000") and not date_checks.hl7_timestamp(surface)


def license_plate(surface: str) -> bool:
    """Accept letters and digits together, five to nine of them, unless they name vertebrae: ``C5-C6``."""
    signs = _NOT_ALNUM.sub("", surface)
    is_measured = re.fullmatch(r"(?:[A-Z]{2,3} \d{2,3}|\d{1,3} [A-Z]{2,3})", surface) and any(
        name in _MEASURES | {"AM", "PM", "MPH"} for name in re.findall("[A-Z]+", surface)
    )
    return mixed(surface) and len(signs) <= 9 and not _VERTEBRAE.fullmatch(surface) and not is_measured


def mixed(surface: str) -> bool:
    """Accept at least five letters and digits, both kinds among them."""
    signs = _NOT_ALNUM.sub("", surface)
    return len(signs) >= 5 and any(map(str.isdigit, signs)) and any(map(str.isalpha, signs))


def user_name(surface: str) -> bool:
    """Accept a word that may be a log-in name: with a digit, or in no list of common words."""
    if any(sign in "0123456789_\\" for sign in surface):
        return True
    return surface.casefold() not in word_list("common_words") | _NO_LOGIN


def log_in(surface: str) -> bool:
    """Accept a log-in name whose letters are no common word: not ``week12``, ``omega3`` or ``q12``."""
    known = word_list("common_words") | _NO_LOGIN
    parts = surface.casefold().rstrip("0123456789").split("_")
    return len(surface) > 2 and not all(part in known for part in parts)


_OWN = (
    labelled, identifier, identifier_four, code, long_number, long_alphanumeric, license_plate, mixed,
    user_name, log_in,
)  # fmt: skip

CHECKS: Mapping[str, Callable[[str], bool]] = MappingProxyType({check.__name__: check for check in _OWN})
