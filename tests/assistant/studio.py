"""Previews of pictures from a service over loopback, with scripted guards."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from assistant.audit.entries import EntryBodies
from assistant.audit.pseudonyms import Pseudonyms
from assistant.clock import SystemClock
from assistant.events import Judged
from assistant.preview_desk import PreviewDesk
from assistant.testing.decision_log import InMemoryDecisionLog
from assistant.testing.scripted_guard import Answer, ScriptedGuard, flag
from guards.conversation import Exchange, Subject
from guards.panel import Panel, Seat
from plugins.broker import Broker
from plugins.images import ImagesOptions, create_image_tool, plugin
from plugins.registry import Bound, Catalogue
from policies.bundle import Policy
from tests.assistant.bench import MARKED, POLICY, Counter
from tests.plugins.http.world import serving
from tests.plugins.images.service import Service, client


@dataclass(slots=True, kw_only=True)
class Studio:
    """A broker whose one tool is ``create_image``, and what stands around it."""

    service: Service
    broker: Broker
    guard: ScriptedGuard
    panel: Panel
    policy: Policy
    log: InMemoryDecisionLog
    heard: list[Judged] = field(default_factory=list)

    def desk(self, **others: Any) -> PreviewDesk:
        return PreviewDesk(
            **{
                "broker": self.broker,
                "panel": self.panel,
                "policy": self.policy,
                "log": self.log,
                "entries": EntryBodies(
                    pseudonyms=Pseudonyms(bytes(32)), retention=self.policy.retention
                ),
                "ids": Counter(),
                "observe": self.heard.append,
                "pause": 0.01,
                **others,
            }
        )

    def logged(self, kind: str) -> list[dict[str, Any]]:
        """Bodies of the log's entries of one kind."""
        return [entry.body for entry in self.log.entries if entry.kind == kind]


@asynccontextmanager
async def studio(
    *,
    finds: Callable[[Exchange], Answer] | None = None,
    subjects: frozenset[Subject] = frozenset(Subject),
    policy: Policy = POLICY,
) -> AsyncIterator[Studio]:
    """``finds`` is what the guard finds, by default the marked words; ``subjects`` what it is
    seated for."""
    guard = ScriptedGuard(answer=finds or flag(MARKED), subjects=subjects)
    panel = Panel([Seat(guard=guard, subjects=subjects, deadline=5.0)])
    async with serving() as server:
        service = Service(server)
        options = ImagesOptions(base_url=server.url(""))
        assert plugin.refine is not None
        manifest = plugin.refine(options)
        tool = create_image_tool(options)
        async with client(service) as http:
            bound = Bound(
                tool=tool,
                manifest=manifest,
                http=http,
                secrets={},
                gate=asyncio.Semaphore(manifest.limits.at_once),
            )
            yield Studio(
                service=service,
                broker=Broker(
                    panel=panel,
                    policy=policy,
                    catalogue=Catalogue(bound={tool.name: bound}),
                    stores=lambda _plugin, _caller: object(),  # type: ignore[arg-type,return-value] # it keeps nothing
                ),
                guard=guard,
                panel=panel,
                policy=policy,
                log=InMemoryDecisionLog(clock=SystemClock()),
            )
