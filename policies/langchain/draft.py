"""A model's reply on its way into a buffer that nobody outside sees."""

import asyncio
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler, BaseCallbackManager
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import patch_config
from langchain_core.tracers.base import AsyncBaseTracer, BaseTracer

from guards.stream import Buffer

MAX_CHARS = 4_000_000
"""More than any reply: a model that sends this much is broken, not eloquent."""


class UnusableReplyError(RuntimeError):
    """The model gave something that is no reply. The message never quotes it."""


class Draft:
    """Starts drafting on entry; leaving the block cancels the model's work (I8).

    ``message`` is the whole reply as the model gave it, there once ``buffer`` has closed without
    error; ``None`` for models that give bare text.
    """

    def __init__(
        self,
        model: Runnable[Any, Any],
        value: Any,
        config: RunnableConfig,
        kwargs: dict[str, Any],
        *,
        streaming: bool,
    ) -> None:
        self._model = model
        self._value = value
        self._config = unheard(config)
        self._kwargs = kwargs
        self._streaming = streaming
        self._chunks: list[AIMessageChunk] = []
        self._whole: AIMessage | None = None
        self._chars = 0
        self._task: asyncio.Task[None] | None = None
        self.buffer = Buffer()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._pump())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.abort()

    async def abort(self) -> None:
        """Stop the model's work; harmless when it has ended."""
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait((task,))
        self.buffer.close(UnusableReplyError("the draft was aborted"))

    @property
    def message(self) -> AIMessage | None:
        if self._chunks:
            first, *others = self._chunks
            return add_ai_message_chunks(first, *others)
        return self._whole

    async def _pump(self) -> None:
        try:
            if self._streaming:
                await self._follow()
            else:
                self._take(await self._model.ainvoke(self._value, self._config, **self._kwargs))
        # The reader of the buffer is who must learn of it: this task has nobody waiting on it.
        except Exception as error:  # noqa: BLE001 - see above
            self.buffer.close(error)
        else:
            self.buffer.close()

    async def _follow(self) -> None:
        async with AsyncExitStack() as stack:
            pieces = self._model.astream(self._value, self._config, **self._kwargs)
            if (close := getattr(pieces, "aclose", None)) is not None:
                stack.push_async_callback(close)
            async for piece in pieces:
                self._take(piece)

    def _take(self, piece: Any) -> None:
        match piece:
            case AIMessageChunk():
                self._chunks.append(piece)
                text = str(piece.text)
                size = sum(len(call["args"] or "") for call in piece.tool_call_chunks)
            case AIMessage():
                self._whole = piece
                text, size = str(piece.text), 0
            case str():
                text, size = piece, 0
            case _:
                raise UnusableReplyError("the model must give text or an AIMessage")
        self._chars += len(text) + size + 1
        if self._chars > MAX_CHARS:
            raise UnusableReplyError("the model's reply does not end")
        if text:
            self.buffer.push(text)


def unheard(config: RunnableConfig) -> RunnableConfig:
    """``config`` without handlers that would hear the draft's words before they are judged.

    Those are whoever streams tokens or events to somebody. Tracers and handlers that hear of
    starts and ends only stay: they are the operator's.
    """
    manager = config.get("callbacks")
    if not isinstance(manager, BaseCallbackManager):
        handlers = [handler for handler in manager or () if not _listens(handler)]
        return patch_config(config, callbacks=None) | {"callbacks": handlers}
    quiet = manager.copy()
    quiet.handlers = [handler for handler in quiet.handlers if not _listens(handler)]
    quiet.inheritable_handlers = [h for h in quiet.inheritable_handlers if not _listens(h)]
    return patch_config(config, callbacks=quiet)


_LIVE = ("on_llm_new_token", "on_stream_event")


def _listens(handler: BaseCallbackHandler) -> bool:
    if hasattr(handler, "tap_output_aiter"):
        return True
    if isinstance(handler, BaseTracer | AsyncBaseTracer):
        return False
    return any(
        getattr(type(handler), name, None)
        not in (getattr(BaseCallbackHandler, name, None), getattr(AsyncCallbackHandler, name, None))
        for name in _LIVE
    )
