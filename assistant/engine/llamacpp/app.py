"""The HTTP side: OpenAI's chat completions, vLLM's ``/tokenize``, health and metrics."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

import orjson
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.engine.llamacpp.job import DecodeError
from assistant.engine.llamacpp.loop import BatchLoop, BusyError
from assistant.engine.llamacpp.model import PromptError
from assistant.engine.llamacpp.reply import Finished, Piece, ReplyWriter, generate
from assistant.engine.llamacpp.request import ChatRequest, TokenizeRequest

MAX_BODY_BYTES = 8 << 20

_Asked = TypeVar("_Asked", bound=TokenizeRequest)


class _RefusedError(Exception):
    """Becomes an error answer in OpenAI's shape. The text quotes nothing that was sent."""

    def __init__(self, status: int, message: str, *, code: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param

    @property
    def body(self) -> dict[str, Any]:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": error}

    def response(self) -> Response:
        headers = {"Retry-After": "1"} if self.status == 503 else None
        return _json(self.body, self.status, headers)


def _json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, "application/json")


class Endpoints:
    """What the server answers, around one batch loop."""

    def __init__(self, batches: BatchLoop, *, model: str) -> None:
        self._batches = batches
        self._model = model

    async def health(self, _request: Request) -> Response:
        return PlainTextResponse("ok")

    async def models(self, _request: Request) -> Response:
        """One model, with its window under vLLM's name for it."""
        window = self._batches.window
        entry = {
            "id": self._model,
            "object": "model",
            "owned_by": "corral",
            "max_model_len": window,
        }
        return _json({"object": "list", "data": [entry]})

    async def tokenize(self, request: Request) -> Response:
        """Exact prompt tokens of a conversation, also while others are being answered."""
        asked = await self._asked(request, TokenizeRequest)
        tokens = await self._prompt(asked)
        count = {"count": len(tokens), "max_model_len": self._batches.window, "tokens": tokens}
        return _json(count)

    async def chat(self, request: Request) -> Response:
        asked = await self._asked(request, ChatRequest)
        tokens = await self._prompt(asked)
        if len(tokens) >= self._batches.window:
            raise _RefusedError(
                400,
                f"This model's maximum context length is {self._batches.window} tokens. "
                f"However, the messages have {len(tokens)} tokens.",
                code="context_length_exceeded",
                param="messages",
            )
        try:
            self._batches.check(asked.draw())
        except ValueError as error:
            raise _RefusedError(400, str(error), code="invalid_schema") from None
        writer = ReplyWriter(asked, id=f"chatcmpl-{secrets.token_hex(12)}", model=self._model)
        pieces = generate(self._batches, asked, tokens)
        if asked.stream:
            usage = asked.stream_options.include_usage
            return _EventResponse(lambda: _events(pieces, writer, with_usage=usage))
        return await _unless_gone(request, _whole(pieces, writer))

    async def metrics(self, _request: Request) -> Response:
        """Prometheus' text format, written out: four numbers need no library."""
        batches = self._batches
        lines = [
            "# TYPE corral_engine_running gauge",
            f"corral_engine_running {batches.running}",
            "# TYPE corral_engine_waiting gauge",
            f"corral_engine_waiting {batches.waiting}",
            "# TYPE corral_engine_generated_tokens_total counter",
            f"corral_engine_generated_tokens_total {batches.generated_tokens}",
            "# TYPE corral_engine_cached_prompt_tokens_total counter",
            f"corral_engine_cached_prompt_tokens_total {batches.cached_tokens}",
            "# TYPE corral_engine_completions_total counter",
            *(
                f'corral_engine_completions_total{{finish="{finish}"}} {count}'
                for finish, count in batches.finished.items()
            ),
        ]
        return PlainTextResponse("\n".join(lines) + "\n")

    async def _asked(self, request: Request, shape: type[_Asked]) -> _Asked:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise _RefusedError(413, "the request is larger than 8 MB", code="too_large")
        try:
            asked = shape.model_validate_json(bytes(body))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            raise _RefusedError(
                400, f"{field or 'body'}: {first['msg']}", code="invalid_request", param=field
            ) from None
        if asked.model is not None and asked.model != self._model:
            raise _RefusedError(
                404, f"only {self._model} is served", code="model_not_found", param="model"
            )
        return asked

    async def _prompt(self, asked: TokenizeRequest) -> list[int]:
        messages = [message.plain() for message in asked.messages]
        tools = [tool.model_dump(exclude_none=True) for tool in asked.tools]
        if isinstance(asked, ChatRequest) and asked.tool_choice == "none":
            tools = []
        try:
            # In a thread: a long history takes a while, and others wait for their tokens.
            return await asyncio.to_thread(self._batches.model.prompt, messages, tools)
        except PromptError as error:
            raise _RefusedError(
                400, str(error), code="invalid_messages", param="messages"
            ) from None


async def _events(
    pieces: AsyncGenerator[Piece | Finished, None], writer: ReplyWriter, *, with_usage: bool
) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces):
        try:
            async for piece in pieces:
                match piece:
                    case Piece():
                        yield _event(writer.chunk(piece))
                    case Finished():
                        yield _event(writer.last_chunk(piece))
                        if with_usage:
                            yield _event(writer.usage_chunk(piece))
        except (BusyError, DecodeError) as error:
            yield _event(_failure(error).body)
    yield b"data: [DONE]\n\n"


def _event(payload: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(payload) + b"\n\n"


async def _whole(pieces: AsyncGenerator[Piece | Finished, None], writer: ReplyWriter) -> Response:
    parts: list[Piece] = []
    async with aclosing(pieces):
        try:
            async for piece in pieces:
                match piece:
                    case Piece():
                        parts.append(piece)
                    case Finished():
                        return _json(writer.whole(parts, piece))
        except (BusyError, DecodeError) as error:
            raise _failure(error) from None
    raise AssertionError("a completion ends with Finished")


def _failure(error: BusyError | DecodeError) -> _RefusedError:
    status = 503 if isinstance(error, BusyError) else 500
    return _RefusedError(status, str(error), code="busy" if status == 503 else "decode_failed")


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def _unless_gone(request: Request, answer: Coroutine[Any, Any, Response]) -> Response:
    """``answer``, or nothing of it at all once its client has hung up."""
    working = asyncio.create_task(answer)
    leaving = asyncio.create_task(_gone(request.receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        return Response(status_code=499)
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


class _EventResponse(Response):
    """Sends events as they come, and stops making them the moment the client hangs up.

    Starlette's own streaming response notices only when it next sends, which while a long prompt
    is read is much later.
    """

    def __init__(self, events: Callable[[], AsyncGenerator[bytes, None]]) -> None:
        super().__init__(headers={"Cache-Control": "no-store"}, media_type="text/event-stream")
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's shape
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        start: Message = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async with aclosing(self._events()) as events:
            async for event in events:
                await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class _OnlyWithKey:
    """Lets in who presents the key; ``/health`` is open."""

    def __init__(self, app: ASGIApp, *, key: str) -> None:
        self._app = app
        self._expected = f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] != "/health":
            presented = dict(scope["headers"]).get(b"authorization", b"")
            if not secrets.compare_digest(presented, self._expected):
                refused = _RefusedError(401, "the bearer key is missing or wrong", code="no_key")
                await refused.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, _RefusedError):
        raise error
    return error.response()


def create_app(batches: BatchLoop, *, model: str, key: str) -> ASGIApp:
    """The server's ASGI application; callers present ``key`` as a bearer key."""
    endpoints = Endpoints(batches, model=model)
    app = Starlette(
        routes=[
            Route("/health", endpoints.health),
            Route("/metrics", endpoints.metrics),
            Route("/tokenize", endpoints.tokenize, methods=["POST"]),
            Route("/v1/models", endpoints.models),
            Route("/v1/chat/completions", endpoints.chat, methods=["POST"]),
        ],
        exception_handlers={_RefusedError: _refused},
    )
    return _OnlyWithKey(app, key=key)
