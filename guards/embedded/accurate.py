"""The accurate tier as a whole: windows, network, calibration, and when it is asked."""

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from guards.embedded.encoder import Encoder, Seen
from guards.embedded.heads import Field, Heads, Odds
from guards.embedded.model import Model
from guards.embedded.tokens import CONTEXT_TOKENS, Tokens, cut
from guards.hazards import Hazard

MOST_WINDOWS = 16
"""Windows of a text that are judged; of a longer one those the fast tier finds worst."""

CACHED_WINDOWS = 2_048
SETTLED_ODDS = 2.5
"""See :meth:`Accurate.settled`."""

MARKED = 0.0
"""Log-odds from which a token counts as part of an instruction."""

GAP_TOKENS = 6
"""Unmarked tokens between marked ones that count as marked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """How both tiers' log-odds of one hazard become one: ``weight`` is the accurate tier's, and
    ``shift`` moves the operating point back to zero."""

    weight: float
    shift: float

    def odds(self, fast: float, accurate: float) -> float:
        return self.weight * accurate + (1.0 - self.weight) * fast - self.shift


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The fast tier's highest log-odds between which the accurate tier is asked.

    Attributes:
        growing: stands for ``low`` where a reply is judged that is not at its end.
    """

    low: float
    growing: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """Of a whole text: calibrated log-odds, and the character ranges of ``text`` that look like
    an instruction."""

    odds: Odds
    marked: tuple[tuple[int, int], ...]


class Accurate:
    """Safe to use from several threads."""

    def __init__(
        self,
        *,
        encoder: Encoder,
        tokens: Tokens,
        heads: Heads,
        blends: dict[tuple[Field, Hazard], Blend],
        bands: dict[tuple[Field, str], Band],
    ) -> None:
        self._windows = _Windows(encoder)
        self._tokens = tokens
        self._heads = heads
        self._blends = blends
        self._bands = bands

    def asked(self, text: str, field: Field, fast: Odds, *, growing: bool = False) -> bool:
        """Whether the fast tier's opinion of normalised ``text`` leaves doubt."""
        band = self._bands[field, script(text)]
        return (band.growing if growing else band.low) <= max(fast.values()) <= band.high

    def settled(self, text: str, field: Field, fast: Odds) -> Odds:
        """The fast tier's log-odds where the accurate one is not asked.

        Below the band they are moved down, under those of texts that both tiers find harmless:
        the tiers' log-odds are alike at the operating point only.
        """
        if max(fast.values()) >= self._bands[field, script(text)].low:
            return fast
        return {hazard: odds - SETTLED_ODDS for hazard, odds in fast.items()}

    def judge(self, text: str, field: Field, context: str, ranking: Model) -> Opinion:
        """Opinion of normalised ``text``; ``context`` is the request that a reply answers."""
        numbers, places = self._tokens.placed(text)
        before = self._tokens.numbers(context)[-CONTEXT_TOKENS:] if context else []
        ranges = _chosen(cut(len(numbers)), places, text, field, ranking)
        seen = self._windows.see(
            [self._tokens.framed(numbers[start:end], field, before) for start, end in ranges]
        )
        odds: Odds = {}
        marked: list[tuple[int, int]] = []
        lead = self._tokens.before(field, before)
        for (start, end), window in zip(ranges, seen, strict=True):
            for hazard, value in self._heads.odds(window.logits, field).items():
                odds[hazard] = max(value, odds.get(hazard, value))
            if field is Field.DATA:
                marks = window.marks[lead : lead + end - start]
                marked += _ranges(marks, places[start:end])
        return Opinion(odds=odds, marked=tuple(marked))

    def blended(self, field: Field, fast: Odds, accurate: Odds) -> Odds:
        """Log-odds of both tiers together, zero being the operating point."""
        return {
            hazard: self._blends[field, hazard].odds(fast[hazard], value)
            for hazard, value in accurate.items()
        }


def script(text: str) -> str:
    """``latin``, ``han`` or ``other``, by what most of the letters are."""
    letters = [character for character in text[:2000] if character.isalpha()]
    han = sum("\u3400" <= character <= "\u9fff" for character in letters)
    kana = sum("\u3040" <= character <= "\u30ff" for character in letters)
    latin = sum(character < "\u0250" for character in letters)
    if han > 2 * kana and 2 * han > len(letters) - han:
        return "han"
    return "latin" if 2 * latin >= len(letters) else "other"


SCRIPTS = ("latin", "han", "other")


def _chosen(
    ranges: list[tuple[int, int]],
    places: Sequence[tuple[int, int]],
    text: str,
    field: Field,
    ranking: Model,
) -> list[tuple[int, int]]:
    """All windows, or of many the ones the fast tier finds worst, in order."""
    if len(ranges) <= MOST_WINDOWS:
        return ranges
    worst = []
    for start, end in ranges:
        piece = text[places[start][0] : places[end - 1][1]]
        worst.append(max(ranking.odds(ranking.logits(piece), field).values()))
    order = sorted(range(len(ranges)), key=lambda number: -worst[number])
    return [ranges[number] for number in sorted(order[:MOST_WINDOWS])]


def _ranges(marks: np.ndarray, places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Character ranges of runs of marked tokens."""
    found: list[tuple[int, int]] = []
    last = -GAP_TOKENS - 2
    for number in np.flatnonzero(marks >= MARKED).tolist():
        start, end = places[number]
        if found and number - last <= GAP_TOKENS:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
        last = number
    return found


class _Windows:
    """What the network made of the windows judged last, least recently used first out.

    Keys are hashed with a key of this process, so no text is kept and none can be looked up.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._secret = os.urandom(16)
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, Seen] = OrderedDict()

    def see(self, windows: Sequence[list[int]]) -> list[Seen]:
        keys = [
            hashlib.blake2b(
                np.asarray(window, dtype=np.int32).tobytes(), digest_size=16, key=self._secret
            ).digest()
            for window in windows
        ]
        found: dict[bytes, Seen] = {}
        with self._lock:
            for key in keys:
                known = self._entries.get(key)
                if known is not None:
                    self._entries.move_to_end(key)
                    found[key] = known
        missing = {
            key: window for key, window in zip(keys, windows, strict=True) if key not in found
        }
        if missing:
            fresh = self._encoder.see(list(missing.values()))
            found.update(zip(missing, fresh, strict=True))
            with self._lock:
                for key in missing:
                    self._entries[key] = found[key]
                while len(self._entries) > CACHED_WINDOWS:
                    self._entries.popitem(last=False)
        return [found[key] for key in keys]
