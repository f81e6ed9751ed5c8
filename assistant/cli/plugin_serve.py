"""``corral plugin serve`` and ``pin``: tools for other agents, and tools of theirs."""

import asyncio
import os
from collections.abc import Callable
from typing import Annotated

import typer

from assistant.bootstrap import Toolshop, open_toolshop
from assistant.cli.exits import Exit, Failed
from assistant.cli.terminal import Terminal
from assistant.clock import random_id
from assistant.errors import PluginStartError, SettingsError
from assistant.plugin_start import plugin_configuration
from assistant.settings import Settings, load_settings
from assistant.tool_desk import ToolDesk
from assistant.turn import SessionKey
from plugins.errors import PluginLoadError

TENANT = "local"
AGENT = "mcp"


def serve(
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Serve streamable HTTP on 127.0.0.1 at this port."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Serve the enabled tools to other agents over MCP, every call through the broker.

    Without a port the agent starts this command itself and talks with it over standard input
    and output. CORRAL_MCP_TOKEN is what callers over HTTP must send.
    """
    terminal = Terminal(json_mode=json)

    def tell(text: str) -> None:
        # Never on standard output, which belongs to the protocol.
        terminal.error_json({"message": text}) if json else terminal.note(text)

    asyncio.run(_serve(load_settings(), port, tell))


async def _serve(settings: Settings, port: int | None, tell: Callable[[str], None]) -> None:
    async with open_toolshop(settings) as shop:
        desk = desk_of(shop)
        try:
            from plugins.adapters.mcp_server import mcp_app, mcp_server, serve_stdio
        except ModuleNotFoundError as error:
            raise _missing() from error
        server = mcp_server(desk.specs, desk.call)
        tell(f"{len(desk.specs)} tools are served")
        if port is None:
            await serve_stdio(server)
            return
        import uvicorn

        token = settings.mcp_token.get_secret_value() or None
        config = uvicorn.Config(
            mcp_app(server, token=token), host="127.0.0.1", port=port, log_level="warning"
        )
        tell(f"MCP at http://127.0.0.1:{port}/mcp")
        await uvicorn.Server(config).serve()


def desk_of(shop: Toolshop) -> ToolDesk:
    """The desk for one agent; what it keeps and does is of a user of its own."""
    return ToolDesk(
        broker=shop.broker,
        log=shop.log,
        entries=shop.entries,
        ids=random_id,
        key=SessionKey(tenant=TENANT, user=AGENT, session=random_id("mcp_")),
        locale=shop.settings.locale,
    )


def pin(
    name: Annotated[str, typer.Argument(help="An MCP server of the plugin file.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Show what an MCP server says of its tools now, with the pins that approve exactly that."""
    terminal = Terminal(json_mode=json)
    configuration = plugin_configuration(load_settings())
    if name not in configuration.mcp:
        known = ", ".join(configuration.mcp) or "none"
        raise Failed(
            f"the plugin file describes no MCP server {name!r}; there are: {known}",
            hint="add it below mcp",
            code="unknown_server",
            exit=Exit.USAGE,
        )
    try:
        from plugins.adapters.mcp import parse_mcp, pins
    except ModuleNotFoundError as error:
        raise _missing() from error
    try:
        section = parse_mcp(configuration.mcp[name])
    except ValueError as error:
        raise SettingsError(f"the plugin file: mcp.{name}: {error}") from None
    secrets = {secret: os.environ.get(variable, "") for secret, variable in section.secrets.items()}
    try:
        found = asyncio.run(pins(name, section, secrets))
    except PluginLoadError as error:
        raise PluginStartError(str(error)) from error
    if json:
        terminal.json(
            {
                tool: {
                    "digest": each.digest,
                    "approved": each.approved,
                    "description": each.description,
                }
                for tool, each in found.items()
            }
        )
        return
    for tool, each in found.items():
        terminal.line(f"{tool}{'' if each.approved else '   not approved'}", "bold")
        terminal.line(each.description)
        terminal.line(each.schema, "dim")
    terminal.line()
    terminal.line("Read the above. What you agree to goes into the plugin file:")
    terminal.line(f"mcp:\n  {name}:\n    pins:")
    for tool, each in found.items():
        terminal.line(f"      {tool}: {each.digest}")


def _missing() -> Failed:
    return Failed(
        "MCP needs the extra mcp",
        hint="install it: pip install 'corral[mcp]'",
        code="extra_missing",
        exit=Exit.UNAVAILABLE,
    )
