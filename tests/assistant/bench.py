"""A whole assistant of scripted parts on the built-in policy, under virtual time."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import httpx

from assistant.audit.entries import EntryBodies
from assistant.audit.pseudonyms import Pseudonyms
from assistant.engine.protocol import Engine
from assistant.events import Event, Finished, Refused, Retracted, TextReleased
from assistant.memory.limits import MemoryLimits
from assistant.orchestrator import Orchestrator, ToolCalls, TurnLimits
from assistant.testing.decision_log import InMemoryDecisionLog
from assistant.testing.memory_approvals import InMemoryApprovals
from assistant.testing.memory_ledger import InMemoryLedger
from assistant.testing.memory_store import InMemorySessionStore
from assistant.testing.scripted_engine import ScriptedEngine, Step, say
from assistant.testing.scripted_guard import ScriptedGuard, flag
from assistant.turn import SessionKey, Turn
from guards.conversation import Confidentiality, Message, Subject, text_message
from guards.guard import Guard
from guards.hazards import Hazard
from guards.panel import Panel, Seat
from guards.stream import Pace
from plugins.broker import Broker
from plugins.manifest import Manifest, SideEffect
from plugins.registry import Bound, Catalogue
from plugins.testing.fakes import FakeStore
from plugins.tool import Tool
from policies.bundle import Policy

JUDGED = frozenset(Subject) - {Subject.IMAGE}
MARKED = {
    "BOMB": Hazard.INDISCRIMINATE_WEAPONS,
    "HATE": Hazard.HATE,
    "DESPAIR": Hazard.SELF_HARM,
    "INJECTION": Hazard.PROMPT_INJECTION,
}
POLICY = Policy.load_builtin()


class FixedClock:
    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def now(self) -> float:
        return self.time


class Counter:
    """Ids that repeat exactly from run to run."""

    def __init__(self) -> None:
        self._next = itertools.count(1)

    def __call__(self, prefix: str) -> str:
        return f"{prefix}{next(self._next)}"


class Bench:
    """An orchestrator and everything around it, open for inspection.

    Make it inside a running loop.
    """

    def __init__(
        self,
        script: Callable[..., Sequence[Step]] | Sequence[Step] = (),
        *,
        engine: Engine | None = None,
        guards: Sequence[Guard] | None = None,
        subjects: frozenset[Subject] = JUDGED,
        policy: Policy = POLICY,
        deadline: float = 5.0,
        limits: TurnLimits | None = None,
        pace: Pace | None = None,
        tools: Sequence[Tool] = (),
        manifest: Manifest | None = None,
        tool_calls: ToolCalls = ToolCalls.NATIVE,
    ) -> None:
        self.scripted = ScriptedEngine(script=script or say("Hello", " there", "."))
        self.guard = ScriptedGuard(answer=flag(MARKED), delay=0.04, subjects=JUDGED)
        self.log = InMemoryDecisionLog(clock=FixedClock())
        self.store = InMemorySessionStore(limits=MemoryLimits(), ids=Counter())
        self.policy = policy
        seated = [self.guard] if guards is None else list(guards)
        panel = Panel(
            [Seat(guard=g, subjects=subjects & g.subjects, deadline=deadline) for g in seated]
        )
        self.clock = FixedClock()
        self.ledger = InMemoryLedger()
        self.approvals = InMemoryApprovals(self.store, clock=self.clock)
        self.kept = FakeStore()
        self.broker = Broker(
            panel=panel,
            policy=policy,
            catalogue=catalogue(tools, manifest),
            ledger=self.ledger,
            stores=lambda _plugin, _caller: self.kept,
            clock=self.clock.now,
        )
        self.orchestrator = Orchestrator(
            engine=engine or self.scripted,
            panel=panel,
            policy=policy,
            store=self.store,
            log=self.log,
            entries=EntryBodies(pseudonyms=Pseudonyms(bytes(32)), retention=policy.retention),
            ids=Counter(),
            limits=limits or TurnLimits(),
            pace=pace or Pace(interval=0.0),
            broker=self.broker,
            approvals=self.approvals,
            tool_calls=tool_calls,
            clock=self.clock,
        )

    async def ask(self, turn: Turn) -> list[Event]:
        """All events of a turn; nothing may be left running after it (I8)."""
        return await self._all(self.orchestrator.run(turn))

    async def answer(self, approval_id: str, approved: bool) -> list[Event]:
        """All events of a turn that goes on after a person's word."""
        approval = await self.approvals.answer("local", approval_id, approved, "user")
        return await self._all(self.orchestrator.resume(approval))

    async def _all(self, events: AsyncGenerator[Event, None]) -> list[Event]:
        try:
            async with aclosing(events):
                return [event async for event in events]
        finally:
            self.assert_idle()

    def assert_idle(self) -> None:
        assert self.scripted.running == 0
        assert self.guard.running == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}


def catalogue(tools: Sequence[Tool], manifest: Manifest | None = None) -> Catalogue:
    """Tools as the registry binds them, with a network that answers nothing."""
    terms = manifest or Manifest(
        name="sample",
        version="1.0",
        side_effect=SideEffect.IRREVERSIBLE,
        reads=frozenset(Confidentiality),
    )
    gate = asyncio.Semaphore(terms.limits.at_once)
    http = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(404)))
    return Catalogue(
        bound={
            tool.name: Bound(tool=tool, manifest=terms, http=http, secrets={}, gate=gate)
            for tool in tools
        }
    )


KEY = SessionKey(tenant="local", user="ana", session="s1")


def turn(text: str | Message, **fields: Any) -> Turn:
    """A turn of one message."""
    message = text if isinstance(text, Message) else text_message(text, id="m1")
    return Turn(**{"id": message.id, "key": KEY, "message": message, **fields})


def released(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextReleased))


def finish(events: Sequence[Event]) -> Finished:
    """The one last event."""
    last = events[-1]
    assert isinstance(last, Finished)
    assert sum(isinstance(event, Finished) for event in events) == 1
    return last


def blocked(events: Sequence[Event]) -> Refused | Retracted:
    """The one event that says so."""
    (event,) = (e for e in events if isinstance(e, Refused | Retracted))
    return event
