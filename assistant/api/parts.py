"""What the endpoints work with, made once when the server starts."""

from dataclasses import dataclass, field

from assistant.api.capacity import Capacity
from assistant.api.desk import Desk
from assistant.api.failures import Reporter
from assistant.api.metrics import Metrics
from assistant.api.readiness import Readiness
from assistant.audit.moderated import LoggedDecisions
from assistant.bootstrap import Assistant
from assistant.clock import Clock, Ids
from assistant.preview_desk import PreviewDesk
from policies.moderation import Moderator


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
    desk: Desk = field(init=False)
    previews: PreviewDesk = field(init=False)
    readiness: Readiness = field(init=False)
    started: int = field(init=False)

    def __post_init__(self) -> None:
        assistant, tools = self.assistant, self.tools
        metrics = tools.metrics
        settings = assistant.settings
        capacity = Capacity(settings.max_concurrent_turns, observe=metrics.in_flight.set)
        desk = Desk(
            moderator=Moderator(
                panel=assistant.panel,
                policy=assistant.policy,
                recorder=LoggedDecisions(log=assistant.log, entries=assistant.entries),
            ),
            capacity=capacity,
            observe=metrics.judged,
            ids=tools.ids,
            locale=settings.locale,
            most_bytes=settings.max_body_bytes,
            most_chars=settings.max_input_chars,
        )
        previews = PreviewDesk(
            broker=assistant.broker,
            panel=assistant.panel,
            policy=assistant.policy,
            log=assistant.log,
            entries=assistant.entries,
            ids=tools.ids,
            observe=metrics.judged,
        )
        object.__setattr__(self, "capacity", capacity)
        object.__setattr__(self, "desk", desk)
        object.__setattr__(self, "previews", previews)
        object.__setattr__(self, "readiness", Readiness(assistant.health))
        object.__setattr__(self, "started", int(tools.clock.now()))
