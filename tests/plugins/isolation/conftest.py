"""The wild plugin, opened in a process of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from plugins.isolation import confinement as module
from plugins.isolation.isolated import Terms, isolated
from plugins.manifest import Manifest
from plugins.plugin import Installed
from plugins.source import Source
from plugins.testing import Answer, FakeHTTP, FakeStore

WILD = Path(__file__).parent / "wild"
SECRETS = {"KEY": "sesame", "OTHER": "not asked for"}

Opening = Callable[..., AbstractAsyncContextManager[Installed]]


def answer(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/moved":
        return httpx.Response(302, headers={"Location": "https://example.com/there"})
    if request.url.path == "/astray":
        return httpx.Response(302, headers={"Location": "https://evil.example/"})
    return httpx.Response(200, text=f"page {request.url.path} {request.headers.get('x-mine')}")


@pytest.fixture
def opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opening:
    """Opens the wild plugin, without bubblewrap unless told otherwise."""
    monkeypatch.setenv("PLANTED_SECRET", "in the environment")

    @asynccontextmanager
    async def opened(
        entry: str = "wild:plugin",
        *,
        confined: bool = False,
        respond: Answer = answer,
        cache: FakeStore | None = None,
        digest: str | None = None,
        **options: Any,
    ) -> AsyncIterator[Installed]:
        if not confined:
            monkeypatch.setattr(module.shutil, "which", lambda _: None)

        def http(manifest: Manifest) -> httpx.AsyncClient:
            return FakeHTTP(respond, hosts=manifest.hosts).client()

        terms = Terms(
            options=options,
            secrets=lambda _: SECRETS,
            http=http,
            cache=cache or FakeStore(),
            folder=tmp_path / "folder",
            unconfined=True,
        )
        source = Source(name="wild", entry=entry, paths=(WILD,))
        async with isolated(source, terms, digest=digest) as installed:
            yield installed

    return opened


bwrap = pytest.mark.skipif(
    not isinstance(asyncio.run(module.confinement("probe", unconfined=True)), module.Bubblewrap),
    reason="bubblewrap is not installed or may not work here (apt install bubblewrap); "
    "limits alone are tested",
)
