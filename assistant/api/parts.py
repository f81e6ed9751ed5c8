"""What the endpoints work with, made once when the server starts."""

from dataclasses import dataclass, field

from assistant.api.capacity import Capacity
from assistant.api.failures import Reporter
from assistant.api.metrics import Metrics
from assistant.api.moderation import Moderator
from assistant.api.readiness import Readiness
from assistant.bootstrap import Assistant
from assistant.clock import Clock, Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What exists before the assistant does: time, ids, metrics and the way errors are told."""

    clock: Clock
    ids: Ids
    metrics: Metrics
    reporter: Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """An assistant and what the endpoints keep about it."""

    assistant: Assistant
    tools: Tools
    capacity: Capacity = field(init=False)
    moderator: Moderator = field(init=False)
    readiness: Readiness = field(init=False)
    started: int = field(init=False)

    def __post_init__(self) -> None:
        assistant, tools = self.assistant, self.tools
        metrics = tools.metrics
        capacity = Capacity(assistant.settings.max_concurrent_turns, observe=metrics.in_flight.set)
        moderator = Moderator(assistant, metrics.judged)
        object.__setattr__(self, "capacity", capacity)
        object.__setattr__(self, "moderator", moderator)
        object.__setattr__(self, "readiness", Readiness(assistant.health))
        object.__setattr__(self, "started", int(tools.clock.now()))
