"""Corral with a guard that answers at once, in process: what everything but judging costs.

An empty panel would block every turn, so this is as near to "no guards" as Corral can be run.
"""

import asyncio

import uvicorn

from assistant.api.app import build_app
from assistant.api.hosting import configure, settle
from assistant.api.listener import listen
from assistant.bootstrap import assemble
from assistant.settings import load_settings
from guards.conversation import Exchange, Subject
from guards.hazards import Hazard
from guards.verdict import Verdict


class NoGuard:
    """Finds nothing, in no time."""

    name = "none"
    revision = "1"
    hazards = frozenset(Hazard)
    subjects = frozenset(Subject)

    async def judge(self, _: Exchange) -> Verdict:
        return Verdict(guard=self.name, revision=self.revision, findings=(), elapsed=0.0)


async def serve() -> None:
    """Serve on the settings' address until terminated."""
    settings = load_settings()
    async with assemble(settings, print, guards=[NoGuard()]) as assistant:
        server = uvicorn.Server(configure(build_app(assistant)))
        settle()
        await server.serve([listen(settings)])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=configure(build_app).get_loop_factory()) as runner:
        runner.run(serve())
