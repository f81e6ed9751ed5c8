"""Passwords and keys that the words before them say are such, and private keys in blocks."""

import re
from collections.abc import Iterator

from guards.detection import Hit
from guards.secrets.placeholders import classes, entropy, is_placeholder, looks_made_up

PASSWORD = "PASSWORD"  # noqa: S105 - a label
API_KEY = "API_KEY"
URL_CREDENTIALS = "URL_CREDENTIALS"
PRIVATE_KEY = "PRIVATE_KEY"
SEED_PHRASE = "SEED_PHRASE"
LABELS = frozenset({PASSWORD, API_KEY, URL_CREDENTIALS, PRIVATE_KEY, SEED_PHRASE})

_NAMED = (
    r"pass(?:word|wd|code|phrase)s?|pwd|passwort|kennwort|mot de passe|contraseña|senha|wachtwoord"
    r"|hasło|пароль|密码|密碼|口令|パスワード|비밀번호|parola|lösenord"
)
_NAMED_KEY = (
    r"(?:api|access|secret|private|auth|account|encryption|signing|client|app|bearer|refresh|session"
    r"|webhook|consumer|master|aws[_ ]secret[_ ]access)[_ -]?(?:api[_ -]?)?(?:key|token|secret)"
    r"|credentials?|secret|token|apikey|密钥|令牌|密鑰"
)
_IS = (
    r"(?P<sign>[\"'`]?\s{0,2}(?:=>|:=|==?|[:：])\s{0,2}"
    r"|\s{1,2}(?:is|was|ist|est|es|è|é)(?: now)?:?\s{1,2}|\s?[是为為](?:[:：])?\s?)"
)
_VALUE = r"(?P<quote>[\"'`]?)(?P<value>[^\s\"'`,;<>，。；]{6,256})"
_PASSWORD = re.compile(
    rf"(?<![A-Za-z])(?:{_NAMED})(?:(?<=[a-z])[_ -][a-z]{{1,12}})?{_IS}{_VALUE}",
    re.IGNORECASE,
)
_KEY = re.compile(rf"(?<![A-Za-z])(?:{_NAMED_KEY}){_IS}(?:Bearer )?{_VALUE}", re.IGNORECASE)
_KEY_NEEDLE = re.compile(r"key|token|secret|credential|密钥|令牌|密鑰", re.IGNORECASE)
_CODE = re.compile(
    r"[A-Za-z_$][\w$]*(?:\.[\w$]+|\[|\(|::|->)|[^()\[\]{}]*[()\[\]{}]|[&*!]+[A-Za-z_]"
    r"|[A-Za-z]\w*_\w*$"
)
_ADDRESS = re.compile(r"(?:https?|file)://|[.~]?/")
_WORD = re.compile(r"[^\W\d_][^\W\d_A-Z]*")
_TRAILING = ".,!?)]}:*"


def passwords(text: str) -> Iterator[Hit]:
    """Values that are called a password."""
    for match in _PASSWORD.finditer(text):
        value = match["value"].rstrip(_TRAILING)
        start = match.start("value")
        said = not re.search(r"[:=：]", match["sign"])
        if len(value) < 6 or is_placeholder(value) or _is_code(match, value):
            continue
        if _WORD.fullmatch(value):
            # "The password is required" says nothing; "password: sunflower" may.
            probability = 0.1 if said or not match["quote"] else 0.45
        else:
            probability = 0.8 if said else 0.9
        yield Hit(start=start, end=start + len(value), label=PASSWORD, probability=probability)


def _is_code(match: re.Match[str], value: str) -> bool:
    """Whether the value is an expression that holds the secret elsewhere, or a place."""
    return bool(_ADDRESS.match(value)) or (
        not match["quote"] and ("==" in match["sign"] or bool(_CODE.match(value)))
    )


def assigned_keys(text: str) -> Iterator[Hit]:
    """Long random values that are called a key, token or secret."""
    if not _KEY_NEEDLE.search(text):
        return
    for match in _KEY.finditer(text):
        value = match["value"].rstrip(_TRAILING)
        start = match.start("value")
        if len(value) < 12 or is_placeholder(value) or looks_made_up(value):
            continue
        if _is_code(match, value):
            continue
        bits = entropy(value)
        if len(value) >= 16 and bits >= 3.0 and classes(value) >= 2:
            probability = 0.9 if bits >= 3.5 else 0.75
        else:
            probability = 0.6 if classes(value) >= 3 and bits >= 3.0 else 0.1
        yield Hit(start=start, end=start + len(value), label=API_KEY, probability=probability)


_URL = re.compile(
    r"(?<![\w+.-])[A-Za-z][A-Za-z0-9+.-]{1,24}://"
    r"(?P<login>[^\s:/@?#\"'<>]{0,128}:(?P<secret>[^\s/@\"'<>]{3,256}))@[\w.-]{1,253}"
)


def url_credentials(text: str) -> Iterator[Hit]:
    """User and password within a URL, as in connection strings."""
    if "://" not in text or "@" not in text:
        return
    for match in _URL.finditer(text):
        start, end = match.span("login")
        sure = not is_placeholder(match["secret"])
        yield Hit(start=start, end=end, label=URL_CREDENTIALS, probability=0.93 if sure else 0.2)


LONGEST_BLOCK = 16_384
"""Characters of the longest private key."""

_BEGIN = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d:"
)
_END = re.compile(
    r"-----END [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----|Private-MAC: [0-9a-f]{40,64}"
)
_BODY = re.compile(r"(?:[A-Za-z0-9+/=\s:,.\\-]){0,16384}")


_MATERIAL = re.compile(r"[A-Za-z0-9+/]{30}")


def private_keys(text: str) -> Iterator[Hit]:
    """Private keys in PEM, OpenSSH, PGP and PuTTY blocks, also ones that break off."""
    at = 0
    while begin := _BEGIN.search(text, at):
        limit = begin.end() + LONGEST_BLOCK
        end = _END.search(text, begin.end(), limit)
        if end is not None:
            at = end.end()
        else:
            body = _BODY.match(text, begin.end())
            at = body.end() if body else begin.end()
        inside = text[begin.end() : at]
        real = bool(_MATERIAL.search(inside)) and "..." not in inside[:80]
        yield Hit(start=begin.start(), end=at, label=PRIVATE_KEY, probability=0.99 if real else 0.3)


_WALLET = r"(?i:(?:seed|recovery|mnemonic|backup|wallet) (?:phrase|words|mnemonic))"
_SEED = re.compile(
    rf"{_WALLET}(?:\s{{0,2}}(?:is|are|[:=-]){{1,2}})\s{{1,2}}"
    r"(?P<words>[a-z]{3,8}(?:[ ,]{1,2}[a-z]{3,8}){11,23})(?![\w])"
)
_LONGEST_SEED = 300


def seed_phrases(text: str) -> Iterator[Hit]:
    """The words that open a crypto wallet."""
    for match in _SEED.finditer(text):
        start, end = match.span("words")
        yield Hit(start=start, end=end, label=SEED_PHRASE, probability=0.93)


_OPEN_SEED = re.compile(_WALLET)
_OPEN_KEY = re.compile(r"-----BEGIN|PuTTY-User-Key-File")
_HEADER = 48


def open_block(text: str) -> int | None:
    """Where a key or seed phrase begins that the end of ``text`` may still be inside of."""
    for match in _OPEN_KEY.finditer(text, max(0, len(text) - LONGEST_BLOCK)):
        begin = match.start()
        line = text[begin : begin + 64].partition("\n")[0]
        # The header of a certificate is one of no key, once it can be read.
        of_key = line.startswith("P") or "PRIVATE" in line or len(text) - begin < _HEADER
        if of_key and not _END.search(text, begin):
            return begin
    for match in _OPEN_SEED.finditer(text, max(0, len(text) - _LONGEST_SEED)):
        return match.start()
    return None
