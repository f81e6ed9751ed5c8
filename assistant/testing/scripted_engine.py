"""An in-process stand-in for a model: it plays a script instead of generating."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from assistant.engine.protocol import (
    Completed,
    CompletionRequest,
    EngineEvent,
    TextDelta,
    ToolCallDelta,
)
from assistant.events import FinishReason, Usage
from guards.conversation import Message, ToolCall
from plugins.tool import ToolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nothing for so many seconds of the loop's own time."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hang:
    """Nothing, ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """The engine breaks here."""

    error: Exception


Step = EngineEvent | Pause | Hang | Fail
Script = Callable[[CompletionRequest], Iterable[Step]]


def say(
    *tokens: str,
    first: float = 0.0,
    gap: float = 0.0,
    reason: FinishReason = FinishReason.STOP,
    usage: Usage | None = None,
) -> tuple[Step, ...]:
    """A reply of one delta per token: ``first`` seconds before it, ``gap`` between tokens."""
    steps: list[Step] = [Pause(seconds=first)] if first else []
    for index, token in enumerate(tokens):
        if index and gap:
            steps.append(Pause(seconds=gap))
        steps.append(TextDelta(text=token))
    steps.append(
        Completed(
            reason=reason, usage=usage or Usage(prompt_tokens=1, completion_tokens=len(tokens))
        )
    )
    return tuple(steps)


def call(*calls: ToolCall, first: float = 0.0) -> tuple[Step, ...]:
    """A reply of tool calls, each in two pieces as servers send them."""
    steps: list[Step] = [Pause(seconds=first)] if first else []
    for index, tool_call in enumerate(calls):
        steps.append(ToolCallDelta(index=index, id=tool_call.id, name=tool_call.name))
        steps.append(ToolCallDelta(index=index, arguments=tool_call.arguments))
    steps.append(
        Completed(
            reason=FinishReason.TOOL_CALLS,
            usage=Usage(prompt_tokens=1, completion_tokens=len(calls)),
        )
    )
    return tuple(steps)


class RunState(StrEnum):
    """How one scripted completion stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    ABORTED = "aborted"


@dataclass(slots=True, kw_only=True)
class Run:
    """One completion that was asked for, and how it ended. ``yielded`` counts events."""

    request: CompletionRequest
    state: RunState = RunState.RUNNING
    yielded: int = 0


@dataclass(slots=True, kw_only=True)
class ScriptedEngine:
    """Plays a script per request and remembers every run.

    Attributes:
        script: what to answer, from the request; or one fixed list of steps.
        model: the name it goes by.
        tokens: window it claims.
        runs: every completion that was started, oldest first; a generator that was made but
            never iterated started nothing.
        count: prompt tokens of messages; words plus four a message and fifty a tool unless told.
    """

    script: Script | Sequence[Step]
    model: str = "scripted"
    tokens: int = 8192
    count: Callable[[Sequence[Message]], int] | None = None
    runs: list[Run] = field(default_factory=list)

    @property
    def running(self) -> int:
        """Completions neither ended nor aborted; after a turn this must be zero (I8)."""
        return sum(run.state is RunState.RUNNING for run in self.runs)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[EngineEvent, None]:
        """Play the script; see :class:`~assistant.engine.protocol.Engine`."""
        run = Run(request=request)
        self.runs.append(run)
        try:
            for step in self.script(request) if callable(self.script) else self.script:
                match step:
                    case Pause(seconds=seconds):
                        await asyncio.sleep(seconds)
                    case Hang():
                        await asyncio.get_running_loop().create_future()
                    case Fail(error=error):
                        run.state = RunState.FAILED
                        raise error
                    case TextDelta() | ToolCallDelta():
                        run.yielded += 1
                        yield step
                    case Completed():
                        run.yielded += 1
                        run.state = RunState.COMPLETED
                        yield step
                        return
                    case _:
                        assert_never(step)
            run.state = RunState.COMPLETED
        finally:
            if run.state is RunState.RUNNING:
                run.state = RunState.ABORTED

    async def window(self) -> int:
        """The claimed window."""
        return self.tokens

    async def count_tokens(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> int:
        """Whatever ``count`` says."""
        if self.count is not None:
            return self.count(messages)
        return sum(4 + len(message.text.split()) for message in messages) + 50 * len(tools)
