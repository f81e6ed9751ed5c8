"""The coalescing guarded stream: text is released only once it has been judged.

While one judgement is under way, new text gathers; when it passes, the judged text is released
and all that gathered since is judged next. There is no fixed chunk: a segment is as long as the
guard is slow. Each judgement sees the whole reply so far, so that nothing harmful hides across a
boundary, and guard models with prefix caching pay only for what is new.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, assert_never

from guards.redaction import Cut, redact

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The judged text may be shown: all of it, or up to the offset ``upto``.

    What follows ``upto`` is held back until a later judgement; the judgement of the whole reply
    holds nothing back.
    """

    upto: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redact(Generic[T]):
    """The judged text, up to ``upto`` as in :class:`Release`, may be shown with ``cuts`` made.

    ``otherwise`` is what the stream halts with when a span reaches into text that has been
    shown already and can no longer be taken back.
    """

    cuts: tuple[Cut, ...]
    otherwise: T
    upto: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt(Generic[T]):
    """Nothing more may be shown."""

    value: T


Ruling = Release | Redact[T] | Halt[T]
Judge = Callable[[str, bool], Awaitable[Ruling[T]]]
"""Rules on the text so far; the flag says whether it is the whole reply."""


_PROMPT = 3
"""Judgements that may follow the first at once while all of the reply's beginning is held back."""

_STRETCH = 6.0
"""At a least interval of 0.15 s, 8 judgements last for 5 s of reply, 12 for 17 s, 20 for 55 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a growing reply is judged.

    Attributes:
        interval: least seconds from the start of one judgement to the start of the next. It
            bounds the number of judgements a reply costs; the first and the last never wait, nor
            do the next three while all that was judged is still held back.
        budget: judgements one reply may cost at most; ``None`` sets no limit. Intervals then grow,
            each by the same factor, so that a long reply is judged more rarely the longer it
            gets. The last judgement is kept for the whole reply: what gathers after all others
            are spent is held until then.
    """

    interval: float = 0.15
    budget: int | None = None

    def __post_init__(self) -> None:
        if self.budget is not None and self.budget < 1:
            raise ValueError("budget must be at least one judgement")

    def spent(self, judgements: int) -> bool:
        """Whether after so many only the one for the whole reply is left."""
        return self.budget is not None and judgements >= self.budget - 1

    def after(self, judgements: int) -> float:
        """Least seconds from the start of the last of so many judgements to the next."""
        if self.budget is None:
            return self.interval
        return self.interval * (1.0 + _STRETCH / self.budget) ** (judgements - 1)


class Buffer:
    """Text on its way from a producer to one reader, with the producer's end or failure."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._joined = ""
        self._error: Exception | None = None
        self._more: asyncio.Future[None] | None = None
        self.length = 0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def push(self, text: str) -> None:
        """Add text; wakes the reader."""
        self._parts.append(text)
        self.length += len(text)
        self._wake()

    def close(self, error: Exception | None = None) -> None:
        """No more text will come; ``error`` is raised to the reader."""
        if not self.closed:
            self._error = error
            self.ended.set_result(None)
            self._wake()

    @property
    def closed(self) -> bool:
        """Whether the producer has ended."""
        return self.ended.done()

    @property
    def whole(self) -> bool:
        """Whether the producer has ended and nothing is missing."""
        return self.closed and self._error is None

    @property
    def text(self) -> str:
        """Everything gathered so far."""
        if self._parts:
            self._joined += "".join(self._parts)
            self._parts.clear()
        return self._joined

    async def beyond(self, length: int) -> None:
        """Return once there is more than ``length`` characters, or no more will come.

        Raises:
            Exception: what the producer failed with. Text that came before the failure is not
                worth releasing: the turn it belongs to has failed.
        """
        while self.length <= length and not self.closed:
            self._more = asyncio.get_running_loop().create_future()
            await self._more
        if self._error is not None:
            raise self._error

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)


async def released(
    buffer: Buffer, judge: Judge[T], pace: Pace
) -> AsyncGenerator[str | Halt[T], None]:
    """Yield judged text as it may be shown; a ``Halt`` is the last thing yielded.

    When the reply ends while a judgement is under way, the judgement of the whole starts beside
    it instead of after it, so a reply ends one judgement after the engine does.

    Raises:
        Exception: whatever the buffer was closed with, or ``judge`` raised.
    """
    loop = asyncio.get_running_loop()
    shown = _Shown()
    judged = 0
    next_start = loop.time()
    begun = 0
    pending: list[tuple[str, bool, asyncio.Task[Ruling[T]]]] = []

    def begin() -> None:
        nonlocal begun
        begun += 1
        text, whole = buffer.text, buffer.whole
        pending.append((text, whole, loop.create_task(_ruling(judge, text, whole))))

    try:
        while True:
            await buffer.beyond(judged)
            if pace.spent(begun):
                await asyncio.wait((buffer.ended,))
                await buffer.beyond(judged)
            elif next_start > loop.time() and (shown.upto or begun > _PROMPT):
                await asyncio.wait((buffer.ended,), timeout=next_start - loop.time())
            if buffer.length == judged and shown.upto == judged:
                return
            pending.clear()
            begin()
            next_start = loop.time() + pace.after(begun)
            text, _, task = pending[0]
            if not buffer.closed:
                await asyncio.wait((task, buffer.ended), return_when=asyncio.FIRST_COMPLETED)
                if not task.done() and buffer.whole and buffer.length > len(text):
                    begin()
            for text, whole, task in pending:
                outcome = shown.apply(text, await task, whole)
                judged = len(text)
                if outcome:
                    yield outcome
                if isinstance(outcome, Halt):
                    return
    finally:
        for *_, task in pending:
            task.cancel()
        if pending:
            await asyncio.gather(*(task for *_, task in pending), return_exceptions=True)


async def _ruling(judge: Judge[T], text: str, whole: bool) -> Ruling[T]:
    return await judge(text, whole)


class _Shown:
    """What has been shown of a reply, in offsets of the original text."""

    def __init__(self) -> None:
        self.upto = 0
        self._cuts: list[Cut] = []

    def apply(self, text: str, ruling: Ruling[T], whole: bool) -> str | Halt[T]:
        """The new text to show under ``ruling``, or the halt it comes to."""
        match ruling:
            case Release():
                end = self._end(text, ruling.upto, whole)
                piece = text[self.upto : end]
            case Redact():
                new = [cut for cut in ruling.cuts if not self._made(cut)]
                if any(cut.span.start < self.upto for cut in new):
                    return Halt(value=ruling.otherwise)
                end = self._end(text, ruling.upto, whole)
                # A cut that is not complete before the end is made when it is.
                beyond = [c.span.start for c in new if min(c.span.end, len(text)) > end]
                end = min(beyond, default=end)
                new = [cut for cut in new if cut.span.start < end]
                self._cuts += new
                piece = redact(text[:end], new, start=self.upto)
            case Halt():
                return ruling
            case _:
                assert_never(ruling)
        self.upto = end
        return piece

    def _end(self, text: str, upto: int | None, whole: bool) -> int:
        """How far ``text`` may be shown: what is shown already stays, a whole text is shown."""
        return len(text) if whole or upto is None else min(max(upto, self.upto), len(text))

    def _made(self, cut: Cut) -> bool:
        span = cut.span
        return any(c.span.start <= span.start and span.end <= c.span.end for c in self._cuts)
