"""An MCP server over HTTP, reached by the one client that plugins have.

The protocol's library brings its own HTTP client (httpx2) with its own ways out. Its transport is
replaced by one that hands every request to :mod:`plugins.http`, so that addresses are resolved and
pinned, private ranges refused and answers bounded by the same code as everywhere else.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
from mcp.client.streamable_http import streamable_http_client

from plugins.adapters.mcp.stdio import MESSAGE_BYTES
from plugins.errors import AccessDeniedError
from plugins.http.client import open_client
from plugins.http.errors import LimitExceededError
from plugins.http.limits import HttpLimits
from plugins.manifest import Limits

_RESUMES = "last-event-id"


@asynccontextmanager
async def reached(
    url: str,
    *,
    headers: Mapping[str, str],
    hosts: tuple[str, ...],
    private_hosts: tuple[str, ...],
    limits: Limits,
) -> AsyncIterator[tuple[Any, "Bridge"]]:
    """The streams that the protocol's client talks through, and what they go over.

    Args:
        url: the server's endpoint.
        headers: sent with every request.
        hosts, private_hosts: as for :func:`plugins.http.client.open_client`.
        limits: bounds on each request.
    """
    bounds = HttpLimits(
        read_seconds=limits.seconds,
        total_seconds=limits.seconds,
        response_bytes=MESSAGE_BYTES,
        at_once=limits.at_once,
    )
    async with (
        open_client(hosts=hosts, private_hosts=private_hosts, limits=bounds) as client,
        httpx2.AsyncClient(
            transport=(bridge := Bridge(client)), headers=dict(headers), trust_env=False
        ) as foreign,
        streamable_http_client(
            url, http_client=foreign, max_sse_event_size=MESSAGE_BYTES
        ) as streams,
    ):
        yield streams, bridge


class Bridge(httpx2.AsyncBaseTransport):
    """Sends httpx2's requests with an httpx client.

    ``trouble`` is why the last request failed, for the operator, in words of our own.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.trouble: str | None = None
        self._client = client

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See httpx2."""
        if request.method == "GET" and _RESUMES not in request.headers:
            # The standing stream would outlive every bound; a server may refuse it just so.
            return httpx2.Response(405, request=request)
        try:
            answer = await self._client.send(
                self._client.build_request(
                    request.method,
                    str(request.url),
                    headers=[
                        (name, value)
                        for name, value in request.headers.raw
                        if name.lower() not in _OURS
                    ],
                    content=await request.aread(),
                ),
                stream=True,
                # The protocol's client follows redirects within the origin, through here again.
                follow_redirects=False,
            )
        except (httpx.HTTPError, AccessDeniedError) as error:
            known = isinstance(error, AccessDeniedError | LimitExceededError)
            self.trouble = str(error) if known else type(error).__name__
            raise httpx2.ConnectError(type(error).__name__) from error
        self.trouble = f"it answered {answer.status_code}" if answer.is_error else None
        return httpx2.Response(
            answer.status_code,
            headers=answer.headers.raw,
            stream=_Body(answer),
            request=request,
        )


_OURS = frozenset({b"host", b"content-length", b"user-agent", b"accept-encoding", b"connection"})


class _Body(httpx2.AsyncByteStream):
    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            # Unpacked already beneath the client, where it is bounded.
            async for piece in self._answer.aiter_raw():
                yield piece
        except httpx.HTTPError as error:
            raise httpx2.ReadError(type(error).__name__) from error

    async def aclose(self) -> None:
        await self._answer.aclose()
