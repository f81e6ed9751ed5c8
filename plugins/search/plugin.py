"""Looks things up at the providers an operator chose."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from guards.conversation import Confidentiality
from plugins.access import Access
from plugins.errors import ToolError
from plugins.knowledge.options import MEMORY_BYTES
from plugins.manifest import ANY_PUBLIC_HOST, Limits, Manifest, SideEffect
from plugins.plugin import Plugin, Setup
from plugins.result import Citation, Result
from plugins.search.addresses import site_of
from plugins.search.asking import Providers, Seat
from plugins.search.options import (
    BraveEntry,
    Entry,
    ExaEntry,
    LocalEntry,
    SearchOptions,
    SearXNGEntry,
    TavilyEntry,
    host_of_service,
    secret_of,
)
from plugins.search.results import Freshness, Provider, Wanted
from plugins.tool import Tool
from plugins.typed import tool

if TYPE_CHECKING:
    from plugins.pages import PageReader
    from plugins.search.merging import Entry as Page

_QUERY_CHARS = 400
_LEAST_ASKED, _MOST_ASKED = 10, 20
_SPARE_SECONDS = 4.0

_MANIFEST = Manifest(
    name="search",
    version="0.1.0",
    side_effect=SideEffect.NONE,
    description="Looks things up at search services or in a folder of documents, with sources.",
    limits=Limits(seconds=15.0, memory_bytes=MEMORY_BYTES),
)


def _refined(options: SearchOptions) -> Manifest:
    remote = [entry for entry in options.providers if not isinstance(entry, LocalEntry)]
    hosts = tuple(dict.fromkeys(host_of_service(entry.url) for entry in remote))
    if remote and options.pages:
        hosts = (ANY_PUBLIC_HOST,)
    secrets = [secret_of(entry) for entry in remote]
    reading = options.page_seconds if remote and options.pages else 0.0
    return replace(
        _MANIFEST,
        hosts=hosts,
        secrets=tuple(dict.fromkeys(secret for secret in secrets if secret is not None)),
        reads=frozenset(entry.reads for entry in options.providers),
        limits=Limits(
            seconds=options.seconds + reading + _SPARE_SECONDS,
            memory_bytes=MEMORY_BYTES,
            output_chars=max(50_000, 4 * options.chars),
        ),
    )


@asynccontextmanager
async def _open(setup: Setup) -> AsyncIterator[Sequence[Tool]]:
    options: SearchOptions = setup.options
    async with AsyncExitStack() as stack:
        seats = [await _seat(entry, setup, stack) for entry in options.providers]
        reader = None
        if options.pages and not all(seat.local for seat in seats):
            from plugins.pages import open_reader

            reader = await stack.enter_async_context(open_reader(setup.cache))
        providers = Providers(
            seats=tuple(seats),
            seconds=options.seconds,
            cache=setup.cache,
            cache_seconds=options.cache_seconds,
        )
        yield (web_search(Searcher(providers=providers, reader=reader, options=options)),)


async def _seat(entry: Entry, setup: Setup, stack: AsyncExitStack) -> Seat:
    return Seat(
        name=entry.kind,
        provider=await _provider(entry, setup, stack),
        reads=entry.reads,
        local=isinstance(entry, LocalEntry),
        identity=entry.model_dump_json(),
    )


async def _provider(entry: Entry, setup: Setup, stack: AsyncExitStack) -> Provider:
    # Imported here: each is needed only where it is chosen.
    match entry:
        case LocalEntry():
            from plugins.index import open_index
            from plugins.index.meaning import available
            from plugins.search.providers.local import Local

            folder = entry.path or _own(setup.folder)
            name = hashlib.sha256(str(folder).encode(errors="surrogateescape")).hexdigest()[:24]
            index = await stack.enter_async_context(
                open_index(
                    folder,
                    setup.folder / f"{name}.sqlite3",
                    embedder=available() if entry.meaning == "auto" else None,
                )
            )
            return Local(index=index, base=f"{entry.base_url}/" if entry.base_url else "kb:")
        case SearXNGEntry():
            from plugins.search.providers.searxng import SearXNG

            return SearXNG(
                url=entry.url,
                categories=entry.categories,
                engines=entry.engines,
                language=entry.language,
            )
        case BraveEntry():
            from plugins.search.providers.brave import Brave

            return Brave(url=entry.url, key=setup.secrets["BRAVE_KEY"])
        case TavilyEntry():
            from plugins.search.providers.tavily import Tavily

            return Tavily(url=entry.url, key=setup.secrets["TAVILY_KEY"])
        case ExaEntry():
            from plugins.search.providers.exa import Exa

            return Exa(url=entry.url, key=setup.secrets["EXA_KEY"])


def _own(folder: Path) -> Path:
    documents = folder.absolute() / "documents"
    documents.mkdir(exist_ok=True)
    return documents


@dataclass(frozen=True, slots=True, kw_only=True)
class Searcher:
    """What one search goes through. ``reader`` is there where pages are to be read."""

    providers: Providers
    reader: "PageReader | None"
    options: SearchOptions

    async def search(self, wanted: Wanted, count: int, access: Access) -> Result:
        """Ask, merge, read, quote."""
        from plugins.index.passages import Source, numbered
        from plugins.index.terms import keywords
        from plugins.search.merging import merged
        from plugins.search.reading import PAGE_CHARS, read_in_full

        access.progress("Searching")
        lists = await self.providers.ask(wanted, access.http)
        # Comparing texts takes milliseconds, which the event loop has better uses for.
        pages = await asyncio.to_thread(merged, lists, wanted)
        terms = keywords(wanted.query)
        if self.reader is not None and pages:
            access.progress("Reading what was found")
            pages = await read_in_full(
                pages[: 2 * count],
                partial(self.reader.read, access.http, chars=PAGE_CHARS),
                wanted,
                terms,
                pages=self.options.pages,
                seconds=self.options.page_seconds,
            )
        chosen = pages[:count]
        if not chosen:
            return Result(content=_nothing(wanted), artifact=[], confidentiality=self._class())
        sources = [
            Source(title=page.title, url=page.url, origin=_origin(page), text=page.text)
            for page in chosen
        ]
        content, citations = await asyncio.to_thread(numbered, sources, terms, self.options.chars)
        return _result(content, chosen[: len(citations)], citations)

    def _class(self) -> Confidentiality:
        return _highest(seat.reads for seat in self.providers.seats)


def web_search(searcher: Searcher) -> Tool:
    """The tool over ``searcher``."""

    @tool(
        reads=_highest(seat.reads for seat in searcher.providers.seats),
        content=("query",),
        command="query",
        aliases=("search",),
    )
    async def web_search(
        access: Access,
        query: Annotated[
            str,
            Field(description="What to search for", min_length=1, max_length=_QUERY_CHARS),
        ],
        site: Annotated[
            str | None,
            Field(description="Only results from this site, such as example.org", max_length=300),
        ] = None,
        freshness: Annotated[
            Literal["day", "week", "month", "year"] | None,
            Field(description="Only results at most this old"),
        ] = None,
        count: Annotated[int, Field(description="Results at most", ge=1, le=10)] = 5,
    ) -> Result:
        """Search for facts, news and anything you are not sure of. Gives numbered passages with
        their sources: cite them as [1], [2].
        """
        words = " ".join(query.replace("\0", " ").split())
        if not words:
            raise ToolError("query: must hold at least one word")
        wanted = Wanted(
            query=words,
            site=_site(site),
            freshness=None if freshness is None else Freshness(freshness),
            count=min(max(2 * count, _LEAST_ASKED), _MOST_ASKED),
            now=access.now(),
        )
        return await searcher.search(wanted, count, access)

    return web_search


def _site(site: str | None) -> str | None:
    if site is None or not site.strip():
        return None
    try:
        return site_of(site)
    except ValueError as error:
        raise ToolError(f"site: {error}") from None


def _origin(page: "Page") -> str:
    dated = "" if page.date is None else f"{page.date:%Y-%m-%d}"
    return ", ".join(part for part in (page.site, dated) if part)


def _nothing(wanted: Wanted) -> str:
    tried = [
        name
        for name, value in (("site", wanted.site), ("freshness", wanted.freshness))
        if value is not None
    ]
    without = f" Try it without {' and '.join(tried)}." if tried else ""
    return f"Nothing was found.{without}"


def _result(content: str, pages: Sequence["Page"], citations: tuple[Citation, ...]) -> Result:
    return Result(
        content=content,
        artifact=[
            {
                "title": citation.title,
                "url": citation.url,
                "site": page.site,
                "date": None if page.date is None else f"{page.date:%Y-%m-%d}",
                "text": citation.text,
                "providers": list(page.providers),
            }
            for page, citation in zip(pages, citations, strict=True)
        ],
        citations=citations,
        confidentiality=_highest(page.reads for page in pages),
    )


def _highest(classes: Iterable[Confidentiality]) -> Confidentiality:
    secret = any(each is not Confidentiality.PUBLIC for each in classes)
    return Confidentiality.TENANT if secret else Confidentiality.PUBLIC


plugin = Plugin(manifest=_MANIFEST, open=_open, options=SearchOptions, refine=_refined)
