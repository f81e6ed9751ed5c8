"""A broker for unit tests: it validates and limits as the real one, and judges nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import orjson
from pydantic import ValidationError

from plugins.access import Person
from plugins.errors import PluginLoadError, ToolError
from plugins.manifest import Manifest
from plugins.plugin import Plugin, Setup
from plugins.registry import mistakes_of
from plugins.result import Result
from plugins.schemas import InvalidArgumentsError, compiled, parsed
from plugins.testing.fakes import FakeClock, FakeStore, access
from plugins.testing.http import Answer, FakeHTTP
from plugins.tool import Tool


@dataclass(slots=True, kw_only=True)
class FakeBroker:
    """Runs a plugin's tools under its manifest, with fakes for all that they reach.

    Attributes:
        manifest: the promise, as the options refine it.
        tools: the plugin's tools by name.
        http: the network; its requests are remembered.
        secrets: values of the manifest's secrets.
        person, clock, store: what calls are given.
        progress: what the tools told the user, oldest first.
        calls: how many were run.
    """

    manifest: Manifest
    tools: Mapping[str, Tool]
    http: FakeHTTP
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    person: Person
    clock: FakeClock
    store: FakeStore
    progress: list[str] = field(default_factory=list)
    calls: int = 0

    async def call(self, tool: str, arguments: Mapping[str, Any] | str, *, key: str = "") -> Result:
        """Call a tool with arguments as a model gives them: JSON text, or what it stands for.

        Raises:
            ToolError: the arguments do not meet the schema, the tool says that it cannot, it
                took longer than its limit, or gave more than its limit.
            KeyError: there is no such tool.
            AccessDeniedError: it reached for a host that is not in the manifest.
        """
        try:
            run = self.begin(tool, arguments, key=key)
        except InvalidArgumentsError as error:
            raise ToolError(str(error)) from None
        limits = self.manifest.limits
        try:
            async with asyncio.timeout(limits.seconds):
                result = await run
        except TimeoutError:
            raise ToolError(f"took longer than {limits.seconds:g} seconds") from None
        if (size := size_of(result)) > limits.output_chars:
            raise ToolError(f"gave {size} characters, more than {limits.output_chars}")
        return result

    def begin(
        self, tool: str, arguments: Mapping[str, Any] | str, *, key: str = ""
    ) -> Coroutine[Any, Any, Result]:
        """A call whose arguments are checked, to be awaited; nothing limits or translates it.

        Raises:
            InvalidArgumentsError: the arguments do not meet the schema.
            KeyError: there is no such tool.
        """
        chosen = self.tools[tool]
        text = arguments if isinstance(arguments, str) else json.dumps(dict(arguments))
        given = parsed(text, compiled(chosen.spec))
        self.calls += 1
        return self._run(chosen, given, key or f"key-{self.calls}")

    async def _run(self, tool: Tool, arguments: Mapping[str, Any], key: str) -> Result:
        means = access(
            http=self._network(tool),
            secrets=self.secrets,
            person=self.person,
            store=self.store,
            clock=self.clock,
            progress=self.progress.append,
            key=key,
        )
        async with means.http:
            return await tool.run(arguments, means)

    def client_of(self, tool: Tool) -> httpx.AsyncClient:
        """A client that reaches the hosts of ``tool``."""
        return self._network(tool).client()

    def _network(self, tool: Tool) -> FakeHTTP:
        if tool.hosts is None:
            return self.http
        narrow = FakeHTTP(self.http.answer, hosts=tool.hosts)
        narrow.requests, narrow.denied = self.http.requests, self.http.denied
        return narrow


def size_of(result: Result) -> int:
    """Characters of everything in a result but its images."""
    cited = sum(len(each.title) + len(each.url) + len(each.text) for each in result.citations)
    artifact = 0 if result.artifact is None else len(orjson.dumps(result.artifact))
    return len(result.content) + artifact + cited


@asynccontextmanager
async def rehearse(
    plugin: Plugin,
    *,
    http: Answer | None = None,
    options: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    person: Person | None = None,
    clock: FakeClock | None = None,
    store: FakeStore | None = None,
    folder: Path | None = None,
) -> AsyncIterator[FakeBroker]:
    """Open a plugin as Corral does, with fakes, and give a broker for its tools.

    Raises:
        PluginLoadError: the options are not the plugin's, a secret is missing, or two tools
            have the same name.
    """
    try:
        chosen = plugin.options.model_validate(dict(options or {}))
        manifest = plugin.manifest if plugin.refine is None else plugin.refine(chosen)
    except ValidationError as error:
        raise PluginLoadError(plugin.manifest.name, f"options: {mistakes_of(error)}") from None
    given = dict(secrets or {})
    for secret in manifest.secrets:
        if secret not in given:
            raise PluginLoadError(manifest.name, f"its secret {secret} is missing")
    clock = clock or FakeClock()
    network = FakeHTTP(http, hosts=manifest.hosts)
    async with AsyncExitStack() as stack:
        tools = plugin.tools
        if plugin.open is not None:
            place = folder or Path(stack.enter_context(TemporaryDirectory()))
            setup = Setup(
                options=chosen,
                secrets=given,
                http=await stack.enter_async_context(network.client()),
                cache=FakeStore(clock),
                folder=place,
            )
            tools = tuple(await stack.enter_async_context(plugin.open(setup)))
        named = {tool.name: tool for tool in tools}
        if len(named) < len(tools):
            raise PluginLoadError(manifest.name, "two of its tools have the same name")
        yield FakeBroker(
            manifest=manifest,
            tools=named,
            http=network,
            secrets=given,
            person=person or Person(pseudonym="person-1"),
            clock=clock,
            store=store or FakeStore(clock),
        )
