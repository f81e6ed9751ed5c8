"""Tools that a person calls by name: ``/calc 2+2``, ``@web_search llamas``."""

import json
import re
from collections.abc import Iterable

from assistant.clock import Ids
from guards.conversation import ToolCall
from plugins.registry import Bound

_COMMAND = re.compile(r"\s*[/@]([A-Za-z][A-Za-z0-9_-]{0,63})(?:\s+(.*))?\s*\Z", re.DOTALL)


def command_of(text: str, tools: Iterable[Bound], ids: Ids) -> ToolCall | None:
    """The call that ``text`` asks for, if it begins with the command of one of ``tools``.

    A tool answers to its name and to its aliases. Anything else is an ordinary message.
    """
    match = _COMMAND.match(text)
    if match is None:
        return None
    name = match[1].lower().replace("-", "_")
    for bound in tools:
        tool = bound.tool
        if tool.command is not None and name in (tool.name, *tool.aliases):
            words = (match[2] or "").strip()
            arguments = {tool.command: words} if words else {}
            return ToolCall(id=ids("call_"), name=tool.name, arguments=json.dumps(arguments))
    return None
