"""Session memory in Redis or Valkey."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any

from assistant.clock import Ids, random_id
from assistant.errors import MemoryUnavailableError, SessionBusyError
from assistant.memory import scripts
from assistant.memory.codec import (
    decode_answer,
    decode_messages,
    decode_placeholders,
    encode_answer,
    encode_message,
    encode_placeholders,
)
from assistant.memory.keys import SessionKeys
from assistant.memory.limits import MemoryLimits
from assistant.memory.link import FIRST_PAUSE, Argument, Client, Link, milliseconds
from assistant.memory.protocol import Answered, Commit, Lease, Opened
from assistant.turn import SessionKey
from guards.conversation import Message

_LONGEST_PAUSE = 0.05
_UNDO = 0.25
_LOST = "the session was taken over by another turn; nothing was written"


class RedisSessionStore:
    """Sessions in Redis 7 or newer, Valkey, or a cluster of either; one script per operation.

    Args:
        client: answers in bytes and does not retry by itself (:func:`..connection.connect`).
            The caller closes it.
        limits: how much is kept, and for how long.
        ids: makes the token of each lease.
        jitter: a number in [0, 1) that keeps waiting turns from asking in step.
    """

    def __init__(
        self,
        client: Client,
        *,
        limits: MemoryLimits,
        ids: Ids = random_id,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._link = Link(client, deadline=limits.deadline)
        self._limits = limits
        self._ids = ids
        self._jitter = jitter

    async def open(self, key: SessionKey, turn: str) -> Opened | Answered:
        """See :class:`SessionStore`. Asks every 10 to 50 ms while another turn is running."""
        names = SessionKeys.of(key)
        token = self._ids("lease_")
        loop = asyncio.get_running_loop()
        end = loop.time() + self._limits.wait
        pause = FIRST_PAUSE
        while True:
            match await self._try_open(names, turn, token):
                case [b"answered", bytes(stored)]:
                    return Answered(answer=decode_answer(stored.partition(b" ")[2]))
                case [b"opened", bytes(version), bytes(records), bytes(placeholders)]:
                    lease = Lease(key=key, turn=turn, token=token, version=int(version))
                    return await self._decoded(lease, records, placeholders)
                case [b"busy"]:
                    left = end - loop.time()
                case _:
                    raise MemoryUnavailableError("session memory answered something unknown")
            if left <= 0:
                raise SessionBusyError("another message of the session is still being answered")
            await asyncio.sleep(min(left, pause * (0.5 + self._jitter())))
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    async def renew(self, lease: Lease) -> None:
        """See :class:`SessionStore`."""
        names = SessionKeys.of(lease.key)
        ttl = milliseconds(self._limits.lock_ttl)
        keys = [names.lock, names.meta]
        if not await self._link.run(scripts.RENEW, keys, [lease.token, lease.version, ttl]):
            raise SessionBusyError(_LOST)

    async def commit(self, lease: Lease, commit: Commit) -> None:
        """See :class:`SessionStore`.

        A broken connection is tried again until the deadline, because the turn's work would be
        lost otherwise; the script stores the answer under the lease's token, so a commit that
        had happened though its reply was lost counts as done.
        """
        names = SessionKeys.of(lease.key)
        limits = self._limits
        arguments: list[Argument] = [
            lease.token,
            lease.version,
            encode_answer(commit.answer),
            milliseconds(limits.answer_ttl),
            milliseconds(limits.session_ttl),
            milliseconds(limits.quarantine_ttl),
            limits.messages,
            encode_placeholders(commit.placeholders) if commit.placeholders else b"",
            len(commit.remembered),
            *map(encode_message, commit.remembered),
            *map(encode_message, commit.quarantined),
        ]
        keys = [
            names.lock,
            names.meta,
            names.history,
            names.answer(lease.turn),
            names.quarantine,
            names.placeholders,
            names.question,
            names.answer(commit.also or lease.turn),
        ]
        if not await self._link.run(scripts.COMMIT, keys, arguments, persist=True):
            raise SessionBusyError(_LOST)

    async def release(self, lease: Lease) -> None:
        """See :class:`SessionStore`."""
        await self._link.run(scripts.RELEASE, [SessionKeys.of(lease.key).lock], [lease.token])

    async def quarantined(self, key: SessionKey) -> tuple[Message, ...]:
        """What was blocked in a session, oldest first, for an auditor; no turn calls this.

        Raises:
            MemoryUnavailableError: the store does not answer in time.
        """
        name = SessionKeys.of(key).quarantine
        records = await self._link.call(lambda client: client.lrange(name, 0, -1))
        return decode_messages(b"[" + b",".join(records) + b"]")

    async def ping(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            MemoryUnavailableError: it gave none in time.
        """
        await self._link.call(lambda client: client.ping())

    async def _try_open(self, names: SessionKeys, turn: str, token: str) -> Any:
        keys = [names.lock, names.meta, names.history, names.answer(turn), names.placeholders]
        ttl = milliseconds(self._limits.lock_ttl)
        try:
            return await self._link.run(scripts.OPEN, keys, [token, ttl, self._limits.messages])
        except (MemoryUnavailableError, asyncio.CancelledError):
            # The script may have taken the lock though nobody saw its reply.
            with contextlib.suppress(MemoryUnavailableError, TimeoutError):
                async with asyncio.timeout(_UNDO):
                    await self._link.run(scripts.RELEASE, [names.lock], [token])
            raise

    async def _decoded(self, lease: Lease, records: bytes, placeholders: bytes) -> Opened:
        try:
            return Opened(
                lease=lease,
                history=decode_messages(records),
                placeholders=decode_placeholders(placeholders) if placeholders else (),
            )
        except MemoryUnavailableError:
            with contextlib.suppress(MemoryUnavailableError):
                await self.release(lease)
            raise
