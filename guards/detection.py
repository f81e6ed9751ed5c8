"""Finding things in text by rules: hits, which of them count, and what may still become one."""

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from guards.conversation import Exchange, Subject
from guards.hazards import Hazard
from guards.verdict import Failure, Finding, Judgement, Span, Unscanned, Verdict

MAX_CHARS = 2_000_000
"""Longest text a guard of rules takes; a longer one is not judged (``TOO_LONG``)."""

INLINE_CHARS = 4_000
"""Longer texts are judged in a worker thread, so that the event loop is not held up."""

TEXTS = frozenset(Subject) - {Subject.IMAGE}
"""What has text to look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Something found in ``text[start:end]``.

    What a hit is and how probable it is depends on the text before it and on what directly
    follows it, never on what comes later: text that was shown is not taken back.
    """

    start: int
    end: int
    label: str
    probability: float


Detector = Callable[[str], Iterable[Hit]]


def settle(hits: Iterable[Hit]) -> list[Hit]:
    """The hits that count, in order: of those that overlap, the most probable, then the longest."""
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda h: (h.start, -h.end)):
        if kept and hit.start < kept[-1].end:
            if _rank(hit) > _rank(kept[-1]):
                kept[-1] = hit
            continue
        kept.append(hit)
    return kept


def _rank(hit: Hit) -> tuple[float, int]:
    return (hit.probability, hit.end - hit.start)


async def judge_by_rules(
    exchange: Exchange,
    *,
    guard: str,
    revision: str,
    hazard: Hazard,
    detect: Callable[[str], list[Hit]],
    hold: Callable[[str], int],
) -> Judgement:
    """The judgement of a guard whose rules are ``detect``.

    ``hold`` says from which offset on more text could change the hits; it is asked only while a
    reply grows.

    Raises:
        ValueError: the subject has no text.
    """
    start = time.perf_counter()
    if exchange.subject not in TEXTS:
        raise ValueError(f"{guard} does not judge {exchange.subject}")
    text = exchange.text
    if len(text) > MAX_CHARS:
        return Unscanned(
            guard=guard,
            revision=revision,
            reason=Failure.TOO_LONG,
            detail=f"text is longer than {MAX_CHARS} characters",
            elapsed=time.perf_counter() - start,
        )
    if len(text) <= INLINE_CHARS:
        hits = detect(text)
    else:
        hits = await asyncio.to_thread(detect, text)
    held = None
    if exchange.subject is Subject.REPLY_SO_FAR:
        offset = hold(text)
        # What began before and reaches into held text is held as a whole.
        offset = min([h.start for h in hits if h.start < offset < h.end], default=offset)
        held = offset if offset < len(text) else None
    return Verdict(
        guard=guard,
        revision=revision,
        findings=tuple(
            Finding(
                hazard=hazard,
                probability=hit.probability,
                span=Span(start=hit.start, end=hit.end),
                label=hit.label,
            )
            for hit in hits
        ),
        elapsed=time.perf_counter() - start,
        hold=held,
    )


_WORD_CHARS = re.compile(r"[!-~\u00a1-\u052f\uac00-\ud7a3\uff01-\uff5e]*")
_BLANK = re.compile(r"[ \t\u00a0]*\n?[ \t\u00a0]*")


def last_word(text: str, longest: int) -> int:
    """Where the last unbroken run of letters, digits and signs begins, at most ``longest`` back.

    Scripts written without spaces do not count: a whole reply would be one word.
    """
    tail = text[-longest:]
    match = _WORD_CHARS.match(tail[::-1])
    return len(text) - (match.end() if match else 0)


def words_back(text: str, start: int, most: int) -> Iterator[int]:
    """Where each word before ``start`` begins, the nearest first, at most ``most`` of them.

    Words are up to 64 characters long, and blanks between them hold at most one line break.
    """
    for _ in range(most):
        head = text[max(0, start - 80) : start][::-1]
        blank = _BLANK.match(head)
        gap = blank.end() if blank else 0
        word = _WORD_CHARS.match(head[gap : gap + 64])
        if word is None or not word.end():
            return
        start -= gap + word.end()
        yield start
