"""A plugin's client in ordinary use, and after what is not."""

import asyncio

import httpx
import pytest

from plugins.http import HttpLimits, open_client
from tests.plugins.http.world import Server, answer, client


async def test_a_page_is_read(server: Server) -> None:
    server.pages["/"] = answer(b"hello")
    async with client(server) as http:
        response = await http.get(server.url("/"))
    assert (response.status_code, response.text) == (200, "hello")
    assert b"user-agent: corral/" in server.heads[0].lower()
    assert b"\r\naccept-encoding: gzip\r\n" in server.heads[0].lower()


async def test_a_body_is_sent(server: Server) -> None:
    received: list[bytes] = []

    async def take(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readexactly(13))
        writer.write(answer(b"taken", status=201))

    server.pages["/"] = take
    async with client(server) as http:
        response = await http.post(server.url("/"), json={"city": "Oslo"})
    assert response.status_code == 201
    assert received == [b'{"city":"Oslo'[:13]]


async def test_requests_wait_for_their_turn_and_all_are_answered(server: Server) -> None:
    there, most = 0, 0

    async def count(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal there, most
        there += 1
        most = max(most, there)
        await asyncio.sleep(0.01)
        there -= 1
        writer.write(answer(b"hello"))

    server.pages["/"] = count
    async with client(server, HttpLimits(at_once=3)) as http, asyncio.TaskGroup() as group:
        asked = [group.create_task(http.get(server.url("/"))) for _ in range(12)]
    assert [task.result().text for task in asked] == ["hello"] * 12
    assert most <= 3


async def test_after_every_failure_the_client_still_works(server: Server) -> None:
    server.pages |= {
        "/big": answer(bytes(100_000 + 1)),
        "/torn": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "/": answer(b"hello"),
    }
    async with client(server, HttpLimits(response_bytes=100_000, at_once=1)) as http:
        for path in ("/big", "/torn"):
            with pytest.raises(httpx.TransportError):
                await http.get(server.url(path))
        assert (await http.get(server.url("/"))).text == "hello"


async def test_a_cancelled_request_gives_its_connection_back(server: Server) -> None:
    begun = asyncio.Event()

    async def silent(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        begun.set()
        await asyncio.Event().wait()

    server.pages |= {"/silent": silent, "/": answer(b"hello")}
    async with client(server, HttpLimits(at_once=1)) as http:
        asked = asyncio.ensure_future(http.get(server.url("/silent")))
        await begun.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert (await http.get(server.url("/"))).text == "hello"


async def test_a_good_answer_has_no_status_to_raise(server: Server) -> None:
    server.pages["/"] = answer(b"hello")
    async with client(server) as http:
        response = await http.get(server.url("/"))
    assert response.raise_for_status() is response


async def test_given_nothing_else_it_is_the_system_that_connects(server: Server) -> None:
    server.pages["/"] = answer(b"hello")
    async with open_client(hosts=(), private_hosts=(server.place,)) as http:
        assert (await http.get(server.url("/"))).text == "hello"
