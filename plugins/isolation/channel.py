"""The plugin's end of the socket, and what a call is given over it."""

import asyncio
import itertools
import time
from datetime import datetime, timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import MappingProxyType
from typing import Any

import httpx

from plugins.access import Access, Person
from plugins.errors import AccessDeniedError, PluginError, ToolError
from plugins.isolation import messages, wire
from plugins.isolation.wire import WireError

_FOLLOW = "corral.follow_redirects"
_REACHED = "corral.reached"
_ERRORS: dict[str, type[PluginError]] = {
    "AccessDeniedError": AccessDeniedError,
    "ToolError": ToolError,
}


_Answer = messages.Fetched | messages.Stored | messages.Refused


class Channel:
    """Frames out, frames in. Answers go to who asked, all else to :attr:`inbox`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.inbox: asyncio.Queue[messages.FromCorral] = asyncio.Queue()
        self._reader = reader
        self._writer = writer
        self._asks = itertools.count(1)
        self._waiting: dict[
            int, asyncio.Future[messages.Fetched | messages.Stored | messages.Refused]
        ] = {}

    def say(self, message: messages.FromPlugin) -> None:
        """Send a message.

        Raises:
            WireError: it cannot be written as one.
        """
        self._writer.write(wire.frame(message))

    async def flush(self) -> None:
        """Wait until what was said is on its way."""
        await self._writer.drain()

    async def fetch(self, call: int, request: httpx.Request) -> httpx.Response:
        """Have Corral send ``request`` on behalf of a call."""
        body = await request.aread()
        ask = next(self._asks)
        answer = await self._answer(
            messages.Fetch(
                call=call,
                ask=ask,
                method=request.method.upper(),
                url=str(request.url),
                headers=tuple(request.headers.multi_items()),
                body=body,
                follow_redirects=bool(request.extensions.get(_FOLLOW)),
            ),
            request,
        )
        if not isinstance(answer, messages.Fetched):
            raise ToolError("the request was not answered as one")
        return httpx.Response(
            answer.status,
            headers=list(answer.headers),
            content=answer.body,
            request=request,
            extensions={_REACHED: answer.url},
        )

    async def keep(self, call: int, **what: Any) -> messages.Stored:
        """Have Corral use the store of a call."""
        answer = await self._answer(messages.Keep(call=call, ask=next(self._asks), **what), None)
        if not isinstance(answer, messages.Stored):
            raise ToolError("the store did not answer as one")
        return answer

    async def pump(self) -> None:
        """Read until Corral hangs up."""
        while True:
            try:
                size = wire.length(await self._reader.readexactly(wire.HEAD))
                message = wire.from_corral(await self._reader.readexactly(size))
            except (asyncio.IncompleteReadError, OSError, WireError):
                return
            if isinstance(message, _Answer):
                waiting = self._waiting.get(message.ask)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
            else:
                self.inbox.put_nowait(message)

    async def _answer(
        self, ask: messages.Fetch | messages.Keep, request: httpx.Request | None
    ) -> messages.Fetched | messages.Stored:
        waiting = self._waiting[ask.ask] = asyncio.get_running_loop().create_future()
        try:
            self.say(ask)
            answer: _Answer = await waiting
        except WireError:
            raise ToolError("the request is too large") from None
        finally:
            del self._waiting[ask.ask]
        if isinstance(answer, messages.Refused):
            raise _raised(answer, request)
        return answer


def _raised(refused: messages.Refused, request: httpx.Request | None) -> Exception:
    kind = getattr(httpx, refused.error, None)
    if isinstance(kind, type) and issubclass(kind, httpx.RequestError):
        return kind(refused.text, request=request)
    if refused.error == "LimitExceededError":
        from plugins.http.errors import LimitExceededError  # only then: it loads all of the network

        return LimitExceededError(refused.text)
    return _ERRORS.get(refused.error, ToolError)(refused.text)


class _Client(httpx.AsyncClient):
    """Leaves redirects to Corral, which holds each of them to the hosts of the manifest."""

    async def send(
        self, request: httpx.Request, *, follow_redirects: Any = None, **how: Any
    ) -> httpx.Response:
        follow = follow_redirects if isinstance(follow_redirects, bool) else self.follow_redirects
        request.extensions = {**request.extensions, _FOLLOW: follow}
        response = await super().send(request, follow_redirects=False, **how)
        if _REACHED in response.extensions:
            response.request = httpx.Request(request.method, response.extensions[_REACHED])
        return response


class _Forwarding(httpx.AsyncBaseTransport):
    def __init__(self, channel: Channel, call: int) -> None:
        self._channel = channel
        self._call = call

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._channel.fetch(self._call, request)


class _Store:
    def __init__(self, channel: Channel, call: int) -> None:
        self._channel = channel
        self._call = call

    async def get(self, key: str) -> bytes | None:
        return (await self._channel.keep(self._call, act="get", key=key)).value

    async def put(self, key: str, value: bytes, *, ttl: float) -> None:
        await self._channel.keep(self._call, act="put", key=key, value=value, ttl=ttl)

    async def swap(self, key: str, expected: bytes | None, value: bytes, *, ttl: float) -> bool:
        what = {"act": "swap", "key": key, "expected": expected, "value": value, "ttl": ttl}
        return (await self._channel.keep(self._call, **what)).swapped

    async def delete(self, key: str) -> None:
        await self._channel.keep(self._call, act="delete", key=key)


def setup_means(channel: Channel, given: messages.Open) -> tuple[httpx.AsyncClient, _Store]:
    """Client and cache of the plugin itself."""
    return _client(channel, messages.SETUP, given.follow_redirects), _Store(channel, messages.SETUP)


def access_of(channel: Channel, invoke: messages.Invoke) -> Access:
    """What one call may reach; all of it leads back over the channel."""
    started, ticks = datetime.fromisoformat(invoke.now), time.monotonic()

    def tell(text: str) -> None:
        channel.say(messages.Told(call=invoke.call, text=str(text)[:4000]))

    return Access(
        http=_client(channel, invoke.call, invoke.follow_redirects),
        secrets=MappingProxyType(invoke.secrets),
        person=Person(
            pseudonym=invoke.person.pseudonym,
            locale=invoke.person.locale,
            audience=invoke.person.audience,
            tenant=invoke.person.tenant,
        ),
        store=_Store(channel, invoke.call),
        now=lambda: started + timedelta(seconds=time.monotonic() - ticks),
        progress=tell,
        key=invoke.key,
    )


def _client(channel: Channel, call: int, follow_redirects: bool) -> httpx.AsyncClient:
    return _Client(
        transport=_Forwarding(channel, call),
        follow_redirects=follow_redirects,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        trust_env=False,
    )
