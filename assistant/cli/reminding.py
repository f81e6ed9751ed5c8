"""Tells the person at a terminal of their reminders."""

from dataclasses import dataclass
from datetime import UTC, datetime

from assistant.bootstrap import Assistant
from assistant.cli.terminal import Terminal
from assistant.cli.turns import TENANT, USER
from assistant.errors import MemoryUnavailableError
from plugins.access import Store
from plugins.caller import Caller
from plugins.clock.moments import moment_words
from plugins.errors import ToolError
from plugins.reminders import due, plugin

EVERY = 30.0
"""Seconds between two looks while somebody is asked for a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminding:
    """Collects what is due.

    A program that reads JSON is nobody to remind: the reminders are left for the person.

    ``every`` is how many seconds a front end waits between two looks.
    """

    store: Store | None
    every: float

    @classmethod
    def of(cls, assistant: Assistant, terminal: Terminal) -> "Reminding":
        """For the person at ``terminal``; where the plugin is not enabled nothing is ever due."""
        name = plugin.manifest.name
        enabled = any(each.name == name for each in assistant.broker.catalogue.manifests)
        if terminal.json_mode or not enabled:
            return cls(store=None, every=EVERY)
        caller = Caller(tenant=TENANT, user=USER, session="", turn="", pseudonym=USER)
        return cls(store=assistant.broker.store(name, caller), every=EVERY)

    async def due(self) -> tuple[str, ...]:
        """A line for each reminder whose time has come; each is given once."""
        if self.store is None:
            return ()
        try:
            come = await due(self.store, datetime.now(UTC))
        except (MemoryUnavailableError, ToolError):
            return ()  # they stay where they are; a turn tells of a memory that is gone
        # A line of its own making could pass for a prompt, or for an answer.
        return tuple(f"Reminder: {' '.join(e.text.split())} ({moment_words(e.at)})" for e in come)
