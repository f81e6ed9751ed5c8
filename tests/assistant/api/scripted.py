"""A scripted assistant behind the HTTP interface."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from assistant.approval.asked import Approval
from assistant.audit.entries import EntryBodies
from assistant.audit.pseudonyms import Pseudonyms
from assistant.clock import SystemClock
from assistant.events import Event, Finished, FinishReason, Judged, TextReleased, Usage
from assistant.settings import Settings
from assistant.testing.decision_log import InMemoryDecisionLog
from assistant.testing.scripted_guard import ScriptedGuard
from assistant.turn import Turn
from guards.conversation import Subject
from guards.panel import Panel, PanelVerdict, Seat
from guards.verdict import Verdict
from plugins.broker import Broker
from policies.bundle import Policy
from policies.decision import Allow, Basis, Refuse
from policies.schema import Retention

POLICY = Policy.load_builtin()
LABEL = POLICY.label

VERDICT = PanelVerdict(
    subject=Subject.USER_INPUT,
    judgements=(Verdict(guard="scripted", revision="1", findings=(), elapsed=0.01),),
    elapsed=0.01,
)
ALLOW = Allow(basis=Basis(clause=None, policy=LABEL, digest="0" * 64, verdict=VERDICT))
REFUSE = Refuse(
    basis=Basis(clause="weapons", policy=LABEL, digest="0" * 64, verdict=VERDICT),
    text="I can't help with that.",
)
INPUT_JUDGED = Judged(subject=Subject.USER_INPUT, decision=ALLOW, at=0.01)


def finished(reason: FinishReason = FinishReason.STOP, **changes: Any) -> Finished:
    return Finished(
        **{
            "reason": reason,
            "usage": Usage(prompt_tokens=7, completion_tokens=2),
            "log_id": "log-1",
            **changes,
        }
    )


def say(*texts: str) -> tuple[Event, ...]:
    return (INPUT_JUDGED, *(TextReleased(text=text) for text in texts), finished())


class Hang:
    """Nothing more, ever."""


Step = Event | Exception | Hang
Script = Callable[[Turn], Iterable[Step]]


@dataclass
class ScriptedOrchestrator:
    """Plays events; remembers the turns, and which of them were closed before their end.

    A turn that is taken up again is played ``resumed``.
    """

    script: Script | Sequence[Step]
    resumed: Sequence[Step] = ()
    turns: list[Turn] = field(default_factory=list)
    taken_up: list[Approval] = field(default_factory=list)
    closed: int = 0
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    hanging: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, turn: Turn) -> AsyncGenerator[Event, None]:
        self.turns.append(turn)
        script = self.script(turn) if callable(self.script) else self.script
        async with aclosing(self._play(script)) as events:
            async for event in events:
                yield event

    async def resume(self, approval: Approval) -> AsyncGenerator[Event, None]:
        self.taken_up.append(approval)
        async with aclosing(self._play(self.resumed)) as events:
            async for event in events:
                yield event

    async def _play(self, script: Iterable[Step]) -> AsyncGenerator[Event, None]:
        done = False
        try:
            for step in script:
                match step:
                    case Exception():
                        done = True
                        raise step
                    case Hang():
                        self.hanging.set()
                        await asyncio.get_running_loop().create_future()
                    case _:
                        done = isinstance(step, Finished)
                        yield step
        finally:
            if not done:
                self.closed += 1
                self.closing.set()


def settings(**overrides: Any) -> Settings:
    return Settings(**{"api_keys": {}, **overrides})


def assistant(
    orchestrator: Any,
    *,
    policy: Policy | None = None,
    guard: ScriptedGuard | None = None,
    log: Any = None,
    health: dict[str, str] | None = None,
    approvals: Any = None,
    broker: Any = None,
    **overrides: Any,
) -> Any:
    """What the interface needs of an assistant, scripted."""
    guard = guard or ScriptedGuard()
    panel = Panel([Seat(guard=guard, subjects=guard.subjects)])
    policy = policy or POLICY
    states = {"engine": "ok", "memory": "ok", "log": "ok", "guards": "ok"} | (health or {})

    async def ask() -> dict[str, str]:
        return states

    return SimpleNamespace(
        settings=settings(**overrides),
        policy=policy,
        panel=panel,
        broker=broker or Broker(panel=panel, policy=policy),
        log=log or InMemoryDecisionLog(clock=SystemClock()),
        entries=EntryBodies(pseudonyms=Pseudonyms(b"0" * 32), retention=Retention.NONE),
        engine=SimpleNamespace(model="tiny-llama"),
        orchestrator=orchestrator,
        approvals=approvals,
        health=ask,
    )
