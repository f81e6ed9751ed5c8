"""Between Corral's types and the OpenAI chat completion format, in both directions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from assistant.engine.protocol import (
    CompletionRequest,
    EngineEvent,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)
from assistant.errors import EngineRequestError, EngineResponseError
from assistant.events import FinishReason, Usage
from guards.conversation import ImagePart, Message, Role, TextPart
from plugins.tool import ToolSpec

RESERVED = frozenset(
    {
        "model",
        "messages",
        "prompt",
        "stream",
        "stream_options",
        "n",
        "tools",
        "tool_choice",
        "functions",
        "function_call",
        "logprobs",
        "top_logprobs",
        "echo",
        "chat_template",
        "add_generation_prompt",
        "continue_final_message",
    }
)
"""What ``Sampling.extra`` may not set: it would change what was judged or how the answer reads."""


def request_body(request: CompletionRequest, model: str) -> dict[str, Any]:
    """The JSON body of a streamed chat completion.

    Raises:
        EngineRequestError: ``sampling.extra`` sets something in :data:`RESERVED`.
    """
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model,
        "messages": wire_messages(request.messages),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.tools:
        body["tools"] = wire_tools(request.tools)
    if request.tool_choice is not None:
        body["tool_choice"] = request.tool_choice
    if request.top_logprobs is not None:
        body["logprobs"] = True
        body["top_logprobs"] = request.top_logprobs
    for name in ("temperature", "top_p", "max_tokens", "seed"):
        value = getattr(sampling, name)
        if value is not None:
            body[name] = value
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.extra:
        taken = sorted(RESERVED.intersection(sampling.extra))
        if taken:
            raise EngineRequestError(f"sampling.extra must not set {', '.join(taken)}")
        body.update(sampling.extra)
    return body


def wire_messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Messages in the OpenAI chat format."""
    return [_wire_message(message) for message in messages]


def _wire_message(message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role.value, "content": _content(message)}
    if message.role is Role.ASSISTANT and message.tool_calls:
        wire["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
        wire["content"] = wire["content"] or None
    if message.role is Role.TOOL:
        wire["tool_call_id"] = message.tool_call_id
    return wire


def _content(message: Message) -> str | list[dict[str, Any]]:
    # A plain string where there is only text: some templates cannot read parts.
    if not any(isinstance(part, ImagePart) for part in message.parts):
        return message.text
    return [
        {"type": "text", "text": part.text}
        if isinstance(part, TextPart)
        else {"type": "image_url", "image_url": {"url": part.url}}
        for part in message.parts
    ]


def wire_tools(tools: Sequence[ToolSpec]) -> list[dict[str, Any]]:
    """Tools in the OpenAI chat format."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
            },
        }
        for tool in tools
    ]


_FINISH = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}


class ChunkReader:
    """Reads the chunks of one streamed completion; what is not the protocol is an error.

    ``reason`` and ``usage`` fill as their chunks come in. Fields unknown here, reasoning among
    them, are not part of the reply and are dropped.
    """

    __slots__ = ("_called", "reason", "usage")

    def __init__(self) -> None:
        self.reason: FinishReason | None = None
        self.usage = Usage()
        self._called: set[int] = set()

    def read(self, payload: bytes) -> tuple[EngineEvent, ...]:
        """The events of one chunk, mostly one.

        Raises:
            EngineResponseError: the chunk is not a chat completion chunk.
            StreamedError: it is an error object instead.
        """
        try:
            chunk = orjson.loads(payload)
        except orjson.JSONDecodeError:
            raise _wrong("a chunk is not JSON") from None
        if not isinstance(chunk, dict):
            raise _wrong("a chunk is not an object")
        if "error" in chunk:
            raise StreamedError(chunk)
        usage = chunk.get("usage")
        if usage is not None:
            self.usage = _usage(usage)
        choices = chunk.get("choices")
        if not isinstance(choices, list) or len(choices) > 1:
            raise _wrong("a chunk has no list of at most one choice")
        return self._choice(choices[0]) if choices else ()

    def _choice(self, choice: object) -> tuple[EngineEvent, ...]:
        if not isinstance(choice, dict) or choice.get("index", 0) != 0:
            raise _wrong("a choice is not the one asked for")
        delta = choice.get("delta") or {}
        if not isinstance(delta, dict):
            raise _wrong("a delta is not an object")
        content, calls = delta.get("content"), delta.get("tool_calls")
        found = choice.get("logprobs")
        logprobs = _logprobs(found) if found is not None else ()
        events: tuple[EngineEvent, ...] = ()
        if content or logprobs:
            if content is not None and not isinstance(content, str):
                raise _wrong("a delta's content is not text")
            events = (TextDelta(text=content or "", logprobs=logprobs),)
        if calls:
            events += self._tool_calls(calls)
        if events and self.reason is not None:
            raise _wrong("something follows the finish reason")
        finish = choice.get("finish_reason")
        if finish is not None:
            self.reason = _FINISH.get(finish) if isinstance(finish, str) else None
            if self.reason is None:
                raise _wrong("the finish reason is unknown")
            # A forced call finishes with "stop" on some servers; what matters is that it is one.
            if self._called and self.reason is FinishReason.STOP:
                self.reason = FinishReason.TOOL_CALLS
        return events

    def _tool_calls(self, calls: object) -> tuple[ToolCallDelta, ...]:
        if not isinstance(calls, list):
            raise _wrong("tool calls are not a list")
        return tuple(self._tool_call(call, position) for position, call in enumerate(calls))

    def _tool_call(self, call: Any, position: int) -> ToolCallDelta:
        try:
            function = call.get("function") or {}
            index = call.get("index", position)
            if type(index) is not int or index < 0:
                raise _wrong("a tool call's index is no number")
            delta = ToolCallDelta(
                index=index,
                id=_text_or_none(call.get("id")),
                name=_text_or_none(function.get("name")),
                arguments=_text_or_none(function.get("arguments")) or "",
            )
        except (AttributeError, TypeError):
            raise _wrong("a tool call is malformed") from None
        # llama-cpp-python repeats id and name in every piece; whoever joins pieces relies on once.
        if index in self._called:
            return ToolCallDelta(index=index, arguments=delta.arguments)
        if not delta.name:
            raise _wrong("a tool call begins without a name")
        self._called.add(index)
        return delta


class StreamedError(Exception):
    """A server that had already answered 200 reports an error instead of a chunk."""

    def __init__(self, payload: dict[str, Any]) -> None:
        super().__init__("the stream holds an error object")
        error = payload.get("error")
        code = error.get("code") if isinstance(error, dict) else None
        self.payload = payload
        self.status = code if isinstance(code, int) and 400 <= code < 600 else 500


def _wrong(what: str) -> EngineResponseError:
    return EngineResponseError(f"the engine's answer is not the protocol: {what}")


def _usage(usage: object) -> Usage:
    if not isinstance(usage, Mapping):
        raise _wrong("usage is not an object")
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return Usage(
        prompt_tokens=prompt if isinstance(prompt, int) else None,
        completion_tokens=completion if isinstance(completion, int) else None,
    )


def _logprobs(logprobs: object) -> tuple[TokenLogprob, ...]:
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if content is None:
        return ()
    try:
        return tuple(
            TokenLogprob(
                token=_text(entry["token"]),
                logprob=float(entry["logprob"]),
                top=tuple(
                    (_text(top["token"]), float(top["logprob"]))
                    for top in entry.get("top_logprobs") or ()
                ),
            )
            for entry in content
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _wrong("logprobs are malformed") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)
