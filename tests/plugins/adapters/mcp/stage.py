"""Servers to try, and plugins of them that are open."""

import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from plugins.adapters.mcp import mcp_plugin, parse_mcp
from plugins.adapters.mcp.listing import Judge, digest_of
from plugins.plugin import Plugin, Setup
from plugins.testing import FakeStore, access
from plugins.tool import Tool
from tests.plugins.adapters.mcp import raw_tools

RAW = str(Path(__file__).with_name("raw_server.py"))
REAL = str(Path(__file__).with_name("real_server.py"))


def pinned(*names: str) -> dict[str, str]:
    """Pins of the raw server's tools, as it describes them at first."""
    return {
        name: digest_of(name, raw_tools.TOOLS[name], raw_tools.SCHEMA)
        for name in names or raw_tools.TOOLS
    }


def raw(*wrong: str, **section: Any) -> dict[str, Any]:
    """The configuration of a raw server."""
    return {"command": [sys.executable, "-S", "-E", RAW, *wrong], "pins": pinned(), **section}


async def nothing_wrong(text: str) -> str | None:
    """A judge that lets everything pass."""
    return None


@asynccontextmanager
async def opened(
    plugin: Plugin, *, secrets: Mapping[str, str] | None = None
) -> AsyncIterator[dict[str, Tool]]:
    """The plugin's tools by name."""
    assert plugin.open is not None
    async with contextlib.AsyncExitStack() as stack:
        setup = Setup(
            options=None,
            secrets=secrets or {},
            http=await stack.enter_async_context(httpx.AsyncClient(trust_env=False)),
            cache=FakeStore(),
            folder=Path("/nonexistent"),
        )
        tools = await stack.enter_async_context(plugin.open(setup))
        yield {tool.name: tool for tool in tools}


@asynccontextmanager
async def server(
    section: Mapping[str, Any],
    *,
    judge: Judge = nothing_wrong,
    secrets: Mapping[str, str] | None = None,
) -> AsyncIterator[dict[str, Tool]]:
    """The tools of a server called ``it``."""
    async with opened(mcp_plugin("it", parse_mcp(section), judge=judge), secrets=secrets) as tools:
        yield tools


async def call(tool: Tool, **arguments: Any) -> str:
    """The content of a call's result."""
    return (await tool.run(arguments, access())).content
