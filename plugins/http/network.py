"""Connections that only go to addresses that were checked."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest

import httpcore

from plugins.errors import AccessDeniedError
from plugins.http.addresses import Address, is_public
from plugins.http.reach import Reach, as_address
from plugins.http.resolver import Resolver

_STAGGER_SECONDS = 0.25
"""Before the next address is tried beside one that has not answered (RFC 8305)."""
_MOST_ADDRESSES = 8
"""Tried of one name."""


class PinnedNetwork(httpcore.AsyncNetworkBackend):
    """Resolves a name, checks every address it has, and connects to one of those.

    Between the check and the connection no name is looked up again, so a name that changes its
    address in between changes nothing. TLS and the ``Host`` header still carry the name: they are
    the connection pool's, which knows nothing of addresses.
    """

    def __init__(
        self, reach: Reach, resolver: Resolver, network: httpcore.AsyncNetworkBackend
    ) -> None:
        """``network`` connects to the addresses it is given."""
        self._reach = reach
        self._resolver = resolver
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to one of the addresses of ``host``.

        Raises:
            AccessDeniedError: the host may not be reached, or has an address that is not public.
            httpcore.ConnectError: it has no address, or none can be connected to.
            httpcore.ConnectTimeout: not within ``timeout`` seconds.
        """
        private = self._reach.is_private(host, port)
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._addresses(host)
                if not private and not all(is_public(address) for address in addresses):
                    raise AccessDeniedError(f"{host} has an address on a private network")
                return await self._first(addresses, port, local_address, socket_options)
        except TimeoutError:
            raise httpcore.ConnectTimeout("no connection in time") from None

    async def _addresses(self, host: str) -> Sequence[Address]:
        spelled = as_address(host)
        if spelled is not None:
            return (spelled,)
        try:
            found = [as_address(each) for each in await self._resolver.resolve(host)]
        except OSError:
            raise httpcore.ConnectError(f"{host} cannot be resolved") from None
        addresses = [each for each in found if each is not None]
        if not addresses or len(addresses) < len(found):
            raise httpcore.ConnectError(f"{host} cannot be resolved")
        return _by_turns(addresses)

    async def _first(
        self,
        addresses: Sequence[Address],
        port: int,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.AsyncNetworkStream:
        """The first connection of a race in which each address starts a little later.

        Tasks instead of a group: the losers are to be stopped, and the failure of one is none of
        the race.
        """
        waiting = deque(addresses[:_MOST_ADDRESSES])
        running: set[asyncio.Task[httpcore.AsyncNetworkStream]] = set()
        failure: BaseException = httpcore.ConnectError("no address to connect to")
        try:
            while waiting or running:
                if waiting:
                    connect = self._network.connect_tcp(
                        str(waiting.popleft()),
                        port,
                        local_address=local_address,
                        socket_options=socket_options,
                    )
                    running.add(asyncio.ensure_future(connect))
                done, _ = await asyncio.wait(
                    running,
                    timeout=_STAGGER_SECONDS if waiting else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in done:
                    running.discard(task)
                    error = task.exception()
                    if error is None:
                        running |= done - {task}
                        return task.result()
                    failure = error
            raise failure
        finally:
            await _abandon(running)


async def _abandon(tasks: Iterable["asyncio.Task[httpcore.AsyncNetworkStream]"]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, httpcore.AsyncNetworkStream):
            await outcome.aclose()


def _by_turns(addresses: Sequence[Address]) -> Sequence[Address]:
    """Both families by turns, beginning with the resolver's first."""
    first = [each for each in addresses if each.version == addresses[0].version]
    second = [each for each in addresses if each.version != addresses[0].version]
    return [each for each in chain.from_iterable(zip_longest(first, second)) if each is not None]
