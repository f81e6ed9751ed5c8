"""The tool that reads a page."""

import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from importlib.metadata import entry_points

import httpx
import pytest

from plugins.errors import ToolError
from plugins.fetch import plugin
from plugins.http import open_client
from plugins.manifest import Egress, SideEffect
from plugins.plugin import ENTRY_POINTS, Setup
from plugins.result import Citation
from plugins.testing import FakeBroker, FakeStore, access, rehearse
from tests.plugins.http.world import PUBLIC, TLS, Names, Wire, answer, redirect, serving
from tests.plugins.pages.test_parser import ARTICLE, TEXT

URL = "https://example.com/rivers?page=1"


def site(request: httpx.Request) -> httpx.Response:
    """A site of one article and a few words."""
    match request.url.path:
        case "/robots.txt":
            return httpx.Response(404)
        case "/rivers":
            return httpx.Response(200, html=ARTICLE)
        case "/long":
            return httpx.Response(200, text="word " * 20_000)
        case _:
            return httpx.Response(200, text="few words")


@pytest.fixture
async def broker() -> AsyncIterator[FakeBroker]:
    async with rehearse(plugin, http=site) as broker:
        yield broker


async def test_a_page_is_read_and_cited(broker: FakeBroker) -> None:
    result = await broker.call("fetch_page", {"url": URL})
    title, address, published, _, *text = result.content.splitlines()
    assert title == "[1] Rivers & people"
    assert address == URL
    assert published == "Published: 2026-03-04"
    assert sum(TEXT in line for line in text) == 8
    [citation] = result.citations
    assert (citation.title, citation.url) == ("Rivers & people", URL)
    assert TEXT in citation.text
    assert result.artifact == {
        "title": "Rivers & people",
        "url": URL,
        "published": "2026-03-04",
        "cut": False,
    }
    assert broker.progress == ["Reading the page"]


async def test_a_long_page_is_cut_and_says_so(broker: FakeBroker) -> None:
    result = await broker.call("fetch_page", {"url": "https://example.com/long", "chars": 1_000})
    assert result.content.endswith("(Cut after 1000 characters; the page has more.)")
    assert len(result.citations[0].text) == 1_000
    longest = await broker.call("fetch_page", {"url": "https://example.com/long", "chars": 40_000})
    assert longest.artifact["cut"]


async def test_links_are_kept_where_they_are_asked_for(broker: FakeBroker) -> None:
    result = await broker.call("fetch_page", {"url": URL, "links": True})
    assert "[more about rivers](https://example.com/more)" in result.content


@pytest.mark.parametrize("url", ["example.com/x", " https://example.com/x "])
async def test_an_address_as_people_write_it_is_understood(broker: FakeBroker, url: str) -> None:
    result = await broker.call("fetch_page", {"url": url})
    assert result.citations == (
        Citation(title="example.com", url="https://example.com/x", text="few words"),
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"url": 5},
        {"url": "x" * 3_000},
        {"url": URL, "chars": 0},
        {"url": URL, "chars": 10**9},
        {"url": URL, "method": "POST"},
    ],
)
async def test_arguments_that_make_no_sense_reach_no_network(
    broker: FakeBroker, arguments: dict[str, object]
) -> None:
    with pytest.raises(ToolError):
        await broker.call("fetch_page", arguments)
    assert broker.http.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::ffff:169.254.169.254]/latest/meta-data",
        "http://localhost/",
        "http://anywhere.example.com@10.0.0.1/",
        "http://rebound.example.com/",
        "http://example.com/inside",
        "javascript:alert(1)",
        "127.1",
    ],
)
async def test_a_private_address_cannot_be_read_however_it_is_written(url: str) -> None:
    """Over the client that the tool gets in earnest."""
    names = Names({"example.com": [[PUBLIC]], "rebound.example.com": [[PUBLIC, "127.0.0.1"]]})
    async with serving() as server:
        server.pages["/inside"] = redirect("http://169.254.169.254/latest/meta-data")
        server.pages["/latest/meta-data"] = answer(b"secret-word")
        wire = Wire(server.port)
        async with open_client(
            hosts=plugin.manifest.hosts, resolver=names, network=wire, tls=TLS
        ) as http:
            setup = Setup(
                options=plugin.options(),
                secrets={},
                http=http,
                cache=FakeStore(),
                folder=None,  # type: ignore[arg-type] # the plugin keeps nothing
            )
            assert plugin.open is not None
            async with plugin.open(setup) as [tool]:
                means = replace(access(), http=http)
                with pytest.raises(ToolError, match="url") as caught:
                    await tool.run({"url": url}, means)
    assert "meta-data" not in str(caught.value)
    assert set(wire.dialled) <= {PUBLIC}
    assert "/latest/meta-data" not in server.paths


def test_the_manifest_says_what_the_tool_does() -> None:
    assert plugin.manifest.side_effect is SideEffect.NONE
    assert plugin.manifest.egress is Egress.OPEN
    assert plugin.manifest.secrets == ()


async def test_people_can_call_it_themselves(broker: FakeBroker) -> None:
    tool = broker.tools["fetch_page"]
    assert tool.command == "url"
    assert tool.aliases == ("fetch",)
    assert tool.content == frozenset()
    assert set(tool.spec.parameters["properties"]) == {"url", "chars", "links"}


def test_it_is_installed_with_corral() -> None:
    [entry] = entry_points(group=ENTRY_POINTS, name="fetch")
    assert entry.load() is plugin


def test_importing_it_loads_no_parser() -> None:
    code = (
        "import sys, plugins.fetch; "
        "assert not {'trafilatura', 'lxml', 'protego', 'charset_normalizer'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
