"""E-mail, web and network addresses, all in ranges that are reserved for examples."""

from __future__ import annotations

import re
from functools import cache
from ipaddress import AddressValueError, IPv6Address

from deid.operate.failure import OperatorFailure
from deid.operate.surrogates.choice import Choice
from deid.operate.surrogates.names import name_word
from deid.operate.surrogates.words import fold

_DOMAINS = ("example.com", "example.net", "example.org")
_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_IPV4_RANGES = ("192.0.2", "198.51.100", "203.0.113")
_IPV6 = re.compile(r"(?i)[0-9a-f:]*:[0-9a-f:]+")
_PREFIX_LENGTH = re.compile(r"/\d{1,3}")
_MAC = re.compile(r"(?i)[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}")
_URL = re.compile(
    r"(?i)^(?P<scheme>[a-z][a-z0-9+.-]*://)?(?:[^/@\s]*@)?(?P<www>www\.)?[^/:?#\s]+(?P<rest>.*)$"
)
_WORD = re.compile(r"[^\W\d_]+|\d+")


def email(text: str, choice: Choice) -> str:
    """Return an address of the same form at a domain for examples (RFC 2606).

    Args:
        text: The mention.
        choice: The draws of this mention.

    Raises:
        OperatorFailure: if there is no ``@`` with a user in front.
    """
    user, at, domain = text.rpartition("@")
    prefix = "mailto:" if user.lower().startswith("mailto:") else ""
    new = _WORD.sub(lambda match: _user_word(match[0], choice), user[len(prefix) :])
    if not at or new == user[len(prefix) :]:
        raise OperatorFailure("the e-mail address has no user in front of an @")
    ending = ">" if domain.endswith(">") else ""
    return f"{user[: len(prefix)]}{new}@{_domain(domain, choice)}{ending}"


def _user_word(word: str, choice: Choice) -> str:
    if word.isdigit() or len(word) < 3:
        return choice.shaped(word, "user", fold(word))
    people = choice.of("person_name")
    key = fold(word)
    # jsmith: the rest is a name of the notes.
    names = choice.vocabulary.people.names
    if key not in names and key[1:] in names:
        return choice.shaped(key[0], "user", key[0]) + _letters(name_word(key[1:], people))
    return _letters(name_word(key, people))


def _letters(name: str) -> str:
    return "".join(filter(str.isalpha, name)).lower()


def _domain(domain: str, choice: Choice) -> str:
    bare = domain.strip("<>").lower().removeprefix("www.")
    return choice.pick(_DOMAINS, "domain", bare, avoid=lambda option: option == bare)


def url(text: str, choice: Choice) -> str:
    """Return an address at a domain for examples with a path of the same shape.

    Args:
        text: The mention.
        choice: The draws of this mention.

    Raises:
        OperatorFailure: if it does not look like an address.
    """
    match = _URL.match(text)
    if match is None:
        raise OperatorFailure("this does not look like a web address")
    host = text[: match.start("rest")].removeprefix(match["scheme"] or "").rpartition("@")[2]
    rest = match["rest"]
    if any(map(str.isalnum, rest)):
        rest = choice.shaped(rest, "path", rest)
    return f"{match['scheme'] or ''}{match['www'] or ''}{_domain(host, choice)}{rest}"


def ip_address(text: str, choice: Choice) -> str:
    """Return an address from the ranges for documentation (RFC 5737, RFC 3849); ports change, too.

    Args:
        text: An IPv4, IPv6 or MAC address.
        choice: The draws of this mention.

    Raises:
        OperatorFailure: if it is none of these.
    """
    match = _IPV4.search(text)
    if match:
        return text[: match.start()] + _ipv4(match[0], choice) + _rest(text[match.end() :], choice)
    match = _MAC.search(text)
    if match:
        number = choice.number("mac", match[0].lower(), below=256**3)
        signs = f"020000{number:06x}"
        new = match[1].join(signs[place : place + 2] for place in range(0, 12, 2))
        new = new.upper() if match[0].isupper() else new
        return text[: match.start()] + new + text[match.end() :]
    match = _IPV6.search(text)
    try:
        packed = IPv6Address(match[0]) if match else None
    except AddressValueError:
        packed = None
    if match is None or packed is None:
        raise OperatorFailure("this is no IPv4, IPv6 or MAC address")
    number = choice.number("ipv6", packed.exploded, below=16**4)
    upper = choice.number("ipv6 upper", packed.exploded, below=16**4 - 1) + 1
    return text[: match.start()] + f"2001:db8::{upper:x}:{number:x}" + _rest(text[match.end() :], choice)


@cache
def _ipv4_options() -> tuple[str, ...]:
    return tuple(f"{network}.{host}" for network in _IPV4_RANGES for host in range(1, 255))


def _ipv4(address: str, choice: Choice) -> str:
    return choice.pick(_ipv4_options(), "ipv4", address, avoid=lambda option: option == address)


def _rest(rest: str, choice: Choice) -> str:
    if _PREFIX_LENGTH.fullmatch(rest) or not any(map(str.isalnum, rest)):
        return rest
    return choice.shaped(rest, "port", rest)
