"""All that a plugin needs, in one place.

A plugin package names a :class:`Plugin` in the entry point group ``corral.plugins``::

    [project.entry-points."corral.plugins"]
    weather = "corral_weather:plugin"
"""

from guards.conversation import Confidentiality
from plugins.access import Access, Person, Store
from plugins.errors import AccessDeniedError, ToolError
from plugins.manifest import ANY_PUBLIC_HOST, Egress, Limits, Manifest, SideEffect
from plugins.plugin import Options, Plugin, Setup
from plugins.result import Citation, Picture, Result
from plugins.tool import Tool, ToolSpec
from plugins.typed import tool

__all__ = [
    "ANY_PUBLIC_HOST",
    "Access",
    "AccessDeniedError",
    "Citation",
    "Confidentiality",
    "Egress",
    "Limits",
    "Manifest",
    "Options",
    "Person",
    "Picture",
    "Plugin",
    "Result",
    "Setup",
    "SideEffect",
    "Store",
    "Tool",
    "ToolError",
    "ToolSpec",
    "tool",
]
