"""A completion on its way from the engine into a buffer that nobody outside sees."""

import asyncio
from contextlib import aclosing
from types import TracebackType
from typing import Self, assert_never

from assistant.engine.protocol import (
    Completed,
    CompletionRequest,
    Engine,
    TextDelta,
    ToolCallDelta,
)
from assistant.errors import EngineResponseError
from guards.conversation import ToolCall
from guards.stream import Buffer

MAX_CHARS = 4_000_000
"""More than any reply: an engine that sends this much is broken, not eloquent."""


class _PartialCall:
    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []


class Draft:
    """Starts drafting on entry; leaving the block aborts what is still under way (I8).

    ``buffer`` holds the text, to be judged before it is shown. ``completed`` and ``calls`` are
    there once the buffer has closed without error.
    """

    def __init__(self, engine: Engine, request: CompletionRequest) -> None:
        self._engine = engine
        self._request = request
        self._partial: dict[int, _PartialCall] = {}
        self._chars = 0
        self._task: asyncio.Task[None] | None = None
        self.buffer = Buffer()
        self.completed: Completed | None = None
        self.first_token_at: float | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._pump())
        try:
            # Lets the request go out before our own work on the turn goes on.
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            # A block that was not entered is not left either.
            await self.abort()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.abort()

    async def abort(self) -> None:
        """Stop the engine's work; harmless when it has ended."""
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait((task,))
        self.buffer.close(EngineResponseError("the draft was aborted"))

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The finished tool calls, in the engine's order."""
        return tuple(
            ToolCall(id=part.id, name=part.name, arguments="".join(part.arguments))
            for _, part in sorted(self._partial.items())
        )

    async def _pump(self) -> None:
        try:
            async with aclosing(self._engine.stream(self._request)) as stream:
                async for event in stream:
                    if self.first_token_at is None:
                        self.first_token_at = asyncio.get_running_loop().time()
                    match event:
                        case TextDelta():
                            self._grow(len(event.text))
                            if event.text:
                                self.buffer.push(event.text)
                        case ToolCallDelta():
                            self._grow(len(event.arguments) + 1)
                            self._gather(event)
                        case Completed():
                            self.completed = event
                        case _:
                            assert_never(event)
            if self.completed is None:
                raise EngineResponseError("the engine's answer broke off")
        # The reader of the buffer is who must learn of it: this task has nobody waiting on it.
        except Exception as error:  # noqa: BLE001 - see above
            self.buffer.close(error)
        else:
            self.buffer.close()

    def _grow(self, chars: int) -> None:
        self._chars += chars
        if self._chars > MAX_CHARS:
            raise EngineResponseError("the engine's answer does not end")

    def _gather(self, delta: ToolCallDelta) -> None:
        part = self._partial.setdefault(delta.index, _PartialCall())
        part.id = part.id or delta.id or ""
        part.name = part.name or delta.name or ""
        part.arguments.append(delta.arguments)
