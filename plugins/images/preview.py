"""Pictures while somebody still types: the newest words count, and nothing older goes on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shown(Generic[T]):
    """What was made of the words."""

    picture: T


@dataclass(frozen=True, slots=True)
class Superseded:
    """Newer words came, or the typing ended."""


@dataclass(frozen=True, slots=True)
class Declined:
    """The words were judged, and nothing is made of them."""


Preview: TypeAlias = Shown[T] | Superseded | Declined


@dataclass(slots=True)
class _Desk(Generic[T]):
    """One user's and session's: ``free`` is held while something is judged or made."""

    free: asyncio.Lock
    newest: "asyncio.Task[Shown[T] | Declined] | None" = None
    callers: int = 0


class Previews(Generic[T]):
    """At most one picture in the making for each user and session.

    New words cancel what is made of older ones, and are judged only when that has ended:
    cancelling closes the connection to the image service, so that it stops painting too.

    Args:
        judge: whether a picture may be made of the words. Asked before anything is sent; what it
            raises goes to the caller, and nothing is made.
        create: makes the picture; ends its request when it is cancelled.
        pause: seconds without newer words before any are judged.
    """

    def __init__(
        self,
        *,
        judge: Callable[[str], Awaitable[bool]],
        create: Callable[[str], Awaitable[T]],
        pause: float = 0.4,
    ) -> None:
        self._judge = judge
        self._create = create
        self._pause = pause
        self._desks: dict[tuple[str, str], _Desk[T]] = {}

    async def show(self, prompt: str, *, user: str, session: str) -> Preview[T]:
        """Make a picture of ``prompt``, unless newer words come from the same place.

        ``user`` tells users of all tenants apart. A caller that is cancelled cancels its picture.
        """
        place = (user, session)
        desk = self._desks.setdefault(place, _Desk(asyncio.Lock()))
        if desk.newest is not None:
            desk.newest.cancel()
        task = desk.newest = asyncio.ensure_future(self._make(prompt, desk))
        desk.callers += 1
        try:
            await asyncio.wait((task,))
        finally:
            await _ended(task)
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

    async def _make(self, prompt: str, desk: _Desk[T]) -> Shown[T] | Declined:
        await asyncio.sleep(self._pause)
        async with desk.free:
            if not await self._judge(prompt):
                return Declined()
            return Shown(await self._create(prompt))


async def _ended(task: "asyncio.Task[Shown[T] | Declined]") -> None:
    if not task.done():
        task.cancel()
        await asyncio.wait((task,))
