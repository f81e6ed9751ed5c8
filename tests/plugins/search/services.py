"""A server on the loopback interface that speaks as search services and web sites do."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from plugins.access import Access, Person
from plugins.plugin import Setup
from plugins.result import Result
from plugins.search import plugin
from plugins.testing import FakeClock, FakeStore, access
from tests.plugins.http.world import answer, client, listening

KEYS = {"BRAVE_KEY": "brave-key-1", "TAVILY_KEY": "tavily-key-1", "EXA_KEY": "exa-key-1"}

Handler = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def params(self) -> dict[str, str]:
        """Of the address, or of a form."""
        text = urlsplit(self.target).query or self.body.decode()
        return dict(parse_qsl(text))

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass(slots=True)
class Services:
    """The server. ``answers`` are bytes, what sends them, or what becomes JSON, by path."""

    port: int = 0
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.place}"

    def asked_at(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.path == path]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip().split("\r\n")
            headers = {name.lower(): value for name, value in (x.split(": ", 1) for x in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            method, target, _ = first.split(" ")
            asked = Asked(method=method, target=target, headers=headers, body=body)
            self.asked.append(asked)
            match self.answers.get(asked.path, answer(b"", status=404)):
                case bytes() as page:
                    writer.write(page)
                case dict() | list() as value:
                    writer.write(as_json(value))
                case handler:
                    await handler(asked, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def as_json(value: object, status: int = 200) -> bytes:
    return answer(json.dumps(value).encode(), status=status, kind="application/json")


def page(text: str, title: str = "A page") -> bytes:
    html = f"<html><head><title>{title}</title></head><body><article>{text}</article></body></html>"
    return answer(html.encode(), kind="text/html; charset=utf-8")


def services() -> AbstractAsyncContextManager[Services]:
    """Search services on loopback."""
    return listening(Services())


async def hang(asked: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def flood(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """A hundred megabytes that begin like an answer."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
    writer.write(b'{"results": [')
    for _ in range(100):
        writer.write(b" " * 1_000_000)
        await writer.drain()


@dataclass(slots=True)
class Rig:
    """The plugin, open, with its real client."""

    tool: Any
    access: Access
    cache: FakeStore
    clock: FakeClock

    async def search(self, query: str, **arguments: Any) -> Result:
        return await self.tool.run({"query": query, **arguments}, self.access)


@asynccontextmanager
async def opened(
    server: Services,
    options: Mapping[str, Any],
    *,
    folder: Path,
    cache: FakeStore | None = None,
    private: bool = True,
) -> AsyncIterator[Rig]:
    """The plugin under ``options``, reaching what its manifest says; ``example.com`` and
    ``other.org`` lead to the server too."""
    chosen = plugin.options.model_validate(options)
    manifest = plugin.refine(chosen)
    secrets = {name: KEYS[name] for name in manifest.secrets}
    clock = FakeClock()
    cache = cache or FakeStore(clock)
    reachable = server if private else Services(port=1)
    async with client(reachable, hosts=manifest.hosts) as http:
        setup = Setup(options=chosen, secrets=secrets, http=http, cache=cache, folder=folder)
        async with plugin.open(setup) as (tool,):
            means = access(person=Person(pseudonym="person-1"), clock=clock)
            means = Access(
                http=http,
                secrets=secrets,
                person=means.person,
                store=means.store,
                now=clock.now,
                progress=means.progress,
                key=means.key,
            )
            yield Rig(tool=tool, access=means, cache=cache, clock=clock)
