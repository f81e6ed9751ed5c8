"""Text as the classifier sees it: one spelling for what reads the same."""

import re
import unicodedata

MAX_CHARS = 200_000
"""Longest text, in characters, the guard takes. Longer ones are not judged (``TOO_LONG``)."""

_SLICE = 16_384
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u0300-\u036f\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]"
)
# Characters of the tag block mirror ASCII and are invisible: a known way to smuggle instructions.
_TAGS = {0xE0000 + code: chr(code) for code in range(0x20, 0x7F)}
_TAGGED = re.compile("[\U000e0020-\U000e007e]")
# Letters of other scripts drawn like Latin ones; applied only to words that mix the scripts.
_LOOKALIKES = str.maketrans("авекмнорстухіјѕԁοαερνικτ", "abekmhopctyxijsdoaepvikt")
_MIXED = re.compile(r"\b(?=\w*[a-z])(?=\w*[\u0370-\u052f])[a-z\u0370-\u052f\d]+\b")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_REPEATED = re.compile(r"(.)\1{3,}")
_LEET = str.maketrans("0134578@$", "oieastbas")
# A digit or sign counts as a letter only inside a word that starts with a letter and goes on.
_LEET_WORD = re.compile(r"\b[a-z]+[0134578@$]+[a-z][a-z0134578@$]*")
_LEET_HINT = re.compile(r"[a-z][0134578@$]+[a-z]")
_SPELLED = re.compile(r"(?<![^\W_])[a-z](?:[ .\-_*][a-z]){3,}(?![^\W_])")
_SPELLING = re.compile(r"[ .\-_*]")
_CJK_GAP = re.compile(r"(?<=[\u3040-\u30ff\u3400-\u9fff]) (?=[\u3040-\u30ff\u3400-\u9fff])")


def normalise(text: str) -> str:
    """``text`` in compatibility form, case-folded, without invisible characters and disguises.

    Undone are full-width and other compatibility forms, zero-width and combining characters,
    text hidden in Unicode tags, look-alike Cyrillic and Greek letters within Latin words,
    l3tters replaced by digits, s p e l l e d words, long repeats, spaces between Chinese
    characters. Never raises; lone surrogates stay what they are.
    """
    return "".join(_normalise(text[at : at + _SLICE]) for at in range(0, len(text), _SLICE))


def _normalise(text: str) -> str:
    if text.isascii():
        text = text.lower()
    else:
        if _TAGGED.search(text):
            text = text.translate(_TAGS)
        text = unicodedata.normalize("NFKC", text).casefold()
        text = _INVISIBLE.sub("", text)
        text = _MIXED.sub(lambda word: word[0].translate(_LOOKALIKES), text)
    text = _SPACE.sub(" ", text)
    if not text.isascii():
        text = _CJK_GAP.sub("", text)
    text = _REPEATED.sub(r"\1\1\1", text)
    if _LEET_HINT.search(text):
        text = _LEET_WORD.sub(lambda word: word[0].translate(_LEET), text)
    return _SPELLED.sub(lambda word: _SPELLING.sub("", word[0]), text)
