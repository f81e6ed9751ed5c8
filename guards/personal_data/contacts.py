"""E-mail, network and crypto-currency addresses."""

import hashlib
import ipaddress
import re
from collections.abc import Iterator
from functools import cache
from types import ModuleType

from guards.detection import Hit
from guards.personal_data import labels
from guards.personal_data.context import NOT_PERSONAL, kind_before

_A = "A-Za-z0-9\u00c0-\u024f"
_DOMAIN = rf"(?:[{_A}](?:[{_A}-]{{0,61}}[{_A}])?\.){{1,6}}[A-Za-z\u00c0-\u024f]{{2,24}}"
_EMAIL = re.compile(
    rf"(?<![{_A}_.+%-])(?<!://)(?=[{_A}_.+%'-]{{1,64}}[@\uff20])"
    rf"[{_A}](?:[{_A}_.+%'-]{{0,62}}[{_A}_+-])?[@\uff20]{_DOMAIN}(?![{_A}_@-])"
)
_NOBODYS_DOMAIN = re.compile(
    r"(?:^|\.)(?:example\.(?:com|org|net|edu)|[^.]*\.?(?:example|invalid|test|localhost|local))$"
    r"|^(?:domain|yourdomain|yourcompany|mydomain|email|mail|company|acme)\.(?:com|org|net)$",
    re.IGNORECASE,
)
_ROLES = frozenset(
    {"info", "support", "sales", "contact", "help", "hello", "admin", "administrator", "webmaster"}
    | {"postmaster", "hostmaster", "noreply", "no-reply", "donotreply", "do-not-reply", "service"}
    | {"customerservice", "customercare", "office", "team", "press", "media", "jobs", "careers"}
    | {"billing", "abuse", "security", "privacy", "legal", "feedback", "newsletter", "marketing"}
    | {"notifications", "mailer-daemon", "root", "hr", "enquiries", "inquiries", "reservations"}
    | {"booking", "orders", "git", "user", "username", "you", "yourname", "your.name", "name"}
    | {"someone", "somebody", "me", "email"}
)


def emails(text: str) -> Iterator[Hit]:
    """E-mail addresses; a role's or an example's is less of a person's."""
    if "@" not in text and "\uff20" not in text:
        return
    for match in _EMAIL.finditer(text):
        local, _, domain = match[0].replace("\uff20", "@").rpartition("@")
        probability = 0.98
        if local.lower() in _ROLES:
            probability = 0.4
        if _NOBODYS_DOMAIN.search(domain):
            probability = 0.15
        yield Hit(start=match.start(), end=match.end(), label=labels.EMAIL, probability=probability)


_IPV4 = re.compile(r"(?<![A-Za-z0-9_.-])(?:\d{1,3}\.){3}\d{1,3}(?![A-Za-z0-9_-]|\.\d)")
_IPV6 = re.compile(
    r"(?<![A-Za-z0-9_:.])(?=[0-9A-Fa-f:]{6,39}(?![A-Za-z0-9_:]))[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){2,7}"
)
_MAC = re.compile(
    r"(?<![A-Za-z0-9_:-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![A-Za-z0-9_:-])"
)


def network_addresses(text: str) -> Iterator[Hit]:
    """IP and MAC addresses. One of a private or reserved network says little about anybody."""
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(text):
            try:
                address = ipaddress.ip_address(match[0])
            except ValueError:
                continue
            kind = kind_before(text, match.start())
            probability = 0.75 if kind != labels.IP_ADDRESS else 0.9
            if kind is NOT_PERSONAL or (address.version == 4 and max(address.packed) < 20):
                probability = 0.3  # as likely the number of a version or a section
            if not address.is_global:
                probability = 0.2
            yield Hit(
                start=match.start(),
                end=match.end(),
                label=labels.IP_ADDRESS,
                probability=probability,
            )
    for match in _MAC.finditer(text):
        if len(set(match[0])) > 3:
            yield Hit(
                start=match.start(), end=match.end(), label=labels.MAC_ADDRESS, probability=0.8
            )


_IBAN = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]{4}){2,7}(?:[ -]?[A-Za-z0-9]{1,4})?"
    r"(?![A-Za-z0-9])"
)


def ibans(text: str) -> Iterator[Hit]:
    """International bank account numbers, by country's length and check digits."""
    for match in _IBAN.finditer(text):
        number = "".join(filter(str.isalnum, match[0]))
        for end in _ends(match):
            number = "".join(filter(str.isalnum, text[match.start() : end]))
            if _stdnum_iban().is_valid(number, check_country=False):
                yield Hit(start=match.start(), end=end, label=labels.IBAN, probability=0.99)
                break
        else:
            if kind_before(text, match.start()) == labels.BANK_ACCOUNT:
                yield Hit(start=match.start(), end=match.end(), label=labels.IBAN, probability=0.85)


def _ends(match: re.Match[str]) -> list[int]:
    """Where the number may end: words in capitals after it look like more groups."""
    gaps = [match.start() + at for at, char in enumerate(match[0]) if char in " -"]
    return [match.end(), *reversed(gaps[3:])]


@cache
def _stdnum_iban() -> ModuleType:
    # Reads its table of countries, which takes 20 ms.
    from stdnum import iban

    return iban


_ETHEREUM = re.compile(r"(?<![A-Za-z0-9_])0x[0-9a-fA-F]{40}(?![A-Za-z0-9_])")
_BASE58 = re.compile(r"(?<![A-Za-z0-9_])[13][1-9A-HJ-NP-Za-km-z]{25,34}(?![A-Za-z0-9_])")
_BECH32 = re.compile(r"(?<![A-Za-z0-9_])bc1[02-9ac-hj-np-z]{11,71}(?![A-Za-z0-9_])")


def crypto_addresses(text: str) -> Iterator[Hit]:
    """Bitcoin addresses by checksum, Ethereum's by form."""
    for pattern, probability, check in (
        (_ETHEREUM, 0.8, None),
        (_BASE58, 0.95, _is_base58check),
        (_BECH32, 0.95, _is_bech32),
    ):
        for match in pattern.finditer(text):
            if check is None or check(match[0]):
                yield Hit(
                    start=match.start(),
                    end=match.end(),
                    label=labels.CRYPTO_ADDRESS,
                    probability=probability,
                )


_BASE58_DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def _is_base58check(address: str) -> bool:
    """Version byte, 20 bytes of hash, 4 bytes of double SHA-256 over both."""
    value = 0
    for char in address:
        value = value * 58 + _BASE58_DIGITS.index(char)
    if value >= 1 << 200:
        return False
    data = value.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(data[:21]).digest()).digest()[:4] == data[21:]


_BECH32_DIGITS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def _is_bech32(address: str) -> bool:
    """The checksum of BIP 173 (constant 1) or BIP 350."""
    values = [ord(c) >> 5 for c in "bc"] + [0] + [ord(c) & 31 for c in "bc"]
    values += [_BECH32_DIGITS.index(c) for c in address[3:]]
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATORS):
            check ^= generator if top >> bit & 1 else 0
    return check in (1, 0x2BC830A3)
