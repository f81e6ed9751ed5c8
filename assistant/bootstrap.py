"""The one composition root: settings in, a running assistant out.

Interface first; the body follows with the orchestrator.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from policies.bundle import Policy

from assistant.audit.protocol import DecisionLog
from assistant.engine.protocol import Engine
from assistant.memory.protocol import SessionStore
from assistant.orchestrator import Orchestrator
from assistant.settings import Settings
from guards.panel import Panel

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistant:
    """Everything a front end needs; closed when the context it came from ends."""

    settings: Settings
    policy: Policy
    panel: Panel
    engine: Engine
    store: SessionStore
    log: DecisionLog
    orchestrator: Orchestrator

    async def health(self) -> dict[str, str]:
        """Each part's state, ``"ok"`` or what is wrong, by name: engine, memory, log, guards."""
        raise NotImplementedError


@asynccontextmanager
async def assemble(settings: Settings, progress: Progress) -> AsyncIterator[Assistant]:
    """Start what the settings leave to be embedded, connect the rest, and hand it out.

    ``progress`` receives one short line at each step that takes time.
    """
    raise NotImplementedError
    yield
