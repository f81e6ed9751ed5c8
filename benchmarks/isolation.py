"""What a process of its own costs a plugin: ``python -m benchmarks.isolation``.

The clock plugin, in Corral's process and in its own, with bubblewrap where that works here.
Wall-clock time: starting (import, open, first call), one call after the other, a thousand at once,
and the memory of the process.
"""

import asyncio
import statistics
import time
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import httpx

from plugins.access import Access
from plugins.clock import plugin
from plugins.isolation import confinement
from plugins.isolation.isolated import Terms, isolated
from plugins.manifest import Manifest
from plugins.plugin import Installed
from plugins.source import Source
from plugins.testing import FakeHTTP, FakeStore, access, rehearse
from plugins.tool import Tool

STARTS = 5
CALLS = 2_000
AT_ONCE = 1_000
ARGUMENTS = {"start": "2026-01-01", "end": "2026-12-24"}


def opened(folder: Path) -> AbstractAsyncContextManager[Installed]:
    """The clock in a process of its own."""

    def http(manifest: Manifest) -> httpx.AsyncClient:
        return FakeHTTP(hosts=manifest.hosts).client()

    terms = Terms(
        options={},
        secrets=lambda _: {},
        http=http,
        cache=FakeStore(),
        folder=folder,
        unconfined=True,
    )
    return isolated(Source(name="clock", entry="plugins.clock:plugin"), terms)


def chosen(tools: Iterable[Tool]) -> Tool:
    """The tool that is called."""
    (tool,) = [tool for tool in tools if tool.name == "days_between"]
    return tool


async def calls(tool: Tool, given: Access) -> str:
    """Times of calls one by one, and of many at once, in words."""
    taken = []
    for _ in range(CALLS):
        start = time.perf_counter()
        await tool.run(ARGUMENTS, given)
        taken.append(time.perf_counter() - start)
    start = time.perf_counter()
    await asyncio.gather(*(tool.run(ARGUMENTS, given) for _ in range(AT_ONCE)))
    together = time.perf_counter() - start
    ordered = sorted(taken)
    p50, p99 = ordered[CALLS // 2], ordered[CALLS * 99 // 100]
    return (
        f"call p50 {p50 * 1e3:.3f} ms, p99 {p99 * 1e3:.3f} ms, "
        f"{AT_ONCE:,} at once in {together * 1e3:.0f} ms"
    )


async def isolated_figures(folder: Path) -> str:
    """What a process of its own costs, in words."""
    given, starts = access(), []
    for _ in range(STARTS):
        start = time.perf_counter()
        async with opened(folder) as installed:
            await chosen(installed.tools).run(ARGUMENTS, given)
            starts.append(time.perf_counter() - start)
    async with opened(folder) as installed:
        told = await calls(chosen(installed.tools), given)
        memory = sum(resident(pid) for pid in descendants())
    return f"start {statistics.median(starts) * 1e3:.0f} ms, {told}, {memory / 2**20:.0f} MB"


def descendants() -> set[int]:
    """Every process below this one."""
    found: set[int] = set()
    waiting = [Path("/proc/self")]
    while waiting:
        for task in (waiting.pop() / "task").iterdir():
            for pid in (task / "children").read_text().split():
                found.add(int(pid))
                waiting.append(Path("/proc") / pid)
    return found


def resident(pid: int) -> int:
    """Bytes that a process has in memory and shares with nobody."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kinds = ("Private_Clean:", "Private_Dirty:")
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(kinds))


async def main() -> None:
    """Print a line for each way."""
    async with rehearse(plugin) as broker:
        print(f"in Corral's process: {await calls(chosen(broker.tools.values()), access())}")
    with TemporaryDirectory() as folder:
        how = await confinement.confinement("clock", unconfined=True)
        if isinstance(how, confinement.Bubblewrap):
            print(f"bubblewrap: {await isolated_figures(Path(folder))}")
        else:
            print("bubblewrap: does not work here")
        with patch.object(confinement.shutil, "which", return_value=None):
            print(f"limits alone: {await isolated_figures(Path(folder))}")


if __name__ == "__main__":
    asyncio.run(main())
