"""Normalised text that knows where it came from."""

import bisect
import re
from collections.abc import Iterable
from dataclasses import dataclass

from guards.embedded.normalise import normalise

LONGEST = 240
"""Characters of a sentence that is not cut further."""

_SENTENCE = re.compile(r".+?(?:[.!?](?=\s)|[。！？]|\n|\Z)\s*|\s+", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A normalised text, and how its sentences lie in the original.

    Attributes:
        text: normalised sentence by sentence.
        starts: of every sentence in ``text``, ascending.
        origins: of every sentence in the original, and the original's length at the end.
    """

    text: str
    starts: tuple[int, ...]
    origins: tuple[int, ...]

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The sentences of the original that characters ``start`` to ``end`` of ``text`` are in."""
        first = max(0, bisect.bisect_right(self.starts, start) - 1)
        last = max(first + 1, bisect.bisect_left(self.starts, max(end, start + 1)))
        return self.origins[first], self.origins[last]


def passage(original: str) -> Passage:
    """Cut into sentences, normalise each, and put them together again. Never raises."""
    parts: list[str] = []
    starts: list[int] = []
    origins: list[int] = []
    size = 0
    for start, end in _sentences(original):
        part = normalise(original[start:end])
        parts.append(part)
        starts.append(size)
        origins.append(start)
        size += len(part)
    return Passage(
        text="".join(parts), starts=tuple(starts or [0]), origins=(*(origins or [0]), len(original))
    )


def _sentences(original: str) -> Iterable[tuple[int, int]]:
    for found in _SENTENCE.finditer(original):
        start, end = found.span()
        while end - start > LONGEST:
            space = original.rfind(" ", start + LONGEST // 2, start + LONGEST)
            middle = space + 1 if space >= 0 else start + LONGEST
            yield start, middle
            start = middle
        yield start, end


def merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Overlapping and touching ranges as one, ascending."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found
