"""A whole turn with a plugin, without a model, a server or a network: for a plugin's own tests."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx

from assistant.audit.entries import EntryBodies
from assistant.audit.pseudonyms import Pseudonyms
from assistant.clock import SystemClock, random_id
from assistant.engine.protocol import CompletionRequest
from assistant.events import ApprovalNeeded, Event, TextReleased, ToolFinished
from assistant.memory.limits import MemoryLimits
from assistant.orchestrator import Orchestrator, ToolCalls, TurnLimits
from assistant.testing.decision_log import InMemoryDecisionLog
from assistant.testing.memory_approvals import InMemoryApprovals
from assistant.testing.memory_ledger import InMemoryLedger
from assistant.testing.memory_store import InMemorySessionStore
from assistant.testing.scripted_engine import ScriptedEngine, Step
from assistant.testing.scripted_guard import Answer, ScriptedGuard, allow
from assistant.turn import SessionKey, Turn
from guards.conversation import Exchange, Subject, text_message
from guards.panel import Panel, Seat
from guards.stream import Pace
from plugins.broker import Broker
from plugins.plugin import Plugin
from plugins.registry import Bound, Catalogue
from plugins.testing import Answer as Served
from plugins.testing import FakeBroker, rehearse
from policies.bundle import Policy

Finds = Callable[[Exchange], Answer]
"""What a scripted guard finds in what it is asked to judge."""

_GUARD_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeTurn:
    """What came of a turn.

    Attributes:
        events: everything that left the turn, in order.
        read: what the model was given, reply by reply.
        requests: what the plugin sent to its hosts.
    """

    events: tuple[Event, ...]
    read: tuple[CompletionRequest, ...]
    requests: tuple[httpx.Request, ...]

    @property
    def reply(self) -> str:
        """The text that the user sees."""
        return "".join(event.text for event in self.events if isinstance(event, TextReleased))

    @property
    def calls(self) -> tuple[ToolFinished, ...]:
        """Tool calls that came to their end, well or not."""
        return tuple(event for event in self.events if isinstance(event, ToolFinished))

    @property
    def questions(self) -> tuple[ApprovalNeeded, ...]:
        """What a person is asked before the turn goes on."""
        return tuple(event for event in self.events if isinstance(event, ApprovalNeeded))


async def whole_turn(
    plugin: Plugin,
    text: str,
    replies: Sequence[Sequence[Step]] = (),
    *,
    http: Served | None = None,
    options: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    finds: Finds = allow,
    policy: Policy | None = None,
) -> WholeTurn:
    """Answer ``text`` with ``plugin`` enabled: the real orchestrator, broker and policy.

    Args:
        plugin: the plugin, opened as :func:`plugins.testing.rehearse` does.
        text: the user's message; one that begins with ``/`` is a command.
        replies: what the model says, one reply after the other, made with ``say`` and ``call`` of
            :mod:`assistant.testing.scripted_engine`.
        http: the plugin's network.
        options, secrets: what the plugin is opened with.
        finds: what the guard finds in each text; by default nothing.
        policy: decides; by default the built-in one.
    """
    left = [list(reply) for reply in replies]
    engine = ScriptedEngine(script=lambda _: left.pop(0))
    async with rehearse(plugin, http=http, options=options, secrets=secrets) as broker:
        orchestrator = _orchestrator(broker, engine, finds, policy or Policy.load_builtin())
        turn = Turn(
            id="m1",
            key=SessionKey(tenant="local", user="ana", session="s1"),
            message=text_message(text, id="m1"),
            remembered=True,
        )
        async with aclosing(orchestrator.run(turn)) as events:
            seen = tuple([event async for event in events])
        return WholeTurn(
            events=seen,
            read=tuple(run.request for run in engine.runs),
            requests=tuple(broker.http.requests),
        )


def _orchestrator(
    rehearsed: FakeBroker, engine: ScriptedEngine, finds: Finds, policy: Policy
) -> Orchestrator:
    subjects = frozenset(Subject) - {Subject.IMAGE}
    guard = ScriptedGuard(answer=finds, subjects=subjects)
    panel = Panel([Seat(guard=guard, subjects=subjects, deadline=_GUARD_SECONDS)])
    clock = SystemClock()
    store = InMemorySessionStore(limits=MemoryLimits())
    approvals = InMemoryApprovals(store, clock=clock)
    broker = Broker(
        panel=panel,
        policy=policy,
        catalogue=_catalogue(rehearsed),
        ledger=InMemoryLedger(),
        stores=lambda _plugin, _caller: rehearsed.store,
        clock=clock.now,
    )
    return Orchestrator(
        engine=engine,
        panel=panel,
        policy=policy,
        store=store,
        log=InMemoryDecisionLog(clock=clock),
        entries=EntryBodies(pseudonyms=Pseudonyms(bytes(32)), retention=policy.retention),
        ids=random_id,
        limits=TurnLimits(),
        pace=Pace(interval=0.0),
        broker=broker,
        approvals=approvals,
        tool_calls=ToolCalls.NATIVE,
        clock=clock,
    )


def _catalogue(rehearsed: FakeBroker) -> Catalogue:
    gate = asyncio.Semaphore(rehearsed.manifest.limits.at_once)
    return Catalogue(
        bound={
            name: Bound(
                tool=tool,
                manifest=rehearsed.manifest,
                http=rehearsed.client_of(tool),
                secrets=rehearsed.secrets,
                gate=gate,
            )
            for name, tool in rehearsed.tools.items()
        }
    )
