"""Reads one web page for the model."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

from pydantic import Field

from plugins.access import Access
from plugins.manifest import ANY_PUBLIC_HOST, Limits, Manifest, SideEffect
from plugins.pages import Page, PageReader, open_reader
from plugins.plugin import Plugin, Setup
from plugins.result import Citation, Result
from plugins.tool import Tool
from plugins.typed import tool

_CHARS, _MOST_CHARS = 8_000, 40_000


@asynccontextmanager
async def _open(setup: Setup) -> AsyncIterator[Sequence[Tool]]:
    async with open_reader(setup.cache) as reader:
        yield (_fetch_page(reader),)


def _fetch_page(reader: PageReader) -> Tool:
    @tool(command="url", aliases=("fetch",))
    async def fetch_page(
        access: Access,
        url: Annotated[
            str, Field(description="Address of the page, such as https://…", max_length=2_048)
        ],
        chars: Annotated[
            int, Field(description="Characters of text at most", ge=200, le=_MOST_CHARS)
        ] = _CHARS,
        links: Annotated[bool, Field(description="Whether to keep where links lead")] = False,
    ) -> Result:
        """Read a public web page and get its text. Use it when an address is known."""
        address = url.strip()
        if "://" not in address:
            address = f"https://{address}"
        access.progress("Reading the page")
        return _result(await reader.read(access.http, address, chars=chars, links=links))

    return fetch_page


def _result(page: Page) -> Result:
    dated = f"\nPublished: {page.published}" if page.published else ""
    note = f"\n\n(Cut after {len(page.text)} characters; the page has more.)" if page.cut else ""
    return Result(
        content=f"[1] {page.title}\n{page.url}{dated}\n\n{page.text}{note}",
        artifact={
            "title": page.title,
            "url": page.url,
            "published": page.published,
            "cut": page.cut,
        },
        citations=(Citation(title=page.title, url=page.url, text=page.text),),
    )


plugin = Plugin(
    manifest=Manifest(
        name="fetch",
        version="0.1.0",
        side_effect=SideEffect.NONE,
        description="Reads public web pages as text, as their robots.txt allows.",
        hosts=(ANY_PUBLIC_HOST,),
        limits=Limits(seconds=20.0, output_chars=100_000),
    ),
    open=_open,
)
