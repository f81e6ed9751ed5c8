"""Requests held to a reach and to limits."""

import asyncio
import ssl
import weakref
from collections.abc import AsyncIterable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import httpcore
import httpx

from plugins.errors import AccessDeniedError
from plugins.http.body import ACCEPTED_ENCODING, Body
from plugins.http.errors import LimitExceededError
from plugins.http.failures import translated
from plugins.http.limits import HttpLimits
from plugins.http.network import PinnedNetwork
from plugins.http.reach import Destination, Reach
from plugins.http.resolver import Resolver

_JOURNEY = "corral.journey"
_CARRIED = frozenset(
    {b"host", b"accept", b"accept-encoding", b"accept-language", b"connection", b"user-agent"}
)
"""Header lines that go along to another origin: none that could prove who we are."""
_BODILESS = frozenset({"GET", "HEAD"})
_METHODS = _BODILESS | {"POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_CODINGS = frozenset({"", "identity", "gzip", "x-gzip"})
_OF_THE_PACKED = frozenset({b"content-encoding", b"content-length"})


@dataclass(frozen=True, slots=True)
class _Journey:
    """How far a request and the redirects that come of it have got.

    It travels in the extensions, which httpx hands on from a request to its redirect.

    Attributes:
        request: the one that was sent last.
        last: where that one went.
        deadline: of all of them, by the event loop's clock.
        strayed: whether one went to another origin than the first.
    """

    request: "weakref.ref[httpx.Request]"
    last: Destination
    deadline: float
    strayed: bool = False


class ReachTransport(httpx.AsyncBaseTransport):
    """Sends what a :class:`Reach` admits, over a :class:`PinnedNetwork`, within limits.

    Built on httpcore's pool instead of ``httpx.AsyncHTTPTransport``, because only the pool lets
    the network beneath it be chosen.
    """

    def __init__(
        self,
        reach: Reach,
        *,
        limits: HttpLimits,
        resolver: Resolver,
        network: httpcore.AsyncNetworkBackend,
        tls: ssl.SSLContext,
    ) -> None:
        """See :func:`plugins.http.open_client`."""
        self._reach = reach
        self._limits = limits
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=limits.at_once,
            max_keepalive_connections=limits.at_once,
            keepalive_expiry=5.0,
            network_backend=PinnedNetwork(reach, resolver, network),
        )

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        with translated():
            await self._pool.__aexit__(exc_type, exc_value, traceback)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request, which may be a redirect's.

        Raises:
            AccessDeniedError: it leads to where the plugin may not go.
            LimitExceededError: the answer goes over a limit.
            httpx.TransportError: it failed on the way.
        """
        destination = self._reach.destination(request.url)
        journey = self._journey(request, destination)
        outgoing = self._outgoing(request, destination, journey)
        try:
            with translated():
                async with asyncio.timeout_at(journey.deadline):
                    response = await self._pool.handle_async_request(outgoing)
        except TimeoutError:
            raise LimitExceededError("the answer took too long as a whole") from None
        try:
            return self._answer(request, response, journey)
        except httpx.TransportError:
            with translated():
                await response.aclose()
            raise

    def _journey(self, request: httpx.Request, destination: Destination) -> _Journey:
        before = request.extensions.get(_JOURNEY)
        journey = _Journey(
            weakref.ref(request),
            destination,
            asyncio.get_running_loop().time() + self._limits.total_seconds,
        )
        if isinstance(before, _Journey):
            strayed = self._strays(request, before.last, destination) or before.strayed
            again = before.request() is request
            deadline = journey.deadline if again else before.deadline
            journey = replace(journey, strayed=strayed, deadline=deadline)
        request.extensions[_JOURNEY] = journey
        return journey

    def _strays(self, request: httpx.Request, last: Destination, to: Destination) -> bool:
        """Whether a redirect from ``last`` leads to another origin, as it may."""
        if last.scheme == "https" and to.scheme == "http":
            raise AccessDeniedError(f"{last.host} redirects from https to http")
        if (last.scheme, last.host, last.port) == (to.scheme, to.host, to.port):
            return False
        if to.private:
            raise AccessDeniedError(f"{last.host} redirects to a private network")
        if request.method not in _BODILESS or _carries(request):
            raise AccessDeniedError(f"{last.host} redirects a {request.method} to another host")
        return True

    def _outgoing(
        self, request: httpx.Request, destination: Destination, journey: _Journey
    ) -> httpcore.Request:
        if request.method not in _METHODS:
            raise AccessDeniedError(f"method {request.method} is not allowed")
        if request.headers.get("host", "").encode() != request.url.netloc:
            raise AccessDeniedError(f"{destination.host} is asked under another name")
        headers = [
            (name, value)
            for name, value in request.headers.raw
            if name.lower() != b"accept-encoding"
            and (not journey.strayed or name.lower() in _CARRIED)
        ]
        return httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=[*headers, (b"Accept-Encoding", ACCEPTED_ENCODING.encode())],
            content=request.stream,
            extensions={"timeout": self._timeouts(request, journey)},
        )

    def _timeouts(self, request: httpx.Request, journey: _Journey) -> dict[str, float]:
        """What the plugin asked for, where it is less than what it may have."""
        asked: dict[str, Any] = request.extensions.get("timeout", {})
        left = max(journey.deadline - asyncio.get_running_loop().time(), 0.001)
        most = {
            "connect": self._limits.connect_seconds,
            "read": self._limits.read_seconds,
            "write": self._limits.read_seconds,
            "pool": left,
        }
        return {
            name: seconds if asked.get(name) is None else min(asked[name], seconds)
            for name, seconds in most.items()
        }

    def _answer(
        self, request: httpx.Request, response: httpcore.Response, journey: _Journey
    ) -> httpx.Response:
        limits = self._limits
        lines = response.headers
        if len(lines) > limits.header_count:
            raise LimitExceededError(f"the answer has more than {limits.header_count} header lines")
        if sum(len(name) + len(value) for name, value in lines) > limits.header_bytes:
            raise LimitExceededError(f"the answer has more than {limits.header_bytes} header bytes")
        if response.status == 101:
            raise httpx.RemoteProtocolError("the server wants to speak another protocol")
        headers = httpx.Headers(lines)
        coding = headers.get("content-encoding", "").strip().lower()
        if coding not in _CODINGS:
            raise httpx.DecodingError("the answer is packed in a way that was not asked for")
        length = headers.get("content-length", "")
        if request.method != "HEAD" and length.isdecimal() and int(length) > limits.response_bytes:
            raise LimitExceededError(f"the answer has more than {limits.response_bytes} bytes")
        packed = "gzip" in coding
        if not isinstance(response.stream, AsyncIterable):
            raise TypeError("the pool answered with a stream that is not async")
        return _Answer(
            status_code=response.status,
            headers=[line for line in lines if not packed or line[0].lower() not in _OF_THE_PACKED],
            stream=Body(
                response.stream,
                packed=packed,
                most_bytes=limits.response_bytes,
                deadline=journey.deadline,
            ),
            extensions={
                name: response.extensions[name]
                for name in ("http_version", "reason_phrase")
                if name in response.extensions
            },
        )


class _Answer(httpx.Response):
    """An answer whose failure names the host only: what follows it may be a person's words."""

    def raise_for_status(self) -> httpx.Response:
        try:
            return super().raise_for_status()
        except httpx.HTTPStatusError as error:
            raise httpx.HTTPStatusError(
                f"{self.url.host} answered {self.status_code} {self.reason_phrase}",
                request=error.request,
                response=self,
            ) from None


def _carries(request: httpx.Request) -> bool:
    return (
        request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    )
