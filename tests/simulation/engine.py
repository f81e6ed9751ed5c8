"""A scripted engine that fails and dawdles at every await, watched."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from random import Random

from assistant.engine.protocol import CompletionRequest, EngineEvent
from assistant.errors import EngineTimeoutError, EngineUnreachableError
from assistant.testing.scripted_engine import ScriptedEngine, Step
from guards.conversation import Message, Role
from plugins.tool import ToolSpec
from tests.simulation.plan import Rates
from tests.simulation.records import CURRENT, Delivery, Drafted, Seen, kept_of
from tests.simulation.script import Ending

Checked = Callable[[Delivery, Drafted], None]


class WatchedEngine:
    """Plays each delivery's script; ``check`` hears of every request when it arrives."""

    model = "simulated"

    def __init__(self, seen: Seen, check: Checked) -> None:
        self._seen = seen
        self._check = check
        self._inner = ScriptedEngine(script=_script, tokens=seen.scenario.window, count=_count)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[EngineEvent, None]:
        """See :class:`~assistant.engine.protocol.Engine`."""
        delivery = CURRENT.get()
        messages = request.messages
        past = tuple(m for m in messages if m.role is not Role.SYSTEM)
        drafted = Drafted(
            request=request,
            past=past,
            kept=kept_of(past, self._seen.scenario.equipped),
            system="\n".join(m.text for m in messages if m.role is Role.SYSTEM),
        )
        delivery.drafts.append(drafted)
        self._seen.note(delivery, "engine asked", [f"{m.role}: {m.text[:80]}" for m in messages])
        self._check(delivery, drafted)
        rates, rng = self._seen.scenario.rates, delivery.rng
        try:
            await self._may_fail(delivery)
            async with aclosing(self._inner.stream(request)) as events:
                async for event in events:
                    if rates.delay:
                        await dawdle(rates, rng)
                    if rates.engine and rng.random() < rates.engine / 4:
                        self._seen.counts["fault: engine fails mid-stream"] += 1
                        raise EngineUnreachableError("the connection broke")
                    drafted.note(event)
                    yield event
        finally:
            drafted.open = False
            self._inner.runs.clear()
            self._seen.note(delivery, "engine ended", "complete" if drafted.completed else "cut")

    async def window(self) -> int:
        """See :class:`~assistant.engine.protocol.Engine`."""
        await self._may_fail(CURRENT.get())
        return await self._inner.window()

    async def count_tokens(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> int:
        """See :class:`~assistant.engine.protocol.Engine`."""
        await self._may_fail(CURRENT.get())
        self._seen.counts["engine counted tokens"] += 1
        return await self._inner.count_tokens(messages, tools)

    async def _may_fail(self, delivery: Delivery) -> None:
        rates, rng = self._seen.scenario.rates, delivery.rng
        await dawdle(rates, rng)
        if rates.engine and rng.random() < rates.engine:
            self._seen.counts["fault: engine unreachable"] += 1
            self._seen.note(delivery, "engine", "does not answer")
            if rng.random() < 0.3:
                await asyncio.sleep(3.0)
                raise EngineTimeoutError("the engine did not answer in time")
            raise EngineUnreachableError("nobody listens")


def _count(messages: Sequence[Message]) -> int:
    return sum(10 + 2 * len(message.text) // 3 for message in messages)


def _script(request: CompletionRequest) -> Iterable[Step]:
    """The reply that is due after as many rounds of tool calls as were made."""
    delivery = CURRENT.get()
    reply, errand = delivery.reply, delivery.root.turn_plan.errand
    if errand is None:
        return reply.steps()
    rounds = errand.other if delivery.astray else errand.rounds
    past = tuple(m for m in request.messages if m.role is not Role.SYSTEM)
    trail = past[kept_of(past, equipped=True) + 1 :]
    made = sum(bool(message.tool_calls) for message in trail)
    if made < len(rounds):
        said = (delivery.plan.number + made) % 3 == 0
        reply = replace(reply, calls=rounds[made], chunks=reply.chunks[:2] if said else ())
    if delivery.plan.number % (len(rounds) + 1) != min(made, len(rounds)):
        reply = replace(reply, ending=Ending.STOP)
    return reply.steps()


async def dawdle(rates: Rates, rng: Random) -> None:
    """Let others go first, or some time pass, as an await may."""
    if rates.delay and rng.random() < rates.delay:
        await asyncio.sleep(rng.choice((0.0, 0.0, 0.0, 0.001, 0.03, 0.4)))
