"""A server that is connected when it is needed, and again after it broke."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from mcp import MCPError
from mcp_types import CONNECTION_CLOSED, CallToolRequest, CallToolRequestParams, CallToolResult
from pydantic import ValidationError

from plugins.adapters.mcp.life import Life
from plugins.adapters.mcp.listing import Listed, list_all
from plugins.adapters.mcp.section import McpSection
from plugins.errors import PluginEndedError, PluginLoadError, ToolError

logger = logging.getLogger("corral.plugins")

RECHECK_SECONDS = 60.0
"""How old a listing may be when a call starts, for servers that do not say when it changes."""

MOST_WAIT = 60.0
"""Seconds between two attempts to start a server that keeps breaking."""

UNANSWERED = 3
"""Calls in a row that were given up; then the server is taken for dead."""

_CLOSE_SECONDS = 10.0


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
        self._life: Life | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._entering = asyncio.Lock()
        self._approved: dict[str, str] = {}
        self._listed: dict[str, Listed] = {}
        self._changed: set[str] = set()
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
                self._broke(life)
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

    async def _entered(self, tool: str) -> Life:
        async with self._entering:
            life = self._life
            if life is not None and not life.usable:
                self._broke(life)
                life = None
            if life is None or not life.taken:
                life = await self._reconnected()
            elif life.stale or self._clock() - self._checked > RECHECK_SECONDS:
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

    async def _reconnected(self) -> Life:
        wait = self._not_before - self._clock()
        if self._life is None and wait > 0:
            raise ToolError(f"the server {self._source} is down; try again in {wait:.0f} s")
        try:
            return await self._connected()
        except PluginLoadError as error:
            logger.warning("%s", error)
            raise ToolError(f"the server {self._source} is down") from None

    async def _connected(self) -> Life:
        """A connection, also one that somebody began to make who did not wait for it."""
        life = self._life
        if life is None:
            life = self._life = Life(self._source, self._section, self._secrets, self._environ)
        try:
            listed = await life.listed()
        except PluginLoadError:
            self._broke(life)
            raise
        life.taken = True
        self._take(listed)
        return life

    def _broke(self, life: Life) -> None:
        """Count a life's end, once, and put off the next."""
        if self._life is not life:
            return
        wait = 0.0 if self._failures == 0 else min(2.0 ** (self._failures - 1), MOST_WAIT)
        self._not_before = self._clock() + wait
        self._failures += 1
        self._unanswered = 0
        self._retire(life)

    def _retire(self, life: Life) -> None:
        self._life = None
        task = life.end()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _recheck(self, life: Life) -> None:
        life.stale = False
        try:
            async with asyncio.timeout(self._section.start_seconds):
                listed = await list_all(self._source, life.client)
        except (MCPError, ValidationError, TimeoutError, PluginLoadError):
            life.stale = True
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
