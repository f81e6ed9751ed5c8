"""Approvals on a real server and in memory, each beside its sessions."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from redis.asyncio import Redis

from assistant.approval.asked import Asked
from assistant.approval.protocol import Approvals
from assistant.approval.redis_approvals import RedisApprovals
from assistant.memory.limits import MemoryLimits
from assistant.memory.protocol import SessionStore
from assistant.memory.redis_store import RedisSessionStore
from assistant.testing.memory_approvals import InMemoryApprovals
from assistant.testing.memory_store import InMemorySessionStore
from assistant.turn import SessionKey
from plugins.approval import call_digest
from policies.decision import Approver

LIMITS = MemoryLimits(lock_ttl=30.0, wait=0.5, deadline=5.0)
NOON = 1_800_000_000.0
_numbers = itertools.count()


@dataclass(slots=True)
class HandClock:
    """Wall-clock time that a test sets."""

    time: float = NOON

    def now(self) -> float:
        return self.time


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Approvals and the sessions they belong to."""

    approvals: Approvals
    store: SessionStore


MakeDesk = Callable[[MemoryLimits], Desk]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def key() -> SessionKey:
    return SessionKey(tenant=f"asking tenant {next(_numbers)}", user="someone", session="first")


@pytest.fixture(params=["redis", "in memory"])
def make_desk(request: pytest.FixtureRequest, client: Redis, clock: HandClock) -> MakeDesk:
    def make(limits: MemoryLimits) -> Desk:
        if request.param == "redis":
            return Desk(
                approvals=RedisApprovals(client, clock=clock, deadline=5.0),
                store=RedisSessionStore(client, limits=limits),
            )
        store = InMemorySessionStore(limits=limits)
        return Desk(approvals=InMemoryApprovals(store, clock=clock), store=store)

    return make


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    return make_desk(LIMITS)


def question(key: SessionKey, number: int = 1, **other: object) -> Asked:
    """A question asked at noon that is good for ten minutes."""
    arguments = {"to": "bob@example.com"}
    asked = Asked(
        id=f"apr_{number}",
        key=key,
        turn=f"turn {number}",
        call="call_1",
        tool="send_mail",
        plugin="mail",
        arguments='{"to":"bob@example.com"}',
        digest=call_digest("send_mail", arguments),
        text="May I send a mail to bob@example.com?",
        approver=Approver.USER,
        clause="mail.ask",
        created=NOON + number,
        expires=NOON + 600,
    )
    return replace(asked, **other)  # type: ignore[arg-type] # a test names fields it knows
