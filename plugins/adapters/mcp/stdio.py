"""An MCP server in a process of its own, held to bounds.

The protocol's own library reads lines of any length, ends at the first byte that is no UTF-8, logs
what it cannot parse, and hands on as many messages as come. A server is a foreign party, so this
transport cuts what is too long, ends what floods, and logs nothing of it.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import orjson
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification, jsonrpc_message_adapter

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

MESSAGE_BYTES = 4 * 1024 * 1024
"""Of one message: a picture of three megabytes fits."""

STRAY_MESSAGES = 1_000
"""Lines beside answers in one second; whoever sends more floods."""

_INHERITED = ("PATH", "HOME", "LANG")
_LAST_SECONDS = 0.5
_TELLING = 2_000
_HEARD = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/cancelled",
        "notifications/subscriptions/acknowledged",
    }
)
"""The only notifications anyone here acts on; progress and log lines are words nobody judged."""


def environment(env: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, str]:
    """What the process gets: three variables that programs need to start, and what is named."""
    return {name: inherited[name] for name in _INHERITED if name in inherited} | dict(env)


class Stdio:
    """A running server. ``ended`` says in a few words why nothing more will come from it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.ended: str | None = None
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise OSError("a server's process needs three pipes")
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._process = process
        self._heard = bytearray()
        self._telling = True
        self._stray = 0
        self._since = 0.0

    @property
    def last_words(self) -> str:
        """The end of what it wrote to stderr while it started."""
        return self._heard.decode(errors="replace").strip()

    def stop_listening(self) -> None:
        """Keep nothing more of stderr: from now on a person's words may be in it."""
        self._heard.clear()
        self._telling = False

    async def read(self, out: "MemoryObjectSendStream[SessionMessage | Exception]") -> None:
        """Hand on messages until the process ends or breaks the bounds."""
        async with out:
            while self.ended is None:
                try:
                    line = await self._stdout.readuntil(b"\n")
                except (asyncio.IncompleteReadError, OSError):
                    self.ended = "it ended"
                    break
                except asyncio.LimitOverrunError:
                    self.ended = f"it sent a message of more than {MESSAGE_BYTES >> 20} MB"
                    break
                message = self._message(line)
                if message is not None:
                    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                        await out.send(message)
        await self.kill()

    def _message(self, line: bytes) -> SessionMessage | None:
        text = line.decode(errors="replace").strip()
        try:
            message = jsonrpc_message_adapter.validate_json(text, by_name=False) if text else None
        except ValueError:
            message = None
        if message is None or hasattr(message, "method"):
            self._count()
        if message is None:
            return None
        if isinstance(message, JSONRPCNotification) and message.method not in _HEARD:
            return None
        return SessionMessage(message)

    def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._since > 1.0:
            self._since, self._stray = now, 0
        self._stray += 1
        if self._stray > STRAY_MESSAGES:
            self.ended = f"it sent more than {STRAY_MESSAGES} messages a second"

    async def listen(self) -> None:
        """Drain stderr."""
        while piece := await self._stderr.read(4096):
            if self._telling:
                self._heard += piece
                del self._heard[:-_TELLING]

    async def write(self, messages: "MemoryObjectReceiveStream[SessionMessage]") -> None:
        """Send messages until there are no more."""
        async with messages:
            async for each in messages:
                data: dict[str, Any] = each.message.model_dump(
                    by_alias=True, mode="json", exclude_unset=True
                )
                try:
                    self._stdin.write(orjson.dumps(data) + b"\n")
                    await self._stdin.drain()
                except OSError:
                    return

    async def close(self) -> None:
        """Let it end by itself, for a moment; then end it with all that it started."""
        self._stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                await self._process.wait()
        await self.kill()

    async def kill(self) -> None:
        """End it with all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                await self._process.wait()


@asynccontextmanager
async def started(
    command: list[str], *, env: Mapping[str, str], folder: str | None
) -> AsyncIterator[tuple[Any, Stdio]]:
    """Start a server; gives the streams that the protocol's client talks through.

    Raises:
        OSError: it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
        cwd=folder or "/",
        start_new_session=True,
        limit=MESSAGE_BYTES,
    )
    server = Stdio(process)
    from_server, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, to_server = anyio.create_memory_object_stream[SessionMessage](0)
    tasks = [
        asyncio.create_task(server.read(from_server)),
        asyncio.create_task(server.listen()),
        asyncio.create_task(server.write(to_server)),
    ]
    try:
        yield (incoming, outgoing), server
    finally:
        incoming.close()
        outgoing.close()
        try:
            await server.close()
        finally:
            await _gone(process, tasks)


async def _gone(process: asyncio.subprocess.Process, tasks: list["asyncio.Task[None]"]) -> None:
    """Also when this is cancelled in the middle, nothing of the process stays."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    transport = getattr(process, "_transport", None)
    if transport is not None:
        # A grandchild that left the group can hold a pipe open; ours is closed all the same.
        transport.close()
