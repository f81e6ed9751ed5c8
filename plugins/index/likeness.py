"""Texts that say the same."""

from itertools import pairwise

from plugins.index.terms import tokens

_LEAST = 12
_SHARED = 0.9
_LOOKED_AT = 4_000

Fingerprint = frozenset[tuple[str, str]]


def fingerprint(text: str) -> Fingerprint:
    """The pairs of terms that follow one another in ``text``."""
    found = tokens(text[:_LOOKED_AT])
    return frozenset(pairwise(found))


def alike(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether nearly all of the shorter text stands in the longer; too short ones are not told."""
    least = min(len(one), len(other))
    return least >= _LEAST and len(one & other) >= _SHARED * least
