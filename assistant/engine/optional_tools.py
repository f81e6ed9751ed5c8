"""An engine that may turn out unable to take tools."""

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from assistant.engine.protocol import CompletionRequest, Engine, EngineEvent
from assistant.errors import EngineRequestError
from guards.conversation import Message
from plugins.tool import ToolSpec

logger = logging.getLogger("corral.engine")


class OptionalTools:
    """Leaves out tools that a request can do without, once the engine has refused them.

    vLLM answers 400 to any request with tools unless it was started with a tool call parser;
    that must not take the whole assistant down.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._refused = False

    @property
    def model(self) -> str:
        """See :class:`~assistant.engine.protocol.Engine`."""
        return self._engine.model

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[EngineEvent, None]:
        """See :class:`~assistant.engine.protocol.Engine`."""
        optional = bool(request.tools) and request.optional_tools
        without = replace(request, tools=(), tool_choice=None)
        started = False
        try:
            first = without if optional and self._refused else request
            async with aclosing(self._engine.stream(first)) as events:
                async for event in events:
                    started = True
                    yield event
            return
        except EngineRequestError:
            if started or not optional or self._refused:
                raise
        async with aclosing(self._engine.stream(without)) as events:
            async for event in events:
                if not started:
                    # Only now is it known that the tools were what was wrong with the request.
                    started = self._refused = True
                    logger.warning(
                        "the engine refuses tools: the model calls none until it is restarted "
                        "with a tool call parser; see CORRAL_TOOL_CALLS"
                    )
                yield event

    async def window(self) -> int:
        """See :class:`~assistant.engine.protocol.Engine`."""
        return await self._engine.window()

    async def count_tokens(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> int:
        """See :class:`~assistant.engine.protocol.Engine`."""
        return await self._engine.count_tokens(messages, tools)
