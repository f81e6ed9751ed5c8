"""Reading a page over a real connection: what is asked first, followed, and refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import httpx
import pytest
import pytest_asyncio

from plugins.errors import ToolError
from plugins.http import HttpLimits, open_client
from plugins.pages import PageLimits, PageReader
from plugins.pages.parser import PageParser
from plugins.pages.robots import Robots
from plugins.testing import FakeClock, FakeStore
from tests.plugins.http.world import PUBLIC, TLS, Names, Server, Wire, answer, redirect, serving
from tests.plugins.pages.test_parser import ARTICLE, TEXT

SITE = "http://example.com"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def reader(clock: FakeClock, parser: PageParser) -> PageReader:
    limits = PageLimits(page_bytes=100_000)
    return PageReader(Robots(FakeStore(clock), parser), parser, limits)


def client(
    server: Server, limits: HttpLimits | None = None, private_hosts: tuple[str, ...] = ()
) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    return open_client(
        hosts=("*",),
        private_hosts=private_hosts,
        limits=limits,
        resolver=Names({"example.com": [[PUBLIC]], "other.org": [[PUBLIC]], "in.org": [["::1"]]}),
        network=Wire(server.port),
        tls=TLS,
    )


async def refusal(server: Server, reader: PageReader, url: str = f"{SITE}/a") -> str:
    async with client(server) as http:
        with pytest.raises(ToolError) as caught:
            await reader.read(http, url)
    return str(caught.value)


def page(text: str = ARTICLE, kind: str = "text/html; charset=utf-8") -> bytes:
    return answer(text.encode(), kind=kind)


async def test_a_page_is_read(server: Server, reader: PageReader) -> None:
    server.pages["/a?b=c"] = page()
    async with client(server) as http:
        read = await reader.read(http, f"{SITE}/a?b=c#part", chars=120)
    assert read.title == "Rivers & people"
    assert read.url == f"{SITE}/a?b=c"
    assert read.published == "2026-03-04"
    assert TEXT in read.text
    assert read.cut
    assert server.paths == ["/robots.txt", "/a?b=c"]


async def test_a_page_without_a_title_is_called_by_its_host(
    server: Server, reader: PageReader
) -> None:
    server.pages["/a"] = page("plain words", kind="text/plain")
    async with client(server) as http:
        read = await reader.read(http, f"{SITE}/a")
    assert (read.title, read.text, read.cut) == ("example.com", "plain words", False)


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("application/json", b'{"a": 1}', '{"a": 1}'),
        ("application/feed+json", b"{}", "{}"),
        ("text/xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<!DOCTYPE a [<!ENTITY b 'c'>]>"),
        ("application/rss+xml", b"<rss/>", "<rss/>"),
        ("text/csv; charset=windows-1250", "č,ž".encode("cp1250"), "č,ž"),
        ("text/markdown; charset=nonsense", "č".encode(), "č"),
    ],
)
async def test_other_text_is_given_as_it_is(
    server: Server, reader: PageReader, kind: str, body: bytes, text: str
) -> None:
    server.pages["/a"] = answer(body, kind=kind)
    async with client(server) as http:
        assert (await reader.read(http, f"{SITE}/a")).text.startswith(text)


# --- robots.txt

CLOSED = answer(b"User-agent: *\nDisallow: /private\n\nUser-agent: Corral\nDisallow: /a\n")


async def test_a_page_that_robots_may_not_read_is_not_asked_for(
    server: Server, reader: PageReader
) -> None:
    server.pages |= {"/robots.txt": CLOSED, "/a": page(), "/private": page()}
    assert "does not let programs read" in await refusal(server, reader)
    assert server.paths == ["/robots.txt"]
    async with client(server) as http:
        assert TEXT in (await reader.read(http, f"{SITE}/private")).text


async def test_a_site_is_asked_once_a_day(
    server: Server, reader: PageReader, clock: FakeClock
) -> None:
    server.pages["/a"] = page()
    async with client(server) as http:
        for seconds in (0, 60, 24 * 60 * 60):
            clock.advance(seconds)
            await reader.read(http, f"{SITE}/a")
    assert server.paths == ["/robots.txt", "/a", "/a", "/robots.txt", "/a"]


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_a_site_that_fails_to_say_is_left_alone_for_a_while(
    server: Server, reader: PageReader, clock: FakeClock, status: int
) -> None:
    server.pages |= {"/robots.txt": answer(b"", status=status), "/a": page()}
    assert "does not let programs read" in await refusal(server, reader)
    assert "does not let programs read" in await refusal(server, reader)
    assert server.paths == ["/robots.txt"]
    server.pages["/robots.txt"] = answer(b"", status=404)
    clock.advance(5 * 60 + 1)
    async with client(server) as http:
        assert TEXT in (await reader.read(http, f"{SITE}/a")).text


@pytest.mark.parametrize(
    "robots",
    [
        answer(b"", status=404),
        answer(b"", status=403),
        answer(b""),
        answer(b"\xff\x00 nonsense\n" * 100),
        redirect("/robots.txt"),
        answer(b"User-agent: *\nAllow: /\n" + b"# " + b"x" * 600_000 + b"\nDisallow: /\n"),
    ],
    ids=["missing", "forbidden", "empty", "nonsense", "loop", "long"],
)
async def test_a_site_that_does_not_forbid_is_read(
    server: Server, reader: PageReader, robots: bytes
) -> None:
    server.pages |= {"/robots.txt": robots, "/a": page()}
    async with client(server) as http:
        assert TEXT in (await reader.read(http, f"{SITE}/a")).text


async def test_robots_that_are_redirected_count(server: Server, reader: PageReader) -> None:
    server.pages |= {
        "/robots.txt": redirect("http://other.org/there.txt"),
        "/there.txt": CLOSED,
        "/a": page(),
    }
    assert "does not let programs read" in await refusal(server, reader)


async def test_a_redirect_does_not_get_around_the_next_site_s_robots(
    server: Server, reader: PageReader
) -> None:
    server.pages |= {"/start": redirect("https://other.org/a"), "/a": page()}
    hosts: list[bytes] = []

    async def robots(head: bytes, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = head.lower().split(b"\r\nhost: ")[1].split(b"\r\n")[0]
        hosts.append(host)
        writer.write(CLOSED if host == b"other.org" else answer(b""))

    server.pages["/robots.txt"] = robots
    said = await refusal(server, reader, f"{SITE}/start")
    assert said.startswith("other.org does not let programs read")
    assert hosts == [b"example.com", b"other.org"]
    assert "/a" not in server.paths


async def test_a_redirect_to_where_it_may_not_lead_asks_no_robots_there(
    server: Server, reader: PageReader
) -> None:
    server.pages["/a"] = redirect(server.url("/inside"))
    async with client(server, private_hosts=(server.place,)) as http:
        with pytest.raises(ToolError, match="redirects to a private network"):
            await reader.read(http, f"{SITE}/a")
    assert server.paths == ["/robots.txt", "/a"]


# --- what cannot be read


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://in.org/", "private network"),
        ("http://127.0.0.1/", "private network"),
        ("http://[::1]/", "private network"),
        ("http://2130706433/", "usual form"),
        ("http://localhost:8080/", "private network"),
        ("file:///etc/passwd", "not a web address"),
        ("http://example.com:22/", "port"),
        ("http://anna:hunter2@example.com/", "user name"),
        ("http://[::1", "not a web address"),
        ("http://0177.0.0.1/", "not a web address"),
        ("http://exa\nmple.com/", "not a web address"),
        ("nothing", "not a web address"),
        ("http://unknown.example.com/", "cannot be reached"),
    ],
)
async def test_an_address_that_may_not_be_read_says_so(
    server: Server, reader: PageReader, url: str, said: str
) -> None:
    message = await refusal(server, reader, url)
    assert said in message
    assert "hunter2" not in message
    assert server.heads == []


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (answer(b"", status=404), "example.com answered 404 Not Found"),
        (answer(b"", status=500), "answered 500 Internal Server Error"),
        (answer(b"", status=799), "answered 799;"),
        (answer(b"%PDF-1.7", kind="application/pdf"), "PDF"),
        (answer(b"\x89PNG", kind="image/png"), "other than text"),
        (answer(b"PK", kind="application/zip"), "other than text"),
        (answer(b"<p>x", kind=""), "other than text"),
        (answer(b"x" * 100_001), "more than 100000 bytes"),
        (page("<html><body><p> </p><p></p></body></html>"), "no text"),
        (page("   ", kind="text/plain"), "no text"),
        (redirect("/a"), "redirects too often"),
        (redirect("http://10.0.0.1/?q=private-word"), "private network"),
        (redirect("http://[::1"), "cannot be read"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\nx", "be read"),
        (answer(b"x", "Content-Encoding: gzip", kind="text/html"), "cannot be read"),
        (b"nonsense", "cannot be read"),
    ],
)
async def test_a_page_that_cannot_be_read_says_why(
    server: Server, reader: PageReader, sent: bytes, said: str
) -> None:
    server.pages["/a"] = sent
    message = await refusal(server, reader)
    assert said in message
    assert "private-word" not in message


async def test_a_page_without_end_and_one_that_never_comes_are_given_up(
    server: Server, reader: PageReader
) -> None:
    async def endless(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        while True:
            writer.write(b"<p>word</p>" * 1_000)
            await writer.drain()

    async def never(_: bytes, __: asyncio.StreamReader, ___: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    server.pages |= {"/endless": endless, "/never": never}
    assert "more than 100000 bytes" in await refusal(server, reader, f"{SITE}/endless")
    async with client(server, HttpLimits(read_seconds=0.2)) as http:
        with pytest.raises(ToolError, match=r"example\.com does not answer in time"):
            await reader.read(http, f"{SITE}/never")
    async with client(server, HttpLimits(total_seconds=0.2)) as http:
        with pytest.raises(ToolError, match="too long as a whole"):
            await reader.read(http, f"{SITE}/never")
