"""Check digits, addresses, telephone numbers and the shapes of identifiers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.detect.rule_checks import CHECKS

ACCEPTED = {
    "luhn": ["79927398713", "4000 0000 0000 0002", "0"],
    "payment_card": ["4000 1234 5678 9017", "340000000000009", "5105-1051-0510-5100"],
    "npi": ["1234567893", "1987654328"],
    "dea": ["AB1234563", "BX4417728", "F91234563"],
    "vin": ["1M8GDM9AXKP042788", "5GZCZ43D13S812715", "1m8gdm9axkp042788"],
    "ssn": ["987-65-4320", "900 12 3456", "123456789"],
    "nhs_number": ["943 476 5919", "9434765919"],
    "iban": ["GB82 WEST 1234 5698 7654 32", "DE89370400440532013000"],
    "ipv4": ["203.0.113.77", "10.0.0.4", "192.0.2.1:8080", "192.0.2.0/24"],
    "ipv6": ["2001:db8::1", "fe80::1", "fd00:1::2", "2001:db8::1%eth0", "2001:db8::/32"],
    "mac_address": ["00:00:5E:00:53:af", "00-00-5e-00-53-01"],
    "calling_code": [
        "+1 617 555 0142",
        "+16175550142",
        "+1617 555 0142",
        "+44 (0)20 7946 0958",
        "+353 1 555 0144",
        "+7 495 555 01 42",
    ],
    "telephone": ["555-0142", "617-555-0142", "+44 20 7946 0958", "200-0142"],
    "telephone_or_spoken": ["555-0142", "five five five oh one four two"],
    "ocr_telephone": ["6l7-555-OIO8", "(617)555-O142"],
    "labelled": ["0048812", "12-34-56", "11-04-72", "T 259 5259", "IB-770", "RC 872737", "A12 3"],
    "identifier": ["0048812", "IB-77", "IDTIMB77", "120", "GS-IE-0801073"],
    "identifier_four": ["0048812", "A12-3", "2909"],
    "code": ["PC-810699", "77 04 18", "LC 60 8658485", "L-606", "AKBX045", "0418-7720"],
    "long_number": ["882041776", "20791304"],
    "long_alphanumeric": ["XQH882041776", "E-69979", "8056563"],
    "license_plate": ["7KXR21", "7QKX 418", "LRK-2206", "KY 164-BNQ", "BLU·2047"],
    "mixed": ["K4L2J", "AMB44170"],
    "user_name": ["jhaverk2", "slindqvist", "CORP\\xq"],
    "log_in": ["jhaverk2", "wolde_m", "kdasgupta"],
}
REFUSED = {
    "luhn": ["79927398710", "", "x"],
    "payment_card": ["4000 1234 5678 9018", "9000000000000001", "42"],
    "npi": ["1234567890", "3234567893", "123456789"],
    "dea": ["AB1234567", "AB123456", "ABC123456"],
    "vin": ["1M8GDM9A1KP042788", "11111111111111111", "1M8GDM9AXKP04278", "IM8GDM9AXKP042788"],
    "ssn": ["000-12-3456", "666-12-3456", "123-00-4567", "123-45-0000", "12345678"],
    "nhs_number": ["943 476 5918", "1111111111", "943476591"],
    "iban": ["GB83 WEST 1234 5698 7654 32", "GB82"],
    "ipv4": ["1.2.3.4", "300.1.1.1", "1.2.3", "10.11.12.13"],
    "ipv6": ["12:30:45", "::", "1::2", "0:0:0:0:0:0:0:1", "plan"],
    "mac_address": ["10:20:30:40:50:60", "00:00:5E:00:53"],
    "calling_code": [
        "+2 7.35 40 80 22",
        "+1 617 555 014",
        "+210 1",
        "+1 2 3 4 5 6 7 8 9 0 1 2",
        "+839 555 0142 22",
    ],
    "telephone": ["500-1000", "250-2500", "12-1400", "03-04-2079"],
    "telephone_or_spoken": ["500-1000"],
    "ocr_telephone": ["617-555-0142", "BOB-SOS-SOLO", "SIS-120-1400"],
    "labelled": ["120", "2079", "03-04-2079", "2079-03-04", "0000", "pending", "A1"],
    "identifier": ["12", "2079", "03/04/2079", "BP 120", "000", "T10-L2", "120-140", "NS 1000", "FY2079"],
    "identifier_four": ["120", "2019-20"],
    "code": [
        "12345",
        "T10-L2",
        "HR 120-140",
        "NS 1000",
        "500-1000",
        "FIGO 2018",
        "A12",
        "2079-2080",
        "ID 0048812",
    ],
    "long_number": ["1000000000", "20790304141530", "20790304"],
    "long_alphanumeric": ["BMS-986165", "S72001A", "250000", "MK-34751"],
    "license_plate": ["C5-C6", "T10-L2", "HR 120", "LCP", "2079"],
    "mixed": ["2079", "LOT", "A1B2"],
    "user_name": ["failed", "unknown", "chest"],
    "log_in": ["week12", "april14", "q4", "chest_pain", "x1"],
}


@pytest.mark.parametrize(
    ("name", "surface"),
    [
        pytest.param(name, text, id=f"{name}-{at}")
        for name, texts in ACCEPTED.items()
        for at, text in enumerate(texts)
    ],
)
def test_accepts(name: str, surface: str) -> None:
    assert CHECKS[name](surface)


@pytest.mark.parametrize(
    ("name", "surface"),
    [
        pytest.param(name, text, id=f"{name}-{at}")
        for name, texts in REFUSED.items()
        for at, text in enumerate(texts)
    ],
)
def test_refuses(name: str, surface: str) -> None:
    assert not CHECKS[name](surface)


def test_every_check_is_in_the_tables_or_has_a_test_file_of_its_own() -> None:
    from deid.detect import date_checks, name_checks

    elsewhere = set(date_checks.CHECKS) | set(name_checks.CHECKS)
    assert set(ACCEPTED) == set(REFUSED) == set(CHECKS) - elsewhere


@pytest.mark.parametrize(
    ("name", "valid"), [("luhn", "4000000000000002"), ("npi", "1234567893"), ("nhs_number", "9434765919")]
)
@given(data=st.data())
def test_a_wrong_digit_is_noticed(name: str, valid: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(valid) - 1))
    digit = data.draw(st.sampled_from([sign for sign in "0123456789" if sign != valid[place]]))
    assert CHECKS[name](valid)
    assert not CHECKS[name](valid[:place] + digit + valid[place + 1 :])


@given(st.text(st.sampled_from("0123456789ABXYZabc -/.:#()+^"), min_size=1, max_size=24))
def test_any_surface_gets_an_answer(surface: str) -> None:
    assert {CHECKS[name](surface) for name in ACCEPTED} <= {True, False}
