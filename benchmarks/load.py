"""A closed-loop load of streamed chat completions, cheap enough not to be what is measured."""

import asyncio
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

_CONTENT = re.compile(rb'"content": ?"[^"]')
_END = b"data: [DONE]"
_TAIL = b"\r\n0\r\n\r\n"


class LoadError(RuntimeError):
    """The server under load answered something else than a whole stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One request, in seconds from its being sent."""

    first_text: float
    total: float


@dataclass(slots=True, kw_only=True)
class Measured:
    """All samples of one level of concurrency, over ``seconds`` of wall-clock time."""

    concurrency: int
    seconds: float
    samples: list[Sample] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Requests a second, and medians and 95th percentiles in milliseconds."""
        totals = sorted(sample.total for sample in self.samples)
        firsts = sorted(sample.first_text for sample in self.samples)
        return {
            "requests": len(totals),
            "requests_per_second": len(totals) / self.seconds,
            "total_p50_ms": 1000 * statistics.median(totals),
            "total_p95_ms": 1000 * totals[int(0.95 * len(totals))],
            "first_text_p50_ms": 1000 * statistics.median(firsts),
            "first_text_p95_ms": 1000 * firsts[int(0.95 * len(firsts))],
        }


class _Client(asyncio.Protocol):
    """One kept-alive connection that sends one request after the other."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[Sample] | None = None
        self._data = bytearray()
        self._sent = 0.0
        self._first = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(LoadError("the connection was closed mid-answer"))

    async def request(self, data: bytes) -> Sample:
        assert self._transport is not None
        self._done = self._loop.create_future()
        self._data.clear()
        self._first = 0.0
        self._sent = time.perf_counter()
        self._transport.write(data)
        async with asyncio.timeout(30):
            return await self._done

    def data_received(self, data: bytes) -> None:
        buffer = self._data
        buffer += data
        if not self._first and _CONTENT.search(buffer):
            self._first = time.perf_counter()
        if buffer.endswith(_TAIL) and self._done is not None:
            now = time.perf_counter()
            if _END in buffer and self._first and b'"error"' not in buffer:
                sample = Sample(first_text=self._first - self._sent, total=now - self._sent)
                self._done.set_result(sample)
            else:
                self._done.set_exception(LoadError(f"not a stream: {bytes(buffer[:200])!r}"))
        elif not buffer.startswith(b"HTTP/1.1 200") and len(buffer) > 12 and self._done:
            self._done.set_exception(LoadError(f"not a success: {bytes(buffer[:400])!r}"))


async def measure(
    url: str, body: Callable[[int], bytes], *, concurrency: int, requests: int
) -> Measured:
    """Keep ``concurrency`` requests under way until ``requests`` have been answered.

    ``body`` makes the JSON of the n-th request to ``url`` on loopback.

    Raises:
        LoadError: a request was not answered with a whole stream.
    """
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    samples: list[Sample] = []
    numbers = iter(range(requests))

    async def worker(start_delay: float) -> None:
        transport, client = await loop.create_connection(_Client, parts.hostname, parts.port)
        try:
            # Clients that start in step would queue behind one another at every token.
            await asyncio.sleep(start_delay)
            for number in numbers:
                data = body(number)
                head = (
                    f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\n"
                    f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
                )
                samples.append(await client.request(head.encode() + data))
        finally:
            transport.close()

    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for index in range(concurrency):
            group.create_task(worker(0.4 * index / concurrency))
    return Measured(concurrency=concurrency, seconds=time.perf_counter() - start, samples=samples)
