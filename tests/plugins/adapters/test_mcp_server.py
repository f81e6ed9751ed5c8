"""Corral's tools for other agents: in memory, over stdio and over HTTP."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from mcp import Client, StdioServerParameters

from plugins.adapters.mcp import parse_mcp, pins
from plugins.adapters.mcp_server import mcp_app, mcp_server
from plugins.errors import PluginLoadError
from tests.assistant.api.serving import serving
from tests.plugins.adapters.mcp import corral_server, stage
from tests.plugins.adapters.mcp.corral_server import SPEC


async def check(client: Client) -> None:
    """What every transport must give."""
    (tool,) = (await client.list_tools()).tools
    assert (tool.name, tool.description) == (SPEC.name, SPEC.description)
    assert tool.input_schema == SPEC.parameters
    for text, answer, failed in (("hi", "HI", False), ("deny", "DENY", True)):
        result = await client.call_tool("shout", {"text": text})
        assert [block.text for block in result.content] == [answer]  # type: ignore[union-attr]
        assert result.is_error is failed


async def test_in_memory() -> None:
    async with Client(mcp_server([SPEC], corral_server.call)) as client:
        await check(client)
        result = await client.call_tool("other", {})
        assert result.is_error
        assert "there are: shout" in str(result.content)


async def test_an_error_is_told_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    async with Client(mcp_server([SPEC], corral_server.call)) as client:
        result = await client.call_tool("shout", {"text": "crash"})
    assert result.is_error
    assert "secret" not in str(result.content) + caplog.text
    assert "RuntimeError" in caplog.text


async def test_over_stdio_also_when_a_tool_prints() -> None:
    root = Path(__file__).parents[3]
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "tests.plugins.adapters.mcp.corral_server"],
        cwd=root,
    )
    async with Client(parameters) as client:
        await check(client)


@asynccontextmanager
async def on_http(token: str | None = None) -> AsyncIterator[str]:
    """Where the server listens."""
    async with serving(mcp_app(mcp_server([SPEC], corral_server.call), token=token)) as url:
        yield f"{url}/mcp"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_over_http(mode: str) -> None:
    async with on_http() as url, Client(url, mode=mode) as client:
        await check(client)


async def test_our_own_client_calls_it_over_http() -> None:
    async with on_http("t0ken") as url:
        section = {
            "url": url,
            "private_hosts": [httpx.URL(url).netloc.decode()],
            "secrets": {"TOKEN": "SHOUT_TOKEN"},
            "login": [{"kind": "bearer", "secret": "TOKEN"}],
        }
        found = await pins("it", parse_mcp(section), {"TOKEN": "t0ken"})
        approved = {**section, "pins": {"shout": found["shout"].digest}}
        async with stage.server(approved, secrets={"TOKEN": "t0ken"}) as tools:
            shout = tools["it_shout"]
            assert shout.hosts == ("*",)
            assert await stage.call(shout, text="hi") == "HI"
        with pytest.raises(PluginLoadError, match="it answered 401"):
            await pins("it", parse_mcp(section), {"TOKEN": "wrong"})


async def test_a_private_address_is_refused_unless_it_is_named() -> None:
    with pytest.raises(PluginLoadError, match=r"cannot be reached.*127\.0\.0\.1"):
        await pins("it", parse_mcp({"url": "https://127.0.0.1/mcp"}), {})
    with pytest.raises(ValueError, match="url must be https"):
        parse_mcp({"url": "http://127.0.0.1:1/mcp"})


async def test_other_hosts_origins_and_tokens_are_refused() -> None:
    async with on_http("t0ken") as url, httpx.AsyncClient(trust_env=False) as client:
        headers = {"Authorization": "Bearer t0ken", "Accept": "application/json"}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}

        async def status(**more: str) -> int:
            return (await client.post(url, json=body, headers={**headers, **more})).status_code

        assert await status(Host="evil.example") == 421
        assert await status(Origin="https://evil.example") == 403
        assert await status(Authorization="Bearer other") == 401
        assert await status(Authorization="") == 401
        assert await status() not in (401, 403, 421)


def test_an_empty_token_is_no_token() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        mcp_app(mcp_server([SPEC], corral_server.call), token="")
