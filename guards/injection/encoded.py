"""Passages written in an encoding or a simple cipher, decoded where that makes them text."""

import base64
import binascii
import codecs
import html
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from guards.injection.invisible import plausible, readable
from guards.injection.passages import Disguise, Passage
from guards.injection.traced import Traced

_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/_=-])(?:[A-Za-z0-9+/_-]{60,100}\s+)*[A-Za-z0-9+/_-]{16,}={0,2}"
)
_BASE32 = re.compile(r"(?<![A-Z2-7])[A-Z2-7]{24,}={0,6}(?![A-Za-z0-9=])")
_HEX = re.compile(
    r"(?<![0-9A-Za-z])(?:0x)?(?:[0-9a-fA-F]{2}(?:(?:[ :,-]|, ?)(?:0x)?)?){10,}(?![0-9A-Za-z])"
)
_BITS = re.compile(r"(?<![01])(?:[01]{8}[ ,]?){6,}(?![01])")
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2}[^\s%<>\"]{0,40}){3,}")
_BEFORE_PERCENT = re.compile(r"[A-Za-z0-9._~+,;:!'()*-]{0,200}")
_ENTITY = r"&#(?:[xX][0-9a-fA-F]{1,6}|\d{1,7});?"
_ENTITIES = re.compile(rf"(?:{_ENTITY}[^&<>\n]{{0,2}}){{5,}}{_ENTITY}")
_CODE = r"\\(?:u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]{1,6}\}|x[0-9a-fA-F]{2})"
_ESCAPES = re.compile(rf"(?:{_CODE} ?){{4,}}{_CODE}")
_ESCAPE = re.compile(r"\\(?:u\{?|x)([0-9a-fA-F]+)\}?")
_WORDS = re.compile(r"[A-Za-z]{2,}")
_PROSE = re.compile(r"[A-Za-z][A-Za-z' ,;:()\"-]{15,1000}")
_COMMON = frozenset(
    """the and you your that this with for are not all any from have will must should send tell
    ignore previous instructions above please user system prompt reply answer only now of to in is
    it do or as be if on at by an me my we he she they was who what when then do don't never
    always assistant model password data email say write show give make call open delete""".split()  # noqa: SIM905 - a list of words
)
_LEAST_COMMON = 3
_SHARE = 0.25
_LONGEST = 200_000


def read_encoded(source: Traced) -> list[Passage]:
    """Everything in ``source`` that decodes to text. Never raises."""
    return [
        Passage(traced=source.standing_for(meant, start, end), disguise=disguise)
        for start, end, meant, disguise in _decoded(source.text)
    ]


def _decoded(text: str) -> Iterator[tuple[int, int, str, Disguise]]:
    for pattern, disguise, decode in (
        (_BASE64, Disguise.BASE64, _base64),
        (_BASE32, Disguise.BASE64, _base32),
        (_HEX, Disguise.HEX, _hexadecimal),
        (_BITS, Disguise.BITS, _bits),
        (_PERCENT, Disguise.PERCENT, _percent),
        (_ENTITIES, Disguise.ENTITIES, _entities),
        (_ESCAPES, Disguise.ESCAPES, _escapes),
    ):
        for found in pattern.finditer(text):
            start, end = found.span()
            if disguise is Disguise.PERCENT:
                start = _word_start(text, start)
            meant = decode(text[start : min(end, start + _LONGEST)])
            if meant is not None and meant != found[0]:
                yield start, end, meant, disguise
    yield from _ciphers(text)


def _word_start(text: str, at: int) -> int:
    """Where the letters begin that directly precede the first escape of a word."""
    before = _BEFORE_PERCENT.match(text[max(0, at - 200) : at][::-1])
    return at - (before.end() if before else 0)


def _ciphers(text: str) -> Iterator[tuple[int, int, str, Disguise]]:
    """Runs of prose that are English only when turned by thirteen letters, or read backwards."""
    for found in _PROSE.finditer(text):
        run = found[0]
        here = _english(run)
        if here[0] >= _LEAST_COMMON and here[1] >= _SHARE:
            continue
        for meant, disguise in (
            (codecs.encode(run, "rot13"), Disguise.ROT13),
            (run[::-1], Disguise.REVERSED),
        ):
            count, share = _english(meant)
            if count >= _LEAST_COMMON and share >= _SHARE and count > 2 * here[0]:
                yield found.start(), found.end(), meant, disguise


def _english(text: str) -> tuple[int, float]:
    words = _WORDS.findall(text.lower())
    count = sum(word in _COMMON for word in words)
    return count, count / len(words) if words else 0.0


def _base64(run: str) -> str | None:
    compact = "".join(run.split()).rstrip("=").replace("-", "+").replace("_", "/")
    # One letter over says that the last one belongs to something else.
    compact = compact[: len(compact) - (len(compact) % 4 == 1)]
    try:
        content = base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return readable(content)


def _base32(run: str) -> str | None:
    compact = run.rstrip("=")
    try:
        content = base64.b32decode(compact + "=" * (-len(compact) % 8))
    except (binascii.Error, ValueError):
        return None
    return readable(content)


def _hexadecimal(run: str) -> str | None:
    return readable(bytes.fromhex(re.sub(r"0x|[^0-9a-fA-F]", "", run)))


def _bits(run: str) -> str | None:
    digits = "".join(c for c in run if c in "01")
    return readable(bytes(int(digits[at : at + 8], 2) for at in range(0, len(digits), 8)))


def _percent(run: str) -> str | None:
    return readable(unquote_to_bytes(run.replace("+", " ").encode("utf-8", "replace")))


def _entities(run: str) -> str | None:
    return plausible(html.unescape(run))


def _escapes(run: str) -> str | None:
    codes = [int(found[1], 16) for found in _ESCAPE.finditer(run)]
    return plausible("".join(chr(code) for code in codes if code < 0x110000))
