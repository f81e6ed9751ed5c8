"""What one turn leaves in the decision log, and the decisions it announces."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from assistant.audit.entries import EntryBodies
from assistant.audit.protocol import DecisionLog
from assistant.errors import LogUnavailableError
from assistant.events import Event, Judged, ToolStarted, Usage
from assistant.turn import Turn
from guards.conversation import Exchange
from plugins.journal import CallStep, Stage
from policies.decision import Decision

DECISION = "decision"
CALL = "call"
TURN = "turn"
FAILURE = "failure"


class Record:
    """Writes each decision before it takes effect, and how the turn ended."""

    def __init__(
        self,
        *,
        log: DecisionLog,
        bodies: EntryBodies,
        turn: Turn,
        emit: Callable[[Event], None],
    ) -> None:
        self._log = log
        self._bodies = bodies
        self._turn = turn
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()

    def decided(self, exchange: Exchange, decision: Decision) -> None:
        """Record a decision and announce it.

        Raises:
            LogUnavailableError: it could not be recorded, so it must not take effect.
        """
        at = self._elapsed()
        self._log.append(DECISION, self._bodies.decision(self._turn, exchange, decision, at))
        self._emit(Judged(subject=exchange.subject, decision=decision, at=at))

    def stepped(self, step: CallStep) -> None:
        """Record how far a tool call has come.

        Raises:
            LogUnavailableError: it could not be recorded, so the call must not go on.
        """
        self._log.append(CALL, self._bodies.call(self._turn, step, self._elapsed()))
        if step.stage is Stage.STARTED:
            self._emit(ToolStarted(call=step.call, tool=step.tool, plugin=step.plugin))

    async def durable(self) -> None:
        """Return once all of it survives the loss of power.

        Raises:
            LogUnavailableError: it could not be synced.
        """
        await self._log.durable()

    def finished(self, decision: Decision, reason: str, usage: Usage) -> str:
        """Record the turn's end and return the entry's id, which the answer names.

        Raises:
            LogUnavailableError: it could not be recorded.
        """
        body = self._bodies.turn(self._turn, decision, reason, usage, self._elapsed())
        return self._log.append(TURN, body)

    def failed(self, code: str) -> None:
        """Record that the turn failed; a log that fails too has nowhere to say so."""
        with suppress(LogUnavailableError):
            self._log.append(FAILURE, self._bodies.failure(self._turn, code, self._elapsed()))

    def _elapsed(self) -> float:
        return self._loop.time() - self._start
