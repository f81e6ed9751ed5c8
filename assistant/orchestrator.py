"""Runs one turn: draft beside judgement, guarded stream, tools, memory, decision log."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from assistant.admission import Admission
from assistant.approval.asked import Answer as Word
from assistant.approval.asked import Approval
from assistant.approval.protocol import Approvals
from assistant.audit.entries import EntryBodies
from assistant.audit.protocol import DecisionLog
from assistant.audit.record import Record
from assistant.clock import Clock, Ids, SystemClock
from assistant.commands import command_of
from assistant.engine.protocol import Engine
from assistant.errors import (
    CorralError,
    EngineTimeoutError,
    InvalidTurnError,
    MemoryUnavailableError,
    UnknownApprovalError,
)
from assistant.events import (
    ApprovalNeeded,
    Event,
    Finished,
    FinishReason,
    Refused,
    TextReleased,
    ToolCallReleased,
    ToolProgressed,
    Usage,
)
from assistant.holding import holding
from assistant.memory.protocol import Answer, Answered, Commit, Lease, SessionStore
from assistant.outcome import Outcome, Suspension, blocked_outcome
from assistant.progress import Progress
from assistant.questions import Questions, Taken
from assistant.reply import Course, ReplyGate
from assistant.rounds import RoundLimits, Rounds
from assistant.routing import Router
from assistant.turn import Turn
from assistant.vetted import Vetted
from guards.conversation import ImagePart, Message, TextPart, ToolCall
from guards.panel import Panel
from guards.stream import Pace
from plugins.broker import Broker, Toolbox, ToolSchemaError
from plugins.caller import Caller
from policies.admitted import Admitted, Denied
from policies.bundle import Policy
from policies.decision import Refuse, decision_name
from policies.placeholders import Placeholders
from policies.schema import Drafting
from policies.texts import REFUSED

Emit = Callable[[Event], None]
Over = Callable[[], object]
"""Ends the renewals of a session's lock, before the session is given back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnLimits:
    """Bounds on one turn.

    Attributes:
        seconds: the whole turn, without the time that a person takes to answer.
        reply_tokens: cap on one reply of the model, whatever the caller asks.
        input_chars: cap on the new message.
        tool_rounds: how often the model may call tools before it must answer.
        renew_every: seconds between renewals of the session's lock; well below its life.
    """

    seconds: float = 300.0
    reply_tokens: int = 1024
    input_chars: int = 32_000
    tool_rounds: int = 6
    renew_every: float = 10.0


class ToolCalls(StrEnum):
    """How a model comes to call Corral's tools."""

    NATIVE = "native"
    """The engine is told of them and calls them in its own format."""
    CONSTRAINED = "constrained"
    """Before each reply the engine picks one, or none, as constrained JSON."""
    COMMANDS = "commands"
    """Only people call them, by name."""


class Orchestrator:
    """Conducts turns; keeps nothing of any of them but which callers' pasts were judged.

    Args:
        broker: calls tools.
        approvals: where questions to people are kept; without it, what needs a person's word is
            refused.
        tool_calls: how the model calls Corral's tools. People may always call them by name.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        panel: Panel,
        policy: Policy,
        store: SessionStore,
        log: DecisionLog,
        entries: EntryBodies,
        ids: Ids,
        limits: TurnLimits,
        pace: Pace,
        broker: Broker | None = None,
        approvals: Approvals | None = None,
        tool_calls: ToolCalls = ToolCalls.NATIVE,
        clock: Clock | None = None,
    ) -> None:
        self._policy = policy
        self._store = store
        self._log = log
        self._entries = entries
        self._ids = ids
        self._limits = limits
        self._broker = broker or Broker(panel=panel, policy=policy)
        self._admission = Admission(panel=panel, policy=policy, vetted=Vetted())
        constrained = tool_calls is ToolCalls.CONSTRAINED
        # A model that picks its tool first has nothing to draft beside the judgement.
        self._speculative = policy.drafting is Drafting.SPECULATIVE and not constrained
        self._questions = (
            None
            if approvals is None
            else Questions(approvals=approvals, clock=clock or SystemClock(), ids=ids)
        )
        self._rounds = Rounds(
            engine=engine,
            policy=policy,
            gate=ReplyGate(panel=panel, policy=policy, ids=ids, pace=pace),
            broker=self._broker,
            ids=ids,
            limits=RoundLimits(reply_tokens=limits.reply_tokens, tool_rounds=limits.tool_rounds),
            native=tool_calls is ToolCalls.NATIVE,
            router=Router(engine=engine, ids=ids) if constrained else None,
        )

    def run(self, turn: Turn) -> AsyncGenerator[Event, None]:
        """Run one turn; closing the generator aborts everything it started (I8).

        Yields any of :data:`assistant.events.Event` and ends with exactly one ``Finished``.

        Raises:
            CorralError: any of :mod:`assistant.errors`; nothing is remembered then.
        """
        return self._events(lambda emit: self._begin(turn, emit))

    def resume(self, approval: Approval) -> AsyncGenerator[Event, None]:
        """Take up the turn that waits for ``approval``, as a person has answered it.

        Events and errors as in :meth:`run`.

        Raises:
            UnknownApprovalError: nobody has answered yet, or the turn came to its end before.
        """
        return self._events(lambda emit: self._take_up(approval, emit))

    async def _events(
        self, work: Callable[[Emit], Coroutine[Any, Any, None]]
    ) -> AsyncGenerator[Event, None]:
        # The turn runs in a task of its own: timeouts and task groups must not span the
        # yields of a generator, where they would cancel whatever the consumer is doing.
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        task = asyncio.create_task(self._within_time(work(events.put_nowait)))
        task.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            task.result()
        finally:
            task.cancel()
            await asyncio.wait((task,))
            if not task.cancelled():
                # Told to whoever still reads; a reader that left has no use for it.
                task.exception()

    async def _within_time(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(self._limits.seconds):
                await work
        except TimeoutError:
            raise EngineTimeoutError("the turn took longer than it may") from None

    async def _begin(self, turn: Turn, emit: Emit) -> None:
        toolbox = self._checked(turn)
        if not turn.remembered:
            course = self._course(turn, toolbox, Placeholders(), emit)
            await self._recorded(course, self._answer(course), None)
            return
        opened = await self._store.open(turn.key, turn.id)
        if isinstance(opened, Answered):
            _replay(emit, opened.answer)
            return
        turn = replace(turn, history=opened.history)
        async with holding(self._store, opened.lease, self._limits.renew_every) as over:
            if await self._answers_question(turn, emit, opened.lease, over):
                return
            course = self._course(turn, toolbox, Placeholders(opened.placeholders), emit)
            await self._recorded(course, self._answer(course), opened.lease, over)

    async def _answers_question(self, turn: Turn, emit: Emit, lease: Lease, over: Over) -> bool:
        """Whether the turn is one that waits for a person, or that person's word, and what to do
        then was done."""
        if self._questions is None:
            return False
        approval = await self._questions.earlier(turn)
        if approval is None:
            return False
        taken = await self._questions.take(approval)
        if taken is not None:
            await self._go_on(taken, emit, lease, over)
            return True
        if approval.answer is Word.WAITING:
            over()
            await self._store.release(lease)
            _ask_again(emit, approval)
            return True
        return False

    async def _take_up(self, approval: Approval, emit: Emit) -> None:
        asked = approval.asked
        opened = await self._store.open(asked.key, asked.turn)
        if isinstance(opened, Answered):
            _replay(emit, opened.answer)
            return
        async with holding(self._store, opened.lease, self._limits.renew_every) as over:
            taken = None if self._questions is None else await self._questions.take(approval)
            if taken is None:
                raise UnknownApprovalError("the turn of this approval does not wait for it")
            if taken.suspended.turn.remembered:
                await self._go_on(taken, emit, opened.lease, over)
                return
            await self._go_on(taken, emit, None, over)
            await self._store.release(opened.lease)

    async def _go_on(self, taken: Taken, emit: Emit, lease: Lease | None, over: Over) -> None:
        suspended = taken.suspended
        waiting = suspended.waiting
        # Whoever reads the last event may leave at once, so it waits until all is tidied up.
        last: list[Event] = []
        course = self._course(
            suspended.turn,
            self._checked(suspended.turn),
            Placeholders(suspended.placeholders),
            lambda event: last.append(event) if isinstance(event, Finished) else emit(event),
            waiting.tally,
        )
        work = self._rounds.resume(course, suspended.progress, waiting, taken.grant)
        await self._recorded(course, work, lease, over)
        if self._questions is not None:
            with suppress(MemoryUnavailableError):  # the turn is over; this one ends by itself
                await self._questions.approvals.close(taken.approval)
        for event in last:
            emit(event)

    def _checked(self, turn: Turn) -> Toolbox:
        message = turn.message
        if not message.text.strip() and not any(isinstance(p, ImagePart) for p in message.parts):
            raise InvalidTurnError("the message must not be empty", field="messages")
        if len(message.text) > self._limits.input_chars:
            raise InvalidTurnError(
                f"the message must have at most {self._limits.input_chars} characters",
                field="messages",
            )
        try:
            toolbox = Toolbox.of(turn.tools)
        except ToolSchemaError as error:
            raise InvalidTurnError(str(error), field=f"tools[{error.index}]") from error
        own = self._broker.catalogue.bound
        for index, tool in enumerate(turn.tools):
            if tool.name in own and (turn.own_tools is None or tool.name in turn.own_tools):
                raise InvalidTurnError(
                    "the name is that of a tool of Corral's; choose another",
                    field=f"tools[{index}].function.name",
                )
        if unknown := [name for name in turn.own_tools or () if name not in own]:
            known = ", ".join(own) or "none"
            raise InvalidTurnError(
                f"there is no tool {unknown[0]!r}; there are: {known}", field="corral.tools"
            )
        return toolbox

    def _course(
        self,
        turn: Turn,
        toolbox: Toolbox,
        placeholders: Placeholders,
        emit: Emit,
        tally: Mapping[str, int] | None = None,
    ) -> Course:
        record = Record(log=self._log, bodies=self._entries, turn=turn, emit=emit)
        key = turn.key
        calling = self._broker.calling(
            Caller(
                tenant=key.tenant,
                user=key.user,
                session=key.session,
                turn=turn.id,
                pseudonym=self._entries.pseudonym(turn),
                audience=turn.audience,
                locale=turn.locale,
            ),
            record,
            offered=self._broker.catalogue.bound if turn.own_tools is None else turn.own_tools,
            placeholders=placeholders,
            progress=lambda call, text: emit(ToolProgressed(call=call.id, text=text)),
            tally=tally,
        )
        return Course(
            turn=turn,
            placeholders=placeholders,
            toolbox=toolbox,
            calling=calling,
            record=record,
            emit=emit,
            resumed=tally is not None,
        )

    async def _recorded(
        self,
        course: Course,
        work: Coroutine[Any, Any, Outcome | Suspension],
        lease: Lease | None,
        over: Over | None = None,
    ) -> None:
        try:
            answered = await work
            if over is not None:
                over()
            if isinstance(answered, Suspension) and self._questions is not None:
                await self._suspend(course, self._questions, answered, lease)
            else:
                await self._finish(course, self._ended(course, answered), lease)
        except CorralError as error:
            course.record.failed(error.code)
            raise
        except asyncio.CancelledError:
            course.record.failed("cancelled")
            raise
        except BaseException:
            course.record.failed(CorralError.code)
            raise

    def _ended(self, course: Course, answered: Outcome | Suspension) -> Outcome:
        """Where nobody can be asked, what would have been asked about is refused."""
        if isinstance(answered, Outcome):
            return answered
        text = self._policy.text(REFUSED, course.turn.locale)
        refusal = Refuse(basis=answered.needs.ask.basis, text=text)
        course.emit(Refused(decision=refusal, text=text))
        progress = answered.progress
        return blocked_outcome(refusal, progress.message, answered.waiting.reply, progress.trail)

    async def _answer(self, course: Course) -> Outcome | Suspension:
        turn = course.turn
        if self._command(course, turn.message.text) is not None:
            admission = await self._judged(course, turn.history)
            if isinstance(admission, Denied):
                return _denied(course, admission)
            progress = Progress.after(admission)
            call = self._command(course, admission.message.text)
            if call is None:
                return await self._rounds.go_on(course, progress)
            return await self._rounds.command(course, progress, call)
        unjudged = Progress(message=turn.message, history=turn.history)
        context = await self._rounds.context(course, unjudged)
        if self._speculative:
            async with self._rounds.draft(course, unjudged, context) as draft:
                admission = await self._judged(course, context.history)
                if isinstance(admission, Admitted) and not admission.changed:
                    progress = Progress.after(admission)
                    return await self._rounds.conclude(course, progress, context, draft)
        else:
            admission = await self._judged(course, context.history)
        if isinstance(admission, Denied):
            return _denied(course, admission)
        return await self._rounds.go_on(course, Progress.after(admission))

    async def _judged(self, course: Course, history: tuple[Message, ...]) -> Admitted | Denied:
        return await self._admission.judge(
            course.turn, history, course.placeholders, course.record.decided
        )

    def _command(self, course: Course, text: str) -> ToolCall | None:
        bound = self._broker.catalogue.bound
        return command_of(text, [bound[n] for n in course.calling.offered], self._ids)

    async def _suspend(
        self, course: Course, questions: Questions, suspension: Suspension, lease: Lease | None
    ) -> None:
        """Put the turn away with its question; the session is free meanwhile."""
        usage = suspension.progress.usage
        decision = suspension.needs.ask
        log_id = course.record.finished(decision, FinishReason.STOP, usage)
        await self._log.durable()
        asked = await questions.ask(course.turn, suspension, course.placeholders, lease)
        course.emit(ApprovalNeeded(asked=asked))
        course.emit(
            Finished(
                reason=FinishReason.STOP,
                usage=usage,
                log_id=log_id,
                clause=decision.basis.clause,
                decision=decision_name(decision),
            )
        )

    async def _finish(self, course: Course, outcome: Outcome, lease: Lease | None) -> None:
        log_id = course.record.finished(outcome.decision, outcome.reason, outcome.usage)
        # The log first: memory never holds an answer whose proof could still be lost.
        await self._log.durable()
        name, clause = decision_name(outcome.decision), outcome.decision.basis.clause
        if lease is None:
            if outcome.reply is not None and not outcome.blocked and not course.resumed:
                shown = replace(outcome.reply, parts=(TextPart(text=outcome.text),))
                self._admission.answered(course.turn, shown)
        else:
            answer = Answer(
                text=outcome.text,
                reason=outcome.reason,
                log_id=log_id,
                decision=name,
                clause=clause,
                calls=() if outcome.blocked or outcome.reply is None else outcome.reply.tool_calls,
            )
            kept, apart = ((), outcome.said) if outcome.blocked else (outcome.said, ())
            # Of a blocked turn no later one reads anything, so none needs its placeholders.
            placeholders = () if outcome.blocked else course.placeholders.known
            commit = Commit(
                remembered=kept,
                quarantined=apart,
                answer=answer,
                placeholders=placeholders,
                also=None if course.turn.id == lease.turn else course.turn.id,
            )
            await self._store.commit(lease, commit)
        course.emit(
            Finished(
                reason=outcome.reason,
                usage=outcome.usage,
                log_id=log_id,
                clause=clause,
                decision=name,
            )
        )


def _denied(course: Course, admission: Denied) -> Outcome:
    decision = admission.decision
    course.emit(Refused(decision=decision, text=decision.text))
    return blocked_outcome(decision, course.turn.message, None)


def _replay(emit: Emit, answer: Answer) -> None:
    """Give the answer that this message had, once more (I7)."""
    emit(TextReleased(text=answer.text))
    for call in answer.calls:
        emit(ToolCallReleased(call=call))
    emit(
        Finished(
            reason=answer.reason,
            usage=Usage(),
            log_id=answer.log_id,
            clause=answer.clause,
            decision=answer.decision,
            replayed=True,
        )
    )


def _ask_again(emit: Emit, approval: Approval) -> None:
    """Put the question that this message led to once more."""
    asked = approval.asked
    emit(ApprovalNeeded(asked=asked))
    emit(
        Finished(
            reason=FinishReason.STOP,
            usage=Usage(),
            log_id="",
            clause=asked.clause,
            decision="ask",
            replayed=True,
        )
    )
