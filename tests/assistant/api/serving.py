"""The application, reached in process or over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from assistant.api.hosting import configure
from assistant.api.listener import listen, url
from tests.assistant.api.scripted import settings

HOST = "127.0.0.1:8000"


def local_client(app: ASGIApp, *, client: str = "127.0.0.1", **more: Any) -> httpx.AsyncClient:
    """A client that calls ``app`` in this process, from the address ``client``."""
    transport = httpx.ASGITransport(app=app, client=(client, 4711))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}", **more)


class _QuietServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @asynccontextmanager
    async def running(self, sockets: Any) -> AsyncIterator[None]:
        task = asyncio.create_task(self._serve(sockets))
        ready = asyncio.create_task(self.ready.wait())
        try:
            await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            yield
        finally:
            self.should_exit = True
            ready.cancel()
            await task


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serve ``app`` with the real server on a free loopback port; its address."""
    listener = listen(settings(port=0))
    try:
        async with _QuietServer(configure(app)).running([listener]):  # type: ignore[arg-type]
            yield url(listener)
    finally:
        listener.close()


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def chat(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"messages": list(messages) or [user("hello")], **more}


def events(text: str) -> list[Any]:
    """The ``data:`` lines of a stream, parsed, ``[DONE]`` as it is."""
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


class RawRequest:
    """One request to ``app`` at ASGI's own level: what it sends, and a client that can vanish."""

    def __init__(
        self,
        app: ASGIApp,
        body: bytes,
        *,
        path: str = "/v1/chat/completions",
        headers: tuple[tuple[bytes, bytes], ...] = (),
        client: tuple[str, int] | None = ("127.0.0.1", 4711),
    ) -> None:
        self.sent: list[Any] = []
        self._incoming: asyncio.Queue[Any] = asyncio.Queue()
        self._incoming.put_nowait({"type": "http.request", "body": body, "more_body": False})
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
            "server": ("127.0.0.1", 8000),
            "client": client,
            "headers": [
                (b"host", HOST.encode()),
                (b"content-type", b"application/json"),
                *headers,
            ],
            "asgi": {"version": "3.0", "spec_version": "2.3"},
        }
        self.task = asyncio.create_task(self._run(app, scope))

    async def _run(self, app: ASGIApp, scope: Any) -> None:
        await app(scope, self._incoming.get, self._send)

    async def _send(self, message: Any) -> None:
        self.sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            # As servers do: what waits for the client's end learns of the answer's.
            self.vanish()
            await asyncio.sleep(0)

    def vanish(self) -> None:
        self._incoming.put_nowait({"type": "http.disconnect"})

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])
