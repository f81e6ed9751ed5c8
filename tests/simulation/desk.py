"""Ledger, approvals and plugins' values: shared, failing like the store, watched."""

import asyncio

import orjson

from assistant.approval.asked import Approval, Asked
from assistant.approval.protocol import Approvals
from assistant.memory.protocol import Lease
from assistant.turn import SessionKey
from plugins.access import Store
from plugins.caller import Caller
from plugins.ledger import Entry, Ledger, Standing
from plugins.testing.fakes import FakeStore
from policies.decision import Approver
from tests.simulation.marks import tokens
from tests.simulation.records import CURRENT, Delivery, Question, Seen
from tests.simulation.store import Host, Wire


class WatchedLedger:
    """One process's connection to the ledger that all share."""

    def __init__(self, inner: Ledger, host: Host, seen: Seen) -> None:
        self._inner = inner
        self._seen = seen
        self._wire = Wire(host, seen, "ledger")

    async def entries(self, caller: Caller) -> dict[str, Entry]:
        """See :class:`Ledger`."""
        delivery = self._delivery(caller)
        async with self._wire.asked(delivery, "entries"):
            entries = await self._inner.entries(caller)
        started = (key for key, entry in entries.items() if entry.standing is Standing.STARTED)
        delivery.unsure.update(started)
        return entries

    async def begin(self, caller: Caller, key: str) -> Entry:
        """See :class:`Ledger`."""
        delivery = self._delivery(caller)
        async with self._wire.asked(delivery, "begin"):
            before = await self._inner.begin(caller, key)
        if before.standing is Standing.NEW:
            delivery.retried = bool(delivery.unsure - delivery.fresh)
            delivery.fresh.add(key)
            delivery.unsure.add(key)
            delivery.begun = key
        return before

    async def done(self, caller: Caller, key: str, record: bytes) -> None:
        """See :class:`Ledger`."""
        delivery = self._delivery(caller)
        async with self._wire.asked(delivery, "done"):
            await self._inner.done(caller, key, record)
            for run in self._seen.runs_of(delivery):
                if run.note == key:
                    run.settled = True
        delivery.unsure.discard(key)

    async def again(self, caller: Caller, key: str) -> None:
        """See :class:`Ledger`."""
        delivery = self._delivery(caller)
        async with self._wire.asked(delivery, "again"):
            await self._inner.again(caller, key)

    def _delivery(self, caller: Caller) -> Delivery:
        delivery = CURRENT.get()
        turn = delivery.root.turn
        key = SessionKey(tenant=caller.tenant, user=caller.user, session=caller.session)
        if (key, caller.turn) != (turn.key, turn.id):
            self._seen.broken("I11", "a note on a side effect of somebody else's turn", delivery)
        return delivery


class WatchedApprovals:
    """One process's connection to the questions that all share."""

    def __init__(self, inner: Approvals, host: Host, seen: Seen) -> None:
        self._inner = inner
        self._seen = seen
        self._wire = Wire(host, seen, "approvals")

    async def ask(self, asked: Asked, suspended: bytes, lease: Lease | None) -> None:
        """See :class:`Approvals`."""
        delivery = CURRENT.get()
        async with self._wire.asked(delivery, "ask"):
            await self._inner.ask(asked, suspended, lease)
            self._seen.questions[asked.id] = Question(asked=asked, delivery=delivery)
            delivery.held_until = 0.0
            if asked.key != delivery.root.turn.key or asked.turn != delivery.root.turn.id:
                self._seen.broken("I11", "a question about somebody else's turn", delivery)

    async def get(self, tenant: str, approval_id: str) -> Approval | None:
        """See :class:`Approvals`."""
        return await self._inner.get(tenant, approval_id)

    async def waiting(
        self,
        tenant: str,
        *,
        user: str | None = None,
        approver: Approver | None = None,
        limit: int = 100,
    ) -> tuple[Approval, ...]:
        """See :class:`Approvals`."""
        return await self._inner.waiting(tenant, user=user, approver=approver, limit=limit)

    async def of_turn(self, key: SessionKey, turn: str) -> Approval | None:
        """See :class:`Approvals`."""
        async with self._wire.asked(CURRENT.get(), "of_turn"):
            return await self._inner.of_turn(key, turn)

    async def open_question(self, key: SessionKey) -> Approval | None:
        """See :class:`Approvals`."""
        async with self._wire.asked(CURRENT.get(), "open_question"):
            return await self._inner.open_question(key)

    async def answer(
        self,
        tenant: str,
        approval_id: str,
        approved: bool,
        by: str,
        *,
        word: tuple[SessionKey, str] | None = None,
    ) -> Approval:
        """See :class:`Approvals`; what a message in the session was taken to say."""
        delivery = CURRENT.get()
        async with self._wire.asked(delivery, "answer"):
            approval = await self._inner.answer(tenant, approval_id, approved, by, word=word)
            question = self._seen.questions[approval_id]
            meant = delivery.turn.message.text == ("yes" if approved else "no")
            theirs = question.asked.key == delivery.turn.key
            if self._seen.said.setdefault(delivery.turn.id, approval_id) != approval_id:
                self._seen.broken(
                    "I4", "one word is taken for the answer to two questions", delivery
                )
            if not meant or not theirs or question.asked.approver is not Approver.USER:
                self._seen.broken("I4", "a word was taken from somebody who gave none", delivery)
            question.heard(approved, asyncio.get_running_loop().time())
        return approval

    async def suspended(self, tenant: str, approval_id: str) -> bytes:
        """See :class:`Approvals`."""
        delivery = CURRENT.get()
        async with self._wire.asked(delivery, "suspended"):
            data = await self._inner.suspended(tenant, approval_id)
        question = self._seen.questions[approval_id]
        delivery.origin = question.delivery
        delivery.prior = orjson.loads(data)["shown"]
        self._seen.counts["turn taken up"] += 1
        if question.asked.key != delivery.turn.key:
            self._seen.broken("I11", "a turn of somebody else's was taken up", delivery)
        return data

    async def close(self, approval: Approval) -> None:
        """See :class:`Approvals`."""
        async with self._wire.asked(CURRENT.get(), "close"):
            await self._inner.close(approval)


class Cupboard:
    """What plugins keep for each user; looks at what is read back."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._stores: dict[tuple[str, str, str], FakeStore] = {}

    def of(self, plugin: str, caller: Caller) -> Store:
        """The store of a plugin for a caller."""
        place = (plugin, caller.tenant, caller.user)
        return _Watched(self._stores.setdefault(place, FakeStore()), self._seen)


class _Watched:
    def __init__(self, inner: FakeStore, seen: Seen) -> None:
        self._inner = inner
        self._seen = seen

    async def get(self, key: str) -> bytes | None:
        delivery = CURRENT.get()
        value = await self._inner.get(key)
        owned = self._seen.owned_by_user(delivery.caller)
        if value is not None and not tokens(value.decode()) <= owned:
            self._seen.broken("I11", "a plugin reads what it keeps for somebody else", delivery)
        return value

    async def put(self, key: str, value: bytes, *, ttl: float) -> None:
        await self._inner.put(key, value, ttl=ttl)

    async def swap(self, key: str, expected: bytes | None, value: bytes, *, ttl: float) -> bool:
        return await self._inner.swap(key, expected, value, ttl=ttl)

    async def delete(self, key: str) -> None:
        await self._inner.delete(key)
