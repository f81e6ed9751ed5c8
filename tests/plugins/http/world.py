"""A world to reach: names, a wire that leads to one real server, and that server."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import httpcore
import httpx

from plugins.http import HttpLimits, open_client

PUBLIC, OTHER_PUBLIC, PUBLIC_6 = "93.184.215.14", "1.1.1.1", "2606:4700:4700::1111"

TLS = httpx.create_ssl_context(trust_env=False)
"""The usual one, made once: making it takes longer than most tests."""

Handler = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Gets the head of a request, and the connection."""


class Names:
    """A resolver; of several answers for a name, each look-up gets the next, the last again."""

    def __init__(self, answers: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._answers = {name: list(each) for name, each in answers.items()}
        self.asked: list[str] = []

    async def resolve(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        if host not in self._answers:
            raise OSError("no such name")
        answers = self._answers[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


class Wire(httpcore.AsyncNetworkBackend):
    """Leads every address to one real server, and remembers which were dialled."""

    def __init__(
        self, port: int = 0, *, dead: Iterable[str] = (), silent: Iterable[str] = ()
    ) -> None:
        self.port = port
        self.dead, self.silent = frozenset(dead), frozenset(silent)
        self.dialled: list[str] = []
        self.shaken: list[tuple[str | None, ssl.SSLContext]] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.dialled.append(host)
        if host in self.dead:
            raise httpcore.ConnectError("refused")
        if host in self.silent:
            await asyncio.Event().wait()
        stream = await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", self.port)
        return _Plain(stream, self.shaken)


class _Plain(httpcore.AsyncNetworkStream):
    """Speaks no TLS, and remembers under which name it was to."""

    def __init__(
        self,
        stream: httpcore.AsyncNetworkStream,
        shaken: list[tuple[str | None, ssl.SSLContext]],
    ) -> None:
        self._stream, self._shaken = stream, shaken

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self._shaken.append((server_hostname, ssl_context))
        return self

    def get_extra_info(self, info: str) -> object:
        return None if info == "ssl_object" else self._stream.get_extra_info(info)


@dataclass(slots=True)
class Server:
    """A real server on the loopback interface.

    Attributes:
        port: where it listens.
        heads: of the requests that came, oldest first.
        pages: bytes to send, or what sends them, by path; what is missing is a 404.
    """

    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    pages: dict[str, bytes | Handler] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """For ``private_hosts``."""
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        """A page of it, by its own address."""
        return f"http://{self.place}{path}"

    @property
    def paths(self) -> list[str]:
        """What was asked for."""
        return [head.split(b" ")[1].decode() for head in self.heads]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            page = self.pages.get(head.split(b" ")[1].decode(), answer(b"", status=404))
            if isinstance(page, bytes):
                writer.write(page)
            else:
                await page(head, reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


class Serves(Protocol):
    """Answers connections; ``port`` is filled in."""

    port: int

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None: ...


S = TypeVar("S", bound=Serves)


@asynccontextmanager
async def listening(server: S) -> AsyncIterator[S]:
    """``server`` on loopback, stopped with all its connections at the end."""
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
        await listener.wait_closed()


def serving() -> AbstractAsyncContextManager[Server]:
    """A server of pages."""
    return listening(Server())


def answer(body: bytes, *lines: str, status: int = 200, kind: str = "text/plain") -> bytes:
    """A whole answer with its length; ``lines`` are further header lines."""
    head = [
        f"HTTP/1.1 {status} Because",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *lines,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def redirect(to: str, status: int = 302) -> bytes:
    """An answer that leads elsewhere."""
    return answer(b"", f"Location: {to}", status=status)


def client(
    server: Server, limits: HttpLimits | None = None, hosts: tuple[str, ...] = ("*",)
) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """Reaches the server by its own address, which an operator allowed, and as two public sites."""
    return open_client(
        hosts=hosts,
        private_hosts=(server.place,),
        limits=limits,
        resolver=Names({"example.com": [[PUBLIC]], "other.org": [[PUBLIC]]}),
        network=Wire(server.port),
        tls=TLS,
    )
