"""A network that is a function."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import httpx

from plugins.errors import AccessDeniedError
from plugins.http.reach import Reach
from plugins.manifest import ANY_PUBLIC_HOST

Answer = Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]
"""What the world answers to a request; may raise an ``httpx`` error."""


class FakeHTTP(httpx.AsyncBaseTransport):
    """Answers by a function, holds requests to the hosts of a manifest, and remembers them.

    Attributes:
        requests: every request that was let through, oldest first.
        denied: URLs of requests to other hosts.
    """

    def __init__(
        self, answer: Answer | None = None, *, hosts: Iterable[str] = (ANY_PUBLIC_HOST,)
    ) -> None:
        self.answer = answer or _unscripted
        self._reach = Reach.of(hosts)
        self.requests: list[httpx.Request] = []
        self.denied: list[httpx.URL] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See ``httpx``."""
        await request.aread()
        try:
            self._reach.destination(request.url)
        except AccessDeniedError:
            self.denied.append(request.url)
            raise
        self.requests.append(request)
        answered = self.answer(request)
        return await answered if inspect.isawaitable(answered) else answered

    def client(self) -> httpx.AsyncClient:
        """A client over it, as ``Access.http``."""
        return httpx.AsyncClient(
            transport=self, follow_redirects=True, headers={"User-Agent": "Corral"}
        )


def answering(answers: Mapping[str, Any], *, status: int = 404) -> Answer:
    """Answers by the beginning of the URL; the longest that fits wins.

    A value that is text is sent as text, an ``httpx.Response`` as it is, everything else as JSON.
    What fits none gets ``status``.
    """

    def answer(request: httpx.Request) -> httpx.Response:
        fitting = [prefix for prefix in answers if str(request.url).startswith(prefix)]
        if not fitting:
            return httpx.Response(status)
        match answers[max(fitting, key=len)]:
            case httpx.Response() as response:
                return httpx.Response(
                    response.status_code, headers=response.headers, content=response.content
                )
            case str() as text:
                return httpx.Response(200, text=text)
            case value:
                return httpx.Response(200, json=value)

    return answer


def _unscripted(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError(f"no answer was given for {request.url.host}", request=request)
