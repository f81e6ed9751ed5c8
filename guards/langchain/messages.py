"""LangChain's messages as Corral's, for guards to judge."""

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_messages,
)
from langchain_core.prompt_values import PromptValue

from guards.conversation import (
    BY_MODEL,
    BY_OPERATOR,
    BY_TOOL,
    BY_USER,
    ImagePart,
    Message,
    Part,
    Provenance,
    Role,
    TextPart,
    ToolCall,
)

Judgeable = str | BaseMessage | Sequence[Any] | PromptValue
"""What a chat model takes, and a message alone."""

_SPEAKERS: dict[str, tuple[Role, Provenance]] = {
    "user": (Role.USER, BY_USER),
    "human": (Role.USER, BY_USER),
    "assistant": (Role.ASSISTANT, BY_MODEL),
    "ai": (Role.ASSISTANT, BY_MODEL),
    "system": (Role.SYSTEM, BY_OPERATOR),
    "developer": (Role.SYSTEM, BY_OPERATOR),
}
_OF_THE_MODEL = frozenset({"tool_call", "tool_call_chunk", "tool_use", "invalid_tool_call"})


class UnjudgeableError(ValueError):
    """Something that no guard can judge; the message names the place, never its content."""


def messages_of(value: Judgeable) -> list[BaseMessage]:
    """The messages of a chat model's input.

    Raises:
        UnjudgeableError: it is no such input, or holds no message.
    """
    match value:
        case str():
            return [HumanMessage(value)]
        case BaseMessage():
            return [value]
        case PromptValue():
            messages = value.to_messages()
        case Sequence():
            try:
                messages = convert_to_messages(value)
            except (ValueError, TypeError, NotImplementedError):
                raise UnjudgeableError("the input holds something that is no message") from None
        case _:
            raise UnjudgeableError("the input must be text, a message, messages or a prompt")
    if not messages:
        raise UnjudgeableError("the input holds no message")
    return messages


def message_of(message: BaseMessage, index: int) -> Message:
    """``message``, the ``index``-th of its conversation, as guards know messages.

    Raises:
        UnjudgeableError: it holds content that is neither text nor image.
    """
    place = f"messages[{index}]"
    role, provenance = _speaker(message, place)
    return Message(
        id=message.id or f"message-{index}",
        role=role,
        parts=_parts(message, place),
        provenance=provenance,
        tool_calls=calls_of(message, place) if isinstance(message, AIMessage) else (),
        tool_call_id=message.tool_call_id if isinstance(message, ToolMessage) else None,
    )


def calls_of(message: AIMessage, place: str = "the reply") -> tuple[ToolCall, ...]:
    """The tool calls of ``message``, with exactly the arguments that it hands out.

    Raises:
        UnjudgeableError: a call could not be parsed.
    """
    if message.invalid_tool_calls:
        raise UnjudgeableError(f"{place} holds a tool call whose arguments are not JSON")
    try:
        return tuple(
            ToolCall(
                id=call["id"] or f"call-{index}",
                name=call["name"],
                arguments=json.dumps(call["args"], ensure_ascii=False, allow_nan=False),
            )
            for index, call in enumerate(message.tool_calls)
        )
    except (TypeError, ValueError):
        raise UnjudgeableError(f"{place} holds a tool call whose arguments are not JSON") from None


def _speaker(message: BaseMessage, place: str) -> tuple[Role, Provenance]:
    match message:
        case HumanMessage():
            return _SPEAKERS["user"]
        case AIMessage():
            return _SPEAKERS["assistant"]
        case SystemMessage():
            return _SPEAKERS["system"]
        case ToolMessage() | FunctionMessage():
            return Role.TOOL, BY_TOOL
        case ChatMessage() if message.role in _SPEAKERS:
            return _SPEAKERS[message.role]
        case _:
            raise UnjudgeableError(f"{place} is of a kind that is not judged")


def _parts(message: BaseMessage, place: str) -> tuple[Part, ...]:
    if isinstance(message.content, str):
        return (TextPart(text=message.content),)
    parts = (
        _part(block, f"{place}.content[{index}]")
        for index, block in enumerate(message.content_blocks)
    )
    return tuple(part for part in parts if part is not None)


def _part(block: Any, place: str) -> Part | None:
    match block:
        case {"type": "text" | "text-plain", "text": str(text)}:
            return TextPart(text=text)
        case {"type": "reasoning", "reasoning": str(text)}:
            # The model reads it again, and some applications show it.
            return TextPart(text=text)
        case {"type": "image", "base64": str(data), "mime_type": str(mime)}:
            return ImagePart(url=f"data:{mime};base64,{data}")
        case {"type": "image", "url": str(url)}:
            return ImagePart(url=url)
        case {"type": str(kind)} if kind in _OF_THE_MODEL:
            return None  # judged as the message's tool calls
        case _:
            raise UnjudgeableError(f"{place} is neither text nor an image, so nobody can judge it")
