"""Whether a conversation may be answered at all."""

import asyncio
from collections.abc import Callable, Sequence

from assistant.errors import InvalidTurnError
from assistant.turn import Turn
from assistant.vetted import Vetted, digests
from guards.conversation import Exchange, Message, Role
from guards.exchanges import exchanges_of
from guards.panel import Panel
from policies.admitted import Admitted, Denied, combine
from policies.bundle import Policy
from policies.decision import Allow, Decision
from policies.placeholders import Placeholders
from policies.texts import REFUSED

AT_ONCE = 8
"""Judgements of one unknown history side by side; more would crowd out other turns."""

Report = Callable[[Exchange, Decision], None]


class Admission:
    """Judges what a turn brings in: its message, and any past nobody has judged yet."""

    def __init__(self, *, panel: Panel, policy: Policy, vetted: Vetted) -> None:
        self._panel = panel
        self._policy = policy
        self._vetted = vetted

    async def judge(
        self,
        turn: Turn,
        history: tuple[Message, ...],
        placeholders: Placeholders,
        report: Report,
    ) -> Admitted | Denied:
        """Decide about ``turn.message`` after ``history``, the newest part of the past.

        The past of a remembered session was judged when it was new. Any other is the caller's
        word, and each of its messages is judged unless the same message was allowed before
        after the same past. ``placeholders`` are the conversation's, and get those of what is
        rewritten. ``report`` hears of every decision before it takes effect.
        """
        messages = (*history, turn.message)
        chain: list[bytes] = []
        pending = [len(history)]
        if not turn.remembered:
            dropped = turn.history[: len(turn.history) - len(history)]
            chain = digests(turn, (*dropped, *messages))[len(dropped) :]
            pending = [i for i in range(len(history)) if chain[i] not in self._vetted] + pending
        exchanges = [
            (index, exchange)
            for index in pending
            for exchange in _exchanges(messages[index], messages[:index])
        ]
        decisions = await self._decide(turn, [exchange for _, exchange in exchanges])
        for (_, exchange), decision in zip(exchanges, decisions, strict=True):
            report(exchange, decision)
        decided = list(zip((i for i, _ in exchanges), decisions, strict=True))
        refused = self._policy.text(REFUSED, turn.locale)
        result = combine(messages, decided, placeholders, refused)
        if chain and isinstance(result, Admitted):
            # A message of several parts is known only when all of them were allowed as they are.
            changed = {index for index, decision in decided if not isinstance(decision, Allow)}
            for index in {index for index, _ in decided} - changed:
                self._vetted.add(chain[index])
        return result

    def answered(self, turn: Turn, reply: Message) -> None:
        """Know ``reply`` again when the caller sends it back as part of the past."""
        if not turn.remembered:
            self._vetted.add(digests(turn, (*turn.history, turn.message, reply))[-1])

    async def _decide(self, turn: Turn, exchanges: Sequence[Exchange]) -> list[Decision]:
        if len(exchanges) == 1:
            return [await self._one(turn, exchanges[0])]
        gate = asyncio.Semaphore(AT_ONCE)

        async def gated(exchange: Exchange) -> Decision:
            async with gate:
                return await self._one(turn, exchange)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(gated(exchange)) for exchange in exchanges]
        return [task.result() for task in tasks]

    async def _one(self, turn: Turn, exchange: Exchange) -> Decision:
        verdict = await self._panel.judge(exchange)
        return self._policy.decide(exchange, verdict, turn.audience, turn.locale)


def _exchanges(message: Message, before: tuple[Message, ...]) -> list[Exchange]:
    if message.role is Role.SYSTEM:
        raise InvalidTurnError(
            "a system message belongs in the turn's instructions", field="messages"
        )
    return exchanges_of(message, before)
