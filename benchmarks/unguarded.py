"""Corral with a guard that answers at once, in process: what everything but judging costs.

An empty panel would block every turn, so this is as near to "no guards" as Corral can be run.
"""

import asyncio

import uvicorn

from assistant.api.app import build_app
from assistant.api.hosting import configure
from assistant.api.listener import listen
from assistant.bootstrap import assemble
from assistant.settings import load_settings
from assistant.testing.scripted_guard import ScriptedGuard


async def serve() -> None:
    """Serve on the settings' address until terminated."""
    settings = load_settings()
    async with assemble(settings, print, guards=[ScriptedGuard()]) as assistant:
        await uvicorn.Server(configure(build_app(assistant))).serve([listen(settings)])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=configure(build_app).get_loop_factory()) as runner:
        runner.run(serve())
