"""Corral's tools for other agents, as an MCP server. Needs the extra ``mcp``.

Every call goes to the ``call`` that the server was built with, which is the broker's: another
agent's call is validated, judged, decided and limited as one of Corral's own model is. Import this
module where it is needed only: the protocol's library takes a second.
"""

import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from mcp.server import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
)
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from plugins.adapters.mcp.quiet import keep_quiet
from plugins.tool import ToolSpec

logger = logging.getLogger("corral.plugins")

Call = Callable[[str, Mapping[str, Any]], Awaitable[tuple[str, bool]]]
"""Runs a tool by name; the text for the agent, and whether it tells of a failure."""

LOCAL_HOSTS = ("127.0.0.1", "127.0.0.1:*", "localhost", "localhost:*")
_BODY_BYTES = 1024 * 1024
_FAILED = "the call failed; how far it came is not known"


def mcp_server(specs: Sequence[ToolSpec], call: Call, *, name: str = "corral") -> Server[Any]:
    """A server of ``specs`` whose calls run through ``call``.

    What ``call`` raises is logged by its class and told as a failure without its words.
    """
    keep_quiet()
    known = {spec.name for spec in specs}
    listing = ListToolsResult(
        tools=[
            Tool(name=spec.name, description=spec.description, input_schema=spec.parameters)
            for spec in specs
        ]
    )

    async def list_tools(_: Any, __: PaginatedRequestParams | None) -> ListToolsResult:
        return listing

    async def call_tool(_: Any, params: CallToolRequestParams) -> CallToolResult:
        if params.name not in known:
            return _result(f"there is no such tool; there are: {', '.join(sorted(known))}", True)
        try:
            return _result(*await call(params.name, params.arguments or {}))
        except Exception as error:  # noqa: BLE001 - the edge to another agent
            logger.error("a call of %s failed: %s", params.name, type(error).__name__)
            return _result(_FAILED, True)

    return Server(name, version=version("corral"), on_list_tools=list_tools, on_call_tool=call_tool)


def _result(text: str, is_error: bool) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=is_error)


async def serve_stdio(server: Server[Any]) -> None:
    """Serve one agent over this process's stdin and stdout, until it closes them."""
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


def mcp_app(
    server: Server[Any],
    *,
    path: str = "/mcp",
    hosts: Sequence[str] = LOCAL_HOSTS,
    origins: Sequence[str] = (),
    token: str | None = None,
) -> ASGIApp:
    """The server over streamable HTTP, each request for itself.

    Serve it on 127.0.0.1 unless it has a ``token`` and TLS in front. Its lifespan must run: where
    it is mounted, the outer application passes its own on.

    Args:
        server: as :func:`mcp_server` gives.
        path: where it answers.
        hosts: accepted ``Host`` headers; ``:*`` is any port. A page in a browser that was led here
            by a false DNS answer carries another.
        origins: accepted ``Origin`` headers; a browser's requests carry one, agents' do not.
        token: what callers must send as ``Authorization: Bearer``; ``None`` asks for nothing.

    Raises:
        ValueError: the token is empty.
    """
    if token == "":
        raise ValueError("token must not be empty")
    app = server.streamable_http_app(
        streamable_http_path=path,
        json_response=True,
        stateless_http=True,
        max_request_body_size=_BODY_BYTES,
        transport_security=TransportSecuritySettings(
            enable_dns_rebinding_protection=True,
            allowed_hosts=list(hosts),
            allowed_origins=list(origins),
        ),
    )
    return app if token is None else _Guarded(app, token)


class _Guarded:
    def __init__(self, app: Starlette, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = [value for name, value in scope["headers"] if name == b"authorization"]
            if len(given) != 1 or not hmac.compare_digest(given[0], self._expected):
                answer = PlainTextResponse(
                    "a valid token is needed", 401, {"WWW-Authenticate": "Bearer"}
                )
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)
