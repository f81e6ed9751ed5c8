"""``serve`` as a process of its own: the embedded guard, an embedded Valkey, a scripted engine."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assistant.testing.scripted_upstream import ScriptedUpstream

SERVE = """
import sys
from assistant.api.server import serve
from assistant.settings import load_settings
serve(load_settings(), int(sys.argv[1]), lambda line: print(line, flush=True))
"""


@dataclass
class Running:
    process: asyncio.subprocess.Process
    address: str = ""
    said: list[str] = field(default_factory=list)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> tuple[int, str]:
        """Exit code and what went to stderr."""
        _, stderr = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, stderr.decode()


@asynccontextmanager
async def started(
    folder: Path, upstream: ScriptedUpstream, *, workers: int = 1, **environment: str
) -> AsyncIterator[Running]:
    """A server process, as it is; nothing of it is left at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SERVE,
        str(workers),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        env=os.environ
        | {
            "CORRAL_ENGINE_URLS": json.dumps([upstream.url]),
            "CORRAL_DATA_DIR": str(folder),
            "CORRAL_PORT": "0",
        }
        | environment,
    )
    try:
        yield Running(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


@asynccontextmanager
async def serving(folder: Path, upstream: ScriptedUpstream, **more: Any) -> AsyncIterator[Running]:
    """A server process that serves."""
    async with started(folder, upstream, **more) as running:
        assert running.process.stdout is not None
        while not running.address:
            line = (await running.process.stdout.readline()).decode()
            assert line, (await running.ended())[1]
            running.said.append(line.strip())
            if line.startswith("Corral listens on "):
                running.address = line.split()[3]
        yield running
