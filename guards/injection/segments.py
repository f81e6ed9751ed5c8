"""Passages cut into what is judged at once: overlapping segments of whole sentences."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from guards.injection.passages import Passage
from guards.sentences import sentences

LONGEST = 240
"""Characters of a sentence that is not cut further; a third of it where a word takes one or two."""

SEGMENT = 320
"""Characters of a segment, of which sentences are added until it is full."""

_WIDE = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_CELL = re.compile(r"(?<!\s)\s*\|\s*|\t+")
_LEAST_CELL = 16
_CUTS = (" ", ",", "，", "、", "；", "/", "_", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Units ``first`` up to but without ``last`` of a passage."""

    first: int
    last: int


def units(passage: Passage) -> list[tuple[int, int]]:
    """Ranges of the passage's text that are cut out whole: sentences, fields, cells, or parts."""
    text = passage.text
    breaks = sorted(set(passage.breaks))
    found: list[tuple[int, int]] = []
    for start, end in sentences(text):
        for low, high in _between(start, end, breaks):
            for first, last in _cells(text, low, high):
                found += _short(text, first, last)
    return found


def segments(text: str, ranges: Sequence[tuple[int, int]]) -> list[Segment]:
    """Segments over the units at ``ranges``, two or more units each where there are so many.

    Every segment but the last shares half of its text with the next one, and at least a unit.
    """
    found: list[Segment] = []
    size = SEGMENT // 2 if _WIDE.search(text, 0, 400) else SEGMENT
    first = 0
    while first < len(ranges):
        last = min(first + 2, len(ranges))
        while last < len(ranges) and ranges[last][1] - ranges[first][0] <= size:
            last += 1
        found.append(Segment(first=first, last=last))
        if last == len(ranges):
            break
        middle = (ranges[first][0] + ranges[last - 1][1]) // 2
        first += 1
        while first < last - 1 and ranges[first][0] < middle:
            first += 1
    return found


def _between(start: int, end: int, breaks: list[int]) -> list[tuple[int, int]]:
    found = []
    for at in breaks[bisect_right(breaks, start) :]:
        if at >= end:
            break
        found.append((start, at))
        start = at
    found.append((start, end))
    return found


def _cells(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The long cells of a row by themselves."""
    if text.count("|", start, end) + text.count("\t", start, end) < 2:
        return [(start, end)]
    found: list[tuple[int, int]] = []
    at = start
    for mark in _CELL.finditer(text, start, end):
        if mark.start() - at >= _LEAST_CELL:
            found.append((at, mark.start()))
            at = mark.end()
    if at < end:
        found.append((at, end))
    return found


def _short(text: str, start: int, end: int) -> list[tuple[int, int]]:
    found = []
    longest = LONGEST // 3 if _WIDE.search(text, start, min(end, start + 40)) else LONGEST
    while end - start > longest:
        half = start + longest // 2
        cut = max(text.rfind(mark, half, start + longest) for mark in _CUTS) + 1 or start + longest
        found.append((start, cut))
        start = cut
    if start < end:
        found.append((start, end))
    return found
