"""Where the arguments of a tool call come from (the taint of a conversation)."""

from plugins.provenance.trace import Traced, trace

__all__ = ["Traced", "trace"]
