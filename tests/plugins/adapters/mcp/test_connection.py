"""When a server is connected, checked again, and left alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from plugins.adapters.mcp import parse_mcp
from plugins.adapters.mcp.connection import MOST_WAIT, RECHECK_SECONDS, Connection
from plugins.adapters.mcp.results import result_of
from plugins.errors import PluginEndedError, PluginLoadError, ToolError
from tests.plugins.adapters.mcp.stage import pinned, raw


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def connection(*wrong: str, **section: Any) -> AsyncIterator[tuple[Connection, Clock]]:
    clock = Clock()
    made = Connection("it", parse_mcp(raw(*wrong, **section)), {}, clock=clock)
    made.approve(pinned())
    try:
        yield made, clock
    finally:
        await made.close()


async def say(made: Connection, tool: str = "echo") -> str:
    return result_of(await made.call(tool, {"text": "a"}), output_chars=100).content


async def test_it_connects_when_it_is_needed() -> None:
    async with connection() as (made, _):
        assert await say(made) == "a"


async def test_a_silent_change_is_found_with_the_next_check() -> None:
    async with connection() as (made, clock):
        await say(made, "swap")
        assert await say(made) == "a"  # the model still reads the approved description
        clock.now += RECHECK_SECONDS + 1
        with pytest.raises(ToolError, match="needs approval"):
            await say(made)


async def test_what_is_another_after_a_restart_is_withdrawn() -> None:
    async with connection("poison") as (made, _):
        with pytest.raises(ToolError, match="needs approval"):
            await say(made)
        assert await say(made, "data") == '{"degrees":21}'
        with pytest.raises(PluginEndedError):
            await say(made, "die")
        with pytest.raises(ToolError, match="needs approval"):
            await say(made)


async def test_the_wait_between_attempts_grows_and_ends() -> None:
    async with connection("crash") as (made, clock):
        waits = []
        for _ in range(9):
            with pytest.raises(ToolError, match=r"is down$"):
                await say(made)
            before = clock.now
            while True:
                try:
                    await say(made)
                except ToolError as error:
                    if "try again in" not in str(error):
                        break
                clock.now += 1
            waits.append(clock.now - before)
            clock.now += 2 * MOST_WAIT
        assert waits[:2] == [0, 2]
        assert max(waits) == waits[-1] == MOST_WAIT


async def test_an_answer_ends_the_wait() -> None:
    async with connection() as (made, _):
        for _ in range(3):
            with pytest.raises(PluginEndedError):
                await say(made, "die")
            assert await say(made) == "a"


async def test_whoever_does_not_wait_for_a_connection_leaves_it_for_the_next() -> None:
    async with connection() as (made, _):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await say(made)
        assert await say(made) == "a"


async def test_a_hundred_calls_go_side_by_side() -> None:
    async with connection() as (made, _):
        answers = await asyncio.gather(*(say(made) for _ in range(100)))
        assert answers == ["a"] * 100


async def test_closing_while_it_connects_leaves_nothing_waiting() -> None:
    async with connection("silent", start_seconds=60) as (made, _):
        waiting = asyncio.create_task(made.open())
        await asyncio.sleep(0)
    with pytest.raises(PluginLoadError, match="closed while it connected"):
        await waiting
