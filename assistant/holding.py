"""Holding on to a session while its turn runs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from assistant.errors import CorralError
from assistant.memory.protocol import Lease, SessionStore


@asynccontextmanager
async def holding(
    store: SessionStore, lease: Lease, renew_every: float
) -> AsyncIterator[Callable[[], object]]:
    """Keep the session's lock while the block runs; losing it ends the block.

    A block that fails gives the session back and nothing is remembered; one that ends well has
    committed, which gives it back. What the block gets is to be called before it gives the session
    back: a renewal that comes after that would lock it once more, for nobody.
    """

    async def renew() -> None:
        while True:
            await asyncio.sleep(renew_every)
            await store.renew(lease)

    try:
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(renew())
            yield keeper.cancel
            keeper.cancel()
    except BaseExceptionGroup as errors:
        await _let_go(store, lease)
        raise errors.exceptions[0] from None
    except BaseException:
        await _let_go(store, lease)
        raise


async def _let_go(store: SessionStore, lease: Lease) -> None:
    """Give the session back, also when the turn is cancelled (once more) meanwhile.

    It takes the store's deadline at most; where this cannot reach the store, the lock dies by
    itself.
    """
    release = asyncio.create_task(store.release(lease))
    while not release.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait((release,))
    with suppress(CorralError):
        release.result()
