"""An MCP server as a plugin."""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from plugins.access import Access
from plugins.adapters.judge import Judge
from plugins.adapters.mcp.listing import Withheld, offered
from plugins.adapters.mcp.section import HttpServer, McpSection, effect_of
from plugins.adapters.naming import shown
from plugins.adapters.terms import Terms, manifest_of, tool_of
from plugins.errors import PluginLoadError
from plugins.plugin import Plugin, Setup
from plugins.result import Result
from plugins.tool import Tool, ToolSpec

if TYPE_CHECKING:
    from plugins.adapters.mcp.connection import Connection

logger = logging.getLogger("corral.plugins")


def mcp_plugin(name: str, section: McpSection, *, judge: Judge) -> Plugin:
    """The server's approved tools.

    A tool is offered when the operator lists it (or lists none), its pin is what the server says
    of it now, and ``judge`` finds nothing wrong with its words. Those that are not are logged as
    warnings with the reason and what to do, and the others work.

    What the server says of side effects (``readOnlyHint`` and the like) is not read: whoever would
    abuse a tool would say just that.

    Args:
        name: of the server in the configuration; goes before the names of its tools.
        section: the operator's words.
        judge: says what is wrong with a description that would stand in prompts, ``None`` when
            nothing is. What it raises stops start-up.
    """

    @asynccontextmanager
    async def opened(setup: Setup) -> AsyncIterator[Sequence[Tool]]:
        connection = connect(name, section, setup.secrets)
        try:
            listed = await connection.open()
            specs, withheld = await offered(name, section, listed, judge)
            _tell(name, withheld)
            connection.approve({tool: section.pins[tool] for tool in specs})
            yield [_tool(name, section, connection, tool, spec) for tool, spec in specs.items()]
        finally:
            await connection.close()

    return Plugin(
        manifest=manifest_of(
            name,
            section,
            section.terms_known(),
            own_hosts=section.own_hosts,
            description="Tools of an MCP server.",
            version="mcp",
        ),
        open=opened,
    )


def connect(name: str, section: McpSection, secrets: Mapping[str, str]) -> "Connection":
    """The server, not connected yet.

    Raises:
        PluginLoadError: the protocol's library is not installed, or a secret is none that can be
            sent.
    """
    if isinstance(section, HttpServer):
        try:
            section.headers(secrets)
        except ValueError as error:
            raise PluginLoadError(name, str(error)) from None
    try:
        from plugins.adapters.mcp.connection import Connection  # a second to import
        from plugins.adapters.mcp.quiet import keep_quiet
    except ModuleNotFoundError as error:
        raise PluginLoadError(
            name, "needs the package mcp: install corral with the extra mcp"
        ) from error
    keep_quiet()
    return Connection(name, section, secrets)


def _tool(
    source: str, section: McpSection, connection: "Connection", tool: str, spec: ToolSpec
) -> Tool:
    from plugins.adapters.mcp.results import result_of

    async def run(arguments: Mapping[str, Any], access: Access) -> Result:  # noqa: ARG001 - Run
        answer = await connection.call(tool, arguments)
        return result_of(answer, output_chars=section.bounds.output_chars)

    terms = section.terms(tool) or Terms()
    try:
        return tool_of(spec, run, effect_of(terms), terms, section.own_hosts)
    except ValueError as error:
        raise PluginLoadError(source, f"tools: {shown(tool)}: {error}") from None


def _tell(source: str, withheld: Sequence[Withheld]) -> None:
    for each in withheld:
        logger.warning(
            "plugin %s: its tool %s is not offered: %s", source, shown(each.tool), each.reason
        )
