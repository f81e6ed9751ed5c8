"""A real Valkey server for the session, and stores on it and in memory."""

import itertools
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from assistant.memory.limits import MemoryLimits
from assistant.memory.protocol import SessionStore
from assistant.memory.redis_store import RedisSessionStore
from assistant.testing.memory_store import InMemorySessionStore
from assistant.turn import SessionKey

LIMITS = MemoryLimits(lock_ttl=30.0, wait=5.0, deadline=5.0)
_numbers = itertools.count()

MakeStore = Callable[[MemoryLimits], SessionStore]


@pytest.fixture
def key() -> SessionKey:
    return SessionKey(tenant=f"tenant {next(_numbers)}", user="someone", session="first")


@pytest.fixture
def redis_store(client: Redis) -> RedisSessionStore:
    return RedisSessionStore(client, limits=LIMITS)


@pytest.fixture(params=["redis", "in memory"])
def make_store(request: pytest.FixtureRequest, client: Redis) -> MakeStore:
    """Builds the store under contract; all of one test share their data only on Redis."""
    if request.param == "redis":
        return lambda limits: RedisSessionStore(client, limits=limits)
    return lambda limits: InMemorySessionStore(limits=limits)


@pytest.fixture
def store(make_store: MakeStore) -> SessionStore:
    return make_store(LIMITS)
