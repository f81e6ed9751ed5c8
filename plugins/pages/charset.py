"""From a page's bytes to its text."""

import codecs
import re

_SNIFFED_BYTES = 64 * 1024
_META_BYTES = 4096
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_META = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([a-zA-Z0-9_:.-]{1,40})", re.IGNORECASE
)
_WRITING = re.compile(
    r"utf-(8|16|32)(-[lb]e)?|ascii|iso8859-\d+|cp\d+|koi8-[rtu]|mac-[a-z]+|ptcp154|tis-620"
    r"|gb2312|gbk|gb18030|hz|big5(hkscs)?|shift_ji(s|s_2004|sx0213)|euc_[a-z0-9_]+|iso2022_[a-z0-9_]+|johab"
)
"""Names of codecs that are writing, as Python calls them; others run programs or unpack."""


def decoded(body: bytes, declared: str | None, *, html: bool) -> str:
    """The text of ``body``.

    A byte order mark counts most, then what the server ``declared``, then a page's own word, then
    UTF-8 if it is that, then a guess. Bytes that make no sense become replacement characters.
    """
    for mark, name in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    for named in (declared, _own_word(body) if html else None):
        codec = _codec(named)
        if codec is not None:
            return body.decode(codec, "replace")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode(_guess(body), "replace")


def _own_word(body: bytes) -> str | None:
    found = _META.search(body[:_META_BYTES])
    return found[1].decode("ascii") if found else None


def _codec(named: str | None) -> str | None:
    """Python's name of a charset that a page may be written in."""
    if named is None:
        return None
    try:
        name = codecs.lookup(named.strip().strip("\"'")).name
    except (LookupError, ValueError):
        return None
    if name in ("ascii", "iso8859-1"):
        return "cp1252"
    return name if _WRITING.fullmatch(name) else None


def _guess(body: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(body[:_SNIFFED_BYTES]).best()
    return _codec(best.encoding if best else None) or "cp1252"
