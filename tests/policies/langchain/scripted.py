"""A scripted guard in a panel, and a model whose every step the test allows."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from assistant.testing.scripted_guard import ScriptedGuard
from guards.panel import Panel, Seat
from policies.bundle import Policy

POLICY = Policy.load_builtin()


def panel(guard: ScriptedGuard) -> Panel:
    return Panel([Seat(guard=guard, subjects=guard.subjects)])


class SteppedModel(BaseChatModel):
    """Streams ``pieces``; goes on after the first only when ``go`` is set."""

    pieces: tuple[str, ...]
    go: Any = None
    seen: list[Any] = []  # noqa: RUF012 - a pydantic field
    begun: Any = None
    cancelled: list[bool] = []  # noqa: RUF012 - a pydantic field

    @property
    def _llm_type(self) -> str:
        return "stepped"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.seen.append((messages, kwargs))
        message = AIMessage("".join(self.pieces))
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.seen.append((messages, kwargs))
        try:
            for index, piece in enumerate(self.pieces):
                if index and self.go is not None:
                    await self.go.wait()
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
                if run_manager is not None:
                    await run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk
                if self.begun is not None:
                    self.begun.set()
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled.append(True)
            raise
