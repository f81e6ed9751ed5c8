"""The way to the database that everything remembered takes: scripts, deadlines, our errors."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.client import Pipeline
from redis.asyncio.cluster import ClusterPipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisClusterException, RedisError

from assistant.errors import MemoryUnavailableError
from assistant.memory.scripts import Script

Client = Redis | RedisCluster
Argument = bytes | str | int | float

FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 0.2
_FAILURES = (RedisError, RedisClusterException, OSError, TimeoutError)


class Link:
    """Redis 7 or newer, Valkey, or a cluster of either, within a deadline.

    Args:
        client: answers in bytes and does not retry by itself (:func:`..connection.connect`).
            The caller closes it.
        deadline: seconds that one operation may take.
    """

    def __init__(self, client: Client, *, deadline: float) -> None:
        self._client = client
        self._deadline = deadline

    async def call(
        self, operation: Callable[[Client], Awaitable[Any]], *, persist: bool = False
    ) -> Any:
        """Carry out ``operation``, which must have no second effect when it is repeated.

        A broken connection is retried once at once, since a pooled one may have died unnoticed;
        with ``persist`` it is retried with growing pauses until the deadline.

        Raises:
            MemoryUnavailableError: the database does not answer in time. The client's own text
                is not repeated; it may hold addresses.
        """
        try:
            async with asyncio.timeout(self._deadline):
                return await self._repeated(operation, persist)
        except _FAILURES as error:
            raise MemoryUnavailableError(
                f"session memory does not answer ({type(error).__name__})"
            ) from error

    async def run(
        self,
        script: Script,
        keys: Sequence[str],
        arguments: Sequence[Argument] = (),
        *,
        persist: bool = False,
    ) -> Any:
        """Run one script; otherwise as :meth:`call`."""

        async def evaluate(client: Client) -> Any:
            try:
                return await client.evalsha(script.sha, len(keys), *keys, *arguments)
            except NoScriptError:
                return await client.eval(script.source, len(keys), *keys, *arguments)

        return await self.call(evaluate, persist=persist)

    async def _repeated(self, operation: Callable[[Client], Awaitable[Any]], persist: bool) -> Any:
        pause = 0.0
        while True:
            try:
                return await operation(self._client)
            except RedisConnectionError:
                if pause and not persist:
                    raise
            if pause:
                await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE) or FIRST_PAUSE


def pipeline(client: Client) -> Pipeline | ClusterPipeline:
    """Commands that go out together; to each server in their order, over one connection."""
    if isinstance(client, RedisCluster):
        return client.pipeline()
    return client.pipeline(transaction=False)


def milliseconds(seconds: float) -> int:
    """For the database, which knows nothing shorter and takes zero for a mistake."""
    return max(1, round(seconds * 1000))
