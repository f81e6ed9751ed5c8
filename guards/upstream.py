"""Talking to one OpenAI-compatible server: the only module that knows the HTTP client."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from guards.refusal import (
    BadResponseError,
    TimedOutError,
    UnreachableError,
    UpstreamError,
    refusal,
)
from guards.sse import EventParser, EventTooLongError

MAX_BODY_BYTES = 8 << 20
MAX_ERROR_BYTES = 64 << 10
CONNECT_TIMEOUT = 5.0

# Below the five seconds after which uvicorn, and so vLLM, closes an idle connection: a request
# must not be written into one that is just being closed.
KEEPALIVE_SECONDS = 4.0
_DRAIN_SECONDS = 0.1
_DONE = b"[DONE]"


class Upstream:
    """One base URL, for instance ``http://127.0.0.1:8000/v1``.

    A path without a leading slash is below the base URL, one with it below the server's root
    (the base URL without its final ``/v1``). Made by :meth:`Upstreams.at`.
    """

    def __init__(self, base_url: str, *, api_key: str, session: aiohttp.ClientSession) -> None:
        base = URL(base_url.rstrip("/"))
        if not base.host or base.scheme not in {"http", "https"}:
            raise ValueError("base_url must be an http or https address")
        self.url = str(base)
        self.name = base.authority
        self._base = base
        self._root = base.parent if base.name == "v1" else base
        self._session = session
        self._targets: dict[str, URL] = {}
        # Accept-Encoding: an upstream that compresses would delay tokens.
        headers = CIMultiDict({"Accept": "*/*", "Accept-Encoding": "identity"})
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        self._get_headers = headers.copy()
        headers["Content-Type"] = "application/json"
        self._post_headers = headers

    def __repr__(self) -> str:
        return f"Upstream({self.url!r})"

    def _target(self, path: str) -> URL:
        target = self._targets.get(path)
        if target is None:
            target = self._root / path[1:] if path[:1] == "/" else self._base / path
            self._targets[path] = target
        return target

    async def get_json(self, path: str, *, timeout: float) -> Any:
        """The parsed answer to a GET; ``None`` for an empty body.

        Raises:
            UpstreamError: of any kind.
        """
        return self._parsed(await self._exchange("GET", path, None, self._get_headers, timeout))

    async def ping(self, path: str, *, timeout: float) -> None:
        """Ask for ``path`` and don't look at the answer.

        Raises:
            UpstreamError: of any kind, if the status is not 200.
        """
        await self._exchange("GET", path, None, self._get_headers, timeout)

    async def post_json(self, path: str, body: object, *, timeout: float) -> Any:
        """The parsed answer to ``body`` as JSON. ``timeout`` counts seconds for the whole call.

        Raises:
            UpstreamError: of any kind.
            ValueError: ``body`` holds what JSON cannot, such as a lone surrogate.
        """
        return self._parsed(
            await self._exchange("POST", path, _encode(body), self._post_headers, timeout)
        )

    async def _exchange(
        self,
        method: str,
        path: str,
        data: bytes | None,
        headers: CIMultiDict[str],
        timeout: float,
    ) -> bytes:
        try:
            async with asyncio.timeout(timeout):
                response = await self._open(method, path, data, headers)
                try:
                    if response.status != 200:
                        raise await self._refusal(response)
                    body = await _read(response, MAX_BODY_BYTES)
                finally:
                    _let_go(response)
        except (aiohttp.ClientError, OSError) as error:
            raise self._translated(error, f"did not answer within {timeout:g} s") from _cause(error)
        if body is None:
            raise BadResponseError(f"{self.name} answered more than {MAX_BODY_BYTES} bytes")
        return body

    def _parsed(self, body: bytes) -> Any:
        try:
            return orjson.loads(body) if body else None
        except orjson.JSONDecodeError:
            # Its message and its attributes quote the body, so it is no cause to keep.
            raise BadResponseError(f"{self.name} answered something that is not JSON") from None

    async def stream(
        self,
        path: str,
        body: object,
        *,
        first_timeout: float,
        gap_timeout: float,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """The ``data`` payloads of the event stream that answers ``body``, without ``[DONE]``.

        Closing the generator closes the connection at once, so that the server stops working.
        Only time spent waiting for the server counts against the deadlines.

        Args:
            path: see the class.
            body: sent as JSON.
            first_timeout: seconds until the first payload.
            gap_timeout: seconds between two payloads.
            headers: sent besides the usual ones.

        Raises:
            UpstreamError: of any kind, also between payloads.
            ValueError: ``body`` holds what JSON cannot, such as a lone surrogate.
        """
        data = _encode(body)
        sent = self._post_headers
        if headers:
            sent = sent.copy()
            sent.update(headers)
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            async with asyncio.timeout(first_timeout):
                response = await self._open("POST", path, data, sent)
                if response.status != 200:
                    try:
                        raise await self._refusal(response)
                    finally:
                        _let_go(response)
        except (aiohttp.ClientError, OSError) as error:
            raise self._translated(error, f"sent no token within {first_timeout:g} s") from _cause(
                error
            )
        watch = _Watch(loop, response.content)
        try:
            if response.content_type != "text/event-stream":
                raise BadResponseError(f"{self.name} answered with something other than events")
            watch.expect(start + first_timeout)
            parser = EventParser()
            read = response.content.readany
            while chunk := await read():
                payloads = parser.feed(chunk)
                if not payloads:
                    continue
                watch.rest()
                for payload in payloads:
                    if payload == _DONE:
                        await _drain(response)
                        return
                    yield payload
                watch.expect(loop.time() + gap_timeout)
        except EventTooLongError as error:
            raise BadResponseError(f"{self.name} sent an event over the size cap") from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._translated(error, "did not send the next token in time") from _cause(error)
        finally:
            watch.end()
            _let_go(response)

    async def _open(
        self, method: str, path: str, data: bytes | None, headers: CIMultiDict[str]
    ) -> aiohttp.ClientResponse:
        target = self._target(path)
        try:
            return await self._session.request(
                method, target, data=data, headers=headers, allow_redirects=False
            )
        except aiohttp.ServerDisconnectedError:
            # A pooled connection the server had just given up; asking for a completion again
            # has no side effect. A server that really died refuses the second attempt.
            return await self._session.request(
                method, target, data=data, headers=headers, allow_redirects=False
            )

    def _translated(self, error: aiohttp.ClientError | OSError, late: str) -> UpstreamError:
        match error:
            case aiohttp.ConnectionTimeoutError():
                return UnreachableError(f"{self.name} took no connection in {CONNECT_TIMEOUT:g} s")
            case TimeoutError():
                return TimedOutError(f"{self.name} {late}")
            case aiohttp.ClientConnectorError():
                return UnreachableError(f"{self.name} cannot be connected to")
            case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError() | OSError():
                return UnreachableError(f"{self.name} closed the connection")
            case _:
                return BadResponseError(f"{self.name} does not speak HTTP")

    async def _refusal(self, response: aiohttp.ClientResponse) -> UpstreamError:
        body = await _read(response, MAX_ERROR_BYTES)
        try:
            payload = orjson.loads(body or b"null")
        except orjson.JSONDecodeError:
            payload = None
        return refusal(
            self.name, response.status, payload, retry_after=response.headers.get("Retry-After")
        )


class _Watch:
    """One timer for all of a stream's deadlines.

    Setting and cancelling a timer per token costs more than parsing the token, so the timer is
    left to fire and looks up what the deadline is by then.
    """

    __slots__ = ("_content", "_deadline", "_handle", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, content: aiohttp.StreamReader) -> None:
        self._loop = loop
        self._content = content
        self._deadline: float | None = None
        self._handle: asyncio.TimerHandle | None = None

    def expect(self, deadline: float) -> None:
        """From now on the server is waited for, until ``deadline`` on the loop's clock."""
        self._deadline = deadline
        if self._handle is None or self._handle.when() > deadline:
            self.end()
            self._deadline = deadline
            self._handle = self._loop.call_at(deadline, self._fire)

    def rest(self) -> None:
        """From now on it is not."""
        self._deadline = None

    def end(self) -> None:
        """Forget everything."""
        self._deadline = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        if self._deadline is None:
            return
        if self._loop.time() < self._deadline:
            self._handle = self._loop.call_at(self._deadline, self._fire)
        else:
            self._content.set_exception(TimeoutError())


def _encode(body: object) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        # No cause: it may quote what was to be sent.
        raise ValueError("the request holds text or values that JSON cannot") from None


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """The whole body, or ``None`` if it is longer than ``limit``."""
    content = response.content
    first = await content.readany()
    if content.at_eof():
        return first if len(first) <= limit else None
    pieces, size = [first], len(first)
    while size <= limit:
        piece = await content.readany()
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
    return None


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Wait a moment for the body's own end, which lets the connection be used again."""
    if not response.content.at_eof():
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while await response.content.readany():
                    pass
        except (TimeoutError, aiohttp.ClientError, OSError):
            return  # all payloads are in: what is lost is only the connection


def _let_go(response: aiohttp.ClientResponse) -> None:
    """Give the connection back if the answer was read to its end, else close it."""
    if response.content.at_eof():
        response.release()
    else:
        response.close()


def _cause(error: Exception) -> Exception | None:
    """The exception to chain, unless it may quote what was sent or answered (I9)."""
    quotes = aiohttp.ClientResponseError | aiohttp.ClientPayloadError
    return None if isinstance(error, quotes) else error


class Upstreams:
    """The connections shared by all upstreams of a process; made by :func:`open_upstreams`."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    def at(self, base_url: str, *, api_key: str = "") -> Upstream:
        """The server at ``base_url``; ``api_key`` goes out as a bearer key.

        Raises:
            ValueError: the address is not http or https.
        """
        return Upstream(base_url, api_key=api_key, session=self._session)


@asynccontextmanager
async def open_upstreams() -> AsyncIterator[Upstreams]:
    """Own the connections to all upstreams; leaving closes them.

    No cap on connections (turns are capped elsewhere), no cookies, no proxy from the environment,
    no decompression: the price of a call is what a guarded turn pays many times over.
    """
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_SECONDS)
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent",),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
        raise_for_status=False,
    ) as session:
        yield Upstreams(session)
