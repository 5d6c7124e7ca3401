from __future__ import annotations

import ipaddress
import re

import pytest

from deid.keys import Keys
from deid.operate.failure import OperatorFailure
from deid.operate.subject import Subject
from deid.operate.surrogate import Surrogate

KEYS = Keys.from_bytes(b"a secret for tests, 32 bytes long")
DOCUMENTATION = tuple(
    map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"))
)


def draw(kind: str, text: str, mentions: tuple[tuple[str, str], ...] = (), patient: str = "p1") -> str:
    params = {"entity_type": kind, "keys": KEYS, "subject": Subject(patient, mentions)}
    return Surrogate().replace(text, params)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("617-234-5678", r"[2-9]\d\d-555-01\d\d"),
        ("(617) 234-5678", r"\([2-9]\d\d\) 555-01\d\d"),
        ("617.234.5678", r"[2-9]\d\d\.555\.01\d\d"),
        ("6172345678", r"[2-9]\d\d55501\d\d"),
        ("617-\n234-5678", r"[2-9]\d\d-\n555-01\d\d"),
        ("1-617-234-5678", r"1-[2-9]\d\d-555-01\d\d"),
        ("+1 617 234 5678", r"\+1 [2-9]\d\d 555 01\d\d"),
        ("234-5678", r"555-01\d\d"),
        ("617-234-5678 x123", r"[2-9]\d\d-555-01\d\d x[1-9]\d\d"),
        ("617-234-5678, ext. 42", r"[2-9]\d\d-555-01\d\d, ext\. [1-9]\d"),
        ("x4521", r"x[1-9]\d{3}"),
        ("ext 45", r"ext [1-9]\d"),
        ("5-1234", r"[1-9]-\d{4}"),
        ("pager 12345", r"pager [1-9]\d{4}"),
        ("+44 20 7946 0958", r"\+44 [1-9]\d \d{4} \d{4}"),
        ("+44 (0)20 7946 0958", r"\+44 \(0\)[1-9]\d \d{4} \d{4}"),
        ("+353 1 234 5678", r"\+353 [1-9] \d{3} \d{4}"),
        ("+7 495 123 45 67", r"\+7 [1-9]\d\d \d{3} \d\d \d\d"),
        ("011 52 55 1234 5678", r"011 52 [1-9]\d \d{4} \d{4}"),
        ("0049 30 123456", r"0049 [1-9]\d \d{6}"),
        ("1-800-FLOWERS", r"\d-\d{3}-[A-Z]{7}"),
    ],
)
def test_phones_keep_their_format(text: str, shape: str) -> None:
    new = draw("PHONE", text)
    assert re.fullmatch(shape, new)
    assert "234" not in new or "0234" not in text
    assert "FLOWERS" not in new


def test_formats_and_faxes_of_one_number_agree() -> None:
    new = draw("PHONE", "617-234-5678")
    digits = new.replace("-", "")
    assert draw("FAX", "(617) 234-5678") == f"({digits[:3]}) {digits[3:6]}-{digits[6:]}"
    assert draw("PHONE", "234-5678") == new[4:]
    assert draw("PHONE", "617-234-5678 x9") == new + draw("PHONE", "617-234-5678 x9")[len(new) :]


def test_numbers_differ() -> None:
    numbers = [f"617-234-{5000 + 37 * number}" for number in range(40)]
    assert len({draw("PHONE", number) for number in numbers}) > 36


@pytest.mark.parametrize("text", ["", "none", "ext."])
def test_no_digit_no_phone(text: str) -> None:
    with pytest.raises(OperatorFailure):
        draw("PHONE", text)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("john.smith@clinic.org", r"[a-z]+\.[a-z]+"),
        ("JSMITH82@CLINIC.ORG", r"[a-z]+[1-9]\d"),
        ("a.b-c_d99@x.co.uk", r"[a-z]\.[a-z]-[a-z]_[a-z][1-9]\d"),
        ("mailto:kim@clinic.org", r"mailto:[a-z]+"),
        ("front+desk@clinic.org", r"[a-z]+\+[a-z]+"),
    ],
)
def test_email(text: str, shape: str) -> None:
    user, _, domain = draw("EMAIL", text).rpartition("@")
    assert re.fullmatch(shape, user)
    assert domain in ("example.com", "example.net", "example.org")
    assert not {"john", "smith", "kim", "desk"} & set(re.split(r"[^a-z]+", user))


def test_the_user_of_an_email_address_is_the_surrogate_person() -> None:
    mentions = (("EMAIL", "jsmith@clinic.org"), ("PATIENT_NAME", "John Smith"))
    given, family = draw("PATIENT_NAME", "John Smith", mentions).lower().split()
    letters = re.sub("[^a-z]", "", family)
    assert draw("EMAIL", "john.smith@clinic.org", mentions).split("@")[0] == f"{given}.{letters}"
    assert draw("EMAIL", "jsmith@clinic.org", mentions).split("@")[0][1:] == letters


@pytest.mark.parametrize("text", ["john.smith", "@clinic.org", ""])
def test_no_user_no_email(text: str) -> None:
    with pytest.raises(OperatorFailure):
        draw("EMAIL", text)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (
            "https://www.clinic.org/patients/jd?id=3",
            r"https://www\.example\.\w{3}/[a-z]{8}/[a-z]{2}\?[a-z]{2}=\d",
        ),
        ("http://clinic.org", r"http://example\.\w{3}"),
        ("www.clinic.org", r"www\.example\.\w{3}"),
        ("clinic.org/john.smith", r"example\.\w{3}/[a-z]{4}\.[a-z]{5}"),
        ("ftp://user:pw@clinic.org/a", r"ftp://example\.\w{3}/[a-z]"),
        ("http://10.0.0.1:8080/x", r"http://example\.\w{3}:[1-9]\d{3}/[a-z]"),
    ],
)
def test_url(text: str, shape: str) -> None:
    assert re.fullmatch(shape, draw("URL", text))


@pytest.mark.parametrize("text", ["10.1.2.3", "192.0.2.7", "fe80::1ff:fe23:4567:890a", "2001:db8::1", "::1"])
def test_ip_addresses_are_reserved_for_documentation(text: str) -> None:
    news = {draw("IP_ADDRESS", text, patient=f"p{number}") for number in range(20)}
    assert text not in news
    assert len(news) > 15
    for new in news:
        address = ipaddress.ip_address(new)
        assert any(address in network for network in DOCUMENTATION if network.version == address.version)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("10.1.2.3:8080", r"\d+\.\d+\.\d+\.\d+:[1-9]\d{3}"),
        ("10.1.2.0/24", r"\d+\.\d+\.\d+\.\d+/24"),
        ("00:1A:2B:3C:4D:5E", r"02:00:00(:[0-9A-F]{2}){3}"),
        ("00-1a-2b-3c-4d-5e", r"02-00-00(-[0-9a-f]{2}){3}"),
    ],
)
def test_what_comes_with_an_address(text: str, shape: str) -> None:
    assert re.fullmatch(shape, draw("IP_ADDRESS", text))


@pytest.mark.parametrize("text", ["localhost", "1.2.3", "12:30", "zz::1:"])
def test_no_address(text: str) -> None:
    with pytest.raises(OperatorFailure):
        draw("IP_ADDRESS", text)
