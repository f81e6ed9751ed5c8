"""What a running tool says that it is doing, judged before anybody hears it (I3)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from guards.conversation import Confidentiality, Integrity, Message, Provenance, Source, ToolCall
from guards.panel import Panel
from plugins.caller import Caller
from plugins.journal import Journal
from plugins.judging import shown_exchange
from plugins.outcome import tool_message
from policies.bundle import Policy
from policies.decision import Allow

CHARS = 200
MOST = 20
"""Notes that one call may give; more are dropped."""

_DATA = Provenance(
    source=Source.TOOL,
    integrity=Integrity.UNTRUSTED,
    confidentiality=Confidentiality.PUBLIC,
)


@dataclass(slots=True, kw_only=True)
class Notes:
    """Notes of progress of one call. Each is judged beside the tool's work, which never waits.

    ``hear`` gets those that are allowed as they are.
    """

    panel: Panel
    policy: Policy
    caller: Caller
    journal: Journal
    call: ToolCall
    context: tuple[Message, ...]
    hear: Callable[[str], None]
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def take(self, text: str) -> None:
        """Judge a note, unless there were too many."""
        if len(self._tasks) < MOST:
            self._tasks.append(asyncio.create_task(self._judged(text[:CHARS])))

    async def end(self) -> None:
        """What a tool was doing is of no interest once it is done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _judged(self, text: str) -> None:
        message = tool_message(self.call, text, _DATA)
        exchange = shown_exchange(message, text, self.context)
        verdict = await self.panel.judge(exchange)
        caller = self.caller
        decision = self.policy.decide(exchange, verdict, caller.audience, caller.locale)
        self.journal.decided(exchange, decision)
        if isinstance(decision, Allow):
            self.hear(text)
