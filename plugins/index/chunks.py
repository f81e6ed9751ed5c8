"""Documents in pieces small enough to quote."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from guards.sentences import sentences

CHUNK_CHARS = 800
OVERLAP_CHARS = 200
"""A sentence no longer than this stands at the end of one piece and at the start of the next."""

HEADING_CHARS = 160
_NOT_IN_ANCHOR = re.compile(r"[^\w\- ]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What stands under one heading."""

    heading: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of a section."""

    heading: str
    anchor: str
    text: str


def chunked(sections: Sequence[Section]) -> Iterator[Chunk]:
    """The pieces of ``sections``, in order, each of at most 800 characters."""
    for section in sections:
        heading = " ".join(section.heading.split())[:HEADING_CHARS]
        for text in _pieces(section.text):
            yield Chunk(heading=heading, anchor=anchor(heading), text=text)


def anchor(heading: str) -> str:
    """The fragment by which most renderers of Markdown link to the last part of ``heading``."""
    last = heading.rpartition(" › ")[2]
    plain = _NOT_IN_ANCHOR.sub("", unicodedata.normalize("NFC", last).lower())
    return plain.strip().replace(" ", "-")


def _pieces(text: str) -> Iterator[str]:
    first = last = -1
    before = (0, 0)
    for start, end in _short_enough(text):
        if first >= 0 and end - first > CHUNK_CHARS:
            yield text[first:last]
            overlap = before[1] - before[0] <= OVERLAP_CHARS and end - before[0] <= CHUNK_CHARS
            first = before[0] if overlap and before[0] > first else start
        elif first < 0:
            first = start
        last, before = end, (start, end)
    if first >= 0:
        yield text[first:last]


def _short_enough(text: str) -> Iterator[tuple[int, int]]:
    """Sentences; one that is longer than a piece in several parts, at a blank if there is one."""
    for start, end in sentences(text):
        at = start
        while end - at > CHUNK_CHARS:
            blank = text.rfind(" ", at + CHUNK_CHARS // 2, at + CHUNK_CHARS)
            cut = blank if blank > 0 else at + CHUNK_CHARS
            yield at, cut
            at = cut + 1 if blank > 0 else cut
        if text[at:end].strip():
            yield at, end
