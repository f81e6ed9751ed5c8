"""What a text holds of what was read before: the pieces of it that could not stand there by
chance, as they are or simply disguised."""

import base64
import binascii
import re
from collections.abc import Iterator
from itertools import islice
from urllib.parse import unquote

from plugins.provenance.spelling import plain, spaced

RUN = 4
"""Words in a row that count as taken over."""
_STEP = 2
"""Words from one run that is looked for to the next: every run of one word more is found."""
_LEAST = 12
"""Letters that such a run has at least."""
_UNSPACED_RUN = 8
"""Characters in a row that count as taken over, in writing without spaces."""
MOST_VARIANTS = 64
MOST_CODES = 1_000
"""Codes that separators may have split, looked for in one text."""

_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}", re.ASCII)
_STAND_IN = re.compile(r"\[[a-z_]{1,40}_\d{1,9}\]")
"""What stands in a conversation for a redacted value."""
_CODE = re.compile(r"\+?\d(?:[ -]?\d){5,40}|[a-z0-9]+(?:[_-][a-z0-9]+)*", re.ASCII)
_MOMENT = re.compile(
    r"(?<![\w-])(?:\d{4}-\d\d-\d\d|\d\d?-\d\d?-\d{4})(?:[ t]\d\d:\d\d(?::\d\d)?)?(?![\w-])"
    r"|(?<![\w:-])\d\d?:\d\d(?::\d\d)?(?![\w:-])",
    re.ASCII,
)
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]{8,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){6,}")
_SPELLED = re.compile(r"(?<![^\W_])(?:[^\W_]{1,4}[\W_]{1,3})+[^\W_]{1,4}(?![^\W_])")
_TELLING = re.compile(r"\d|(?:(?<![^\W_])[^\W_][\W_]{1,3}){5}")
"""What a stretch of short chunks has if it is more than short words: digits, single letters."""
_CHUNK = re.compile(r"[^\W_]+")
_SEPARATORS = b" \t\n\r.,;:|/\\_-*~+'\"()[]{}<>#"


def specifics(text: str) -> Iterator[str]:
    """The tokens of a plain text that are hardly anywhere by chance. Dates and times are."""
    yield from _ADDRESS.findall(text)
    yield from _STAND_IN.findall(text)
    for found in _CODE.finditer(_MOMENT.sub("|", text)):
        token = found.group()
        if len(token) >= 5 and sum(map(str.isdigit, token)) >= 2:
            yield token


def runs(text: str) -> list[str]:
    """A plain, evenly spaced text cut into runs of words."""
    words = text.split(" ")
    found = [" ".join(words[i : i + RUN]) for i in range(0, len(words) - RUN + 1, _STEP)]
    found = [run for run in found if len(run) >= _LEAST]
    for stretch in _UNSPACED.findall(text):
        found += [
            stretch[i : i + _UNSPACED_RUN]
            for i in range(0, len(stretch) - _UNSPACED_RUN + 1, _UNSPACED_RUN)
        ]
    return found


def variants(text: str) -> list[str]:
    """``text`` as it is, and what it may be a disguise of: URL-encoded, base64, hexadecimal
    (one within the other as well), written backwards. Plain and evenly spaced."""
    found, fresh = [text], [text]
    for _ in range(2):
        fresh = [inner for outer in fresh for inner in _undone(outer)][:MOST_VARIANTS]
        found += fresh
    found.append(text[::-1])
    return [spaced(plain(variant)) for variant in dict.fromkeys(found)][:MOST_VARIANTS]


def _undone(text: str) -> Iterator[str]:
    if "%" in text:
        yield unquote(text)
    if "+" in text:
        yield unquote(text.replace("+", " "))
    for token in _HEX.findall(text):
        yield from _readable(bytes.fromhex(token))
    for token in _BASE64.findall(text):
        body = token.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            yield from _readable(base64.b64decode(body + "=" * (-len(body) % 4)))
        except (binascii.Error, ValueError):
            continue


def _readable(data: bytes) -> Iterator[str]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    if text.isprintable() or "\n" in text or "\t" in text:
        yield text


def squeezed(text: str) -> bytes:
    """A plain text without spaces and separators."""
    return text.encode(errors="surrogatepass").translate(None, _SEPARATORS)


def spelled_out(text: str) -> list[str]:
    """Codes that separators may have split in ``text``, squeezed: "4-6-3 820" is "463820"."""
    return [*dict.fromkeys(islice(_joined(text), MOST_CODES))]


def _joined(text: str) -> Iterator[str]:
    for stretch in _SPELLED.finditer(_MOMENT.sub("|", text)):
        if not _TELLING.search(stretch.group()):
            continue
        chunks = _CHUNK.findall(stretch.group())
        letters = [len(chunk) == 1 for chunk in chunks]
        for first in range(len(chunks)):
            joined = ""
            for last in range(first, min(first + 24, len(chunks))):
                joined += chunks[last]
                if last == first or len(joined) < 6:
                    continue
                digits = sum(map(str.isdigit, joined))
                if digits >= 2 or (len(joined) == 8 and all(letters[first : last + 1])):
                    yield joined
                if len(joined) >= 24:
                    break
