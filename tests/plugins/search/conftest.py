"""The server that search services are played by."""

from collections.abc import AsyncIterator

import pytest

from tests.plugins.search.services import Services, services


@pytest.fixture
async def server() -> AsyncIterator[Services]:
    async with services() as server:
        yield server
