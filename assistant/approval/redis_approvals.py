"""Approvals in Redis or Valkey, beside the session whose turn waits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from assistant.approval import scripts
from assistant.approval.asked import Answer, Approval, Asked
from assistant.approval.codec import decode_approval, encode_asked
from assistant.approval.protocol import RETENTION
from assistant.clock import Clock
from assistant.errors import (
    ApprovalAnsweredError,
    ApprovalExpiredError,
    MemoryUnavailableError,
    SessionBusyError,
    UnknownApprovalError,
)
from assistant.memory.keys import ApprovalIndex, SessionKeys, digest, tag_of
from assistant.memory.link import Argument, Client, Link, milliseconds, pipeline
from assistant.memory.protocol import Lease
from assistant.turn import SessionKey
from policies.decision import Approver

_PAGE = 100
_FIELDS = ("asked", "answer", "at", "by")
_UNKNOWN = "there is no such approval, or its turn is finished"
_STALE = 60.0
"""Seconds after which an entry of the index without a record is nobody's work in progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One of a tenant's index; as text, entries sort by age."""

    created: int
    approver: str
    user: str
    tag: str
    id: str

    @classmethod
    def of(cls, asked: Asked) -> Self:
        return cls(
            created=milliseconds(asked.created),
            approver=asked.approver,
            user=digest(asked.key.tenant, asked.key.user),
            tag=tag_of(asked.key),
            id=asked.id,
        )

    @classmethod
    def parsed(cls, member: bytes) -> Self:
        created, approver, user, tag, approval = member.decode().split(" ")
        return cls(created=int(created), approver=approver, user=user, tag=tag, id=approval)

    def __str__(self) -> str:
        return f"{self.created:015d} {self.approver} {self.user} {self.tag} {self.id}"


class RedisApprovals:
    """One script per operation.

    A session's approvals lie under its hash tag, so that asking and giving the session back are
    one step. A tenant's index, under a tag of its own, is written before that: of a crash in
    between an entry is left that leads nowhere and is dropped when it is read.

    Args:
        client: as :class:`..memory.link.Link` takes it.
        deadline: seconds that one operation may take.
    """

    def __init__(self, client: Client, *, clock: Clock, deadline: float) -> None:
        self._link = Link(client, deadline=deadline)
        self._clock = clock

    async def ask(self, asked: Asked, suspended: bytes, lease: Lease | None) -> None:
        """See :class:`Approvals`. A broken connection is tried again until the deadline."""
        tenant, names = ApprovalIndex.of(asked.key.tenant), SessionKeys.of(asked.key)
        now = self._clock.now()
        ttl = milliseconds(asked.expires - now + RETENTION)
        entry = str(_Entry.of(asked))
        await self._link.run(
            scripts.INDEX,
            [tenant.waiting, tenant.session(asked.id)],
            [entry, asked.expires, tag_of(asked.key), ttl, now],
            persist=True,
        )
        kept = await self._link.run(
            scripts.ASK,
            [
                names.lock,
                names.meta,
                names.answer(asked.turn),
                names.approval(asked.id),
                names.asked(asked.turn),
                names.question,
                names.asked(lease.turn if lease else asked.turn),
            ],
            [
                lease.token if lease else "",
                lease.version if lease else 0,
                asked.id,
                encode_asked(asked),
                suspended,
                asked.expires,
                ttl,
            ],
            persist=True,
        )
        if not kept:
            raise SessionBusyError("the session was taken over by another turn; nothing was asked")

    async def get(self, tenant: str, approval_id: str) -> Approval | None:
        """See :class:`Approvals`."""
        name = await self._place(tenant, approval_id)
        return await self._read(name) if name is not None else None

    async def waiting(
        self,
        tenant: str,
        *,
        user: str | None = None,
        approver: Approver | None = None,
        limit: int = 100,
    ) -> tuple[Approval, ...]:
        """See :class:`Approvals`. Reads a hundred records at a time."""
        index, now = ApprovalIndex.of(tenant).waiting, self._clock.now()
        members = await self._link.call(
            lambda client: client.zrangebyscore(index, f"({now!r}", "+inf")
        )
        entries = [_Entry.parsed(member) for member in sorted(members, reverse=True)]
        if user is not None:
            entries = [entry for entry in entries if entry.user == digest(tenant, user)]
        if approver is not None:
            entries = [entry for entry in entries if entry.approver == approver]
        found: list[Approval] = []
        for start in range(0, len(entries), _PAGE):
            page = entries[start : start + _PAGE]
            found += await self._waiting_of(index, page, now)
            if len(found) >= limit:
                break
        return tuple(found[:limit])

    async def of_turn(self, key: SessionKey, turn: str) -> Approval | None:
        """See :class:`Approvals`."""
        names = SessionKeys.of(key)
        return await self._pointed(names, names.asked(turn))

    async def open_question(self, key: SessionKey) -> Approval | None:
        """See :class:`Approvals`."""
        names = SessionKeys.of(key)
        return await self._pointed(names, names.question)

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
        name = await self._place(tenant, approval_id)
        if name is None:
            raise UnknownApprovalError(_UNKNOWN)
        wanted = Answer.APPROVED if approved else Answer.DENIED
        names = [name] if word is None else [name, SessionKeys.of(word[0]).asked(word[1])]
        arguments: list[Argument] = [wanted, by, self._clock.now(), approval_id]
        match await self._link.run(scripts.ANSWER, names, arguments):
            case [b"known", bytes(asked), bytes(answer), at, given_by]:
                approval = decode_approval(asked, answer, at, given_by)
            case [b"expired"]:
                raise ApprovalExpiredError("the question was not answered in time")
            case [b"unknown"]:
                raise UnknownApprovalError(_UNKNOWN)
            case _:
                raise MemoryUnavailableError("session memory answered something unknown")
        await self._drop(ApprovalIndex.of(tenant).waiting, [_Entry.of(approval.asked)])
        if approval.answer is not wanted:
            raise ApprovalAnsweredError(f"the call was {approval.answer} before; that stands")
        return approval

    async def suspended(self, tenant: str, approval_id: str) -> bytes:
        """See :class:`Approvals`."""
        name = await self._place(tenant, approval_id)
        if name is not None:
            held = await self._link.call(lambda client: client.hget(name, "suspended"))
            if isinstance(held, bytes):
                return held
        raise UnknownApprovalError(_UNKNOWN)

    async def close(self, approval: Approval) -> None:
        """See :class:`Approvals`."""
        asked = approval.asked
        names = SessionKeys.of(asked.key)
        bare = encode_asked(replace(asked, arguments="", text=""))
        await self._link.run(
            scripts.CLOSE, [names.approval(asked.id), names.question], [asked.id, bare]
        )
        await self._drop(ApprovalIndex.of(asked.key.tenant).waiting, [_Entry.of(asked)])

    async def _place(self, tenant: str, approval_id: str) -> str | None:
        """The name of the approval's hash."""
        pointer = ApprovalIndex.of(tenant).session(approval_id)
        tag = await self._link.call(lambda client: client.get(pointer))
        return None if tag is None else SessionKeys.tagged(tag.decode()).approval(approval_id)

    async def _pointed(self, names: SessionKeys, pointer: str) -> Approval | None:
        approval_id = await self._link.call(lambda client: client.get(pointer))
        return await self._read(names.approval(approval_id.decode())) if approval_id else None

    async def _read(self, name: str) -> Approval | None:
        return _decoded(await self._link.call(lambda client: client.hmget(name, _FIELDS)))

    async def _waiting_of(
        self, index: str, entries: Sequence[_Entry], now: float
    ) -> list[Approval]:
        """Those of ``entries`` that wait; the others leave the index."""

        async def read(client: Client) -> list[Any]:
            pipe = pipeline(client)
            for entry in entries:
                pipe.hmget(SessionKeys.tagged(entry.tag).approval(entry.id), _FIELDS)
            return await pipe.execute()

        found = [_decoded(fields) for fields in await self._link.call(read)]
        old = milliseconds(now - _STALE)
        over = [
            entry
            for entry, approval in zip(entries, found, strict=True)
            # Without a record it may be one that is being asked just now.
            if (entry.created < old if approval is None else not approval.waits)
        ]
        await self._drop(index, over)
        return [a for a in found if a is not None and a.waits]

    async def _drop(self, index: str, entries: Sequence[_Entry]) -> None:
        if entries:
            members = [str(entry) for entry in entries]
            await self._link.call(lambda client: client.zrem(index, *members))


def _decoded(fields: list[Any]) -> Approval | None:
    asked, answer, at, by = fields
    return None if asked is None or answer is None else decode_approval(asked, answer, at, by)
