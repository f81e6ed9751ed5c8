"""Where a text is cut into windows, the same for a text and for the same text grown longer."""

from dataclasses import dataclass

SIZE = 480
"""Characters of a window: about 100 English words, which the model is best at."""

OVERLAP = 96
_WIDE_SIZE = 150
"""In scripts that write a word in a character or two, or whose characters are several tokens."""

_WIDE_OVERLAP = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """``text[start:end]`` is shown to the model, and believed about words that begin in
    ``[trusted, until)``."""

    start: int
    end: int
    trusted: int
    until: int


def windows(text: str) -> list[Window]:
    """Overlapping windows over ``text``, of which each word is one window's to tell.

    A window ends only by what stands before its end, so when a text grows all but the last stay
    as they were.
    """
    if not text:
        return []
    found: list[Window] = []
    start = trusted = 0
    while True:
        size, overlap = _sizes(text[start : start + SIZE])
        end = start + size
        if end >= len(text):
            found.append(Window(start=start, end=len(text), trusted=trusted, until=len(text)))
            return found
        after = _word_start(text, end - overlap, overlap // 3)
        until = _word_start(text, end - overlap // 2, overlap // 3)
        found.append(Window(start=start, end=end, trusted=trusted, until=until))
        start, trusted = after, until


def _sizes(piece: str) -> tuple[int, int]:
    wide = len(piece.encode("utf-8", "replace")) > 2 * len(piece)
    return (_WIDE_SIZE, _WIDE_OVERLAP) if wide else (SIZE, OVERLAP)


def _word_start(text: str, at: int, most: int) -> int:
    """The start of the word at ``at``, or ``at`` where it is further back than ``most``."""
    for place in range(at, at - most, -1):
        if text[place - 1].isspace():
            return place
    return at
