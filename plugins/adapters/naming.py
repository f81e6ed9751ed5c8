"""What a foreign tool is called here."""

import re

from plugins.errors import PluginLoadError

_OTHER = re.compile(r"[^A-Za-z0-9_-]")
_MOST_CHARS = 64


def local_name(source: str, tool: str, chosen: str | None) -> str:
    """The name that models and policies use: the operator's, else the tool's behind its source's.

    The source always goes first, so that enabling another source renames nothing.

    Raises:
        PluginLoadError: the name would be too long.
    """
    if chosen is not None:
        return chosen
    plain = _OTHER.sub("_", tool)
    name = plain if plain.startswith(f"{source}_") else f"{source}_{plain}"
    if len(name) > _MOST_CHARS:
        raise PluginLoadError(
            source,
            f"the name of its tool {shown(tool)} is too long here; give it another with "
            f"tools: {{...: {{name: ...}}}}",
        )
    return name


def shown(foreign: str) -> str:
    """A foreign name that may be told to an operator: short, and without odd characters."""
    return repr(foreign[:80])
