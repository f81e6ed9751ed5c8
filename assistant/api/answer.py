"""A turn as an HTTP response, which ends when its client goes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import assert_never

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from assistant.api.capacity import Capacity
from assistant.api.completion import ChunkWriter, Heading, WholeReply, error_event
from assistant.api.failures import JSON_TYPE, ApiError, Reporter
from assistant.api.gate import send_error
from assistant.api.metrics import TurnMeter
from assistant.events import (
    ApprovalNeeded,
    Cited,
    Event,
    Finished,
    ImageReleased,
    Judged,
    Refused,
    Retracted,
    TextReleased,
    ToolCallReleased,
    ToolFinished,
    ToolProgressed,
    ToolStarted,
)

_STREAM_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-cache"),
        # Proxies that buffer would undo the streaming.
        (b"x-accel-buffering", b"no"),
    ],
}


class UnfinishedTurnError(RuntimeError):
    """The events of a turn ended without ``Finished``."""


class Answer(Response):
    """Runs a turn's events and sends them, streamed or whole.

    Status and headers wait for the first event that shows, so that an error has its own status
    in a stream too. When the client goes away the generator is closed, which aborts the model's
    work (I8). After ``deadline`` seconds a client that does not read is taken for gone.
    """

    def __init__(
        self,
        events: AsyncGenerator[Event, None],
        heading: Heading,
        *,
        stream: bool,
        include_usage: bool,
        deadline: float,
        capacity: Capacity,
        meter: TurnMeter,
        reporter: Reporter,
    ) -> None:
        super().__init__()
        self._events = events
        self._heading = heading
        self._stream = stream
        self._include_usage = include_usage
        self._deadline = deadline
        self._capacity = capacity
        self._meter = meter
        self._reporter = reporter
        self._started = False
        self._gone = False
        self._complete = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's shape
        with self._capacity.admit():
            async with asyncio.TaskGroup() as group:
                work = group.create_task(self._work(send))
                watch = group.create_task(self._watch(receive, work))
                timer = asyncio.get_running_loop().call_later(self._deadline, self._abandon, work)
                work.add_done_callback(lambda _: watch.cancel())
                work.add_done_callback(lambda _: timer.cancel())

    async def _watch(self, receive: Receive, work: asyncio.Task[None]) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._abandon(work)

    def _abandon(self, work: asyncio.Task[None]) -> None:
        """Nobody reads this answer any more."""
        # Servers also report a disconnect for an answer that was read to its end.
        if not self._complete:
            self._gone = True
            work.cancel()

    async def _work(self, send: Send) -> None:
        try:
            async with aclosing(self._events) as events:
                if self._stream:
                    await self._send_stream(events, send)
                else:
                    await self._send_whole(events, send)
        except asyncio.CancelledError:
            self._meter.gone()
            if not self._gone:
                # Not the client but the server goes: say so while there is still time.
                await self._send_failure(
                    ApiError(503, "shutting_down", "the server is shutting down; try again"), send
                )
            raise
        except Exception as error:  # noqa: BLE001 - the process edge: any error becomes an answer
            self._meter.failed()
            await self._send_failure(error, send)

    async def _send_stream(self, events: AsyncGenerator[Event, None], send: Send) -> None:
        writer = ChunkWriter(self._heading, include_usage=self._include_usage)
        meter = self._meter
        retracted: Retracted | None = None
        async for event in events:
            match event:
                case TextReleased(text=text):
                    meter.text()
                    await self._send_chunk(writer.text(text), send)
                case Judged():
                    meter.judged(event)
                case ToolCallReleased(call=call):
                    await self._send_chunk(writer.tool_call(call), send)
                case ToolStarted() | ToolProgressed() | ToolFinished() | Cited() | ImageReleased():
                    await self._send_chunk(writer.event(event), send)
                case ApprovalNeeded(asked=asked):
                    meter.text()
                    await self._send_chunk(writer.question(asked), send)
                case Refused(text=text):
                    meter.text()
                    await self._send_chunk(writer.text(text), send)
                case Retracted():
                    retracted = event
                case Finished():
                    meter.finished(event)
                    await self._send_chunk(writer.end(event, retracted), send, more=False)
                    return
                case _:
                    assert_never(event)
        raise UnfinishedTurnError

    async def _send_whole(self, events: AsyncGenerator[Event, None], send: Send) -> None:
        reply = WholeReply(self._heading)
        meter = self._meter
        retracted: Retracted | None = None
        async for event in events:
            match event:
                case TextReleased(text=text) | Refused(text=text):
                    meter.text()
                    reply.texts.append(text)
                case Judged():
                    meter.judged(event)
                case ToolCallReleased(call=call):
                    reply.calls.append(call)
                case ToolStarted() | ToolProgressed() | ToolFinished() | Cited() | ImageReleased():
                    reply.extras.add(event)
                case ApprovalNeeded(asked=asked):
                    meter.text()
                    reply.question(asked)
                case Retracted():
                    retracted = event
                case Finished():
                    meter.finished(event)
                    await self._send_json(reply.body(event, retracted), send)
                    return
                case _:
                    assert_never(event)
        raise UnfinishedTurnError

    async def _send_chunk(self, chunk: bytes, send: Send, *, more: bool = True) -> None:
        if not self._started:
            self._started = True
            await send(_STREAM_START)
        self._complete = not more
        await send({"type": "http.response.body", "body": chunk, "more_body": more})

    async def _send_json(self, body: bytes, send: Send) -> None:
        headers = [(b"content-type", JSON_TYPE), (b"content-length", str(len(body)).encode())]
        self._started = self._complete = True
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _send_failure(self, error: Exception, send: Send) -> None:
        answer, body = self._reporter.report(error)
        if self._stream and self._started:
            await self._send_chunk(error_event(body), send, more=False)
        elif not self._started:
            await send_error(send, answer, body)
