"""The fakes behave as what they stand for."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from pydantic import Field

from plugins.errors import AccessDeniedError, PluginLoadError, ToolError
from plugins.sdk import Access, Limits, Plugin, Result, tool
from plugins.testing import FakeClock, FakeStore, access, answering, rehearse
from tests.plugins.conformance.honest import HOST, MANIFEST, forecast
from tests.plugins.isolation.wild import wild

FINE = answering({f"https://{HOST}/": {"said": "sunny"}})


def of(*tools: Any, **terms: Any) -> Plugin:
    return Plugin(manifest=replace(MANIFEST, **terms), tools=tools)


async def test_a_call_goes_through_schema_network_and_progress() -> None:
    async with rehearse(of(forecast), http=FINE, secrets={"KEY": "k"}) as broker:
        result = await broker.call("forecast", {"city": "Oslo"})
        assert result == Result(content="sunny")
        assert await broker.call("forecast", '{"city": "Oslo", "days": 1}') == result
        for wrong in ({}, {"city": 1}, {"city": "Oslo", "extra": 1}, "no JSON"):
            with pytest.raises(ToolError):
                await broker.call("forecast", wrong)
        with pytest.raises(KeyError):
            await broker.call("nothing", {})
    assert broker.calls == 2
    assert broker.progress == ["looking up Oslo"] * 2
    (request, _) = broker.http.requests
    assert request.headers["Authorization"] == "Bearer k"


async def test_a_call_is_held_to_its_limits() -> None:
    @tool()
    async def long(size: Annotated[int, Field(description="How long.")]) -> str:
        """Give a long text."""
        return "x" * size

    narrow = of(long, wild.hang, limits=Limits(seconds=0.01, output_chars=10))
    async with rehearse(narrow, secrets={"KEY": "k"}) as broker:
        assert (await broker.call("long", {"size": 10})).content == "x" * 10
        with pytest.raises(ToolError, match="gave 11 characters, more than 10"):
            await broker.call("long", {"size": 11})
        with pytest.raises(ToolError, match=r"longer than 0\.01 seconds"):
            await broker.call("hang", {})


async def test_hosts_are_the_manifests_or_the_tools() -> None:
    @tool(hosts=["narrow.example"])
    async def visit(url: Annotated[str, Field(description="Where.")], access: Access) -> str:
        """Visit."""
        return (await access.http.get(url)).text

    plugin = of(visit, hosts=("narrow.example", "wide.example"))
    async with rehearse(plugin, http=answering({"https://": "hi"}), secrets={"KEY": ""}) as broker:
        assert (await broker.call("visit", {"url": "https://narrow.example/"})).content == "hi"
        for url in ("https://wide.example/", "http://10.0.0.1/", "https://narrow.example:8443/"):
            with pytest.raises(AccessDeniedError):
                await broker.call("visit", {"url": url})
    assert len(broker.http.requests) == 1
    assert len(broker.http.denied) == 3


async def test_a_plugin_is_opened_with_options_secrets_cache_and_folder(tmp_path: Path) -> None:
    answer = answering({"https://example.com/": "page"})
    async with rehearse(
        wild.opening,
        http=answer,
        options={"greeting": "hey"},
        secrets={"KEY": "k"},
        folder=tmp_path,
    ) as broker:
        assert (await broker.call("greet", {})).content == "hey page k"
    assert (tmp_path / "closed").exists()


@pytest.mark.parametrize(
    ("options", "secrets", "reason"),
    [
        ({"greting": "x"}, {"KEY": "k"}, "options"),
        ({}, {}, "its secret KEY is missing"),
    ],
)
async def test_what_cannot_be_opened_says_why(
    options: dict[str, Any], secrets: dict[str, str], reason: str
) -> None:
    with pytest.raises(PluginLoadError, match=reason):
        async with rehearse(wild.opening, options=options, secrets=secrets):
            pass


async def test_values_expire_by_the_clock() -> None:
    clock = FakeClock()
    store = FakeStore(clock)
    await store.put("key", b"value", ttl=60)
    clock.advance(59)
    assert await store.get("key") == b"value"
    clock.advance(1)
    assert await store.get("key") is None
    assert await store.swap("key", None, b"new", ttl=60)
    assert not await store.swap("key", b"value", b"newer", ttl=60)
    await store.delete("key")
    await store.delete("key")
    assert await store.get("key") is None
    with pytest.raises(ToolError, match="at most 1048576"):
        await store.put("key", b"x" * 1_048_577, ttl=60)
    with pytest.raises(ValueError, match="ttl"):
        await store.put("key", b"x", ttl=0)


async def test_access_has_everything_and_reaches_nothing() -> None:
    given = access()
    assert given.person.audience == "general"
    assert given.now().year == 2026
    given.progress("unheard")
    with pytest.raises(httpx.ConnectError, match=r"no answer was given for example\.com"):
        await given.http.get("https://example.com/")


async def test_answers_are_chosen_by_the_longest_beginning() -> None:
    answer = answering(
        {
            "https://a.example/": "all",
            "https://a.example/one": {"n": 1},
            "https://a.example/two": httpx.Response(503),
        },
        status=410,
    )
    http = access(http=answer).http
    assert (await http.get("https://a.example/x")).text == "all"
    assert (await http.get("https://a.example/one")).json() == {"n": 1}
    assert (await http.get("https://a.example/two")).status_code == 503
    assert (await http.get("https://b.example/")).status_code == 410


async def test_an_answer_may_be_awaited() -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=await request.aread())

    response = await access(http=answer).http.post("https://a.example/", content=b"body")
    assert response.content == b"body"
