"""What a site's robots.txt lets programs read (RFC 9309)."""

from collections.abc import Mapping
from typing import Any

import httpx

from plugins.access import Store
from plugins.pages.parser import PageParser

AGENT = "Corral"
"""The product token that sites can name."""

_READ_BYTES = 512 * 1024
_KEPT_SECONDS = 24 * 60 * 60.0
_KEPT_CLOSED_SECONDS = 5 * 60.0
_OPEN, _CLOSED, _RULES = b"+", b"-", b"="


class Robots:
    """Asks sites once a day, and remembers what they said for all users."""

    def __init__(self, cache: Store, parser: PageParser) -> None:
        self._cache = cache
        self._parser = parser

    async def permits(self, http: httpx.AsyncClient, request: httpx.Request) -> bool:
        """Whether the site that ``request`` is for lets the page be read.

        Asking is a step on the way of the request: where a redirect may not lead, robots.txt is
        not asked for either.

        A site without robots.txt permits everything. One that fails to say (5xx, 429) permits
        nothing until it does.

        Raises:
            AccessDeniedError, httpx.HTTPError: the site cannot be asked.
            ToolError: its robots.txt cannot be read.
        """
        url = request.url
        site = url.copy_with(raw_path=b"/robots.txt", fragment=None)
        key = f"robots {site.scheme}://{site.netloc.decode('ascii')}"
        said = await self._cache.get(key)
        if said is None:
            said = await _asked(http, site, request.extensions)
            kept = _KEPT_CLOSED_SECONDS if said == _CLOSED else _KEPT_SECONDS
            await self._cache.put(key, said, ttl=kept)
        if said[:1] != _RULES:
            return said == _OPEN
        question = {"kind": "robots", "url": str(url), "agent": AGENT}
        answer = await self._parser.ask(question, said[1:])
        return answer.get("allowed") is True


async def _asked(http: httpx.AsyncClient, site: httpx.URL, way: Mapping[str, Any]) -> bytes:
    try:
        async with http.stream("GET", site, extensions=dict(way)) as response:
            if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
                return _CLOSED
            if not response.is_success:
                return _OPEN
            text = bytearray()
            async for piece in response.aiter_bytes():
                text += piece
                if len(text) >= _READ_BYTES:
                    break
            return _RULES + bytes(text[:_READ_BYTES])
    except httpx.TooManyRedirects:
        return _OPEN
