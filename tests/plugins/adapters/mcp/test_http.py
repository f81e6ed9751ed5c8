"""MCP servers over HTTP that do what no server should."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from plugins.adapters.mcp import parse_mcp, pins
from plugins.errors import PluginEndedError, PluginLoadError, ToolError
from plugins.tool import Tool
from tests.assistant.api.serving import serving
from tests.plugins.adapters.mcp.stage import call, pinned, server

TOOL = {
    "name": "echo",
    "description": "Says what it is told.",
    "inputSchema": {
        "type": "object",
        "properties": {"text": {"type": "string", "description": "Words."}},
    },
}


class Bad:
    """Speaks the protocol by hand; ``act`` answers calls instead where it is set."""

    def __init__(self) -> None:
        self.act: Response | asyncio.Event | None = None
        self.methods: list[str] = []
        self.headers: list[dict[str, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            answer = await self._answer(Request(scope, receive))
            await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        self.methods.append(request.method)
        self.headers.append(dict(request.headers))
        if request.method != "POST":
            return Response(status_code=405)
        asked = await request.json()
        match asked["method"]:
            case "initialize":
                version = asked["params"]["protocolVersion"]
                result: Any = {
                    "protocolVersion": version,
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "bad", "version": "1"},
                }
            case "tools/list":
                result = {"tools": [TOOL]}
            case "tools/call":
                if isinstance(self.act, asyncio.Event):
                    await self.act.wait()
                elif self.act is not None:
                    return self.act
                result = {"content": [{"type": "text", "text": "hi"}]}
            case _ if "id" in asked:
                error = {"code": -32601, "message": "no"}
                return JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "error": error})
            case _:
                return Response(status_code=202)
        return JSONResponse(
            {"jsonrpc": "2.0", "id": asked["id"], "result": result},
            headers={"mcp-session-id": "s1"},
        )


@asynccontextmanager
async def tool_of(bad: Bad) -> AsyncIterator[Tool]:
    async with serving(bad) as url:
        section = {"url": url, "private_hosts": [url.removeprefix("http://")]}
        async with server({**section, "pins": pinned("echo")}) as tools:
            yield tools["it_echo"]


async def test_a_hand_made_server_is_called_without_a_standing_stream() -> None:
    bad = Bad()
    async with tool_of(bad) as tool:
        assert await call(tool, text="x") == "hi"
    assert "GET" not in bad.methods
    assert bad.methods[-1] == "DELETE"  # the session is given back


@pytest.mark.parametrize(
    "answer",
    [
        Response(b'{"jsonrpc": "' + b"x" * 5_000_000, media_type="application/json"),
        Response(b"data: " + b"x" * 5_000_000 + b"\n\n", media_type="text/event-stream"),
        Response(b"no json", media_type="application/json"),
        Response(b"<html>", media_type="text/html"),
        RedirectResponse("http://169.254.169.254/latest/meta-data"),
        Response(status_code=500),
        Response(status_code=404),
    ],
    ids=["large", "large-event", "no-json", "html", "redirect", "500", "session-gone"],
)
async def test_a_bad_answer_fails_that_call_only(
    answer: Response, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "mcp")
    bad = Bad()
    async with tool_of(bad) as tool:
        bad.act = answer
        with pytest.raises((PluginEndedError, ToolError)):
            await call(tool, text="my diagnosis")
        bad.act = None
        assert await call(tool, text="x") == "hi"
    assert "diagnosis" not in caplog.text


async def test_a_call_that_hangs_can_be_given_up() -> None:
    bad = Bad()
    async with tool_of(bad) as tool:
        bad.act = asyncio.Event()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await call(tool, text="x")
        bad.act.set()
        bad.act = None
        assert await call(tool, text="x") == "hi"


async def test_secrets_are_sent_in_headers_and_never_told() -> None:
    bad = Bad()
    async with serving(bad) as url:
        section = {
            "url": url,
            "private_hosts": [httpx.URL(url).netloc.decode()],
            "secrets": {"PASSWORD": "P"},
            "login": [{"kind": "basic", "user": "me", "secret": "PASSWORD"}],
        }
        await pins("it", parse_mcp(section), {"PASSWORD": "s3cret"})
        assert {each["authorization"] for each in bad.headers} == {"Basic bWU6czNjcmV0"}
        assert "s3cret" not in json.dumps(bad.headers)
        with pytest.raises(PluginLoadError, match="characters no header may have") as caught:
            await pins("it", parse_mcp(section), {"PASSWORD": "s3cret\n"})
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"url": "https://a.example", "command": ["x"]}, "either command"),
        ({}, "either command"),
        ({"url": "https://a.example/?token=1"}, "no query"),
        ({"url": "https://me:pw@a.example/"}, "without a user or password"),
        ({"url": "https://[::1]/"}, "must name its host"),
        ({"url": "https://a.example:99999/"}, "no address"),
        ({"command": []}, "at least 1 item"),
        ({"command": ["x"], "env": {"A=B": "c"}}, "no name of an environment variable"),
        ({"command": ["x"], "pins": {"a": "abc"}}, "String should match"),
        ({"command": ["x"], "login": []}, "Extra inputs"),
        ({"command": ["x"], "tools": {"a": {"name": "no good"}}}, "String should match"),
        (
            {
                "url": "https://a.example",
                "secrets": {"A": "A"},
                "login": [
                    {"kind": "bearer", "secret": "A"},
                    {"kind": "basic", "user": "u", "secret": "A"},
                ],
            },
            "two entries fill the same header",
        ),
    ],
)  # fmt: skip
def test_sections_with_mistakes(section: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_mcp(section)
