"""Reads a page: asks whether it may, gets it, and makes text of it."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from email.message import Message
from http import HTTPStatus

import httpx

from plugins.access import Store
from plugins.errors import AccessDeniedError, ToolError
from plugins.pages.page import Page, PageLimits
from plugins.pages.parser import PageParser
from plugins.pages.robots import Robots

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_TEXT = frozenset({"application/json", "application/xml", "application/ld+json"})
_TEXT_ENDINGS = ("+json", "+xml")
_NO_ADDRESS = "url is not a web address; give one such as https://…"
_ACCEPT = "text/html, application/xhtml+xml, text/plain;q=0.9, application/json;q=0.8, */*;q=0.1"


class PageReader:
    """Reads pages. Made by :func:`open_reader`."""

    def __init__(self, robots: Robots, parser: PageParser, limits: PageLimits) -> None:
        self._robots = robots
        self._parser = parser
        self._limits = limits

    async def read(
        self, http: httpx.AsyncClient, url: str, *, chars: int = 8_000, links: bool = False
    ) -> Page:
        """The page at ``url``, as text.

        robots.txt is honoured, also of every site that a redirect leads to.

        Args:
            http: the call's client, which decides what may be reached.
            url: with ``http`` or ``https``.
            chars: of text at most.
            links: whether the text keeps where links lead, as ``[words](address)``.

        Raises:
            ToolError: the page may not or cannot be read; in words for a model.
        """
        try:
            asked = httpx.URL(url)
        except httpx.InvalidURL:
            raise ToolError(_NO_ADDRESS) from None
        if asked.scheme not in ("http", "https"):
            raise ToolError(_NO_ADDRESS)
        try:
            response = await self._get(http, asked)
            async with aclosing(response):
                kind, charset = _kind(response)
                body = await self._body(response)
        except AccessDeniedError as error:
            raise ToolError(f"url may not be read: {error}; give a public web address") from None
        except httpx.InvalidURL:
            raise ToolError(f"{asked.host} redirects to what is not a web address") from None
        except httpx.HTTPError as error:
            raise ToolError(f"{asked.host} {_failure(error)}; try another source") from None
        found = response.url.copy_with(fragment=None)
        question = {
            "kind": kind,
            "url": str(found),
            "charset": charset,
            "chars": chars,
            "links": links,
        }
        answer = await self._parser.ask(question, body)
        if not answer["text"]:
            raise ToolError(f"the page of {found.host} has no text; try another source")
        return Page(
            title=answer["title"] or found.host,
            url=str(found),
            text=answer["text"],
            published=answer["published"],
            cut=answer["cut"],
        )

    async def _get(self, http: httpx.AsyncClient, url: httpx.URL) -> httpx.Response:
        """The open answer at the end of all redirects."""
        request = http.build_request("GET", url, headers={"Accept": _ACCEPT})
        for _ in range(http.max_redirects + 1):
            if not await self._robots.permits(http, request):
                raise ToolError(
                    f"{request.url.host} does not let programs read this page; try another source"
                )
            response = await http.send(request, stream=True, follow_redirects=False)
            if response.next_request is None:
                return response
            await response.aclose()
            request = response.next_request
        raise httpx.TooManyRedirects("too many redirects")

    async def _body(self, response: httpx.Response) -> bytes:
        most = self._limits.page_bytes
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > most:
                raise ToolError(f"the page of {response.url.host} has more than {most} bytes")
        return bytes(body)


@asynccontextmanager
async def open_reader(cache: Store, limits: PageLimits | None = None) -> AsyncIterator[PageReader]:
    """A reader that remembers robots.txt in ``cache``, and its worker processes."""
    limits = limits or PageLimits()
    async with PageParser(limits) as parser:
        yield PageReader(Robots(cache, parser), parser, limits)


def _kind(response: httpx.Response) -> tuple[str, str | None]:
    """What the worker is to take the answer for, and the charset that it declares.

    Raises:
        ToolError: it is no page, or none that is text.
    """
    host = response.url.host
    if not response.is_success:
        raise ToolError(f"{host} answered {_status(response.status_code)}; try another source")
    header = Message()
    header["content-type"] = response.headers.get("content-type", "")
    charset = header.get_content_charset()
    media = str(header["content-type"]).partition(";")[0].strip().lower()
    if media in _HTML:
        return "html", charset
    if media.startswith("text/") or media in _TEXT or media.endswith(_TEXT_ENDINGS):
        return "text", charset
    if media == "application/pdf":
        raise ToolError(f"{host} answered with a PDF, which cannot be read; give a web page")
    raise ToolError(f"{host} answered with something other than text; give a web page")


def _status(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def _failure(error: httpx.HTTPError) -> str:
    from plugins.http import LimitExceededError

    match error:
        case LimitExceededError():
            return f"could not be read: {error}"
        case httpx.TimeoutException():
            return "does not answer in time"
        case httpx.TooManyRedirects():
            return "redirects too often"
        case httpx.DecodingError() | httpx.RemoteProtocolError():
            return "gives an answer that cannot be read"
        case _:
            return "cannot be reached"
