"""How much a server may send."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.http import HttpLimits, LimitExceededError
from plugins.http.body import Body
from plugins.manifest import Limits
from tests.plugins.http.world import Server, answer, client

MOST = 100_000
LIMITS = HttpLimits(response_bytes=MOST, header_count=50)


@pytest.mark.parametrize("size", [MOST, MOST + 1, 100_000_000])
async def test_a_body_is_cut_off_at_its_limit(server: Server, size: int) -> None:
    async def pour(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for start in range(0, size, 65_536):
            writer.write(b"x" * min(65_536, size - start))
            await writer.drain()

    server.pages["/"] = pour
    async with client(server, LIMITS) as http:
        if size <= MOST:
            assert len((await http.get(server.url("/"))).content) == size
        else:
            with pytest.raises(LimitExceededError, match="more than 100000 bytes"):
                await http.get(server.url("/"))


async def test_a_body_that_says_it_is_too_long_is_not_read(server: Server) -> None:
    server.pages["/"] = b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n"
    async with client(server, LIMITS) as http:
        with pytest.raises(LimitExceededError, match="bytes"):
            await http.get(server.url("/"))
        assert (await http.head(server.url("/"))).status_code == 200


async def test_what_is_packed_is_unpacked(server: Server) -> None:
    packed = gzip.compress(b"hello ") + gzip.compress(b"world")
    server.pages["/"] = answer(packed, "Content-Encoding: gzip")
    async with client(server, LIMITS) as http:
        response = await http.get(server.url("/"))
    assert response.content == b"hello world"
    assert "content-encoding" not in response.headers


async def test_a_bomb_does_not_go_off(server: Server) -> None:
    """50 MB of zeros in 50 kB; and a bomb that is packed twice."""
    squeeze = zlib.compressobj(9, wbits=31)
    bomb = b"".join(squeeze.compress(bytes(1_000_000)) for _ in range(50)) + squeeze.flush()
    assert len(bomb) < MOST
    server.pages |= {
        "/": answer(bomb, "Content-Encoding: gzip"),
        "/twice": answer(gzip.compress(bomb), "Content-Encoding: gzip, gzip"),
    }
    async with client(server, LIMITS) as http:
        with pytest.raises(LimitExceededError, match="more than 100000 bytes"):
            await http.get(server.url("/"))
        with pytest.raises(httpx.DecodingError, match="not asked for"):
            await http.get(server.url("/twice"))


@pytest.mark.parametrize("coding", ["br", "zstd", "deflate", "compress", "gzip, br", "GZIP;x"])
async def test_what_cannot_be_unpacked_within_bounds_is_refused(
    server: Server, coding: str
) -> None:
    server.pages["/"] = answer(b"anything", f"Content-Encoding: {coding}")
    async with client(server, LIMITS) as http:
        with pytest.raises(httpx.DecodingError, match="not asked for"):
            await http.get(server.url("/"), headers={"Accept-Encoding": coding})
    assert f"accept-encoding: {coding}\r\n".encode() not in server.heads[0].lower()


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"hello" * 99, mtime=0)[:-9]])
async def test_what_is_not_the_gzip_it_claims_to_be_is_refused(server: Server, body: bytes) -> None:
    server.pages["/"] = answer(body, "Content-Encoding: gzip")
    async with client(server, LIMITS) as http:
        with pytest.raises(httpx.DecodingError, match="gzip"):
            await http.get(server.url("/"))


@given(st.binary(max_size=3_000), st.integers(1, 500), st.integers(1, 3))
def test_whatever_pieces_it_comes_in_it_is_unpacked_as_it_was(
    plain: bytes, size: int, members: int
) -> None:
    packed = gzip.compress(plain) * members

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(packed), size):
            yield packed[start : start + size]

    async def read(most: int) -> bytes:
        deadline = asyncio.get_running_loop().time() + 60
        body = Body(pieces(), packed=True, most_bytes=most, deadline=deadline)
        return b"".join([piece async for piece in body])

    assert asyncio.run(read(100_000)) == plain * members
    with pytest.raises(LimitExceededError):
        asyncio.run(read(len(packed) - 1))


async def test_headers_are_counted(server: Server) -> None:
    server.pages["/"] = answer(b"", *(f"X-{number}: 1" for number in range(60)))
    server.pages["/long"] = answer(b"", "X-Long: " + "x" * 70_000)
    async with client(server, LIMITS) as http:
        with pytest.raises(LimitExceededError, match="header lines"):
            await http.get(server.url("/"))
        with pytest.raises(LimitExceededError, match="header bytes"):
            await http.get(server.url("/long"))


@pytest.mark.parametrize("unit", [b"X-Header: more\r\n", b"x"])
async def test_headers_without_end_are_cut_off(server: Server, unit: bytes) -> None:
    async def endless(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(unit * 1_000)
            await writer.drain()

    server.pages["/"] = endless
    async with client(server, LIMITS) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(server.url("/"))


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"\x00\xff" * 100,
    ],
)
async def test_nonsense_and_an_early_end_are_errors(server: Server, sent: bytes) -> None:
    server.pages["/"] = sent
    async with client(server, LIMITS) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(server.url("/"))


def test_limits_fit_into_a_call() -> None:
    limits = HttpLimits.within(Limits(seconds=3.0, at_once=7))
    assert (limits.connect_seconds, limits.read_seconds, limits.total_seconds) == (3.0, 3.0, 3.0)
    assert limits.at_once == 7
    assert HttpLimits.within(Limits(seconds=90.0)).connect_seconds == 5.0


@pytest.mark.parametrize("name", HttpLimits.__slots__)
def test_a_limit_is_positive(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        HttpLimits(**{name: 0})
