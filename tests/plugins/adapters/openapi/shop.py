"""A service on a loopback port that tells what it was asked, and tools that call it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import Response

from plugins.access import Access
from plugins.adapters.judge import Judge
from plugins.adapters.openapi import openapi_plugin, parse_openapi
from plugins.http.client import open_client
from plugins.testing import access
from plugins.tool import Tool
from tests.assistant.api.serving import serving
from tests.plugins.adapters.mcp.stage import nothing_wrong, opened

BOOKSHOP = Path(__file__).with_name("bookshop.yaml")

NOBODY = "127.0.0.1:1"
"""Where nothing listens."""


class Service:
    """Answers with the request as JSON, or with what ``answer`` holds."""

    def __init__(self) -> None:
        self.answer: Response | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        body = (await request.body()).decode()
        target = scope["raw_path"].decode() + (
            f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
        )
        told = {
            "method": request.method,
            "target": target,
            "headers": {k: v for k, v in request.headers.items() if k not in ("host", "accept")},
            "body": body,
        }
        answer = self.answer or Response(json.dumps(told), media_type="application/json")
        await answer(scope, receive, send)


@asynccontextmanager
async def shop(
    *operations: str,
    terms: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    judge: Judge = nothing_wrong,
    **section: Any,
) -> AsyncIterator[tuple[Service, dict[str, Tool], Access]]:
    """The service, the tools of the bookshop's document, and means to call them."""
    service = Service()
    async with serving(service) as url:
        host = httpx.URL(url).netloc.decode()
        plugin = await openapi_plugin(
            "shop",
            parse_openapi(
                {
                    "document": str(BOOKSHOP),
                    "base_url": f"{url}/v2",
                    "private_hosts": [host, NOBODY],
                    "secrets": {name: name for name in secrets or ()},
                    "operations": {name: (terms or {}).get(name) for name in operations},
                    **section,
                }
            ),
            judge=judge,
        )
        async with (
            opened(plugin, secrets=secrets) as tools,
            open_client(hosts=(), private_hosts=(host, NOBODY)) as client,
        ):
            yield service, tools, replace(access(), http=client)
