"""From a turn that was let in to its answer: drafts, the tools they call, and drafts again."""

import asyncio
import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from assistant.clock import Ids
from assistant.context import Context, assemble_context
from assistant.draft import Draft
from assistant.engine.protocol import CompletionRequest, Engine
from assistant.errors import EngineResponseError, TurnTooLongError
from assistant.events import (
    Cited,
    FinishReason,
    ImageReleased,
    Refused,
    Retracted,
    ToolCallReleased,
    ToolFinished,
)
from assistant.outcome import Outcome, Suspension, blocked_outcome
from assistant.plain import plain_messages
from assistant.progress import Progress, Waiting
from assistant.reply import Course, Halted, ReplyGate, Said, reply_message
from assistant.routing import Router
from guards.conversation import Message, Role, TextPart, ToolCall
from guards.stream import Buffer
from plugins.approval import Grant
from plugins.broker import Broker, InvalidCall
from plugins.outcome import Blocked, Failed, Failure, NeedsApproval, Ran, failed
from plugins.outcome import Outcome as CallOutcome
from plugins.tool import ToolSpec
from policies.bundle import Policy
from policies.decision import Blocking
from policies.rulings import blocking_of

logger = logging.getLogger("corral.engine")

Answered = Outcome | Suspension

SHORTEST = 400
"""Characters that a result which does not fit the model's window is not cut below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundLimits:
    """Bounds on what one turn may ask of the engine and of tools.

    Attributes:
        reply_tokens: cap on one reply, whatever the caller asks.
        tool_rounds: how often the model may call tools before it must answer.
        calls: tool calls of one reply that are taken up.
    """

    reply_tokens: int = 1024
    tool_rounds: int = 6
    calls: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """Drafts replies, releases them, and calls the tools that they ask for.

    ``router`` picks the tool for models that cannot call one themselves. ``native`` says whether
    the engine is told of tools at all, and reads their results in the format's own roles.
    """

    engine: Engine
    policy: Policy
    gate: ReplyGate
    broker: Broker
    ids: Ids
    limits: RoundLimits
    native: bool = True
    router: Router | None = None

    async def context(
        self,
        course: Course,
        progress: Progress,
    ) -> Context:
        """What the model reads next. Results that do not fit its window are cut shorter, and where
        that is not enough, the model is told of none of Corral's tools.

        Raises:
            TurnTooLongError: the message does not fit even alone.
        """
        turn = course.turn
        texts = (self.policy.system_prompt(turn.locale), turn.instructions, *progress.guidance)
        instructions = "\n\n".join(text for text in texts if text)
        trail, own = progress.trail, self._own(course, progress)
        while True:
            try:
                return await assemble_context(
                    self.engine,
                    instructions=instructions,
                    history=progress.history,
                    message=progress.message,
                    tools=(*turn.tools, *own),
                    reply_tokens=self._reply_tokens(course),
                    trail=trail,
                )
            except TurnTooLongError:
                shorter = _shortened(trail)
                if shorter is not None:
                    trail = shorter
                elif own:
                    logger.warning("Corral's tools do not fit the model's window beside a message")
                    own = ()
                else:
                    raise

    def draft(self, course: Course, progress: Progress, context: Context) -> Draft:
        """A completion of ``context``, to be entered."""
        turn = course.turn
        scope = f"{turn.key.tenant}\0{turn.key.user}\0{turn.key.session}"
        messages, tools = context.messages, context.tools
        return Draft(
            self.engine,
            CompletionRequest(
                messages=messages if self.native else plain_messages(messages),
                tools=tools,
                tool_choice=turn.tool_choice if tools and not progress.rounds else None,
                sampling=replace(turn.sampling, max_tokens=self._reply_tokens(course)),
                affinity=hashlib.sha256(scope.encode(errors="surrogatepass")).hexdigest()[:16],
                optional_tools=not turn.tools,
            ),
        )

    async def conclude(
        self, course: Course, progress: Progress, context: Context, draft: Draft
    ) -> Answered:
        """Release ``draft``, and go on until the turn has an answer.

        Raises:
            EngineError: a draft failed; what was released until then stands.
        """
        step = await self._released(course, progress, context, draft)
        await draft.abort()
        return await self.go_on(course, step) if isinstance(step, Progress) else step

    async def go_on(self, course: Course, progress: Progress) -> Answered:
        """Draft and release until the turn has an answer; raises as :meth:`conclude`."""
        while True:
            step = await self._round(course, progress)
            if not isinstance(step, Progress):
                return step
            progress = step

    async def command(self, course: Course, progress: Progress, call: ToolCall) -> Answered:
        """Call the tool that the person named, and answer with what it gave."""
        reply = replace(reply_message(self.ids("msg_"), "", progress.past), tool_calls=(call,))
        outcome = await course.calling.call(call, progress.past)
        step = self._taken(course, progress, reply, (call,), [outcome])
        if isinstance(step, Suspension):
            return replace(step, waiting=replace(step.waiting, commanded=True))
        return await self._told(course, step, outcome)

    async def _told(
        self, course: Course, step: Progress | Answered, outcome: CallOutcome
    ) -> Answered:
        """The answer to a command: the tool's own words where they may stand for it."""
        if not isinstance(step, Progress):
            return step
        match outcome:
            case Ran(direct=True, message=message):
                return await self._stated(course, step, message.text)
            case Failed(problem=problem) if problem:
                return await self._stated(course, step, problem)
            case _:
                return await self.go_on(course, step)

    async def resume(
        self, course: Course, progress: Progress, waiting: Waiting, grant: Grant | None
    ) -> Answered:
        """Go on after a person's word: ``grant``, or none when it was no."""
        first, *rest = waiting.calls
        past = (*progress.past, waiting.reply, *waiting.results)
        if grant is None:
            outcome: CallOutcome = course.calling.declined(first)
        else:
            outcome = await course.calling.call(first, past, grant=grant)
        outcomes = [outcome]
        if not isinstance(outcome, NeedsApproval | Blocked):
            outcomes += await self._one_by_one(course, past, rest)
        step = self._taken(
            course, progress, waiting.reply, waiting.calls, outcomes, waiting.results
        )
        if waiting.commanded:
            return await self._told(course, step, outcome)
        return await self.go_on(course, step) if isinstance(step, Progress) else step

    async def _round(self, course: Course, progress: Progress) -> Progress | Answered:
        context = await self.context(course, progress)
        if self.router is not None and progress.rounds < self.limits.tool_rounds:
            specs = self._specs(course)
            call = await self.router.route(plain_messages(context.messages), specs)
            # A small model picks the same again and again; it knows what that gives.
            if call is not None and not _made(progress, call):
                reply = reply_message(self.ids("msg_"), "", progress.past)
                return await self._called(course, progress, reply, (call,))
        async with self.draft(course, progress, context) as draft:
            return await self._released(course, progress, context, draft)

    async def _released(
        self, course: Course, progress: Progress, context: Context, draft: Draft
    ) -> Progress | Answered:
        said = await self.gate.release(course, context.past, draft.buffer)
        if isinstance(said, Halted):
            await draft.abort()
            return self._blocked(course, progress, said.decision, said.message)
        completed = draft.completed
        if completed is None:
            raise EngineResponseError("the engine's answer broke off")
        progress = progress.spent(completed.usage)
        calls = tuple(c if c.id else replace(c, id=self.ids("call_")) for c in draft.calls)
        if not calls:
            return self._finished(course, progress, said, completed.reason)
        if self._callers(course, calls):
            return await self._handed_over(course, progress, context, said, calls)
        return await self._called(course, progress, said.message, calls)

    def _callers(self, course: Course, calls: tuple[ToolCall, ...]) -> bool:
        """Whether the calls are the caller's to run. With nothing of Corral's on offer, that is
        so even of unknown names, which the caller's toolbox then refuses."""
        offered = course.calling.offered
        return not offered or all(call.name in course.toolbox.validators for call in calls)

    async def _handed_over(
        self,
        course: Course,
        progress: Progress,
        context: Context,
        said: Said,
        calls: tuple[ToolCall, ...],
    ) -> Answered:
        """All calls of the caller's own tools, decided; or what blocks one and so all of them."""
        turn = course.turn
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    self.broker.decide(
                        call,
                        course.toolbox,
                        context.past,
                        audience=turn.audience,
                        locale=turn.locale,
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
            blocking = blocking or blocking_of(self.policy, decision, turn.locale)
        if blocking is not None:
            return self._blocked(course, progress, blocking, said.message)
        for call in calls:
            course.emit(ToolCallReleased(call=call))
        handed = Said(message=replace(said.message, tool_calls=calls))
        return self._finished(course, progress, handed, FinishReason.TOOL_CALLS)

    async def _called(
        self, course: Course, progress: Progress, reply: Message, calls: tuple[ToolCall, ...]
    ) -> Progress | Answered:
        """The calls of one reply, made: side by side where none leaves anything behind."""
        if progress.rounds >= self.limits.tool_rounds:
            raise EngineResponseError("the model calls tools that it was not offered")
        calls = calls[: self.limits.calls]
        past = (*progress.past, replace(reply, tool_calls=calls))
        bound = self.broker.catalogue.bound
        if any(c.name in bound and bound[c.name].tool.effect for c in calls):
            outcomes = await self._one_by_one(course, past, calls)
        else:
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._one(course, past, call)) for call in calls]
            except ExceptionGroup as errors:
                raise errors.exceptions[0] from None
            outcomes = [task.result() for task in tasks]
        return self._taken(course, progress, reply, calls, outcomes)

    async def _one_by_one(
        self, course: Course, past: tuple[Message, ...], calls: Sequence[ToolCall]
    ) -> list[CallOutcome]:
        """Call one after the other, up to the first that stops the turn."""
        outcomes: list[CallOutcome] = []
        for call in calls:
            outcomes.append(await self._one(course, past, call))
            if isinstance(outcomes[-1], NeedsApproval | Blocked):
                break
        return outcomes

    async def _one(self, course: Course, past: tuple[Message, ...], call: ToolCall) -> CallOutcome:
        if call.name in course.toolbox.validators:
            return failed(
                call,
                Failure.INVALID_ARGUMENTS,
                "this tool runs elsewhere: call it again, on its own",
            )
        return await course.calling.call(call, past)

    def _taken(
        self,
        course: Course,
        progress: Progress,
        reply: Message,
        calls: tuple[ToolCall, ...],
        outcomes: list[CallOutcome],
        before: tuple[Message, ...] = (),
    ) -> Progress | Answered:
        """The turn after its calls; ``before`` are results of the reply's earlier ones."""
        results = list(before)
        guidance = dict.fromkeys(progress.guidance)
        cited = progress.cited
        for index, outcome in enumerate(outcomes):
            match outcome:
                case Blocked(decision=decision):
                    return self._blocked(course, progress, decision, reply)
                case NeedsApproval():
                    waiting = Waiting(
                        reply=_asking(reply, calls),
                        calls=(*calls[index:],),
                        results=tuple(results),
                        tally=dict(course.calling.tally),
                    )
                    asking = replace(
                        progress,
                        guidance=tuple(guidance),
                        cited=cited,
                        shown=_shown(progress, course),
                    )
                    return Suspension(progress=asking, waiting=waiting, needs=outcome)
                case Failed(message=message, failure=failure, call=call):
                    results.append(message)
                    course.emit(ToolFinished(call=call.id, tool=call.name, failure=failure))
                case Ran():
                    results.append(self._shown_result(course, outcome, cited))
                    cited += len(outcome.citations)
                    guidance.update(dict.fromkeys(outcome.guidance))
        if course.shown and not course.shown[-1].endswith("\n"):
            course.show("\n\n")
        return replace(
            progress,
            guidance=tuple(guidance),
            trail=(*progress.trail, _asking(reply, calls), *results),
            rounds=progress.rounds + 1,
            cited=cited,
        )

    def _shown_result(self, course: Course, ran: Ran, cited: int) -> Message:
        """Tell the user what a call gave; the message for the model, its sources numbered on
        from those before."""
        call = ran.call
        for number, citation in enumerate(ran.citations, start=cited + 1):
            course.emit(Cited(number=number, citation=citation))
        for picture in ran.images:
            course.emit(ImageReleased(picture=picture))
        course.emit(ToolFinished(call=call.id, tool=call.name, artifact=ran.artifact))
        if not cited or not ran.citations:
            return ran.message
        text = _renumbered(ran.message.text, len(ran.citations), cited)
        return replace(ran.message, parts=(TextPart(text=text),))

    async def _stated(self, course: Course, progress: Progress, text: str) -> Answered:
        """Answer with ``text`` as it is, judged like any reply."""
        buffer = Buffer()
        buffer.push(text)
        buffer.close()
        said = await self.gate.release(course, progress.past, buffer)
        if isinstance(said, Halted):
            return self._blocked(course, progress, said.decision, said.message)
        return self._finished(course, progress, said, FinishReason.STOP)

    def _finished(
        self, course: Course, progress: Progress, said: Said, reason: FinishReason
    ) -> Outcome:
        if progress.decision is None:
            raise AssertionError("nothing is answered before the input was decided about")
        return Outcome(
            decision=progress.decision,
            reason=reason,
            usage=progress.usage,
            text=_shown(progress, course),
            message=progress.message,
            trail=progress.trail,
            reply=said.message,
            blocked=False,
        )

    def _blocked(
        self, course: Course, progress: Progress, decision: Blocking, drafted: Message
    ) -> Outcome:
        event = Retracted if course.shown or progress.shown else Refused
        course.emit(event(decision=decision, text=decision.text))
        return blocked_outcome(decision, progress.message, drafted, progress.trail)

    def _specs(self, course: Course) -> tuple[ToolSpec, ...]:
        return self.broker.catalogue.specs(sorted(course.calling.offered))

    def _own(self, course: Course, progress: Progress) -> tuple[ToolSpec, ...]:
        """Corral's tools that the engine is told of: all, until enough were called."""
        more = self.native and progress.rounds < self.limits.tool_rounds
        return self._specs(course) if more else ()

    def _reply_tokens(self, course: Course) -> int:
        asked = course.turn.sampling.max_tokens
        return min(asked or self.limits.reply_tokens, self.limits.reply_tokens)


def _shown(progress: Progress, course: Course) -> str:
    """All that the user was shown: before a person was asked, and since."""
    since = "".join(course.shown)
    apart = bool(progress.shown and since) and not progress.shown.endswith("\n")
    return f"{progress.shown}\n\n{since}" if apart else progress.shown + since


def _made(progress: Progress, call: ToolCall) -> bool:
    """Whether the turn made this very call before."""
    made = (each for message in progress.trail for each in message.tool_calls)
    return any(each.name == call.name and each.arguments == call.arguments for each in made)


def _asking(reply: Message, calls: tuple[ToolCall, ...]) -> Message:
    """The reply with all its calls; taken up again, it already has them."""
    return reply if reply.tool_calls else replace(reply, tool_calls=calls)


def _renumbered(text: str, count: int, by: int) -> str:
    """``[1]`` to ``[count]`` in ``text``, counted on from ``by``."""

    def onward(match: re.Match[str]) -> str:
        number = int(match[1])
        return f"[{number + by}]" if 1 <= number <= count else match[0]

    return re.sub(r"\[(\d{1,3})\]", onward, text)


def _shortened(trail: tuple[Message, ...]) -> tuple[Message, ...] | None:
    """``trail`` with its longest result halved; ``None`` when all are short."""
    results = [m for m in trail if m.role is Role.TOOL and len(m.text) > SHORTEST]
    if not results:
        return None
    longest = max(results, key=lambda message: len(message.text))
    half = longest.text[: max(len(longest.text) // 2, SHORTEST)] + " […]"
    shorter = replace(longest, parts=(TextPart(text=half),))
    return tuple(shorter if message is longest else message for message in trail)
