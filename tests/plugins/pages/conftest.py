"""Worker processes are started once for the tests of a file: starting one takes half a second."""

from collections.abc import AsyncIterator

import pytest_asyncio

from plugins.pages import PageLimits
from plugins.pages.parser import PageParser


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def parser() -> AsyncIterator[PageParser]:
    async with PageParser(PageLimits(parse_seconds=60)) as parser:
        yield parser
