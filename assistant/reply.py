"""How a drafted reply gets out: every piece judged, every tool call decided."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from assistant.audit.record import Record
from assistant.clock import Ids
from assistant.draft import Draft
from assistant.errors import EngineResponseError
from assistant.events import (
    Event,
    FinishReason,
    Refused,
    Retracted,
    TextReleased,
    ToolCallReleased,
    Usage,
)
from assistant.restoring import Restorer
from assistant.turn import Turn
from guards.conversation import BY_MODEL, Exchange, Message, Role, Subject, TextPart, ToolCall
from guards.panel import Panel
from guards.stream import Halt, Pace, Ruling, released
from plugins.broker import Broker, InvalidCall, Toolbox
from policies.bundle import Policy
from policies.decision import Blocking, Decision
from policies.placeholders import Placeholders
from policies.rulings import blocking_of, ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One turn under way: what it is, and where its events and decisions go.

    ``placeholders`` are those of its session, or of the conversation it brings along.
    """

    turn: Turn
    placeholders: Placeholders
    toolbox: Toolbox
    record: Record
    emit: Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a turn.

    Attributes:
        decision: what the turn comes down to, for its answer and its log entry.
        reason, usage: why the reply ended and what it cost.
        text: what the user is left with.
        message: the user's message as the model read it.
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


def blocked_outcome(decision: Blocking, message: Message, reply: Message | None) -> Outcome:
    """The outcome of a turn that a clause ended."""
    return Outcome(
        decision=decision,
        reason=FinishReason.CONTENT_FILTER,
        usage=Usage(),
        text=decision.text,
        message=message,
        reply=reply,
        blocked=True,
    )


class ReplyGate:
    """Lets a draft out piece by piece (I3), then its tool calls (I4)."""

    def __init__(
        self, *, panel: Panel, policy: Policy, broker: Broker, ids: Ids, pace: Pace
    ) -> None:
        self._panel = panel
        self._policy = policy
        self._broker = broker
        self._ids = ids
        self._pace = pace

    async def release(
        self, course: Course, past: tuple[Message, ...], draft: Draft, admitted: Decision
    ) -> Outcome:
        """Release ``draft``, the reply to the last message of ``past``.

        ``admitted`` is what was decided about the input, and the outcome's decision when the
        reply raises nothing of its own.

        Raises:
            EngineError: the draft failed; what was released until then stands.
        """
        reply_id = self._ids("msg_")
        written: list[str] = []
        shown: list[str] = []
        restorer = Restorer(course.placeholders.values)

        def show(text: str) -> None:
            if text:
                shown.append(text)
                course.emit(TextReleased(text=text))

        async def judge(text: str, whole: bool) -> Ruling[Blocking]:
            exchange = Exchange(
                subject=Subject.REPLY if whole else Subject.REPLY_SO_FAR,
                message=_reply(reply_id, text),
                context=past,
            )
            verdict = await self._panel.judge(exchange)
            turn = course.turn
            decision = self._policy.decide(exchange, verdict, turn.audience, turn.locale)
            course.record.decided(exchange, decision)
            hold = None if whole else verdict.hold
            return ruling(self._policy, decision, text, turn.locale, hold, course.placeholders)

        async with aclosing(released(draft.buffer, judge, self._pace)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Halt):
                    return await self._halt(course, draft, past, piece.value, reply_id, shown)
                written.append(piece)
                show(restorer.feed(piece))
        show(restorer.end())
        calls = await self._calls(course, past, draft)
        if not isinstance(calls, tuple):
            return await self._halt(course, draft, past, calls, reply_id, shown)
        for call in calls:
            course.emit(ToolCallReleased(call=call))
        completed = draft.completed
        if completed is None:
            raise EngineResponseError("the engine's answer broke off")
        return Outcome(
            decision=admitted,
            reason=FinishReason.TOOL_CALLS if calls else completed.reason,
            usage=completed.usage,
            text="".join(shown),
            message=past[-1],
            reply=replace(_reply(reply_id, "".join(written)), tool_calls=calls),
            blocked=False,
        )

    async def _calls(
        self, course: Course, past: tuple[Message, ...], draft: Draft
    ) -> tuple[ToolCall, ...] | Blocking:
        """All of the draft's tool calls, decided; or what blocks one and so all of them."""
        turn = course.turn
        calls = tuple(c if c.id else replace(c, id=self._ids("call_")) for c in draft.calls)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    self._broker.decide(
                        call, course.toolbox, past, audience=turn.audience, locale=turn.locale
                    )
                )
                for call in calls
            ]
        blocking: Blocking | None = None
        for task in tasks:
            result = task.result()
            if isinstance(result, InvalidCall):
                raise EngineResponseError(f"the model's tool call is not valid: {result.problem}")
            exchange, decision = result
            course.record.decided(exchange, decision)
            blocking = blocking or blocking_of(self._policy, decision, turn.locale)
        return blocking or calls

    async def _halt(
        self,
        course: Course,
        draft: Draft,
        past: tuple[Message, ...],
        decision: Blocking,
        reply_id: str,
        shown: list[str],
    ) -> Outcome:
        await draft.abort()
        event = Retracted if shown else Refused
        course.emit(event(decision=decision, text=decision.text))
        return blocked_outcome(decision, past[-1], _reply(reply_id, draft.buffer.text))


def _reply(reply_id: str, text: str) -> Message:
    return Message(
        id=reply_id, role=Role.ASSISTANT, parts=(TextPart(text=text),), provenance=BY_MODEL
    )
