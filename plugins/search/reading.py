"""Reads the best results in full."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from plugins.errors import ToolError
from plugins.index.terms import stem, tokens
from plugins.pages import Page
from plugins.search.addresses import canonical
from plugins.search.merging import Entry, fits
from plugins.search.results import Wanted, as_date

PAGE_CHARS = 30_000

ReadPage = Callable[[str], Awaitable[Page]]


async def read_in_full(
    entries: Sequence[Entry],
    read: ReadPage,
    wanted: Wanted,
    terms: Sequence[str],
    *,
    pages: int,
    seconds: float,
) -> list[Entry]:
    """``entries`` with the text of the first ``pages`` web pages among them.

    What cannot be read within ``seconds`` keeps the text its provider gave, and so does a page
    that says less of what was asked for. Pages that turn out to be the same, or too old, go.
    """
    chosen = [place for place, entry in enumerate(entries) if entry.public][:pages]

    async def in_full(entry: Entry) -> Entry:
        try:
            async with asyncio.timeout(seconds):
                page = await read(entry.url)
        except (TimeoutError, ToolError):
            return entry
        return await asyncio.to_thread(_with_page, entry, page, terms)

    async with asyncio.TaskGroup() as group:
        tasks = {place: group.create_task(in_full(entries[place])) for place in chosen}
    full: list[Entry] = []
    seen: set[str] = set()
    for place, entry in enumerate(entries):
        read_entry = tasks[place].result() if place in tasks else entry
        if read_entry.key in seen or not fits(read_entry.url, read_entry.date, wanted):
            continue
        seen.add(read_entry.key)
        full.append(read_entry)
    return full


def _with_page(entry: Entry, page: Page, terms: Sequence[str]) -> Entry:
    says_more = _held(page.text, terms) >= _held(entry.text, terms)
    return replace(
        entry,
        url=page.url,
        key=canonical(page.url) or entry.key,
        text=page.text if says_more else entry.text,
        date=entry.date or as_date(page.published),
    )


def _held(text: str, terms: Sequence[str]) -> int:
    held = {stem(token) for token in tokens(text)}
    return sum(stem(term) in held for term in terms)
