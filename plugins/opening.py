"""From the operator's allow-list to tools that are ready to be called."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError

from plugins.access import Store
from plugins.adapters.judge import Judge
from plugins.configuration import Configuration, PluginSection
from plugins.errors import PluginLoadError
from plugins.http.client import open_client
from plugins.http.limits import HttpLimits
from plugins.isolation.isolated import Terms, isolated
from plugins.manifest import Manifest
from plugins.plugin import Installed, Plugin, Setup
from plugins.registry import (
    Bound,
    Catalogue,
    check_terms,
    installed_plugins,
    load_plugin,
    mistakes_of,
    secrets_of,
    terms_of,
)
from plugins.source import Source

_Section = TypeVar("_Section")


async def trusting(_description: str) -> str | None:
    """Finds nothing wrong: for opening plugins that are not going to be offered to a model."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What plugins are opened with.

    Attributes:
        environ: where secrets come from.
        folder: below it each plugin has a folder of its own.
        cache: makes each plugin's cache, by its name.
        judge: of the descriptions of foreign tools.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    folder: Path
    cache: Callable[[str], Store]
    judge: Judge = trusting


@asynccontextmanager
async def open_plugins(
    configuration: Configuration, means: Means, *, extra: Mapping[str, Plugin] | None = None
) -> AsyncIterator[Catalogue]:
    """Open every enabled plugin and source; they close in reverse order.

    ``extra`` are plugins that are not installed, by name; for tests and embedding programs.

    Raises:
        PluginLoadError: naming the plugin that is missing or broken, and why.
    """
    given = dict(extra or {})
    bound: dict[str, Bound] = {}
    async with AsyncExitStack() as stack:
        for name in dict.fromkeys((*configuration.enabled, *given)):
            opener = _Opener(name=name, configuration=configuration, means=means, stack=stack)
            for each in await opener.bound(given.get(name)):
                other = bound.get(each.tool.name)
                if other is not None:
                    raise PluginLoadError(
                        name, f"its tool {each.tool.name} is {other.manifest.name}'s already"
                    )
                bound[each.tool.name] = each
        yield Catalogue(bound=bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opener:
    """Opens one plugin, to be closed with ``stack``."""

    name: str
    configuration: Configuration
    means: Means
    stack: AsyncExitStack

    async def bound(self, given: Plugin | None) -> Sequence[Bound]:
        """The plugin's tools; ``given`` is the plugin where it is not to be looked for."""
        plugin, section = given, self.configuration.plugins.get(self.name, PluginSection())
        if plugin is None:
            foreign = await self._foreign()
            if foreign is not None:
                plugin, section = foreign
        if plugin is None:
            there = installed_plugins()
            if self.name not in there:
                known = ", ".join(there) or "none"
                raise PluginLoadError(
                    self.name, f"is enabled but not installed; installed are: {known}"
                )
            entry = there[self.name]
            # Where the operator wants it isolated, none of its code is imported here at all.
            if section.isolated or (
                section.isolated is None and load_plugin(entry).manifest.isolated
            ):
                return await self._bind(await self._isolated(Source.of(entry), section), section)
            plugin = load_plugin(entry)
        return await self._bind(await self._opened(plugin, section), section)

    async def _foreign(self) -> tuple[Plugin, PluginSection] | None:
        """The source of another make that the configuration describes under this name."""
        mcp, openapi = self.configuration.mcp, self.configuration.openapi
        if self.name in mcp:
            from plugins.adapters.mcp import mcp_plugin, parse_mcp

            server = self._read("mcp", parse_mcp, mcp[self.name])
            plugin = mcp_plugin(self.name, server, judge=self.means.judge)
            return plugin, server.plugin_section
        if self.name in openapi:
            from plugins.adapters.openapi import openapi_plugin, parse_openapi

            document = self._read("openapi", parse_openapi, openapi[self.name])
            plugin = await openapi_plugin(self.name, document, judge=self.means.judge)
            return plugin, document.plugin_section
        return None

    def _read(
        self, kind: str, parse: Callable[[Mapping[str, Any]], _Section], data: Mapping[str, Any]
    ) -> _Section:
        try:
            return parse(data)
        except ValidationError as error:
            raise PluginLoadError(self.name, f"{kind}: {mistakes_of(error)}") from None

    async def _opened(self, plugin: Plugin, section: PluginSection) -> Installed:
        manifest, options = terms_of(self.name, plugin, section)
        secrets = secrets_of(manifest, section, self.means.environ)
        if plugin.open is None:
            return Installed(manifest=manifest, tools=plugin.tools, secrets=secrets)
        folder = self.means.folder / self.name
        folder.mkdir(parents=True, exist_ok=True)
        setup = Setup(
            options=options,
            secrets=secrets,
            http=await self.stack.enter_async_context(_client(manifest, section)),
            cache=self.means.cache(self.name),
            folder=folder,
        )
        try:
            tools = await self.stack.enter_async_context(plugin.open(setup))
        except PluginLoadError:
            raise
        except Exception as error:
            raise PluginLoadError(
                self.name, f"cannot be opened: {type(error).__name__}: {error}"
            ) from error
        return Installed(manifest=manifest, tools=tuple(tools), secrets=secrets)

    async def _isolated(self, source: Source, section: PluginSection) -> Installed:
        terms = Terms(
            options=section.options,
            limits=section.limits.over,
            secrets=lambda manifest: secrets_of(manifest, section, self.means.environ),
            http=lambda manifest: _client(manifest, section),
            cache=self.means.cache(self.name),
            folder=self.means.folder / self.name,
            unconfined=section.unconfined,
        )
        return await self.stack.enter_async_context(isolated(source, terms))

    async def _bind(self, installed: Installed, section: PluginSection) -> list[Bound]:
        manifest = installed.manifest
        gate = asyncio.Semaphore(manifest.limits.at_once)
        clients: dict[tuple[str, ...], httpx.AsyncClient] = {}
        bound = []
        for tool in installed.tools:
            check_terms(manifest, tool)
            hosts = manifest.hosts if tool.hosts is None else tool.hosts
            if hosts not in clients:
                clients[hosts] = await self.stack.enter_async_context(
                    _client(manifest, section, hosts)
                )
            bound.append(
                Bound(
                    tool=tool,
                    manifest=manifest,
                    http=clients[hosts],
                    secrets=installed.secrets,
                    gate=gate,
                )
            )
        return bound


def _client(
    manifest: Manifest, section: PluginSection, hosts: tuple[str, ...] | None = None
) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """Reaches the manifest's hosts, or ``hosts`` among them, and what the operator allows."""
    return open_client(
        hosts=manifest.hosts if hosts is None else hosts,
        private_hosts=tuple(section.private_hosts),
        limits=HttpLimits.within(manifest.limits),
    )
