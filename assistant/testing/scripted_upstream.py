"""A scripted stand-in for an OpenAI-compatible server, for tests and latency benchmarks.

It plays prepared bytes at set times over real sockets and costs next to no processor time, so
that a benchmark on few cores measures the program under test and not its counterpart. It is no
model: it reads of a request only what a script looks at. Run it as its own process with
``python -m assistant.testing.scripted_upstream``.
"""

import argparse
import asyncio
import json
import re
import signal
import sys
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

from assistant.testing.scripted_replies import (
    Plan,
    Received,
    ReceivedState,
    Respond,
    Then,
    Timing,
    standard_replies,
)

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)


class _Connection(asyncio.Protocol):
    def __init__(self, server: "ScriptedUpstream") -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._current: Received | None = None
        self._plan: Plan | None = None
        self._next = 0
        self._started = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self._transport)
        self._server.accepted += 1

    def connection_lost(self, _: Exception | None) -> None:
        if self._transport is not None:
            self._server.connections.discard(self._transport)
        if self._timer is not None:
            self._timer.cancel()
        self._end(ReceivedState.ABORTED)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if self._current is None:
            self._take()

    def _take(self) -> None:
        """Start answering the next complete request in the buffer, if there is one."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end]
        length = _LENGTH.search(head)
        stop = end + 4 + (int(length[1]) if length else 0)
        if len(self._buffer) < stop:
            return
        body, self._buffer = self._buffer[end + 4 : stop], self._buffer[stop:]
        method, path, _ = head.split(b"\r\n", 1)[0].split(b" ")
        received = Received(method=method.decode(), path=path.decode(), head=head, body=body)
        self._server.received.append(received)
        self._current = received
        self._plan = self._server.respond(received)
        self._next = 0
        self._started = self._loop.time()
        self._play()

    def _play(self) -> None:
        plan, transport = self._plan, self._transport
        if plan is None or transport is None or transport.is_closing():
            return
        elapsed = self._loop.time() - self._started
        while self._next < len(plan.writes):
            at, data = plan.writes[self._next]
            if at > elapsed:
                self._timer = self._loop.call_at(self._started + at, self._play)
                return
            self._next += 1
            transport.write(data)
        match plan.then:
            case Then.KEEP:
                self._end(ReceivedState.ANSWERED)
                if self._buffer:
                    self._take()
            case Then.CLOSE:
                self._end(ReceivedState.ANSWERED)
                transport.close()
            case Then.CUT:
                self._end(ReceivedState.BROKEN)
                transport.close()
            case Then.RESET:
                self._end(ReceivedState.BROKEN)
                transport.abort()
            case Then.HANG:
                pass

    def _end(self, state: ReceivedState) -> None:
        received, self._current, self._plan = self._current, None, None
        if received is not None:
            received.state = state
            received.ended.set()


class ScriptedUpstream:
    """The stand-in itself; see :func:`scripted_upstream`.

    Attributes:
        respond: turns a request into the bytes to send; may be replaced at any time.
        received: the latest requests, oldest first.
        accepted: connections taken so far.
        connections: those open now.
    """

    def __init__(self, respond: Respond, *, remember: int = 1000) -> None:
        self.respond = respond
        self.received: deque[Received] = deque(maxlen=remember)
        self.accepted = 0
        self.connections: set[asyncio.Transport] = set()
        self.port = 0
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Base URL, ``/v1`` included."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> None:
        """Listen on loopback: on the port of before after a stop, on a free one at first."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self), "127.0.0.1", self.port, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Die: stop listening and reset what is open."""
        if self._server is not None:
            self._server.close()
            for transport in list(self.connections):
                transport.abort()
            await self._server.wait_closed()
            self._server = None


@asynccontextmanager
async def scripted_upstream(
    respond: Respond | None = None,
) -> AsyncGenerator[ScriptedUpstream, None]:
    """A running stand-in; without ``respond`` it gives the standard replies at once."""
    server = ScriptedUpstream(respond or standard_replies(Timing()))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def _serve(port: int, timing: Timing) -> None:
    server = ScriptedUpstream(standard_replies(timing), remember=0)
    server.port = port
    await server.start()
    sys.stdout.write(json.dumps({"url": server.url}) + "\n")
    sys.stdout.flush()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await server.stop()


def main() -> None:
    """Serve the standard replies until told to stop; prints ``{"url": ...}`` when listening."""
    parser = argparse.ArgumentParser(description="Scripted stand-in for a model and its guard.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--first", type=float, default=0.05, help="seconds to the first token")
    parser.add_argument("--gap", type=float, default=0.01, help="seconds between tokens")
    parser.add_argument("--tokens", type=int, default=40, help="tokens of a reply")
    parser.add_argument("--guard", type=float, default=0.04, help="seconds to a guard's answer")
    options = parser.parse_args()
    timing = Timing(
        first=options.first, gap=options.gap, tokens=options.tokens, guard=options.guard
    )
    if sys.platform != "win32":
        import uvloop

        uvloop.run(_serve(options.port, timing))
    else:
        asyncio.run(_serve(options.port, timing))


if __name__ == "__main__":
    main()
