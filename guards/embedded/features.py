"""Hashed n-grams of words and characters, computed without a Python loop.

Training and inference share this file: a change here needs new weights and a new ``VERSION``.
"""

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

VERSION = 1
BUCKETS = 1 << 18
"""Rows of the weight matrix; a power of two."""

MAX_WINDOW = 4096
"""Characters of a window that are looked at; the segmenter's windows are far shorter."""

_ORDERS = (3, 4, 5)
_SEPARATOR, _LETTER, _IDEOGRAPH = 0, 1, 2
_BASE = 0x9E3779B97F4A7C15
_WORD, _PAIR, _SKIP = np.uint64(0x1F83D9AB), np.uint64(0x5BE0CD19), np.uint64(0x3C6EF372)

Indices = NDArray[np.int64]
_Hashes = NDArray[np.uint64]


class Features(NamedTuple):
    """Distinct buckets of one window, by group; each group is scaled to unit length."""

    words: Indices
    pairs: Indices
    grams: Indices


@functools.cache
def _powers() -> tuple[_Hashes, _Hashes]:
    """Powers of the hash base and of its inverse modulo 2**64."""
    inverse = pow(_BASE, -1, 1 << 64)
    forward = np.full(MAX_WINDOW + 3, _BASE, dtype=np.uint64)
    backward = np.full(MAX_WINDOW + 3, inverse, dtype=np.uint64)
    forward[0] = backward[0] = 1
    return np.cumprod(forward), np.cumprod(backward)


@functools.cache
def _classes() -> NDArray[np.uint8]:
    """Class of every character of the basic plane."""
    table = np.fromiter(
        (chr(code).isalnum() or 0x0900 <= code < 0x1000 for code in range(1 << 16)), np.uint8
    )
    table[0xD800:0xE000] = _SEPARATOR
    for first, last in ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF)):
        table[first : last + 1] = _IDEOGRAPH
    return table


def _mix(hashes: _Hashes) -> _Hashes:
    """Finalise, so that the low bits depend on all of them (the step of splitmix64)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


def _buckets(hashes: _Hashes) -> Indices:
    return np.unique(hashes & np.uint64(BUCKETS - 1)).astype(np.int64)


def extract(window: str) -> Features:
    """Features of a normalised window: words, word pairs (next and next but one), character
    3- to 5-grams within words and their edges. A Chinese, Japanese or Korean character counts
    as a word.
    """
    forward, backward = _powers()
    raw = f" {window[:MAX_WINDOW]} ".encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(raw, dtype=np.uint32)
    kinds = _classes()[np.minimum(codes, 0xFFFF)]
    kinds[codes >= 0x20000] = _IDEOGRAPH
    size = len(codes)
    prefix = np.zeros(size + 1, dtype=np.uint64)
    np.cumsum((codes + np.uint64(1)) * forward[:size], out=prefix[1:])

    letter = kinds == _LETTER
    ideograph = kinds == _IDEOGRAPH
    starts = np.flatnonzero(ideograph[1:] | (letter[1:] & ~letter[:-1])) + 1
    ends = np.flatnonzero(ideograph[:-1] | (letter[:-1] & ~letter[1:])) + 1
    words = _mix((prefix[ends] - prefix[starts]) * backward[starts] + _WORD)
    pairs = _mix(words[:-1] * _PAIR + words[1:])
    skips = _mix(words[:-2] * _SKIP + words[2:])

    separators = np.zeros(size + 1, dtype=np.int64)
    np.cumsum(kinds == _SEPARATOR, out=separators[1:])
    grams = []
    for order in _ORDERS:
        count = size - order + 1
        if count <= 0:
            continue
        inside = separators[order - 1 : order - 1 + count] == separators[1 : 1 + count]
        at = np.flatnonzero(inside)
        grams.append(_mix((prefix[at + order] - prefix[at]) * backward[at] + np.uint64(order)))
    return Features(
        words=_buckets(words),
        pairs=_buckets(np.concatenate((pairs, skips))),
        grams=_buckets(np.concatenate(grams)) if grams else np.zeros(0, dtype=np.int64),
    )
