"""Tools of MCP servers as a plugin. Needs the extra ``mcp``."""

from plugins.adapters.mcp.pins import Pin, pins
from plugins.adapters.mcp.plugin import mcp_plugin
from plugins.adapters.mcp.section import McpSection, parse_mcp

__all__ = ["McpSection", "Pin", "mcp_plugin", "parse_mcp", "pins"]
