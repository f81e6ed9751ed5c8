"""Requests and what comes of them, for the live suite."""

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from assistant.engine.client import OpenAIEngine
from assistant.engine.protocol import (
    Completed,
    CompletionRequest,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)
from assistant.turn import Sampling
from guards.conversation import BY_MODEL, BY_OPERATOR, Message, Role, text_message


def user(text: str, id: str = "u") -> Message:  # noqa: A002 - the field's own name
    return text_message(text, id=id)


def system(text: str) -> Message:
    return text_message(text, id="s", role=Role.SYSTEM, provenance=BY_OPERATOR)


def assistant(text: str) -> Message:
    return text_message(text, id="a", role=Role.ASSISTANT, provenance=BY_MODEL)


def asking(
    *messages: Message, max_tokens: int = 32, extra: dict[str, Any] | None = None, **fields: Any
) -> CompletionRequest:
    """A request without chance in it."""
    sampling = Sampling(temperature=0.0, max_tokens=max_tokens, seed=7, extra=extra or {})
    return CompletionRequest(messages=messages, sampling=sampling, **fields)


@dataclass(slots=True, kw_only=True)
class Answer:
    """A whole completion."""

    pieces: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    calls: list[ToolCallDelta] = field(default_factory=list)
    completed: list[Completed] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def end(self) -> Completed:
        (end,) = self.completed
        return end


async def answer(engine: OpenAIEngine, request: CompletionRequest) -> Answer:
    """Read a completion to its end."""
    whole = Answer()
    async with aclosing(engine.stream(request)) as events:
        async for event in events:
            match event:
                case TextDelta():
                    whole.pieces.append(event.text)
                    whole.logprobs.extend(event.logprobs)
                case ToolCallDelta():
                    whole.calls.append(event)
                case Completed():
                    whole.completed.append(event)
    return whole
