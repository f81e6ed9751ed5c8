"""How long a server may take."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from plugins.http import HttpLimits, LimitExceededError
from tests.plugins.http.world import Server, answer, client, redirect

SHORT = HttpLimits(total_seconds=0.3, read_seconds=30.0)


async def _drip(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte at a time, always before the deadline for reading, and never the last."""
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def test_a_server_that_drips_its_body_is_cut_off(server: Server) -> None:
    async def drip(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await _drip(head, reader, writer)

    server.pages["/"] = drip
    async with client(server, SHORT) as http:
        with pytest.raises(LimitExceededError, match="too long as a whole"):
            await http.get(server.url("/"))


async def test_a_server_that_drips_its_headers_is_cut_off(server: Server) -> None:
    async def drip(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-")
        await _drip(head, reader, writer)

    server.pages["/"] = drip
    async with client(server, SHORT) as http:
        with pytest.raises(LimitExceededError, match="too long as a whole"):
            await http.get(server.url("/"))


async def test_redirects_share_one_deadline(server: Server) -> None:
    async def slow(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.15)
        writer.write(redirect("/"))

    server.pages["/"] = slow
    async with client(server, SHORT) as http:
        with pytest.raises(LimitExceededError, match="too long as a whole"):
            await http.get(server.url("/"))


@pytest.mark.parametrize("asked", [None, 60.0])
async def test_silence_ends_and_a_plugin_cannot_wait_longer(
    server: Server, asked: float | None
) -> None:
    async def silent(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await asyncio.Event().wait()

    server.pages["/"] = silent
    async with client(server, HttpLimits(read_seconds=0.2, total_seconds=60)) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(server.url("/"), timeout=asked)


async def test_interim_answers_without_end_are_cut_off(server: Server) -> None:
    async def endless(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0)

    server.pages["/"] = endless
    async with client(server, SHORT) as http:
        with pytest.raises(LimitExceededError, match="too long as a whole"):
            await http.get(server.url("/"))


async def test_a_request_that_is_sent_again_has_its_time_anew(server: Server) -> None:
    server.pages["/"] = answer(b"hello")
    async with client(server) as http:
        request = http.build_request("GET", server.url("/"))
        await http.send(request)
        request.extensions = {name: _spent(each) for name, each in request.extensions.items()}
        assert (await http.send(request)).text == "hello"
        other = http.build_request("GET", server.url("/"), extensions=_spent(request.extensions))
        with pytest.raises(LimitExceededError, match="too long as a whole"):
            await http.send(other)


def _spent(extension: Any) -> Any:
    """An extension whose time is up, where it holds one."""
    if isinstance(extension, dict):
        return {name: _spent(each) for name, each in extension.items()}
    return replace(extension, deadline=0.0) if hasattr(extension, "deadline") else extension
