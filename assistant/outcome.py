"""What became of a turn."""

from dataclasses import dataclass

from assistant.events import FinishReason, Usage
from assistant.progress import Progress, Waiting
from guards.conversation import Message
from plugins.outcome import NeedsApproval
from policies.decision import Blocking, Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A turn that came to its end.

    Attributes:
        decision: what the turn comes down to, for its answer and its log entry.
        reason, usage: why the reply ended and what it cost.
        text: what the user is left with.
        message: the user's message as the model read it.
        trail: tool calls and their results, between message and reply.
        reply: the model's reply: as released but with its placeholders, or as drafted when
            ``blocked``.
        blocked: whether nothing of this turn may reach a later context (I6).
    """

    decision: Decision
    reason: FinishReason
    usage: Usage
    text: str
    message: Message
    reply: Message | None
    blocked: bool
    trail: tuple[Message, ...] = ()

    @property
    def said(self) -> tuple[Message, ...]:
        """All messages of the turn, oldest first."""
        reply = () if self.reply is None else (self.reply,)
        return (self.message, *self.trail, *reply)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """A turn that waits for a person's word about one tool call."""

    progress: Progress
    waiting: Waiting
    needs: NeedsApproval


def blocked_outcome(
    decision: Blocking,
    message: Message,
    reply: Message | None,
    trail: tuple[Message, ...] = (),
) -> Outcome:
    """The outcome of a turn that a clause ended."""
    return Outcome(
        decision=decision,
        reason=FinishReason.CONTENT_FILTER,
        usage=Usage(),
        text=decision.text,
        message=message,
        reply=reply,
        blocked=True,
        trail=trail,
    )
