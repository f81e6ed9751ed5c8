"""What plugins there are, what they promise, and the tools that are ready to be called."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points

import httpx
from jsonschema.exceptions import SchemaError
from pydantic import ValidationError

from plugins.configuration import PluginSection
from plugins.errors import PluginLoadError
from plugins.manifest import Egress, Manifest, SideEffect, egress_of
from plugins.plugin import ENTRY_POINTS, Plugin
from plugins.schemas import compiled
from plugins.tool import Tool, ToolSpec

_WORST_LAST = tuple(SideEffect)


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


def terms_of(name: str, plugin: Plugin, section: PluginSection) -> tuple[Manifest, object]:
    """The plugin's manifest and options under what the operator says.

    Raises:
        PluginLoadError: the options are not the plugin's.
    """
    try:
        options = plugin.options.model_validate(section.options)
        manifest = plugin.manifest if plugin.refine is None else plugin.refine(options)
    except ValidationError as error:
        raise PluginLoadError(name, f"options: {mistakes_of(error)}") from None
    return replace(manifest, limits=section.limits.over(manifest.limits)), options


def mistakes_of(error: ValidationError) -> str:
    """Each mistake with its field, without what was written there."""
    mistakes = error.errors(include_input=False, include_url=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in mistake['loc']) or 'it'}: "
        f"{mistake['msg'].removeprefix('Value error, ')}"
        for mistake in mistakes
    )


def secrets_of(
    manifest: Manifest, section: PluginSection, environ: Mapping[str, str]
) -> dict[str, str]:
    """Values of the secrets that the manifest names.

    Raises:
        PluginLoadError: one is not set, or the operator names one that it does not need.
    """
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
