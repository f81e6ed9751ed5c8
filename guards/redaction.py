"""Cutting spans out of text."""

from collections.abc import Iterable

from guards.verdict import Span


def redact(text: str, spans: Iterable[Span], replacement: str, *, start: int = 0) -> str:
    """``text[start:]`` with each span, in offsets of ``text``, replaced.

    Overlapping spans leave one hole. What a span covers before ``start`` is left alone.
    """
    pieces: list[str] = []
    at = start
    for span in sorted(spans, key=lambda s: (s.start, s.end)):
        if span.end <= at:
            continue
        if span.start >= at:
            pieces += (text[at : span.start], replacement)
        at = span.end
    pieces.append(text[at:])
    return "".join(pieces)
