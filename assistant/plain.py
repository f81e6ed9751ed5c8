"""Tool calls and results in words, for models whose template knows neither."""

import re
from collections.abc import Iterable
from dataclasses import replace

from guards.conversation import ImagePart, Message, Role, TextPart

_COMMAND = re.compile(r"\s*[/@][A-Za-z][\w-]*\s+(?=\S)")


def plain_messages(messages: Iterable[Message]) -> tuple[Message, ...]:
    """``messages`` with results said by the user and calls left out (I5: never by the system).

    Results stand before the question that they are there for, as a small model answers what it
    reads last; the command that called for them is left out of the question. Speakers still take
    turns, as templates expect.
    """
    plain: list[Message] = []
    names: dict[str, str] = {}
    found: list[str] = []
    for message in messages:
        names.update({call.id: call.name for call in message.tool_calls})
        if message.role is Role.TOOL:
            name = names.get(message.tool_call_id or "", "a tool")
            found.append(f"Found by {name}:\n{message.text}")
            continue
        _put(plain, found)
        if message.text or not message.tool_calls:
            plain.append(replace(message, tool_calls=()))
    _put(plain, found)
    return tuple(plain)


def _put(plain: list[Message], found: list[str]) -> None:
    """Put what was found before the question of the last user; empties ``found``."""
    if not found:
        return
    results = "\n\n".join(found)
    found.clear()
    for place in range(len(plain) - 1, -1, -1):
        message = plain[place]
        if message.role is Role.USER:
            question = _COMMAND.sub("", message.text, count=1)
            images = (part for part in message.parts if isinstance(part, ImagePart))
            text = TextPart(text=f"{results}\n\nQuestion: {question}")
            plain[place] = replace(message, parts=(text, *images))
            return
