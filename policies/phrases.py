"""Lists of words and phrases, and whether a text mentions one."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_WORD = re.compile(r"\w+")
# Scripts written without spaces between words: a phrase of theirs is looked for anywhere.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_HEAD = 3
_ASCII = "".join(c if c.isalnum() or c == "_" else " " for c in map(chr, range(128)))
"""For ``str.translate``: every ASCII character that :data:`_WORD` does not match as a space."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A text made ready for phrases to be looked for in it.

    Attributes:
        spaced: lower case, compatibility forms unified, words parted by single spaces.
        heads: the first letters of every word: a phrase whose first word begins otherwise
            cannot be there.
        closed: ``spaced`` without its spaces, for scripts that need none; empty if it holds no
            such script.
        characters: every character of ``closed``.
    """

    spaced: str
    heads: frozenset[str]
    closed: str
    characters: frozenset[str]

    @classmethod
    def of(cls, text: str) -> "Wording":
        """Prepare ``text``."""
        if text.isascii():  # many times faster, and judged again and again as a reply grows
            words = text.lower().translate(_ASCII).split()
        else:
            words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
        spaced = f" {' '.join(words)} "
        unspaced = not text.isascii() and _UNSPACED.search(spaced) is not None
        closed = "".join(words) if unspaced else ""
        return cls(
            spaced=spaced,
            heads=frozenset({word[:_HEAD] for word in set(words)}),
            closed=closed,
            characters=frozenset(closed),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseList:
    """Phrases ready to be looked for in a :class:`Wording`.

    A phrase matches whole words; ``immigra*`` matches every word that begins so; phrases in
    scripts without spaces match anywhere.

    Attributes:
        spaced: phrases with a space wherever a word must begin or end, by the head of the first.
        closed: phrases of scripts without spaces, by their first character.
    """

    spaced: Mapping[str, tuple[str, ...]]
    closed: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, phrases: Iterable[str]) -> "PhraseList":
        """Compile ``phrases``.

        Raises:
            ValueError: a phrase holds no letter or digit, a star elsewhere than at its end, or a
                star after fewer than three letters.
        """
        spaced: dict[str, tuple[str, ...]] = {}
        closed: dict[str, tuple[str, ...]] = {}
        for phrase in phrases:
            stem = phrase.removesuffix("*")
            inner = Wording.of(stem).spaced.strip()
            if not inner:
                raise ValueError(f'"{phrase}" holds no letter or digit')
            if "*" in stem:
                raise ValueError(f'"{phrase}": a star may only stand at the end')
            if _UNSPACED.search(inner):
                run = inner.replace(" ", "")
                closed[run[0]] = (*closed.get(run[0], ()), run)
            elif stem != phrase and len(inner) < _HEAD:
                raise ValueError(f'"{phrase}": a star needs at least {_HEAD} letters before it')
            else:
                head = inner.split(" ", 1)[0][:_HEAD]
                run = f" {inner}" if stem != phrase else f" {inner} "
                spaced[head] = (*spaced.get(head, ()), run)
        return cls(spaced=spaced, closed=closed)

    def found_in(self, wording: Wording) -> bool:
        """Whether any of the phrases stands in the text."""
        for head in self.spaced.keys() & wording.heads:
            if any(run in wording.spaced for run in self.spaced[head]):
                return True
        for first in self.closed.keys() & wording.characters:
            if any(run in wording.closed for run in self.closed[first]):
                return True
        return False
