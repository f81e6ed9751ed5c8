"""The server that the client is tried against."""

from collections.abc import AsyncIterator

import pytest

from tests.plugins.http.world import Server, serving


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server
