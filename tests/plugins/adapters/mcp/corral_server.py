"""Corral's own MCP server over stdio. Run as a script, from the repository."""

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

from plugins.adapters.mcp_server import mcp_server, serve_stdio
from plugins.tool import ToolSpec

SPEC = ToolSpec(
    name="shout",
    description="Says it loud.",
    parameters={
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
    },
)


async def call(name: str, arguments: Mapping[str, Any]) -> tuple[str, bool]:
    """What a broker would do."""
    print("a stray print must not break the protocol", file=sys.stdout)
    if arguments["text"] == "crash":
        raise RuntimeError("a secret in an error")
    return str(arguments["text"]).upper(), arguments["text"] == "deny"


if __name__ == "__main__":
    asyncio.run(serve_stdio(mcp_server([SPEC], call)))
