"""A scripted server and connections to it."""

from collections.abc import AsyncGenerator

import pytest

from assistant.testing.scripted_upstream import ScriptedUpstream, scripted_upstream
from guards.upstream import Upstream, open_upstreams


@pytest.fixture
async def server() -> AsyncGenerator[ScriptedUpstream, None]:
    async with scripted_upstream() as server:
        yield server


@pytest.fixture
async def upstream(server: ScriptedUpstream) -> AsyncGenerator[Upstream, None]:
    async with open_upstreams() as upstreams:
        yield upstreams.at(server.url)
