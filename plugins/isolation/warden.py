"""Keeps a plugin's process: starts it, starts it again, and gives up on one that keeps ending."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from plugins.access import Access
from plugins.errors import PluginLoadError, ToolError
from plugins.isolation.process import ENDED, Process
from plugins.result import Result

MOST_ENDS = 5
WINDOW_SECONDS = 60.0

Starter = Callable[[], Awaitable[Process]]
"""Starts a process and sees it through to its first call."""


class Warden:
    """One plugin's process, replaced for the next call when it ends.

    Args:
        starter: starts a process; raises ``PluginLoadError``.
        clock: seconds; for how often the process has ended of late.
    """

    def __init__(self, starter: Starter, *, clock: Callable[[], float]) -> None:
        self._starter = starter
        self._clock = clock
        self._current: Process | None = None
        self._former: set[Process] = set()
        self._ends: deque[float] = deque()
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Start the first process.

        Raises:
            PluginLoadError: it cannot be started.
        """
        self._current = await self._starter()

    async def call(
        self, tool: str, arguments: Mapping[str, Any], access: Access, secrets: Mapping[str, str]
    ) -> Result:
        """Run a tool in the process; see :meth:`Process.call`.

        Raises:
            ToolError: also where the process ended too often of late.
        """
        await self._sweep()
        process = await self._usable()
        return await process.call(tool, arguments, access, secrets)

    async def close(self) -> None:
        """End every process."""
        processes = {*self._former, *([self._current] if self._current else [])}
        self._current = None
        self._former.clear()
        await asyncio.gather(*(process.close() for process in processes))

    async def _usable(self) -> Process:
        async with self._starting:
            current = self._current
            if current is not None and current.usable:
                return current
            if current is not None:
                self._note(current)
                self._current = None
            self._allow()
            try:
                self._current = await self._starter()
            except PluginLoadError:
                self._ends.append(self._clock())
                raise ToolError(f"{ENDED}, and it could not be started again") from None
            return self._current

    def _note(self, process: Process) -> None:
        if process.alive:
            self._former.add(process)
        if not process.blameless:
            self._ends.append(self._clock())

    def _allow(self) -> None:
        now = self._clock()
        while self._ends and self._ends[0] <= now - WINDOW_SECONDS:
            self._ends.popleft()
        if len(self._ends) >= MOST_ENDS:
            wait = self._ends[0] + WINDOW_SECONDS - now
            raise ToolError(
                f"{ENDED} {len(self._ends)} times within a minute; "
                f"it is started again in {wait:.0f} seconds at the earliest"
            )

    async def _sweep(self) -> None:
        """Close the processes that take no more calls and whose last one is over."""
        for process in [each for each in self._former if each.idle or not each.alive]:
            self._former.discard(process)
            await process.close()
