"""Decisions of moderation in the decision log."""

from assistant.audit.entries import EntryBodies
from assistant.audit.protocol import DecisionLog
from assistant.audit.record import DECISION
from assistant.turn import ANONYMOUS, SessionKey, Turn
from policies.decision import Decision
from policies.moderation import Case


class LoggedDecisions:
    """A :class:`~policies.moderation.Recorder` that writes each as the turn it would have been."""

    def __init__(self, *, log: DecisionLog, entries: EntryBodies) -> None:
        self._log = log
        self._entries = entries

    def record(self, case: Case, decision: Decision) -> str:
        """Append one decision.

        Raises:
            LogUnavailableError: it could not be written.
        """
        turn = Turn(
            id=case.id,
            key=SessionKey(tenant=case.tenant, user=ANONYMOUS, session=""),
            message=case.exchange.message,
            audience=case.audience,
            locale=case.locale,
        )
        at = decision.basis.verdict.elapsed
        return self._log.append(DECISION, self._entries.decision(turn, case.exchange, decision, at))

    async def durable(self) -> None:
        """Return once every decision is on stable storage.

        Raises:
            LogUnavailableError: they could not be synced.
        """
        await self._log.durable()
