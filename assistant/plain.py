"""Tool calls and results in words, for models whose template knows neither."""

from collections.abc import Iterable
from dataclasses import replace

from guards.conversation import Message, Role, TextPart


def plain_messages(messages: Iterable[Message]) -> tuple[Message, ...]:
    """``messages`` with every result said by the user, and calls left out (I5: never by the
    system).

    What follows a user's message and its results is one message, as templates expect speakers
    to take turns.
    """
    plain: list[Message] = []
    names: dict[str, str] = {}
    for message in messages:
        names.update({call.id: call.name for call in message.tool_calls})
        if message.role is Role.ASSISTANT and message.tool_calls and not message.text:
            continue
        if message.role is not Role.TOOL:
            plain.append(replace(message, tool_calls=()))
            continue
        tool = names.get(message.tool_call_id or "", "a tool")
        told = f"Found by {tool}:\n{message.text}"
        last = plain[-1] if plain else None
        if last is not None and last.role is Role.USER:
            plain[-1] = replace(last, parts=(*last.parts, TextPart(text=f"\n{told}")))
        else:
            plain.append(
                replace(message, role=Role.USER, parts=(TextPart(text=told),), tool_call_id=None)
            )
    return tuple(plain)
