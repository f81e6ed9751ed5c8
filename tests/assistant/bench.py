"""A whole assistant of scripted parts on the built-in policy, under virtual time."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

from assistant.audit.entries import EntryBodies
from assistant.audit.pseudonyms import Pseudonyms
from assistant.engine.protocol import Engine
from assistant.events import Event, Finished, Refused, Retracted, TextReleased
from assistant.memory.limits import MemoryLimits
from assistant.orchestrator import Orchestrator, TurnLimits
from assistant.testing.decision_log import InMemoryDecisionLog
from assistant.testing.memory_store import InMemorySessionStore
from assistant.testing.scripted_engine import ScriptedEngine, Step, say
from assistant.testing.scripted_guard import ScriptedGuard, flag
from assistant.turn import SessionKey, Turn
from guards.conversation import Message, Subject, text_message
from guards.guard import Guard
from guards.hazards import Hazard
from guards.panel import Panel, Seat
from guards.stream import Pace
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
    def now(self) -> float:
        return 1_800_000_000.0


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
        )

    async def ask(self, turn: Turn) -> list[Event]:
        """All events of a turn; nothing may be left running after it (I8)."""
        try:
            async with aclosing(self.orchestrator.run(turn)) as events:
                return [event async for event in events]
        finally:
            self.assert_idle()

    def assert_idle(self) -> None:
        assert self.scripted.running == 0
        assert self.guard.running == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}


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
