"""Whether a trusted text holds a value, as a whole, however it was spelled.

Who is kept out here picks the value, never the text. So the text may be read generously (wide
letters, curly quotes), but a value has to stand in it from one boundary to the next: an address
that ends in a longer address does not.
"""

import re
import unicodedata
from collections.abc import Iterator

_QUOTES = str.maketrans(dict.fromkeys("‘’‚‛ʼ`´", "'") | dict.fromkeys("“”„‟«»「」『』", '"'))
_ODD = re.compile("[²³¹⁰-₟¼-¾⅐-↉①-⓿❶-➓]")
"""What NFKC would turn into plain digits and letters of another meaning: 10² is not 102."""
_KEPT = re.compile("[^²³¹⁰-₟¼-¾⅐-↉①-⓿❶-➓]+")
_EDGES = " \t\n.,;:!?\"'()[]{}<>#@…。，；：！？（）【】《》、"
_JOINERS = frozenset(".-@/_+:~%&='\\#,")
"""Signs that hold a token together when a letter or digit stands on their far side."""
_UNSPACED = (("\u3040", "\u30ff"), ("\u3400", "\u9fff"), ("\uf900", "\ufaff"))
_SCHEME = re.compile(r"https?://")
MAX_PLACES = 200
"""Places of one text that are looked at for one value."""


def plain(text: str) -> str:
    """``text`` with case, width and quotation marks evened out. Hidden characters stay: they
    make a value another value."""
    if text.isascii():
        return text.lower().replace("`", "'")
    even = _KEPT.sub(lambda kept: unicodedata.normalize("NFKC", kept.group()), text)
    return even.translate(_QUOTES).casefold()


def spaced(text: str) -> str:
    """``text`` with lines joined and runs of spaces as one; faster than splitting it."""
    even = text.replace("\n", " ").replace("\t", " ").replace("\r", " ")
    while "  " in even:
        even = even.replace("  ", " ")
    return even


def bare(value: str) -> str:
    """A plain value without quotation marks, brackets and marks around it."""
    stripped = spaced(value).strip(_EDGES)
    if "://" in stripped:
        return _SCHEME.sub("", stripped, count=1).rstrip("/")
    return stripped


def stands(value: str, text: str) -> bool:
    """Whether ``value`` stands in ``text`` as a whole; both plain and evenly spaced."""
    return next(places(value, text), None) is not None


def places(value: str, text: str) -> Iterator[int]:
    """Where ``value`` stands in ``text`` as a whole."""
    if not value:
        return
    start = text.find(value)
    for _ in range(MAX_PLACES):
        if start < 0:
            return
        end = start + len(value)
        if _begins(text, start) and _ends(text, end):
            yield start
        start = text.find(value, start + 1)


def _begins(text: str, start: int) -> bool:
    if start == 0:
        return True
    before = text[start - 1]
    if _wordy(before):
        return _apart(before, text[start])
    if before not in _JOINERS or start == 1:
        return True
    if before == "/" and text.startswith("://", start - 3):
        return True
    return not _wordy(text[start - 2])


def _ends(text: str, end: int) -> bool:
    if end >= len(text):
        return True
    after = text[end]
    if _wordy(after):
        return _apart(text[end - 1], after)
    if after not in _JOINERS or end + 1 == len(text):
        return True
    if after == "'" and text[end + 1] == "s" and not _wordy(text[end + 2 : end + 3]):
        return True
    return not _wordy(text[end + 1])


def _wordy(char: str) -> bool:
    """Whether a token goes on with ``char``; hidden characters count, as they are seen by
    programs."""
    if char.isalnum() or char == "_":
        return True
    return char > "\x7f" and unicodedata.category(char)[0] in "MC"


def _apart(left: str, right: str) -> bool:
    """Whether a boundary runs between two letters: beside writing that has no spaces."""
    return _unspaced(left) or _unspaced(right)


def _unspaced(char: str) -> bool:
    return (
        "\u3040" <= char <= "\u30ff" or "\u3400" <= char <= "\u9fff" or "\uf900" <= char <= "\ufaff"
    )
