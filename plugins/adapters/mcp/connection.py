"""A server that is connected when it is needed, and again after it broke."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from mcp import Client, MCPError
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp_types import (
    CONNECTION_CLOSED,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    ToolListChangedNotification,
)
from pydantic import ValidationError

from plugins.adapters.mcp.http import Bridge, reached
from plugins.adapters.mcp.listing import Listed, list_all
from plugins.adapters.mcp.section import HttpServer, McpSection, StdioServer
from plugins.adapters.mcp.stdio import Stdio, environment, started
from plugins.errors import PluginEndedError, PluginLoadError, ToolError

logger = logging.getLogger("corral.plugins")

RECHECK_SECONDS = 60.0
"""How old a listing may be when a call starts, for servers that do not say when it changes."""

MOST_WAIT = 60.0
"""Seconds between two attempts to start a server that keeps breaking."""

UNANSWERED = 3
"""Calls in a row that were given up; then the server is taken for dead."""

_CLOSE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """A connection that was made."""

    client: Client
    listed: dict[str, Listed]


@dataclass(slots=True, kw_only=True)
class _Life:
    """One connection. ``ready`` fails when it cannot be made; ``taken`` once that was seen to."""

    ready: "asyncio.Future[_Open]"
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None
    process: Stdio | None = None
    bridge: Bridge | None = None
    taken: bool = False

    @property
    def client(self) -> Client:
        """The protocol's client, once it is ready."""
        return self.ready.result().client

    @property
    def usable(self) -> bool:
        """Whether calls can go in."""
        ended = self.process is not None and self.process.ended is not None
        return not ended and not self.stop.is_set() and not (self.task is None or self.task.done())

    @property
    def why(self) -> str:
        """Why it is over, in words of our own."""
        return (self.process and self.process.ended) or "the connection broke"


class Connection:
    """Calls go in side by side; what breaks fails those under way, and the next call reconnects.

    Before a call the tool's description is known to be the approved one: after each connect, after
    the server said that its list changed, and every :data:`RECHECK_SECONDS`.
    """

    def __init__(
        self,
        source: str,
        section: McpSection,
        secrets: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.monotonic,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing is connected yet.

        Args:
            source: the server's name in the configuration.
            section: how to reach it.
            secrets: values of its secrets.
            clock: seconds, for waiting between attempts.
            environ: where PATH, HOME and LANG come from; this process's when ``None``.
        """
        self._source = source
        self._section = section
        self._secrets = secrets
        self._clock = clock
        self._environ = os.environ if environ is None else environ
        self._life: _Life | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._entering = asyncio.Lock()
        self._approved: dict[str, str] = {}
        self._listed: dict[str, Listed] = {}
        self._changed: set[str] = set()
        self._stale = False
        self._checked = 0.0
        self._failures = 0
        self._not_before = 0.0
        self._unanswered = 0

    async def open(self) -> dict[str, Listed]:
        """Connect, and say what the server offers.

        Raises:
            PluginLoadError: it cannot be reached, or what it offers cannot be read.
        """
        async with self._entering:
            await self._connected()
            return self._listed

    def approve(self, digests: Mapping[str, str]) -> None:
        """From now on calls go to these tools, as long as they are described just so."""
        self._approved = dict(digests)

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> CallToolResult:
        """One call.

        Raises:
            ToolError: nothing was done: the tool was withdrawn, or the server is down or refuses.
            PluginEndedError: the connection broke under the call.
        """
        try:
            orjson.dumps(arguments)
        except (TypeError, ValueError):
            raise ToolError("the arguments hold what is no Unicode text") from None
        life = await self._entered(tool)
        request = CallToolRequest(
            params=CallToolRequestParams(name=tool, arguments=dict(arguments))
        )
        try:
            # Not client.call_tool: that validates the answer against a schema that the server may
            # change at will, regular expressions included.
            result = await life.client.session.send_request(request, CallToolResult)
        except asyncio.CancelledError:
            self._unanswered += 1
            if self._unanswered >= UNANSWERED:
                life.stop.set()
            raise
        except MCPError as error:
            if error.code == CONNECTION_CLOSED or not life.usable:
                self._broke(life)
                raise PluginEndedError(f"{self._source}: {life.why} under the call") from None
            self._answered()
            raise ToolError(f"the server refused the call: {error.message[:500]}") from None
        except ValidationError:
            raise PluginEndedError(
                f"{self._source}: its server answered with what is no result of a call; it may "
                "ask for input, which is not supported"
            ) from None
        self._answered()
        return result

    async def close(self) -> None:
        """End it."""
        if self._life is not None:
            self._retire(self._life)
        if not self._ending:
            return
        _, late = await asyncio.wait(self._ending, timeout=_CLOSE_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _answered(self) -> None:
        self._failures = self._unanswered = 0

    async def _entered(self, tool: str) -> _Life:
        async with self._entering:
            life = self._life
            if life is not None and not life.usable:
                self._broke(life)
                life = None
            if life is None or not life.taken:
                life = await self._reconnected()
            elif self._stale or self._clock() - self._checked > RECHECK_SECONDS:
                await self._recheck(life)
        self._check(tool)
        return life

    def _check(self, tool: str) -> None:
        if tool in self._changed:
            raise ToolError(
                "this tool was withdrawn: its description changed and needs approval; do without it"
            )
        if tool not in self._listed:
            raise ToolError("the server does not have this tool any more; do without it")

    async def _reconnected(self) -> _Life:
        wait = self._not_before - self._clock()
        if self._life is None and wait > 0:
            raise ToolError(f"the server {self._source} is down; try again in {wait:.0f} s")
        try:
            return await self._connected()
        except PluginLoadError as error:
            logger.warning("%s", error)
            raise ToolError(f"the server {self._source} is down") from None

    async def _connected(self) -> _Life:
        """A connection, also one that somebody began to make who did not wait for it."""
        life = self._life
        if life is None:
            life = _Life(ready=asyncio.get_running_loop().create_future())
            life.ready.add_done_callback(_seen)
            life.task = asyncio.create_task(self._live(life))
            self._life = life
        try:
            listed = (await asyncio.shield(life.ready)).listed
        except PluginLoadError:
            self._broke(life)
            raise
        life.taken = True
        self._take(listed)
        return life

    def _broke(self, life: _Life) -> None:
        """Count a life's end, once, and put off the next."""
        if self._life is not life:
            return
        wait = 0.0 if self._failures == 0 else min(2.0 ** (self._failures - 1), MOST_WAIT)
        self._not_before = self._clock() + wait
        self._failures += 1
        self._unanswered = 0
        self._retire(life)

    def _retire(self, life: _Life) -> None:
        life.stop.set()
        self._life = None
        if life.task is not None and not life.task.done():
            self._ending.add(life.task)
            life.task.add_done_callback(self._ending.discard)

    async def _recheck(self, life: _Life) -> None:
        self._stale = False
        try:
            async with asyncio.timeout(self._section.start_seconds):
                listed = await list_all(self._source, life.client)
        except (MCPError, ValidationError, TimeoutError, PluginLoadError):
            self._stale = True
            raise ToolError(
                f"the server {self._source} changed its tools and cannot say to what"
            ) from None
        self._take(listed)

    def _take(self, listed: dict[str, Listed]) -> None:
        self._listed = listed
        self._checked = self._clock()
        for name, digest in self._approved.items():
            if name in listed and listed[name].digest != digest and name not in self._changed:
                # For good, also when it changes back: who does so shows one face to the operator
                # and another to the model.
                self._changed.add(name)
                logger.warning(
                    "plugin %s: the description of its tool %r changed; it is withdrawn until it "
                    "is approved again",
                    self._source,
                    name[:80],
                )

    async def _live(self, life: _Life) -> None:
        source, section = self._source, self._section
        reason = "its server cannot be reached"
        try:
            async with contextlib.AsyncExitStack() as stack:
                async with asyncio.timeout(section.start_seconds):
                    client = await stack.enter_async_context(self._client(life))
                    listed = await list_all(source, client)
                if life.process is not None:
                    life.process.stop_listening()
                life.ready.set_result(_Open(client=client, listed=listed))
                watch = asyncio.create_task(self._watch(client))
                try:
                    await life.stop.wait()
                finally:
                    watch.cancel()
                    await asyncio.gather(watch, return_exceptions=True)
        except Exception as error:  # noqa: BLE001 - the edge to a foreign process
            reason = _reason(error, section)
        finally:
            if not life.ready.done():
                life.ready.set_exception(PluginLoadError(source, reason + self._told(life)))

    def _client(self, life: _Life) -> Client:
        async def heard(message: Any) -> None:
            if isinstance(message, ToolListChangedNotification):
                self._stale = True

        return Client(self._transport(life), cache=None, message_handler=heard)

    @asynccontextmanager
    async def _transport(self, life: _Life) -> AsyncIterator[Any]:
        match self._section:
            case StdioServer() as section:
                env = environment({**section.env, **self._secrets}, self._environ)
                async with started(section.command, env=env, folder=section.folder) as (
                    streams,
                    life.process,
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
                ) as (streams, life.bridge):
                    yield streams

    async def _watch(self, client: Client) -> None:
        """Hear of changes where the protocol sends them only to those who ask."""
        tools = client.server_capabilities.tools
        if isinstance(self._section, HttpServer) or tools is None or not tools.list_changed:
            return
        with contextlib.suppress(MCPError, SubscriptionLost, ListenNotSupportedError):
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self._stale = True

    def _told(self, life: _Life) -> str:
        """What is known of a failure: an answer's status, or what the process wrote."""
        if life.bridge is not None and life.bridge.trouble is not None:
            return f"; {life.bridge.trouble}"
        words = life.process.last_words if life.process is not None else ""
        for value in self._secrets.values():
            words = words.replace(value, "***")
        return f"; it wrote: {words}" if words else ""


def _seen(ready: "asyncio.Future[_Open]") -> None:
    """Nobody may be waiting any more to hear why a connection failed."""
    if not ready.cancelled():
        ready.exception()


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
