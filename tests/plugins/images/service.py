"""An image service over loopback."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from plugins.http.client import open_client
from plugins.http.limits import HttpLimits
from tests.plugins.http.world import Server, answer
from tests.plugins.images.test_picture import painted

PATH = "/v1/images/generations"
PNG = painted("PNG")


def body(data: bytes = PNG) -> bytes:
    return json.dumps(
        {"created": 1, "data": [{"b64_json": base64.b64encode(data).decode()}]}
    ).encode()


def json_answer(value: object, status: int = 200) -> bytes:
    return answer(json.dumps(value).encode(), status=status, kind="application/json")


class Service:
    """An image service in OpenAI's format; remembers what was asked."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.asked: list[dict[str, Any]] = []
        self.came = asyncio.Event()
        self.gone = asyncio.Event()
        self.reply = answer(body(), kind="application/json")
        self.hangs = False
        self.running = 0
        self.most_running = 0
        server.pages[PATH] = self._serve

    async def _serve(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        lines = head.decode().lower().split("\r\n")
        (length,) = (int(line[16:]) for line in lines if line.startswith("content-length: "))
        self.asked.append(json.loads(await reader.readexactly(length)))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.came.set()
        try:
            if self.hangs:
                await reader.read()
                self.gone.set()
                return
            writer.write(self.reply)
        finally:
            self.running -= 1


@asynccontextmanager
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    place = service.server.place
    async with open_client(
        hosts=(place,), private_hosts=(place,), limits=HttpLimits(total_seconds=5)
    ) as opened:
        yield opened
