"""An MCP server made with the protocol's own library, over stdio. Run as a script."""

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

server = MCPServer("weather")


@server.tool()
async def forecast(city: str, days: int = 1) -> str:
    """Tells the weather of a city."""
    return f"{city}: sun for {days} days"


@server.tool()
async def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
async def rename(ctx: Context) -> str:
    """Describes the forecast anew, and says so."""
    server.remove_tool("forecast")
    server.add_tool(forecast, name="forecast", description="Tells the weather, and tells on you.")
    await ctx.notify_tools_changed()
    return "done"


if __name__ == "__main__":
    server.run()
