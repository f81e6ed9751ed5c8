"""Clients that go away, seen over real sockets: the turn is closed at once (I8)."""

import asyncio
import socket
import struct

import orjson
import pytest

from assistant.api.app import build_app
from assistant.events import TextReleased
from tests.assistant.api.scripted import (
    INPUT_JUDGED,
    Hang,
    ScriptedOrchestrator,
    assistant,
)
from tests.assistant.api.serving import chat, serving


async def connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = address.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


def request(**body: object) -> bytes:
    content = orjson.dumps(chat(**body))
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def reset(writer: asyncio.StreamWriter) -> None:
    """Break the connection off instead of closing it."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.mark.parametrize("leave", [asyncio.StreamWriter.close, reset])
async def test_gone_mid_stream(leave: object) -> None:
    orchestrator = ScriptedOrchestrator((INPUT_JUDGED, TextReleased(text="Once"), Hang()))
    app = build_app(assistant(orchestrator))
    async with serving(app) as address:
        reader, writer = await connect(address)
        writer.write(request(stream=True))
        await reader.readuntil(b"Once")
        assert orchestrator.closed == 0
        leave(writer)  # type: ignore[operator]
        await orchestrator.closing.wait()
        assert orchestrator.closed == 1
        await app.state.parts.capacity.idle(5)
        assert app.state.parts.capacity.running == 0


@pytest.mark.parametrize("stream", [True, False])
async def test_gone_while_waiting(stream: bool) -> None:
    orchestrator = ScriptedOrchestrator((INPUT_JUDGED, Hang()))
    async with serving(build_app(assistant(orchestrator))) as address:
        _, writer = await connect(address)
        writer.write(request(stream=stream))
        await orchestrator.hanging.wait()
        writer.close()
        await orchestrator.closing.wait()
        assert orchestrator.closed == 1


async def test_gone_mid_body() -> None:
    orchestrator = ScriptedOrchestrator(())
    async with serving(build_app(assistant(orchestrator))) as address:
        _, writer = await connect(address)
        writer.write(request()[:-5])
        await writer.drain()
        reset(writer)
        reader, writer = await connect(address)
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        assert b"200 OK" in await reader.read()
        writer.close()
    assert orchestrator.turns == []


async def test_many_that_leave_leave_nothing_behind() -> None:
    orchestrator = ScriptedOrchestrator((TextReleased(text="Once"), Hang()))
    app = build_app(assistant(orchestrator))
    async with serving(app) as address:
        before = len(asyncio.all_tasks())

        async def visit() -> None:
            reader, writer = await connect(address)
            writer.write(request(stream=True))
            await reader.readuntil(b"Once")
            reset(writer)

        async with asyncio.TaskGroup() as group:
            for _ in range(50):
                group.create_task(visit())
        assert await app.state.parts.capacity.idle(5)
        assert orchestrator.closed == 50
    assert len(asyncio.all_tasks()) <= before
