"""Runs one turn: draft beside judgement, guarded stream, memory, decision log."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

from assistant.admission import Admission
from assistant.audit.entries import EntryBodies
from assistant.audit.protocol import DecisionLog
from assistant.audit.record import Record
from assistant.clock import Ids
from assistant.context import Context, assemble_context
from assistant.draft import Draft
from assistant.engine.protocol import CompletionRequest, Engine
from assistant.errors import CorralError, EngineTimeoutError, InvalidTurnError
from assistant.events import Event, Finished, Refused, TextReleased, ToolCallReleased, Usage
from assistant.memory.protocol import Answer, Answered, Commit, Lease, SessionStore
from assistant.reply import Course, Outcome, ReplyGate, blocked_outcome
from assistant.turn import Turn
from assistant.vetted import Vetted
from guards.conversation import ImagePart, Message, TextPart
from guards.panel import Panel
from guards.stream import Pace
from plugins.broker import Broker, Toolbox, ToolSchemaError
from policies.admitted import Admitted, Denied
from policies.bundle import Policy
from policies.decision import decision_name
from policies.placeholders import Placeholders
from policies.schema import Drafting


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnLimits:
    """Bounds on one turn.

    Attributes:
        seconds: the whole turn.
        reply_tokens: cap on the reply, whatever the caller asks.
        input_chars: cap on the new message.
        renew_every: seconds between renewals of the session's lock; well below its life.
    """

    seconds: float = 300.0
    reply_tokens: int = 1024
    input_chars: int = 32_000
    renew_every: float = 10.0


class Orchestrator:
    """Conducts turns; keeps nothing of any of them but which callers' pasts were judged."""

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
    ) -> None:
        broker = Broker(panel=panel, policy=policy)
        self._engine = engine
        self._policy = policy
        self._store = store
        self._log = log
        self._entries = entries
        self._limits = limits
        self._admission = Admission(panel=panel, policy=policy, vetted=Vetted())
        self._gate = ReplyGate(panel=panel, policy=policy, broker=broker, ids=ids, pace=pace)

    async def run(self, turn: Turn) -> AsyncGenerator[Event, None]:
        """Run one turn; closing the generator aborts everything it started (I8).

        Yields ``Judged``/``TextReleased``/``ToolCallReleased``/``Refused``/``Retracted`` and
        ends with exactly one ``Finished``.

        Raises:
            CorralError: any of :mod:`assistant.errors`; nothing is remembered then.
        """
        # The turn runs in a task of its own: timeouts and task groups must not span the
        # yields of a generator, where they would cancel whatever the consumer is doing.
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        emit = events.put_nowait
        record = Record(log=self._log, bodies=self._entries, turn=turn, emit=emit)
        course = Course(
            turn=turn,
            placeholders=Placeholders(),
            toolbox=self._checked(turn),
            record=record,
            emit=emit,
        )
        task = asyncio.create_task(self._within_time(course))
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
            return Toolbox.of(turn.tools)
        except ToolSchemaError as error:
            raise InvalidTurnError(str(error), field=f"tools[{error.index}]") from error

    async def _within_time(self, course: Course) -> None:
        try:
            async with asyncio.timeout(self._limits.seconds):
                if course.turn.remembered:
                    await self._in_session(course)
                else:
                    await self._recorded(course, None)
        except TimeoutError:
            raise EngineTimeoutError("the turn took longer than it may") from None

    async def _in_session(self, course: Course) -> None:
        turn = course.turn
        opened = await self._store.open(turn.key, turn.id)
        if isinstance(opened, Answered):
            _replay(course, opened.answer)
            return
        course = replace(
            course,
            turn=replace(turn, history=opened.history),
            placeholders=Placeholders(opened.placeholders),
        )
        try:
            async with self._held(opened.lease):
                await self._recorded(course, opened.lease)
        except BaseException:
            await self._let_go(opened.lease)
            raise

    async def _let_go(self, lease: Lease) -> None:
        """Give the session back, also when the turn is cancelled (once more) meanwhile.

        It takes the store's deadline at most; where this cannot reach the store, the lock dies by
        itself.
        """
        release = asyncio.create_task(self._store.release(lease))
        while not release.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait((release,))
        with suppress(CorralError):
            release.result()

    @asynccontextmanager
    async def _held(self, lease: Lease) -> AsyncIterator[None]:
        """Keep the session's lock while the block runs; losing it ends the block."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(self._limits.renew_every)
                await self._store.renew(lease)

        try:
            async with asyncio.TaskGroup() as group:
                keeper = group.create_task(renew())
                yield
                keeper.cancel()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _recorded(self, course: Course, lease: Lease | None) -> None:
        try:
            outcome = await self._answer(course)
            await self._finish(course, outcome, lease)
        except CorralError as error:
            course.record.failed(error.code)
            raise
        except asyncio.CancelledError:
            course.record.failed("cancelled")
            raise
        except BaseException:
            course.record.failed(CorralError.code)
            raise

    async def _answer(self, course: Course) -> Outcome:
        turn = course.turn
        decided = course.record.decided
        context = await self._context(turn, turn.history, turn.message)
        if self._policy.drafting is Drafting.SPECULATIVE:
            async with self._draft(turn, context) as draft:
                admission = await self._admission.judge(
                    turn, context.history, course.placeholders, decided
                )
                if isinstance(admission, Admitted) and not admission.changed:
                    return await self._gate.release(course, context.past, draft, admission.decision)
        else:
            admission = await self._admission.judge(
                turn, context.history, course.placeholders, decided
            )
        if isinstance(admission, Denied):
            course.emit(Refused(decision=admission.decision, text=admission.decision.text))
            return blocked_outcome(admission.decision, turn.message, None)
        if admission.changed:
            context = await self._context(
                turn, admission.history, admission.message, *admission.guidance
            )
        async with self._draft(turn, context) as draft:
            return await self._gate.release(course, context.past, draft, admission.decision)

    async def _context(
        self, turn: Turn, history: Sequence[Message], message: Message, *guidance: str
    ) -> Context:
        instructions = (self._policy.system_prompt(turn.locale), turn.instructions, *guidance)
        return await assemble_context(
            self._engine,
            instructions="\n\n".join(text for text in instructions if text),
            history=history,
            message=message,
            tools=turn.tools,
            reply_tokens=self._reply_tokens(turn),
        )

    def _draft(self, turn: Turn, context: Context) -> Draft:
        scope = f"{turn.key.tenant}\0{turn.key.user}\0{turn.key.session}"
        request = CompletionRequest(
            messages=context.messages,
            tools=turn.tools,
            tool_choice=turn.tool_choice,
            sampling=replace(turn.sampling, max_tokens=self._reply_tokens(turn)),
            affinity=hashlib.sha256(scope.encode(errors="surrogatepass")).hexdigest()[:16],
        )
        return Draft(self._engine, request)

    def _reply_tokens(self, turn: Turn) -> int:
        asked = turn.sampling.max_tokens
        return min(asked or self._limits.reply_tokens, self._limits.reply_tokens)

    async def _finish(self, course: Course, outcome: Outcome, lease: Lease | None) -> None:
        log_id = course.record.finished(outcome.decision, outcome.reason, outcome.usage)
        # The log first: memory never holds an answer whose proof could still be lost.
        await self._log.durable()
        name, clause = decision_name(outcome.decision), outcome.decision.basis.clause
        if lease is None:
            if outcome.reply is not None and not outcome.blocked:
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
            said = tuple(m for m in (outcome.message, outcome.reply) if m is not None)
            kept, apart = ((), said) if outcome.blocked else (said, ())
            # Of a blocked turn no later one reads anything, so none needs its placeholders.
            placeholders = () if outcome.blocked else course.placeholders.known
            commit = Commit(
                remembered=kept, quarantined=apart, answer=answer, placeholders=placeholders
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


def _replay(course: Course, answer: Answer) -> None:
    """Give the answer that this message had, once more (I7)."""
    course.emit(TextReleased(text=answer.text))
    for call in answer.calls:
        course.emit(ToolCallReleased(call=call))
    course.emit(
        Finished(
            reason=answer.reason,
            usage=Usage(),
            log_id=answer.log_id,
            clause=answer.clause,
            decision=answer.decision,
            replayed=True,
        )
    )
