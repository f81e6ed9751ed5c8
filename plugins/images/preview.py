"""Pictures while somebody still types: the newest words count, and nothing older goes on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

PAUSE = 0.4
"""Seconds without newer words before any are judged."""

W = TypeVar("W")
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Shown(Generic[T]):
    """What was made of the words."""

    picture: T


@dataclass(frozen=True, slots=True)
class Superseded:
    """Newer words came, or the typing ended."""


@dataclass(frozen=True, slots=True)
class Declined(Generic[R]):
    """The words were judged, and nothing is made of them."""

    reason: R


Preview: TypeAlias = Shown[T] | Superseded | Declined[R]


@dataclass(slots=True)
class _Desk(Generic[T, R]):
    """One user's and session's: ``free`` is held while something is judged or made."""

    free: asyncio.Lock
    newest: "asyncio.Task[Shown[T] | Declined[R]] | None" = None
    callers: int = 0


class Previews(Generic[W, T, R]):
    """At most one picture in the making for each user and session.

    New words cancel what is made of older ones, and are judged only when that has ended:
    cancelling closes the connection to the image service, so that it stops painting too.

    Args:
        judge: why no picture may be made of the words, ``None`` when one may. Asked before
            anything is sent; what it raises goes to the caller, and nothing is made.
        create: makes the picture; ends its request when it is cancelled.
        pause: seconds without newer words before any are judged.
    """

    def __init__(
        self,
        *,
        judge: Callable[[W], Awaitable[R | None]],
        create: Callable[[W], Awaitable[T]],
        pause: float = PAUSE,
    ) -> None:
        self._judge = judge
        self._create = create
        self._pause = pause
        self._desks: dict[tuple[str, str], _Desk[T, R]] = {}

    async def show(self, words: W, *, user: str, session: str) -> Preview[T, R]:
        """Make a picture of ``words``, unless newer words come from the same place.

        ``user`` tells users of all tenants apart. A caller that is cancelled cancels its picture.
        """
        place = (user, session)
        desk = self._desks.setdefault(place, _Desk(asyncio.Lock()))
        if desk.newest is not None:
            desk.newest.cancel()
        task = desk.newest = asyncio.ensure_future(self._make(words, desk))
        desk.callers += 1
        try:
            await asyncio.wait((task,))
        finally:
            try:
                await _ended(task)
            finally:
                desk.callers -= 1
                if not desk.callers:
                    del self._desks[place]
        return Superseded() if task.cancelled() else task.result()

    async def stop(self, *, user: str, session: str) -> None:
        """Make nothing more of what was typed there; returns when the request has ended."""
        desk = self._desks.get((user, session))
        if desk is not None and desk.newest is not None:
            await _ended(desk.newest)

    async def aclose(self) -> None:
        """Stop everywhere."""
        await asyncio.gather(*(self.stop(user=u, session=s) for u, s in list(self._desks)))

    async def _make(self, words: W, desk: _Desk[T, R]) -> Shown[T] | Declined[R]:
        await asyncio.sleep(self._pause)
        async with desk.free:
            reason = await self._judge(words)
            if reason is not None:
                return Declined(reason)
            return Shown(await self._create(words))


async def _ended(task: "asyncio.Task[Shown[T] | Declined[R]]") -> None:
    if not task.done():
        task.cancel()
        await asyncio.wait((task,))
