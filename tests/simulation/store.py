"""Session memory that fails before and after it did what it was asked, watched."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from assistant.errors import MemoryUnavailableError
from assistant.memory.limits import MemoryLimits
from assistant.memory.protocol import Answered, Commit, Lease, Opened, SessionStore
from assistant.testing.memory_store import InMemorySessionStore
from assistant.turn import SessionKey
from tests.simulation.engine import dawdle
from tests.simulation.records import CURRENT, Delivery, Seen

LIMITS = MemoryLimits(messages=12, lock_ttl=6.0, wait=4.0, deadline=1.0)

OpenedCheck = Callable[[Delivery, Opened | Answered], None]
CommittedCheck = Callable[[Delivery, Lease, Commit], None]


class Host:
    """One process; ``alive`` is false from the moment it is killed."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.alive = True


class Wire:
    """One process's way to something that all share: it may fail before and after it was asked."""

    def __init__(self, host: Host, seen: Seen, name: str, *, apart: bool = False) -> None:
        self._host = host
        self._seen = seen
        self._name = name
        self._apart = apart
        """Whether the failures of each operation are counted apart."""

    @asynccontextmanager
    async def asked(self, delivery: Delivery, what: str) -> AsyncIterator[None]:
        """Around one operation."""
        await self.before(delivery, what)
        yield
        await self.after(delivery, what)

    async def before(self, delivery: Delivery, what: str) -> None:
        """On the way there."""
        counted = f" {what}" if self._apart else ""
        await self._step(delivery, what, f"{self._name} does not answer{counted}")

    async def after(self, delivery: Delivery, what: str) -> None:
        """On the way back."""
        counted = f" to {what}" if self._apart else ""
        await self._step(delivery, what, f"{self._name}'s reply{counted} is lost")

    async def _step(self, delivery: Delivery, what: str, fault: str) -> None:
        self._check_alive()
        rates, rng = self._seen.scenario.rates, delivery.rng
        await dawdle(rates, rng)
        if rates.store and rng.random() < rates.store:
            self._seen.counts[f"fault: {fault}"] += 1
            self._seen.note(delivery, f"{self._name}, {what}", fault)
            await asyncio.sleep(rng.choice((0.0, LIMITS.deadline)))
            raise MemoryUnavailableError("session memory does not answer")
        self._check_alive()

    def _check_alive(self) -> None:
        if not self._host.alive:
            raise MemoryUnavailableError("the process is dead")


class WatchedStore:
    """One process's connection to the store that all share."""

    def __init__(
        self,
        inner: SessionStore,
        host: Host,
        seen: Seen,
        *,
        opened: OpenedCheck,
        committed: CommittedCheck,
    ) -> None:
        self._inner = inner
        self._wire = Wire(host, seen, "store", apart=True)
        self._seen = seen
        self._opened = opened
        self._committed = committed

    async def open(self, key: SessionKey, turn: str) -> Opened | Answered:
        """See :class:`SessionStore`."""
        delivery = CURRENT.get()
        await self._wire.before(delivery, "open")
        result = await self._inner.open(key, turn)
        delivery.held_until = asyncio.get_running_loop().time() + LIMITS.lock_ttl
        self._opened(delivery, result)
        try:
            await self._wire.after(delivery, "open")
        except BaseException:
            delivery.lease = delivery.answered = None
            # As over Redis: the lock was taken for somebody who never hears of it, and the
            # attempt to give it back may fail too.
            if isinstance(result, Opened) and delivery.rng.random() < 0.7:
                await self._inner.release(result.lease)
            raise
        return result

    async def renew(self, lease: Lease) -> None:
        """See :class:`SessionStore`."""
        delivery = CURRENT.get()
        await self._wire.before(delivery, "renew")
        await self._inner.renew(lease)
        delivery.held_until = asyncio.get_running_loop().time() + LIMITS.lock_ttl
        self._seen.counts["lease renewed"] += 1
        await self._wire.after(delivery, "renew")

    async def commit(self, lease: Lease, commit: Commit) -> None:
        """See :class:`SessionStore`."""
        delivery = CURRENT.get()
        await self._wire.before(delivery, "commit")
        await self._inner.commit(lease, commit)
        self._committed(delivery, lease, commit)
        await self._wire.after(delivery, "commit")

    async def release(self, lease: Lease) -> None:
        """See :class:`SessionStore`."""
        delivery = CURRENT.get()
        await self._wire.before(delivery, "release")
        await self._inner.release(lease)
        delivery.held_until = 0.0
        await self._wire.after(delivery, "release")


def lose_locks(inner: InMemorySessionStore) -> None:
    """What a restart does to a store that keeps its data but not its locks."""
    for session in inner._sessions.values():
        session.free()


def lock_holder(inner: InMemorySessionStore, key: SessionKey) -> str | None:
    """The token of the lease that holds a session, if one does."""
    session = inner._sessions.get(key)
    return session.holder if session else None
