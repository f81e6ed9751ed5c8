"""Whether every part of the assistant is able to work."""

import asyncio
from collections.abc import Awaitable, Callable

HEALTH_SECONDS = 5.0
FRESH_SECONDS = 1.0
"""For how long an answer is good: nobody can make the parts be asked more often."""


class Readiness:
    """Asks the parts how they are, at most once a second and one inquiry at a time."""

    def __init__(self, health: Callable[[], Awaitable[dict[str, str]]]) -> None:
        self._health = health
        self._lock = asyncio.Lock()
        self._parts: dict[str, str] = {}
        self._until = float("-inf")

    async def parts(self) -> dict[str, str]:
        """Each part's state by name, ``"ok"`` or what is wrong."""
        async with self._lock:
            loop = asyncio.get_running_loop()
            if loop.time() >= self._until:
                self._parts = await self._ask()
                self._until = loop.time() + FRESH_SECONDS
            return self._parts

    async def _ask(self) -> dict[str, str]:
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                return await self._health()
        except TimeoutError:
            return {"assistant": f"its parts did not answer within {HEALTH_SECONDS:g} seconds"}
