"""The tables of the page of built-in tools, as the code has them."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, get_args

from pydantic import BaseModel

from plugins.manifest import Egress, Manifest, SideEffect
from plugins.plugin import ENTRY_POINTS, Options, Plugin
from plugins.testing import rehearse
from plugins.tool import Tool
from tests.docs.pages import ROOT

OPTIONS: dict[str, dict[str, Any]] = {"images": {"base_url": "https://images.example.com"}}
"""For plugins that need some; the page's manifest is the one under these."""


def built_in() -> dict[str, Plugin]:
    """Every plugin that comes with Corral, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = {}
    for name, value in sorted(project["entry-points"][ENTRY_POINTS].items()):
        module, _, attribute = value.partition(":")
        found[name] = getattr(import_module(module), attribute)
    return found


async def tables(name: str, plugin: Plugin) -> list[str]:
    """The lines that the plugin's section has besides its prose, in their order."""
    async with rehearse(plugin, options=OPTIONS.get(name)) as broker:
        lines = list(_manifest(broker.manifest))
        lines += _options(plugin.options)
        for tool in broker.tools.values():
            lines += _tool(tool)
    return lines


def _manifest(manifest: Manifest) -> Iterator[str]:
    hosts = {
        Egress.NONE: "none",
        Egress.OPEN: "any public host",
        Egress.NAMED: _listed(manifest.hosts),
    }[manifest.egress]
    limits = manifest.limits
    yield "| manifest | |"
    yield "|---|---|"
    yield f"| side effect | `{manifest.side_effect}` |"
    yield f"| hosts | {hosts} |"
    yield f"| reads | {_listed(sorted(manifest.reads))} |"
    yield f"| secrets | {_listed(manifest.secrets)} |"
    yield (
        f"| limits | {limits.seconds:g} s and {limits.output_chars} characters a call, "
        f"{limits.calls_per_turn} calls a turn, {limits.at_once} at once |"
    )


def _listed(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _options(options: type[Options]) -> Iterator[str]:
    if not options.model_fields:
        return
    yield "| option | default | meaning |"
    yield "|---|---|---|"
    for name, field in options.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data={})
        shown = "required" if field.is_required() else _shown(default)
        yield f"| `{name}` | {shown} | {field.description} |"
    for name, field in options.model_fields.items():
        for entry in _entries(field.annotation):
            yield from _entry(name, entry)


def _entries(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in an option that is a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _entries(inner)


def _entry(option: str, entry: type[BaseModel]) -> Iterator[str]:
    kind = entry.model_fields.get("kind")
    said = f" of kind `{get_args(kind.annotation)[0]}`" if kind is not None else ""
    yield f"| in `{option}`{said} | default | meaning |"
    yield "|---|---|---|"
    for name, field in entry.model_fields.items():
        if name != "kind":
            shown = "required" if field.is_required() else _shown(field.default)
            yield f"| `{name}` | {shown} | {field.description} |"


def _shown(default: Any) -> str:
    if default in (None, "", ()):
        return "unset"
    if isinstance(default, tuple) and not all(isinstance(each, str) for each in default):
        return "see below"
    value = list(default) if isinstance(default, tuple) else default
    return f"`{value if isinstance(value, str) else json.dumps(value, default=str)}`"


def _tool(tool: Tool) -> Iterator[str]:
    yield f"### `{tool.name}`"
    properties: Mapping[str, Any] = tool.spec.parameters.get("properties", {})
    if properties:
        yield "| argument | default | meaning |"
        yield "|---|---|---|"
    required = tool.spec.parameters.get("required", ())
    for name, schema in properties.items():
        default = "required" if name in required else _shown(schema.get("default"))
        yield f"| `{name}` | {default} | {schema.get('description', '')} |"
    if tool.command is not None:
        names = ", ".join(f"`/{name}`" for name in (tool.name, *tool.aliases))
        stands = " The result is the reply." if tool.direct else ""
        yield f"Commands: {names}, followed by `{tool.command}`.{stands}"
    if tool.side_effect is not SideEffect.NONE:
        yield f"Side effect: `{tool.side_effect}`."
