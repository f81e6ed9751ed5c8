"""``corral plugin``: what is installed and what it may do; and the kit for those who make them."""

import asyncio
import os
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Annotated, Any

import typer

from assistant.cli.exits import Exit, Failed
from assistant.cli.plugin_conform import conform
from assistant.cli.plugin_dev import dev
from assistant.cli.plugin_new import new
from assistant.cli.plugin_serve import pin, serve
from assistant.cli.plugin_view import (
    in_words,
    manifest_json,
    parameter_lines,
    secret_lines,
    tool_json,
)
from assistant.cli.terminal import Terminal
from assistant.plugin_start import plugin_configuration
from assistant.settings import Settings, load_settings
from plugins.configuration import (
    Configuration,
    ConfigurationError,
    PluginSection,
    save_enabled,
)
from plugins.errors import PluginLoadError
from plugins.isolation.inspect import Inspected, inspect
from plugins.registry import installed_plugins, load_plugin, terms_of
from plugins.source import Source

app = typer.Typer()

Name = Annotated[str, typer.Argument(help="Name from `corral plugin list`.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]

_OURS = "corral"
_AT_ONCE = 4


@app.callback()
def plugin() -> None:
    """List, enable, make and test plugins."""


@app.command("list")
def list_plugins(json: Json = False) -> None:
    """Show the installed plugins: which are enabled, what they leave behind, and where they reach.

    Plugins of other packages are looked at in a process of their own; none is imported here.
    """
    terminal = Terminal(json_mode=json)
    configuration = plugin_configuration(load_settings())
    there = _installed()
    looked = asyncio.run(_look_at_all(there, configuration))
    rows = [_row(name, there[name], looked[name], configuration) for name in there]
    rows += _others(configuration, there)
    if json:
        terminal.json(rows)
        return
    for row in rows:
        enabled = "  enabled" if row["enabled"] else ""
        terminal.line(f"{row['name']}{enabled}", "bold green" if enabled else "bold")
        if row["problem"]:
            terminal.line(f"  {row['problem']}", "yellow")
        if "manifest" in row:
            manifest = row["manifest"]
            terminal.line(f"  {manifest['description'] or 'no description'}", "dim")
            hosts = ", ".join(manifest["hosts"]) or "no network"
            terminal.line(f"  side effect {manifest['side_effect']}, hosts: {hosts}")


def _row(
    name: str, entry: EntryPoint, looked: Inspected, configuration: Configuration
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": name,
        "enabled": name in configuration.enabled,
        "package": entry.dist.name if entry.dist is not None else None,
        "problem": looked.problem if looked.manifest is None else "",
    }
    if looked.manifest is not None:
        row["manifest"] = manifest_json(looked.manifest)
    return row


def _others(configuration: Configuration, there: Mapping[str, EntryPoint]) -> list[dict[str, Any]]:
    """What is configured or enabled and is no installed plugin."""
    names = dict.fromkeys((*configuration.mcp, *configuration.openapi, *configuration.enabled))
    rows = []
    for name in names:
        if name in there:
            continue
        kind = "an MCP server" if name in configuration.mcp else "an OpenAPI document"
        known = name in configuration.mcp or name in configuration.openapi
        problem = "" if known else "is enabled but not installed"
        row = {"name": name, "enabled": name in configuration.enabled, "package": None}
        rows.append({**row, "problem": problem, "kind": kind if known else None})
    return rows


@app.command()
def info(name: Name, json: Json = False) -> None:
    """Show what a plugin may do in plain words, its tools and their parameters."""
    terminal = Terminal(json_mode=json)
    configuration = plugin_configuration(load_settings())
    entry = _entry(name)
    section = configuration.plugins.get(name, PluginSection())
    looked = asyncio.run(inspect(Source.of(entry), section.options))
    if looked.manifest is None:
        raise Failed(
            f"plugin {name}: {looked.problem}",
            hint=f"`corral plugin test {name}` shows what else is wrong with it",
            code="plugin_broken",
            exit=Exit.FAILED,
        )
    if json:
        row = _row(name, entry, looked, configuration)
        tools = [tool_json(tool) for tool in looked.tools]
        terminal.json({**row, "problem": looked.problem, "tools": tools})
        return
    _describe(name, looked, section, enabled=name in configuration.enabled, terminal=terminal)


def _describe(
    name: str, looked: Inspected, section: PluginSection, *, enabled: bool, terminal: Terminal
) -> None:
    manifest = looked.manifest
    if manifest is None:
        return
    state = "enabled" if enabled else "not enabled"
    terminal.line(f"{name} {manifest.version}, {state}", "bold")
    terminal.line(f"  {manifest.description}")
    isolated = manifest.isolated if section.isolated is None else section.isolated
    for sentence in in_words(manifest, isolated=isolated):
        terminal.line(f"  {sentence}")
    for line, there in secret_lines(manifest, section.secrets, os.environ):
        terminal.line(f"  secret {line}", "" if there else "yellow")
    if looked.problem:
        terminal.line(f"  its tools are not known: {looked.problem}", "yellow")
    for tool in looked.tools:
        terminal.line()
        spoken = ", ".join(f"/{each}" for each in (tool.name, *tool.aliases) if tool.command)
        terminal.line(f"{tool.name}{f'  {spoken}' if spoken else ''}", "bold")
        terminal.line(f"  {tool.spec.description}")
        for line in parameter_lines(tool):
            terminal.line(f"    {line}")


@app.command()
def enable(name: Name, json: Json = False) -> None:
    """Enable a plugin in the plugin file, and say what it may do now."""
    settings = load_settings()
    configuration = plugin_configuration(settings)
    terminal = Terminal(json_mode=json)
    if name not in configuration.mcp and name not in configuration.openapi:
        entry = _entry(name)
        section = configuration.plugins.get(name, PluginSection())
        looked = asyncio.run(_look_at(entry, section))
        if looked.manifest is None:
            raise Failed(
                f"plugin {name}: {looked.problem}",
                hint="nothing was changed",
                code="plugin_broken",
                exit=Exit.FAILED,
            )
        if not json:
            _describe(name, looked, section, enabled=True, terminal=terminal)
    _save(settings, [*configuration.enabled, name], terminal)


@app.command()
def disable(name: Name, json: Json = False) -> None:
    """Disable a plugin in the plugin file; what else the file says of it stays."""
    settings = load_settings()
    configuration = plugin_configuration(settings)
    if name not in configuration.enabled:
        raise Failed(
            f"{name} is not enabled",
            hint=f"enabled are: {', '.join(configuration.enabled) or 'none'}",
            code="not_enabled",
            exit=Exit.USAGE,
        )
    kept = [each for each in configuration.enabled if each != name]
    _save(settings, kept, Terminal(json_mode=json))


app.command()(new)
app.command("test")(conform)
app.command()(dev)
app.command()(serve)
app.command()(pin)


def _save(settings: Settings, names: list[str], terminal: Terminal) -> None:
    if settings.plugins is not None:
        raise Failed(
            "CORRAL_PLUGINS says which plugins are enabled, and the plugin file does not count",
            hint="change CORRAL_PLUGINS, or unset it",
            code="settings_error",
            exit=Exit.USAGE,
        )
    path = settings.plugins_yaml
    enabled = list(dict.fromkeys(names))
    try:
        save_enabled(path, enabled)
    except (ConfigurationError, OSError) as error:
        raise Failed(
            f"{path} cannot be changed: {error}",
            hint="write it by hand: enabled: [...]",
            code="settings_error",
            exit=Exit.USAGE,
        ) from error
    if terminal.json_mode:
        terminal.json({"file": str(path), "enabled": enabled})
        return
    terminal.line(f"{path}: enabled are {', '.join(enabled) or 'none'}", "green")
    terminal.line("a server that is running takes it up when it is started again", "dim")


def _installed() -> dict[str, EntryPoint]:
    try:
        return installed_plugins()
    except PluginLoadError as error:
        raise Failed(
            str(error),
            hint="uninstall one of the two packages",
            code="plugin_broken",
            exit=Exit.FAILED,
        ) from error


def _entry(name: str) -> EntryPoint:
    there = _installed()
    if name not in there:
        raise Failed(
            f"there is no plugin called {name!r}",
            hint=f"installed are: {', '.join(there) or 'none'}",
            code="no_plugin",
            exit=Exit.USAGE,
        )
    return there[name]


async def _look_at_all(
    there: Mapping[str, EntryPoint], configuration: Configuration
) -> dict[str, Inspected]:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def look(entry: EntryPoint) -> Inspected:
        async with turns:
            section = configuration.plugins.get(entry.name, PluginSection())
            return await _look_at(entry, section)

    async with asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(look(entry)) for name, entry in there.items()}
    return {name: task.result() for name, task in tasks.items()}


async def _look_at(entry: EntryPoint, section: PluginSection) -> Inspected:
    """Corral's own plugins are imported here; those of others in a process of their own."""
    if entry.dist is None or entry.dist.name != _OURS:
        return await inspect(Source.of(entry), section.options)
    try:
        manifest, _ = terms_of(entry.name, load_plugin(entry), section)
    except PluginLoadError as error:
        return Inspected(manifest=None, problem=error.reason)
    return Inspected(manifest=manifest)
