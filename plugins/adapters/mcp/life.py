"""One connection to a server, from its start to its end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mcp import Client, MCPError
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp_types import ToolListChangedNotification

from plugins.adapters.mcp.http import Bridge, reached
from plugins.adapters.mcp.listing import Listed, list_all
from plugins.adapters.mcp.section import HttpServer, McpSection, StdioServer
from plugins.adapters.mcp.stdio import Stdio, environment, started
from plugins.errors import PluginLoadError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    client: Client
    listed: dict[str, Listed]


class Life:
    """Begins to connect as it is made, in a task of its own: the protocol's client must be closed
    by the task that opened it.

    Attributes:
        taken: whether somebody has seen to what the server offers.
        stale: whether the server has said since that it offers something else.
    """

    def __init__(
        self,
        source: str,
        section: McpSection,
        secrets: Mapping[str, str],
        environ: Mapping[str, str],
    ) -> None:
        self.taken = False
        self.stale = False
        self._source = source
        self._section = section
        self._secrets = secrets
        self._environ = environ
        self._process: Stdio | None = None
        self._bridge: Bridge | None = None
        self._stop = asyncio.Event()
        self._ready: asyncio.Future[_Open] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live())
        self._task.add_done_callback(self._ended)

    @property
    def client(self) -> Client:
        """The protocol's client, once :meth:`listed` gave an answer."""
        return self._ready.result().client

    @property
    def usable(self) -> bool:
        """Whether calls can go in."""
        ended = self._process is not None and self._process.ended is not None
        return not ended and not self._stop.is_set() and not self._task.done()

    @property
    def why(self) -> str:
        """Why it is over, in words of our own."""
        return (self._process and self._process.ended) or "the connection broke"

    async def listed(self) -> dict[str, Listed]:
        """What the server offered at first. Who gives up waiting does not end the connecting.

        Raises:
            PluginLoadError: it cannot be reached, or what it offers cannot be read.
        """
        return (await asyncio.shield(self._ready)).listed

    def end(self) -> "asyncio.Task[None]":
        """Begin to end it; the task is done when nothing of it is left."""
        self._stop.set()
        if not self._ready.done():
            self._task.cancel()
        return self._task

    async def _live(self) -> None:
        try:
            async with contextlib.AsyncExitStack() as stack:
                async with asyncio.timeout(self._section.start_seconds):
                    client = await stack.enter_async_context(
                        Client(self._transport(), cache=None, message_handler=self._heard)
                    )
                    listed = await list_all(self._source, client)
                if self._process is not None:
                    self._process.stop_listening()
                self._ready.set_result(_Open(client=client, listed=listed))
                watch = asyncio.create_task(self._watch(client))
                try:
                    await self._stop.wait()
                finally:
                    watch.cancel()
                    await asyncio.gather(watch, return_exceptions=True)
        except Exception as error:  # noqa: BLE001 - the edge to a foreign process
            self._fail(f"{_reason(error, self._section)}{self._told()}")

    def _ended(self, _: "asyncio.Task[None]") -> None:
        self._fail("it was closed while it connected")

    def _fail(self, reason: str) -> None:
        if not self._ready.done():
            self._ready.set_exception(PluginLoadError(self._source, reason))
            # Nobody may be waiting any more to hear of it.
            self._ready.exception()

    async def _heard(self, message: Any) -> None:
        if isinstance(message, ToolListChangedNotification):
            self.stale = True

    @asynccontextmanager
    async def _transport(self) -> AsyncIterator[Any]:
        match self._section:
            case StdioServer() as section:
                env = environment({**section.env, **self._secrets}, self._environ)
                async with started(section.command, env=env, folder=section.folder) as (
                    streams,
                    self._process,
                ):
                    yield streams
            case HttpServer() as section:
                private = tuple(section.private_hosts)
                async with reached(
                    section.url,
                    headers=section.headers(self._secrets),
                    hosts=tuple(host for host in section.own_hosts if host not in private),
                    private_hosts=private,
                    limits=section.bounds,
                ) as (streams, self._bridge):
                    yield streams

    async def _watch(self, client: Client) -> None:
        """Hear of changes where the protocol sends them only to those who ask."""
        tools = client.server_capabilities.tools
        if isinstance(self._section, HttpServer) or tools is None or not tools.list_changed:
            return
        with contextlib.suppress(MCPError, SubscriptionLost, ListenNotSupportedError):
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self.stale = True

    def _told(self) -> str:
        """What is known of a failure: an answer's status, or what the process wrote."""
        if self._bridge is not None and self._bridge.trouble is not None:
            return f"; {self._bridge.trouble}"
        words = self._process.last_words if self._process is not None else ""
        for value in filter(None, self._secrets.values()):
            words = words.replace(value, "***")
        return f"; it wrote: {words}" if words else ""


def _reason(error: BaseException, section: McpSection) -> str:
    """Why a connection cannot be made, for the operator."""
    # The library's task groups wrap whatever is raised inside of them.
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case PluginLoadError():
            return error.reason
        case TimeoutError():
            return f"its server did not answer within {section.start_seconds:g} s"
        case FileNotFoundError():
            return f"its server cannot be started: there is no {error.filename}"
        case MCPError():
            return f"its server cannot be reached: {error.message[:300]}"
        case _:
            return f"its server cannot be reached: {type(error).__name__}"
