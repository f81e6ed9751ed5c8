"""LangChain's messages and options as a turn, by the rules that chat requests are held to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from assistant.api.chat_request import ChatRequest
from assistant.api.chat_turn import turn_of
from assistant.api.failures import ApiError
from assistant.api.fields import read
from assistant.clock import random_id
from assistant.errors import InvalidTurnError
from assistant.langchain.chunks import RETRACTED
from assistant.turn import Turn
from guards.conversation import ImagePart, Message, Role, TextPart
from guards.langchain.messages import UnjudgeableError, message_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a turn has beside its messages.

    Attributes:
        tenant: whose assistant it is.
        locale: of the policy's texts when neither ``corral`` nor the message's script tells.
        own_tools: names of Corral's tools that may be called; ``None`` is all.
        corral: fields of ``corral`` in a chat request; ``session`` makes it remembered.
        request: the other fields of a chat request.
    """

    tenant: str
    locale: str
    own_tools: tuple[str, ...] | None
    corral: Mapping[str, Any]
    request: Mapping[str, Any]


def asked(messages: Sequence[BaseMessage], terms: Terms) -> Turn:
    """The turn that ``messages`` ask for.

    In a session Corral remembers what was said: of ``messages`` only the instructions and the
    last one are taken, whose id, if it has one, is answered once.

    Raises:
        InvalidTurnError: naming what is wrong and what would be right.
    """
    session = terms.corral.get("session") is not None
    corral = dict(terms.corral)
    turn_id = random_id("msg_")
    if session and messages:
        *past, last = messages
        if not isinstance(last, HumanMessage):
            raise InvalidTurnError(
                "messages must end with a human message in a session: Corral remembers the rest",
                field="messages",
            )
        messages = [*(m for m in past if isinstance(m, SystemMessage)), last]
        if last.id is not None:
            corral["message_id"] = turn_id = last.id
    try:
        body = {
            **terms.request,
            "messages": [_wire(message, index) for index, message in enumerate(messages)],
            "corral": corral,
        }
        request = read(ChatRequest, body)
        turn = turn_of(request, tenant=terms.tenant, message_id=turn_id, locale=terms.locale)
    except UnjudgeableError as error:
        raise InvalidTurnError(str(error), field="messages") from None
    except ApiError as error:
        raise InvalidTurnError(error.message, field=error.param or "messages") from None
    return replace(turn, own_tools=terms.own_tools)


def _wire(message: BaseMessage, index: int) -> dict[str, Any]:
    """``message`` as one of a chat request."""
    said = message_of(_as_it_stands(message), index)
    body: dict[str, Any] = {"role": said.role.value, "content": _content(said)}
    if said.tool_calls:
        body["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in said.tool_calls
        ]
    if said.tool_call_id is not None:
        body["tool_call_id"] = said.tool_call_id
    return body


def _as_it_stands(message: BaseMessage) -> BaseMessage:
    """``message`` without what was withdrawn after it had streamed out (I6), and without blocks
    that say once more what stands in its tool calls."""
    if not isinstance(message, AIMessage):
        return message
    if message.additional_kwargs.get(RETRACTED):
        return AIMessage(str(message.response_metadata.get("corral", {}).get("text", "")))
    if isinstance(message.content, str):
        return message
    calls = {call["id"] for call in message.tool_calls}
    content = [
        block
        for block in message.content
        if isinstance(block, str) or block.get("type") != "tool_use" or block.get("id") not in calls
    ]
    return message.model_copy(update={"content": content})


def _content(said: Message) -> str | list[dict[str, Any]] | None:
    parts: list[dict[str, Any]] = []
    for part in said.parts:
        match part:
            case TextPart(text=text):
                parts.append({"type": "text", "text": text})
            case ImagePart() if said.role is Role.ASSISTANT:
                pass  # a tool's image for the user, which no model has seen
            case ImagePart(url=url):
                parts.append({"type": "image_url", "image_url": {"url": url}})
    match parts:
        case []:
            return None if said.tool_calls else ""
        case [{"type": "text", "text": str(text)}]:
            return text
        case _:
            return parts
