"""What an operator reads before approving a server's tools."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from plugins.adapters.mcp.plugin import connect
from plugins.adapters.mcp.section import McpSection
from plugins.adapters.visible import visible


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A tool as its server describes it now.

    ``description`` and ``schema`` (JSON) are a foreign party's words: to be read, not to be
    followed. Characters that a terminal would obey or not show are written out. ``approved`` says
    whether the configuration holds this very digest.
    """

    digest: str
    description: str
    schema: str
    approved: bool


async def pins(name: str, section: McpSection, secrets: Mapping[str, str]) -> dict[str, Pin]:
    """Every tool of the server, by its name there; nothing is called.

    Raises:
        PluginLoadError: it cannot be reached.
    """
    connection = connect(name, section, secrets)
    try:
        listed = await connection.open()
        return {
            tool.name: Pin(
                digest=tool.digest,
                description=visible(tool.description),
                schema=visible(orjson.dumps(tool.schema, option=orjson.OPT_INDENT_2).decode()),
                approved=section.pins.get(tool.name) == tool.digest,
            )
            for tool in listed.values()
            if tool.digest
        }
    finally:
        await connection.close()
