"""Approvals without a server, for unit tests and the simulator."""

from dataclasses import dataclass, replace

from assistant.approval.asked import Answer, Approval, Asked
from assistant.approval.protocol import RETENTION
from assistant.clock import Clock
from assistant.errors import ApprovalAnsweredError, ApprovalExpiredError, UnknownApprovalError
from assistant.memory.protocol import Lease
from assistant.testing.memory_store import InMemorySessionStore
from assistant.turn import SessionKey
from policies.decision import Approver

_UNKNOWN = "there is no such approval, or its turn is finished"


@dataclass(slots=True, kw_only=True)
class _Kept:
    approval: Approval
    suspended: bytes | None


class InMemoryApprovals:
    """Behaves as :class:`RedisApprovals` does, beside the sessions of ``store``."""

    def __init__(self, store: InMemorySessionStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._of_turn: dict[tuple[SessionKey, str], str] = {}

    async def ask(self, asked: Asked, suspended: bytes, lease: Lease | None) -> None:
        """See :class:`Approvals`."""
        if lease is not None:
            self._store.suspend(lease, asked.id)
        place = (asked.key.tenant, asked.id)
        self._kept.setdefault(place, _Kept(approval=Approval(asked=asked), suspended=suspended))
        for turn in (asked.turn, lease.turn if lease else asked.turn):
            self._of_turn[asked.key, turn] = asked.id

    async def get(self, tenant: str, approval_id: str) -> Approval | None:
        """See :class:`Approvals`."""
        kept = self._find(tenant, approval_id)
        return kept.approval if kept else None

    async def waiting(
        self,
        tenant: str,
        *,
        user: str | None = None,
        approver: Approver | None = None,
        limit: int = 100,
    ) -> tuple[Approval, ...]:
        """See :class:`Approvals`."""
        now = self._clock.now()
        found = [
            kept.approval
            for (owner, _), kept in self._kept.items()
            if owner == tenant
            and kept.approval.waits
            and not kept.approval.expired(now)
            and user in (None, kept.approval.asked.key.user)
            and approver in (None, kept.approval.asked.approver)
        ]
        found.sort(key=lambda approval: approval.asked.created, reverse=True)
        return tuple(found[:limit])

    async def of_turn(self, key: SessionKey, turn: str) -> Approval | None:
        """See :class:`Approvals`."""
        approval_id = self._of_turn.get((key, turn))
        return await self.get(key.tenant, approval_id) if approval_id else None

    async def open_question(self, key: SessionKey) -> Approval | None:
        """See :class:`Approvals`."""
        approval_id = self._store.question(key)
        return await self.get(key.tenant, approval_id) if approval_id else None

    async def answer(
        self,
        tenant: str,
        approval_id: str,
        approved: bool,
        by: str,
        *,
        word: tuple[SessionKey, str] | None = None,
    ) -> Approval:
        """See :class:`Approvals`."""
        kept, now = self._find(tenant, approval_id), self._clock.now()
        wanted = Answer.APPROVED if approved else Answer.DENIED
        if kept is None:
            raise UnknownApprovalError(_UNKNOWN)
        if kept.approval.answer is Answer.WAITING:
            if kept.suspended is None:
                raise UnknownApprovalError(_UNKNOWN)
            if kept.approval.expired(now):
                raise ApprovalExpiredError("the question was not answered in time")
            kept.approval = replace(kept.approval, answer=wanted, answered_at=now, answered_by=by)
        if word is not None:
            self._of_turn[word] = approval_id
        if kept.approval.answer is not wanted:
            raise ApprovalAnsweredError(f"the call was {kept.approval.answer} before; that stands")
        return kept.approval

    async def suspended(self, tenant: str, approval_id: str) -> bytes:
        """See :class:`Approvals`."""
        kept = self._find(tenant, approval_id)
        if kept is None or kept.suspended is None:
            raise UnknownApprovalError(_UNKNOWN)
        return kept.suspended

    async def close(self, approval: Approval) -> None:
        """See :class:`Approvals`."""
        asked = approval.asked
        if self._store.question(asked.key) == asked.id:
            self._store.settle(asked.key)
        if (kept := self._find(asked.key.tenant, asked.id)) is not None:
            kept.suspended = None
            bare = replace(kept.approval.asked, arguments="", text="")
            kept.approval = replace(kept.approval, asked=bare)

    def _find(self, tenant: str, approval_id: str) -> _Kept | None:
        kept = self._kept.get((tenant, approval_id))
        if kept and self._clock.now() >= kept.approval.asked.expires + RETENTION:
            del self._kept[tenant, approval_id]
            return None
        return kept
