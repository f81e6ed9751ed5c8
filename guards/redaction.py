"""Cutting spans out of text."""

from collections.abc import Iterable
from dataclasses import dataclass

from guards.verdict import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What stands instead of a span."""

    span: Span
    replacement: str


def redact(text: str, cuts: Iterable[Cut], *, start: int = 0) -> str:
    """``text[start:]`` with the span of each cut, in offsets of ``text``, replaced.

    Overlapping spans leave one hole, which what stands for the first of them fills. What a span
    covers before ``start`` is left alone.
    """
    pieces: list[str] = []
    at = start
    for cut in sorted(cuts, key=lambda c: (c.span.start, c.span.end)):
        span = cut.span
        if span.end <= at:
            continue
        if span.start >= at:
            pieces += (text[at : span.start], cut.replacement)
        at = span.end
    pieces.append(text[at:])
    return "".join(pieces)
