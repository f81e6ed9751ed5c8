"""An MCP server made with the protocol's own library, over stdio or HTTP. Run as a script."""

from mcp.server import MCPServer

server = MCPServer("weather")


@server.tool()
async def forecast(city: str, days: int = 1) -> str:
    """Tells the weather of a city."""
    return f"{city}: sun for {days} days"


@server.tool()
async def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


if __name__ == "__main__":
    server.run()
