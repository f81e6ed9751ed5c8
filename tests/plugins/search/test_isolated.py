"""Searching from a process of its own, which reaches the network through Corral only."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from plugins.access import Access
from plugins.isolation.isolated import Terms, isolated
from plugins.manifest import Manifest
from plugins.source import Source
from plugins.testing import FakeStore, access
from tests.plugins.http.world import client
from tests.plugins.search.services import Services, page


async def test_all_of_it_works_in_a_process_of_its_own(server: Services, tmp_path: Path) -> None:
    home = tmp_path / "search"
    (home / "documents").mkdir(parents=True)
    (home / "documents" / "leave.md").write_text("Parental leave lasts twelve months.")
    server.answers["/search"] = {
        "results": [{"url": "http://example.com/a", "title": "A", "content": "Leave."}]
    }
    server.answers["/a"] = page("<p>Parental leave is a right of every parent in the land.</p>")
    cache = FakeStore()
    options: Mapping[str, Any] = {
        "providers": [
            {"kind": "searxng", "url": server.url},
            {"kind": "local", "meaning": "off"},
        ],
        "pages": 1,
        "seconds": 10,
        "page_seconds": 15,
    }
    clients: list[httpx.AsyncClient] = []

    @asynccontextmanager
    async def http(manifest: Manifest) -> AsyncIterator[httpx.AsyncClient]:
        async with client(server, hosts=manifest.hosts) as opened:
            clients.append(opened)
            yield opened

    terms = Terms(
        options=options,
        secrets=lambda _: {},
        http=http,
        cache=cache,
        folder=home,
        unconfined=True,
    )
    source = Source(name="search", entry="plugins.search:plugin")
    async with isolated(source, terms) as installed:
        (tool,) = installed.tools
        means = access()
        given = Access(
            http=clients[0],
            secrets={},
            person=means.person,
            store=means.store,
            now=means.now,
            progress=means.progress,
            key=means.key,
        )
        result = await tool.run({"query": "parental leave"}, given)
    texts = {citation.url: citation.text for citation in result.citations}
    assert texts == {
        "http://example.com/a": "Parental leave is a right of every parent in the land.",
        "kb:leave.md": "Parental leave lasts twelve months.",
    }
    assert any(key.startswith("results ") for key in cache.values)
