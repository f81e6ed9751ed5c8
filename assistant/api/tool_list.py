"""The endpoint that tells which tools of Corral's own there are."""

from typing import Any, Literal

import orjson
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from assistant.api.answers import Shape
from assistant.api.endpoints import parts_of
from plugins.registry import Bound


class Tool(Shape):
    """A tool that the model or a person may call."""

    object: Literal["tool"]
    name: str
    description: str = Field(description="What the model reads.")
    parameters: dict[str, Any] = Field(description="JSON schema of the arguments.")
    plugin: str
    version: str = Field(description="The plugin's.")
    side_effect: Literal["none", "reversible", "irreversible"] = Field(
        description="The worst that one call leaves behind."
    )
    egress: Literal["none", "named", "open"] = Field(
        description="Whether arguments can leave the deployment: not at all, to `hosts`, or "
        "wherever they say."
    )
    hosts: list[str] = Field(description="Hosts it may reach; `*` is any public one.")
    reads: Literal["public", "user", "tenant", "secret"] = Field(
        description="Class of the data it reads."
    )
    command: str | None = Field(
        description="The argument that takes the words after `/name` in a message; `null` when "
        "the tool has no command."
    )
    aliases: list[str] = Field(description="Further names of the command.")


class ToolList(Shape):
    object: Literal["list"]
    data: list[Tool]


async def tools(request: Request) -> Response:
    """List Corral's own tools that are enabled, with what each of them may do."""
    bound = parts_of(request).assistant.broker.catalogue.bound
    body = {"object": "list", "data": [_tool(each) for each in bound.values()]}
    return Response(orjson.dumps(body), media_type="application/json")


def _tool(bound: Bound) -> dict[str, Any]:
    tool, manifest = bound.tool, bound.manifest
    return {
        "object": "tool",
        "name": tool.name,
        "description": tool.spec.description,
        "parameters": tool.spec.parameters,
        "plugin": manifest.name,
        "version": manifest.version,
        "side_effect": tool.side_effect,
        "egress": bound.egress,
        "hosts": list(manifest.hosts if tool.hosts is None else tool.hosts),
        "reads": tool.reads,
        "command": tool.command,
        "aliases": list(tool.aliases),
    }
