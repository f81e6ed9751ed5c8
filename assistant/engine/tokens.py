"""How many tokens a prompt can have at most, without asking anybody."""

from collections.abc import Sequence

import orjson

from guards.conversation import ImagePart, Message
from plugins.tool import ToolSpec

FIXED = 64
"""Tokens a template may add once: default system text, date lines, the reply's header."""

PER_MESSAGE = 12
"""Tokens a template may wrap around a message: role header, end marker, newlines."""

PER_IMAGE = 4096


def token_bound(messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> int:
    """An upper bound of the prompt's tokens, good for every byte-level tokenizer.

    A token covers at least one byte, so the bytes of the text and the template's own share bound
    the count; real text has a quarter of it. Where the bound fits the window nothing needs to be
    counted.
    """
    total = FIXED
    for message in messages:
        total += PER_MESSAGE + _bytes(message.text)
        total += sum(PER_IMAGE for part in message.parts if isinstance(part, ImagePart))
        for call in message.tool_calls:
            total += PER_MESSAGE + _bytes(call.id) + _bytes(call.name) + _bytes(call.arguments)
    for tool in tools:
        total += PER_MESSAGE + _bytes(tool.name) + _bytes(tool.description)
        # Templates print schemas, some indented. Runs of spaces and the words of a schema make
        # tokens of two bytes and more, so this holds for those as well.
        total += len(orjson.dumps(tool.parameters, option=orjson.OPT_INDENT_2))
    return total


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
