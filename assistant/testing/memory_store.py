"""Session memory without a server, for unit tests and the simulator."""

import asyncio
from dataclasses import dataclass, field

from assistant.clock import Ids, random_id
from assistant.errors import SessionBusyError
from assistant.memory.limits import MemoryLimits
from assistant.memory.protocol import Answer, Answered, Commit, Lease, Opened
from assistant.turn import SessionKey
from guards.conversation import Message
from policies.placeholders import Placeholder

_FOREVER = float("inf")
_LOST = "the session was taken over; nothing was written"


@dataclass(slots=True, kw_only=True)
class _StoredAnswer:
    answer: Answer
    token: str
    until: float


@dataclass(slots=True, kw_only=True)
class _Session:
    """One session's data; times are of the event loop's clock."""

    history: list[Message] = field(default_factory=list)
    placeholders: tuple[Placeholder, ...] = ()
    version: int = 0
    until: float = _FOREVER
    quarantine: list[Message] = field(default_factory=list)
    quarantine_until: float = _FOREVER
    answers: dict[str, _StoredAnswer] = field(default_factory=dict)
    question: str | None = None
    suspended_by: str | None = None
    holder: str | None = None
    held_until: float = 0.0
    freed: asyncio.Event = field(default_factory=asyncio.Event)

    def expire(self, now: float) -> None:
        if now >= self.until:
            self.history.clear()
            self.placeholders = ()
            self.version, self.until = 0, _FOREVER
        if now >= self.quarantine_until:
            self.quarantine.clear()
            self.quarantine_until = _FOREVER
        for turn in [turn for turn, stored in self.answers.items() if now >= stored.until]:
            del self.answers[turn]
        if self.holder is not None and now >= self.held_until:
            self.free()

    def free(self) -> None:
        self.holder = None
        self.freed.set()
        self.freed = asyncio.Event()


class InMemorySessionStore:
    """Behaves as :class:`RedisSessionStore` does, within one process and event loop.

    Durations run on the event loop's clock, so a virtual loop governs leases and expiry too.
    """

    def __init__(self, *, limits: MemoryLimits, ids: Ids = random_id) -> None:
        self._limits = limits
        self._ids = ids
        self._sessions: dict[SessionKey, _Session] = {}

    async def open(self, key: SessionKey, turn: str) -> Opened | Answered:
        """See :class:`SessionStore`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._limits.wait
        while True:
            session, now = self._session(key)
            if (stored := session.answers.get(turn)) is not None:
                return Answered(answer=stored.answer)
            if session.holder is None:
                session.holder = self._ids("lease_")
                session.held_until = now + self._limits.lock_ttl
                return Opened(
                    lease=Lease(key=key, turn=turn, token=session.holder, version=session.version),
                    history=tuple(session.history),
                    placeholders=session.placeholders,
                )
            if now >= end:
                raise SessionBusyError("another message of the session is still being answered")
            freed = session.freed
            try:
                async with asyncio.timeout_at(min(end, session.held_until)):
                    await freed.wait()
            except TimeoutError:
                continue

    async def renew(self, lease: Lease) -> None:
        """See :class:`SessionStore`."""
        session, now = self._held(lease)
        session.holder = lease.token
        session.held_until = now + self._limits.lock_ttl

    async def commit(self, lease: Lease, commit: Commit) -> None:
        """See :class:`SessionStore`."""
        stored = self._session(lease.key)[0].answers.get(lease.turn)
        if stored is not None:
            if stored.token != lease.token:
                raise SessionBusyError(_LOST)
            return
        session, now = self._held(lease)
        limits = self._limits
        session.history = [*session.history, *commit.remembered][-limits.messages :]
        session.placeholders = commit.placeholders or session.placeholders
        session.question = None
        session.version += 1
        session.until = now + limits.session_ttl
        if commit.quarantined:
            session.quarantine = [*session.quarantine, *commit.quarantined][-limits.messages :]
            session.quarantine_until = now + limits.quarantine_ttl
        for turn in (lease.turn, commit.also or lease.turn):
            session.answers[turn] = _StoredAnswer(
                answer=commit.answer, token=lease.token, until=now + limits.answer_ttl
            )
        session.free()

    async def release(self, lease: Lease) -> None:
        """See :class:`SessionStore`."""
        session, _ = self._session(lease.key)
        if session.holder == lease.token:
            session.free()

    def suspend(self, lease: Lease, question: str) -> None:
        """End the turn of ``lease`` with an open question; for :class:`InMemoryApprovals`.

        Raises:
            SessionBusyError: the lease was lost.
        """
        session = self._session(lease.key)[0]
        if session.question == question and session.suspended_by == lease.token:
            return
        if lease.turn in session.answers:
            raise SessionBusyError(_LOST)
        self._held(lease)
        session.question, session.suspended_by = question, lease.token
        session.free()

    def question(self, key: SessionKey) -> str | None:
        """Id of the approval that the session's last turn ended with a question about."""
        return self._session(key)[0].question

    def settle(self, key: SessionKey) -> None:
        """Forget the open question."""
        self._session(key)[0].question = None

    async def quarantined(self, key: SessionKey) -> tuple[Message, ...]:
        """What was blocked in a session, oldest first; no turn reads it."""
        return tuple(self._session(key)[0].quarantine)

    def _session(self, key: SessionKey) -> tuple[_Session, float]:
        now = asyncio.get_running_loop().time()
        session = self._sessions.setdefault(key, _Session())
        session.expire(now)
        return session, now

    def _held(self, lease: Lease) -> tuple[_Session, float]:
        session, now = self._session(lease.key)
        free = session.holder is None and session.version == lease.version
        if session.holder != lease.token and not free:
            raise SessionBusyError(_LOST)
        return session, now
