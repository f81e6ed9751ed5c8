"""How many turns run at once."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from assistant.api.failures import RETRY_SOON, ApiError


class Capacity:
    """Admits up to ``limit`` turns at once in this process and refuses the rest.

    ``observe`` is told how many run whenever that changes.
    """

    def __init__(self, limit: int, *, observe: Callable[[float], None]) -> None:
        self._limit = limit
        self._observe = observe
        self._idle = asyncio.Event()
        self._idle.set()
        self.running = 0

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Hold a place for one turn.

        Raises:
            ApiError: 429, all places are taken.
        """
        if self.running >= self._limit:
            raise ApiError(
                429,
                "too_many_turns",
                f"{self._limit} turns are running, which is the most at once; try again",
                headers=RETRY_SOON,
            )
        self.running += 1
        self._observe(self.running)
        self._idle.clear()
        try:
            yield
        finally:
            self.running -= 1
            self._observe(self.running)
            if not self.running:
                self._idle.set()

    async def idle(self, deadline: float) -> bool:
        """Wait until no turn runs, at most ``deadline`` seconds; whether that came about."""
        try:
            async with asyncio.timeout(deadline):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True
