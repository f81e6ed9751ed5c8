"""Turns that wait for a person: put away with their question, and taken up with its answer."""

from dataclasses import dataclass

from assistant.approval.asked import Answer, Approval, Asked
from assistant.approval.protocol import Approvals
from assistant.approval.words import word_of
from assistant.clock import Clock, Ids
from assistant.errors import UnknownApprovalError
from assistant.memory.protocol import Lease
from assistant.outcome import Suspension
from assistant.suspended import Suspended, decode_suspended, encode_suspended
from assistant.turn import Turn
from plugins.approval import Grant
from policies.decision import Approver
from policies.placeholders import Placeholders

WORD = "word"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A turn that can go on; without a ``grant`` the person said no, or nothing in time."""

    approval: Approval
    suspended: Suspended
    grant: Grant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Asks people, and finds out what they said."""

    approvals: Approvals
    clock: Clock
    ids: Ids

    async def ask(
        self, turn: Turn, suspension: Suspension, placeholders: Placeholders, lease: Lease | None
    ) -> Asked:
        """Put the turn away until a person has answered.

        Raises:
            SessionBusyError: the session was lost to another turn; nothing was kept.
            MemoryUnavailableError: the question could not be kept.
        """
        needs = suspension.needs
        now = self.clock.now()
        asked = Asked(
            id=self.ids("apr_"),
            key=turn.key,
            turn=turn.id,
            call=needs.call.id,
            tool=needs.call.name,
            plugin=needs.plugin,
            arguments=needs.shown,
            digest=needs.digest,
            text=needs.ask.text,
            approver=needs.ask.approver,
            clause=needs.ask.basis.clause,
            created=now,
            expires=now + needs.ask.seconds,
        )
        suspended = Suspended(
            turn=turn,
            progress=suspension.progress,
            waiting=suspension.waiting,
            placeholders=placeholders.known,
        )
        await self.approvals.ask(asked, encode_suspended(suspended), lease)
        return asked

    async def earlier(self, turn: Turn) -> Approval | None:
        """The question that this very turn waits for, or that its message answers in a word."""
        own = await self.approvals.of_turn(turn.key, turn.id)
        if own is not None:
            return own
        word = word_of(turn.message.text, turn.locale)
        if word is None:
            return None
        question = await self.approvals.open_question(turn.key)
        if question is None or question.asked.approver is not Approver.USER:
            return None
        if question.expired(self.clock.now()):
            return question
        return await self.approvals.answer(
            turn.key.tenant, question.asked.id, word, WORD, word=(turn.key, turn.id)
        )

    async def take(self, approval: Approval) -> Taken | None:
        """The turn that waited for ``approval``; ``None`` while nobody has answered yet, and when
        it was taken up to its end before."""
        now = self.clock.now()
        if approval.answer is Answer.WAITING and not approval.expired(now):
            return None
        asked = approval.asked
        try:
            data = await self.approvals.suspended(asked.key.tenant, asked.id)
        except UnknownApprovalError:
            return None
        granted = approval.answer is Answer.APPROVED
        return Taken(
            approval=approval,
            suspended=decode_suspended(data),
            # What a person approved in time stays approved while the turn is taken up again.
            grant=Grant(approval=asked.id, digest=asked.digest, expires=now + 3600.0)
            if granted
            else None,
        )
