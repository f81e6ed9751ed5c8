"""The stand-in server keeps to its script, also as a process of its own."""

import asyncio
import sys

import orjson

from assistant.testing.scripted_replies import (
    ENGINE,
    GUARD,
    ReceivedState,
    Timing,
    standard_replies,
)
from assistant.testing.scripted_upstream import scripted_upstream


async def test_tokens_come_one_write_at_a_time() -> None:
    timing = Timing(first=0.03, gap=0.01, tokens=4)
    async with scripted_upstream(standard_replies(timing)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        body = orjson.dumps({"model": ENGINE, "stream": True})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
        loop = asyncio.get_running_loop()
        start = loop.time()
        # A request may come in pieces.
        writer.write(head.encode())
        await writer.drain()
        writer.write(body)
        reads = []
        while not reads or not reads[-1][1].endswith(b"0\r\n\r\n"):
            data = await reader.read(65536)
            reads.append((loop.time() - start, data))
        writer.close()
        await writer.wait_closed()
    assert len(reads) == 4
    assert reads[0][0] >= 0.03
    assert reads[-1][0] >= 0.06
    assert server.received[0].state is ReceivedState.ANSWERED


async def test_leaving_early_is_recorded() -> None:
    async with scripted_upstream(standard_replies(Timing(first=60))) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        while not server.received:  # noqa: ASYNC110 - nothing tells of a request's arrival
            await asyncio.sleep(0)
        await asyncio.wait_for(server.received[0].ended.wait(), 20)
        assert server.received[0].state is ReceivedState.ABORTED


async def test_runs_as_a_process() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "assistant.testing.scripted_upstream",
        "--first=0",
        "--gap=0",
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        url = orjson.loads(await process.stdout.readline())["url"]
        port = int(url.removesuffix("/v1").rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /v1/models HTTP/1.1\r\n\r\n")
        answer = await reader.readuntil(b"]}")
        assert ENGINE.encode() in answer
        assert GUARD.encode() in answer
        writer.close()
        await writer.wait_closed()
        process.terminate()
        assert await process.wait() == 0
