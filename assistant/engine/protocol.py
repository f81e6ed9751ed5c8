"""The seam behind which a model completes conversations."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from assistant.events import FinishReason, Usage
from assistant.turn import Sampling
from guards.conversation import Message
from plugins.tool import ToolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest:
    """What the engine is asked.

    ``affinity`` keeps one session on one replica, so that its prefix cache stays warm; it is an
    opaque digest, never a user's name. ``top_logprobs`` asks for that many alternatives a token.
    ``optional_tools`` says that an engine which cannot take ``tools`` may go without them.
    """

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str | dict[str, Any] | None = None
    sampling: Sampling = field(default_factory=Sampling)
    affinity: str | None = None
    top_logprobs: int | None = None
    optional_tools: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogprob:
    """One generated token with natural-log probabilities, its alternatives by token text."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta:
    """A piece of a tool call. ``id`` and ``name`` come with the first piece of an index."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The engine's last word; a stream that ends without it broke off."""

    reason: FinishReason
    usage: Usage


EngineEvent = TextDelta | ToolCallDelta | Completed


class Engine(Protocol):
    """Streams one completion. Closing the generator aborts the work in the engine (I8).

    Raises the ``EngineError`` family of :mod:`assistant.errors`.
    """

    @property
    def model(self) -> str:
        """The model's name, for logs and answers."""

    def stream(self, request: CompletionRequest) -> AsyncGenerator[EngineEvent, None]:
        """Yield the completion as it is generated, ending with exactly one ``Completed``."""

    async def window(self) -> int:
        """Tokens the model can hold, prompt and reply together."""

    async def count_tokens(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> int:
        """Prompt tokens of ``messages`` and ``tools`` under the model's template, never too few."""
