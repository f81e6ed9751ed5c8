"""From the operator's allow-list to tools that are ready to be called."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import httpx
from jsonschema.exceptions import SchemaError
from pydantic import ValidationError

from plugins.access import Store
from plugins.configuration import Configuration, PluginSection
from plugins.errors import PluginLoadError
from plugins.http.client import open_client
from plugins.http.limits import HttpLimits
from plugins.manifest import Egress, Manifest, SideEffect, egress_of
from plugins.plugin import ENTRY_POINTS, Plugin, Setup
from plugins.schemas import compiled
from plugins.tool import Tool, ToolSpec

_WORST_LAST = tuple(SideEffect)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What plugins are opened with.

    Attributes:
        environ: where secrets come from.
        folder: below it each plugin has a folder of its own.
        cache: makes each plugin's cache, by its name.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    folder: Path
    cache: Callable[[str], Store]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A tool with all that its calls need.

    Attributes:
        tool, manifest: the tool and the promise that it is held to.
        http: reaches the tool's hosts and no other.
        secrets: values of the manifest's secrets.
        gate: how many calls may run side by side.
    """

    tool: Tool
    manifest: Manifest
    http: httpx.AsyncClient
    secrets: Mapping[str, str] = field(repr=False)
    gate: asyncio.Semaphore

    @property
    def egress(self) -> Egress:
        """Where the tool's arguments may end up."""
        hosts = self.tool.hosts
        return egress_of(self.manifest.hosts if hosts is None else hosts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Every tool that Corral runs itself, by name."""

    bound: Mapping[str, Bound] = field(default_factory=dict)

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """One for each plugin."""
        return tuple({b.manifest.name: b.manifest for b in self.bound.values()}.values())

    def specs(self, names: Iterable[str] | None = None) -> tuple[ToolSpec, ...]:
        """What models are told, of all tools or of ``names``.

        Raises:
            KeyError: there is no tool of that name.
        """
        chosen = self.bound if names is None else dict.fromkeys(names)
        return tuple(self.bound[name].tool.spec for name in chosen)


def installed_plugins() -> dict[str, EntryPoint]:
    """The entry points of every plugin that is installed, enabled or not.

    Raises:
        PluginLoadError: two packages give a plugin of the same name.
    """
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=ENTRY_POINTS):
        other = found.get(entry.name)
        if other is not None and other.value != entry.value:
            places = sorted(_package(each) for each in (entry, other))
            raise PluginLoadError(entry.name, f"is given by two packages, {' and '.join(places)}")
        found[entry.name] = entry
    return dict(sorted(found.items()))


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value


def load_plugin(entry: EntryPoint) -> Plugin:
    """Import a plugin.

    Raises:
        PluginLoadError: its import fails, or what it names is no plugin.
    """
    try:
        loaded = entry.load()
    except Exception as error:
        raise PluginLoadError(
            entry.name, f"{entry.value} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(loaded, Plugin):
        raise PluginLoadError(entry.name, f"{entry.value} is not a plugins.plugin.Plugin")
    if loaded.manifest.name != entry.name:
        raise PluginLoadError(
            entry.name, f"its manifest calls it {loaded.manifest.name!r}; both must be the same"
        )
    return loaded


@asynccontextmanager
async def open_plugins(
    configuration: Configuration, means: Means, *, extra: Mapping[str, Plugin] | None = None
) -> AsyncIterator[Catalogue]:
    """Open every enabled plugin; they close in reverse order.

    ``extra`` are plugins that are not installed, by name; for tests and embedding programs.

    Raises:
        PluginLoadError: naming the plugin that is missing or broken, and why.
    """
    given = dict(extra or {})
    there = installed_plugins()
    bound: dict[str, Bound] = {}
    async with AsyncExitStack() as stack:
        for name in dict.fromkeys((*configuration.enabled, *given)):
            plugin = given.get(name) or load_plugin(_entry(name, there))
            section = configuration.plugins.get(name, PluginSection())
            for each in await _opened(name, plugin, section, means, stack):
                other = bound.get(each.tool.name)
                if other is not None:
                    raise PluginLoadError(
                        name, f"its tool {each.tool.name} is {other.manifest.name}'s already"
                    )
                bound[each.tool.name] = each
        yield Catalogue(bound=bound)


def _entry(name: str, there: Mapping[str, EntryPoint]) -> EntryPoint:
    if name not in there:
        known = ", ".join(there) or "none"
        raise PluginLoadError(name, f"is enabled but not installed; installed are: {known}")
    return there[name]


async def _opened(
    name: str, plugin: Plugin, section: PluginSection, means: Means, stack: AsyncExitStack
) -> Sequence[Bound]:
    manifest, options = terms_of(name, plugin, section)
    secrets = _secrets(manifest, section, means.environ)
    private = tuple(section.private_hosts)
    bounds = HttpLimits.within(manifest.limits)
    http = await stack.enter_async_context(
        open_client(hosts=manifest.hosts, private_hosts=private, limits=bounds)
    )
    tools: Sequence[Tool] = plugin.tools
    if plugin.open is not None:
        folder = means.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        setup = Setup(
            options=options, secrets=secrets, http=http, cache=means.cache(name), folder=folder
        )
        try:
            tools = await stack.enter_async_context(plugin.open(setup))
        except Exception as error:
            raise PluginLoadError(
                name, f"cannot be opened: {type(error).__name__}: {error}"
            ) from error
    gate = asyncio.Semaphore(manifest.limits.at_once)
    bound = []
    for tool in tools:
        check_terms(manifest, tool)
        reach = http
        if tool.hosts is not None and tool.hosts != manifest.hosts:
            reach = await stack.enter_async_context(
                open_client(hosts=tool.hosts, private_hosts=private, limits=bounds)
            )
        bound.append(Bound(tool=tool, manifest=manifest, http=reach, secrets=secrets, gate=gate))
    return bound


def terms_of(name: str, plugin: Plugin, section: PluginSection) -> tuple[Manifest, object]:
    """The plugin's manifest and options under what the operator says.

    Raises:
        PluginLoadError: the options are not the plugin's.
    """
    try:
        options = plugin.options.model_validate(section.options)
        manifest = plugin.manifest if plugin.refine is None else plugin.refine(options)
    except ValidationError as error:
        mistakes = error.errors(include_input=False, include_url=False)
        lines = [f"{'.'.join(str(p) for p in m['loc']) or 'it'}: {m['msg']}" for m in mistakes]
        raise PluginLoadError(name, "options: " + "; ".join(lines)) from None
    return replace(manifest, limits=section.limits.over(manifest.limits)), options


def _secrets(
    manifest: Manifest, section: PluginSection, environ: Mapping[str, str]
) -> dict[str, str]:
    unknown = sorted(set(section.secrets) - set(manifest.secrets))
    if unknown:
        raise PluginLoadError(manifest.name, f"secrets: it needs none called {unknown[0]}")
    found = {}
    for secret in manifest.secrets:
        variable = section.secrets.get(secret, secret)
        if not environ.get(variable):
            raise PluginLoadError(
                manifest.name, f"its secret {secret} is missing: set the variable {variable}"
            )
        found[secret] = environ[variable]
    return found


def check_terms(manifest: Manifest, tool: Tool) -> None:
    """Hold a tool against its plugin's manifest.

    Raises:
        PluginLoadError: it would go beyond it, or its schema is none.
    """

    def wrong(reason: str) -> PluginLoadError:
        return PluginLoadError(manifest.name, f"tool {tool.name}: {reason}")

    if _WORST_LAST.index(tool.side_effect) > _WORST_LAST.index(manifest.side_effect):
        raise wrong(f"side effect {tool.side_effect} is worse than the manifest's")
    if tool.reads not in manifest.reads:
        raise wrong(f"reads {tool.reads} data, which the manifest does not name")
    beyond = set(tool.hosts or ()) - set(manifest.hosts)
    if beyond and manifest.hosts != ("*",):
        raise wrong(f"reaches {min(beyond)}, which the manifest does not name")
    try:
        compiled(tool.spec)
    except (SchemaError, TypeError, ValueError):
        raise wrong("its parameters are no JSON schema (draft 2020-12) of an object") from None
    properties = tool.spec.parameters.get("properties", {})
    for argument in (*sorted(tool.content), *([tool.command] if tool.command else [])):
        if argument not in properties:
            raise wrong(f"has no parameter {argument}")
