"""From a chat request to a turn."""

from collections.abc import Iterable
from typing import assert_never

from assistant.api.chat_request import (
    DEFAULTS_ONLY,
    ENGINE_FIELDS,
    HARMLESS_FIELDS,
    ChatMessage,
    ChatRequest,
    ImageContent,
    RefusalContent,
    TextContent,
    Tool,
    ToolChoice,
)
from assistant.api.failures import ApiError, invalid
from assistant.locale import locale_of
from assistant.turn import ANONYMOUS, Sampling, SessionKey, Turn
from guards.conversation import (
    BY_MODEL,
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
from plugins.tool import ToolSpec

_SPEAKERS: dict[str, tuple[Role, Provenance]] = {
    "user": (Role.USER, BY_USER),
    "assistant": (Role.ASSISTANT, BY_MODEL),
    "tool": (Role.TOOL, BY_TOOL),
}


def turn_of(request: ChatRequest, *, tenant: str, message_id: str, locale: str) -> Turn:
    """The turn that ``request`` asks for.

    ``message_id`` names it, and ``locale`` is used when neither the request nor the message's
    script tells another.

    Raises:
        ApiError: 400 naming the field and what would be right.
    """
    _check_unknown(request)
    options = request.corral
    session = options.session
    if session is not None:
        _check_remembered(request)
    instructions, spoken = split(request.messages)
    if not spoken or spoken[-1][1].role not in ("user", "tool"):
        raise invalid("messages", "must end with a user message or a tool result")
    messages = conversation(spoken, message_id)
    tools = tuple(_tool(tool) for tool in request.tools or ())
    return Turn(
        id=message_id,
        key=SessionKey(tenant=tenant, user=request.user or ANONYMOUS, session=session or ""),
        message=messages[-1],
        remembered=session is not None,
        history=tuple(messages[:-1]),
        instructions=instructions,
        audience=options.audience,
        locale=options.locale or locale_of(messages[-1].text, locale),
        tools=tools,
        own_tools=None if options.tools is None else tuple(options.tools),
        tool_choice=_tool_choice(request, tools),
        sampling=_sampling(request),
    )


def _check_unknown(request: ChatRequest) -> None:
    """Refuse what would change the reply and is not supported; nulls say nothing."""
    for name, value in (request.model_extra or {}).items():
        if value is None or name in HARMLESS_FIELDS:
            continue
        if name in DEFAULTS_ONLY:
            default, complaint = DEFAULTS_ONLY[name]
            if value != default or type(value) is not type(default):
                raise invalid(name, complaint, code="unsupported_field")
            continue
        known = name if name.isidentifier() and len(name) <= 64 else "a field of the body"
        raise ApiError(
            400,
            "unsupported_field",
            f"{known} is not supported; leave it out",
            known if known == name else None,
        )
    if request.stream_options is not None and not request.stream:
        raise invalid("stream_options", "is only allowed when stream is true")
    one, other = request.max_tokens, request.max_completion_tokens
    if one is not None and other is not None and one != other:
        raise invalid("max_tokens", "must equal max_completion_tokens when both are sent")


def _check_remembered(request: ChatRequest) -> None:
    if request.tools:
        raise invalid("tools", "must be left out when corral.session is set")
    users = 0
    for index, message in enumerate(request.messages):
        if message.role == "user":
            users += 1
        elif message.role not in ("system", "developer"):
            raise invalid(
                f"messages[{index}].role",
                "must be user, system or developer when corral.session is set: "
                "Corral remembers the rest",
            )
    if users != 1:
        raise invalid(
            "messages",
            "must hold exactly one user message when corral.session is set: "
            "Corral remembers the rest",
        )


def split(messages: list[ChatMessage]) -> tuple[str, list[tuple[int, ChatMessage]]]:
    """The operator's instructions, and the other messages with their index in the request.

    Raises:
        ApiError: 400 naming an instruction that is not text.
    """
    instructions: list[str] = []
    spoken: list[tuple[int, ChatMessage]] = []
    for index, message in enumerate(messages):
        if message.role in ("system", "developer"):
            instructions.append(_instruction(index, message))
        else:
            spoken.append((index, message))
    return "\n\n".join(text for text in instructions if text), spoken


def _instruction(index: int, message: ChatMessage) -> str:
    param = f"messages[{index}].content"
    match message.content:
        case None:
            raise invalid(param, "is missing")
        case str() as text:
            return text
        case parts:
            if not all(isinstance(part, TextContent) for part in parts):
                raise invalid(param, "must hold only parts of type text in a system message")
            return "\n".join(part.text for part in parts if isinstance(part, TextContent))


def conversation(spoken: list[tuple[int, ChatMessage]], message_id: str) -> list[Message]:
    """The messages of a request, the last of which has the id ``message_id``.

    Raises:
        ApiError: 400 naming the field and what would be right.
    """
    calls: set[str] = set()
    messages: list[Message] = []
    last = len(spoken) - 1
    for position, (index, message) in enumerate(spoken):
        tool_calls = tuple(
            ToolCall(id=call.id, name=call.function.name, arguments=call.function.arguments)
            for call in message.tool_calls or ()
        )
        if tool_calls and message.role != "assistant":
            raise invalid(f"messages[{index}].tool_calls", "is only allowed for role assistant")
        calls.update(call.id for call in tool_calls)
        _check_tool_call_id(index, message, calls)
        role, provenance = _SPEAKERS[message.role]
        messages.append(
            Message(
                id=message_id if position == last else f"{message_id}#{index}",
                role=role,
                parts=_parts(index, message, optional=bool(tool_calls)),
                provenance=provenance,
                tool_calls=tool_calls,
                tool_call_id=message.tool_call_id,
            )
        )
    return messages


def _check_tool_call_id(index: int, message: ChatMessage, calls: set[str]) -> None:
    param = f"messages[{index}].tool_call_id"
    if message.role == "tool":
        if message.tool_call_id is None:
            raise invalid(param, "is missing")
        if message.tool_call_id not in calls:
            raise invalid(param, "must be the id of a tool call of an earlier assistant message")
    elif message.tool_call_id is not None:
        raise invalid(param, "is only allowed for role tool")


def _parts(index: int, message: ChatMessage, *, optional: bool) -> tuple[Part, ...]:
    param = f"messages[{index}].content"
    match message.content:
        case None:
            if optional:
                return ()
            raise invalid(param, "is missing")
        case str() as text:
            if not text and message.role == "user":
                raise invalid(param, "must not be empty")
            return (TextPart(text=text),)
        case contents:
            return tuple(
                _part(f"{param}[{place}]", message.role, part)
                for place, part in enumerate(contents)
            )


def _part(param: str, role: str, part: TextContent | ImageContent | RefusalContent) -> Part:
    match part:
        case TextContent():
            return TextPart(text=part.text)
        case ImageContent():
            if role != "user":
                raise invalid(f"{param}.type", "may be image_url only for role user")
            return ImagePart(url=part.image_url.url)
        case RefusalContent():
            if role != "assistant":
                raise invalid(f"{param}.type", "may be refusal only for role assistant")
            return TextPart(text=part.refusal)
        case _:
            assert_never(part)


def _tool(tool: Tool) -> ToolSpec:
    spec = tool.function
    return ToolSpec(
        name=spec.name,
        description=spec.description or "",
        parameters=spec.parameters or {"type": "object", "properties": {}},
    )


def _tool_choice(request: ChatRequest, tools: Iterable[ToolSpec]) -> str | dict[str, object] | None:
    names = [tool.name for tool in tools]
    if len(set(names)) != len(names):
        raise invalid("tools", "must not name a function twice")
    choice = request.tool_choice
    match choice:
        case None:
            return None
        case ToolChoice():
            if choice.function.name not in names:
                raise invalid("tool_choice.function.name", "must be the name of one of the tools")
            return {"type": "function", "function": {"name": choice.function.name}}
        case "none":
            return choice if names else None
        case _:
            if not names:
                raise invalid("tool_choice", "is only allowed with tools")
            return choice


def _sampling(request: ChatRequest) -> Sampling:
    stop = request.stop
    extra = {
        name: value.model_dump() if name == "response_format" else value
        for name in ENGINE_FIELDS
        if (value := getattr(request, name)) is not None
    }
    return Sampling(
        temperature=request.temperature,
        top_p=request.top_p,
        max_tokens=request.max_tokens or request.max_completion_tokens,
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        seed=request.seed,
        extra=extra,
    )
